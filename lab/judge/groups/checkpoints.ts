// Where frames meet the security groups of vNICs: that of the vNIC which sends, as they enter, and those of each that is to hear them.

import type { Nanoseconds } from '../../../runtime/clock.ts'
import type { Topology } from '../../../topologies/topology.ts'
import { changed, type Ruling } from '../law.ts'
import type { Record } from '../open-records.ts'
import { Guard, type Opinion, type Passage } from './guard.ts'
import { owedQuote, quoteIn } from './quotes.ts'
import { answerTo, Rejections } from './rejections.ts'
import { overhear } from './talk.ts'

/** As drops by a group are named. */
const SECURITY_GROUP = 'security_group'

/** A frame's bytes from `start` to `end`. */
export interface FrameBytes {
  bytes: Uint8Array
  start: number
  end: number
  etherType: number
}

/** Where and why a copy of a frame ended. */
interface Drop {
  host: string
  at: Nanoseconds
  reason: string
}

export class Checkpoints {
  readonly #guard: Guard
  readonly rejections = new Rejections()

  readonly #hostOf: (nic: string) => string | undefined

  constructor(topology: Topology, hostOf: (nic: string) => string | undefined) {
    this.#hostOf = hostOf
    this.#guard = new Guard(topology)
  }

  /** Nobody is filtered: no frame need be told. */
  get areIdle(): boolean {
    return this.#guard.isIdle
  }

  /** See Guard. */
  amend(topology: Topology): void {
    this.#guard.amend(topology)
  }

  amended(count: number): void {
    this.#guard.amended(count)
  }

  doubtAll(isForgotten: (nic: string) => boolean): void {
    this.#guard.doubtAll(isForgotten)
  }

  isFiltered(nic: string): boolean {
    return this.#guard.isFiltered(nic)
  }

  /** A frame enters, on which the law without groups says `ruling`. Gives what it says with them, the same where none has a say. */
  sent(nic: string, ruling: Ruling, at: Nanoseconds, frame: FrameBytes): Ruling {
    const isThere = ruling.otherwise === undefined
    return changed(ruling, (one) => this.#sentIn(nic, one, at, frame, isThere))
  }

  /** `isThere`: the sender is known to be in the ruling's network. */
  #sentIn(nic: string, ruling: Ruling, at: Nanoseconds, frame: FrameBytes, isThere: boolean): Ruling {
    const guard = this.#guard
    const { network } = ruling
    if (network === undefined || ruling.may.length === 0) return ruling
    const isFiltered = guard.isFiltered(nic)
    if (!isFiltered && !ruling.must.some((hearer) => guard.isFiltered(hearer))) return ruling
    const passage = passageOf(nic, network, 'egress', at, frame)
    const opinion = guard.opinion(passage)
    if (opinion === 'denied') {
      if (isThere) guard.refused(passage)
      return refused(ruling, guard.whyNot(passage))
    }
    const isHonest = !ruling.excuses.includes('port_security')
    if (isFiltered) guard.passed(passage, opinion === 'allowed' && isHonest && isThere)
    return this.#withHearers(ruling, passage, opinion)
  }

  /** The vNIC has heard the frame. Says why it may not, where its groups do. */
  heard(nic: string, network: string, at: Nanoseconds, frame: FrameBytes): string | undefined {
    const passage = passageOf(nic, network, 'ingress', at, frame)
    if (this.#guard.opinion(passage) === 'denied') return this.#guard.whyNot(passage)
    this.#guard.passed(passage, true)
    return undefined
  }

  /** A copy of the frame ended. Gives whom that excuses where it was for their groups; undefined where the drop has another reason. */
  dropped(record: Record, etherType: number, drop: Drop): readonly string[] | undefined {
    const { ruling, nic, from, bytes } = record
    const { network } = ruling
    const { at, reason, host } = drop
    if (network === undefined) return undefined
    const frame = { bytes, start: 0, end: bytes.length, etherType }
    const addressed = (ruling.addressed ?? ruling.must).filter((hearer) => this.isFiltered(hearer))
    const toHear = (hearer: string) => passageOf(hearer, network, 'ingress', at, frame)
    const passages = addressed.filter((hearer) => this.#hostOf(hearer) === host).map(toHear)
    // What is copied by a mirror has gone out of a port before it is denied.
    if (reason === SECURITY_GROUP || reason === 'no_recipient') {
      const own = from === host ? [passageOf(nic, network, 'egress', at, frame)] : []
      // What comes to the place that a VM has left may be denied there.
      const isHere = own.length + passages.length > 0
      const others = passages.length > 0 ? passages : addressed.map(toHear)
      this.#noteRejection(record, [...own, ...others], drop, frame, isHere)
    }
    if (reason === SECURITY_GROUP) return passages.filter((passage) => this.#isRefused(passage)).map((one) => one.nic)
    // It may have been counted for a connection before it ended, or not.
    for (const passage of passages) if (this.#guard.opinion(passage) !== 'denied') this.#guard.passed(passage, false)
    if (from === host && this.isFiltered(nic)) this.#guard.doubtOf(passageOf(nic, network, 'egress', at, frame))
    return undefined
  }

  /** Who sent it may be told, or must be, by those of whom it may be that they have denied it; `isHere`: where it ended. */
  #noteRejection(
    { nic, ruling }: Record,
    passages: readonly Passage[],
    { host, at, reason }: Drop,
    frame: FrameBytes,
    isHere: boolean,
  ): void {
    const deniers = passages
      .map((passage) => ({ passage, opinion: passage.nic === nic ? saidOf(ruling) : this.#guard.opinion(passage) }))
      .filter(({ passage, opinion }) => opinion !== 'allowed' && this.#guard.rejects(passage.nic) !== 'no')
    if (deniers.length === 0) return
    const isTold = this.rejections.spend(host, frame.end - frame.start, at)
    const isSure = isTold && isHere && deniers.length === 1 && reason === SECURITY_GROUP
    for (const { passage, opinion } of deniers) {
      const isDue = isSure && opinion === 'denied' && this.#guard.rejects(passage.nic) === 'yes'
      this.#expect(nic, passage, frame, isDue)
    }
  }

  /** The answer of a vNIC that denies what another says comes to that one as any frame would; its own comes by itself. */
  #expect(
    nic: string,
    { nic: denier, network, at, talk, etherType }: Passage,
    frame: FrameBytes,
    isDue: boolean,
  ): void {
    const answer = talk && isFromOneToOne(frame) ? answerTo(talk) : undefined
    if (talk === undefined || answer === undefined) return
    const isOwn = nic === denier
    const passage = { nic, network, direction: 'ingress' as const, at, talk: answer, etherType }
    const opinion = isOwn ? 'allowed' : this.#guard.opinion(passage)
    if (opinion === 'denied') return
    const { bytes, start, end } = frame
    const back = { macSource: destinationOf(frame), macDestination: sourceOf(frame) }
    const quote = answer.quoted && owedQuote(bytes, start, end)
    const isCertain = isDue && opinion === 'allowed' && talk.wholeness === 'whole'
    const isTracked = !isOwn && this.#guard.isFiltered(nic)
    this.rejections.expect({ nic, network, ...back, talk: answer, quote }, at, isCertain, isTracked)
  }

  /** The vNIC has heard something of the controller's own. False where it is an answer that nothing has called for. */
  heardOfOurs(nic: string, network: string | undefined, frame: FrameBytes): boolean {
    const { bytes, start, end } = frame
    const talk = overhear(bytes, start, end)
    if (talk === undefined) return true
    const quote = talk.quoted && quoteIn(bytes, start, end)
    const macs = { macSource: sourceOf(frame), macDestination: destinationOf(frame) }
    return this.rejections.hear({ nic, network, ...macs, talk, quote })
  }

  #isRefused(passage: Passage): boolean {
    if (this.#guard.opinion(passage) === 'allowed') return false
    this.#guard.refused(passage)
    return true
  }

  #withHearers(ruling: Ruling, { network, at, talk, etherType }: Passage, opinion: Opinion): Ruling {
    const allows = (nic: string) =>
      this.#guard.opinion({ nic, network, direction: 'ingress', at, talk, etherType }) === 'allowed'
    const must = opinion === 'allowed' ? ruling.must.filter(allows) : []
    return {
      ...ruling,
      must,
      excuses: opinion === 'unsure' ? [...ruling.excuses, SECURITY_GROUP] : ruling.excuses,
      limited: ruling.limited.filter((nic) => must.includes(nic)),
      addressed: ruling.must,
    }
  }
}

/** What a ruling says of its sender's own groups. */
function saidOf({ refusal, excuses, may }: Ruling): Opinion {
  if (refusal !== undefined) return 'denied'
  // Of what nobody may hear anyway they are not asked.
  if (may.length === 0) return 'unsure'
  return excuses.includes(SECURITY_GROUP) ? 'unsure' : 'allowed'
}

const isFromOneToOne = ({ bytes, start }: FrameBytes) => ((bytes[start]! | bytes[start + 6]!) & 1) === 0

const hexOf = (bytes: Uint8Array, start: number) => Buffer.from(bytes.subarray(start, start + 6)).toString('hex')

const destinationOf = ({ bytes, start }: FrameBytes) => hexOf(bytes, start)
const sourceOf = ({ bytes, start }: FrameBytes) => hexOf(bytes, start + 6)

const refused = ({ network, excuses }: Ruling, refusal: string): Ruling => ({
  network,
  must: [],
  may: [],
  excuses: [...excuses, SECURITY_GROUP],
  limited: [],
  refusal,
})

function passageOf(
  nic: string,
  network: string,
  direction: Passage['direction'],
  at: Nanoseconds,
  { bytes, start, end, etherType }: FrameBytes,
): Passage {
  return { nic, network, direction, at, talk: overhear(bytes, start, end), etherType }
}
