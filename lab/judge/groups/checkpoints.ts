// Where frames meet the security groups of vNICs: that of the vNIC which sends, as they enter, and those of each that is to hear them.

import type { Nanoseconds } from '../../../runtime/clock.ts'
import type { Topology } from '../../../topologies/topology.ts'
import { changed, type Ruling } from '../law.ts'
import { Guard, type Opinion, type Passage } from './guard.ts'
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

export class Checkpoints {
  readonly #guard: Guard

  constructor(topology: Topology) {
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

  /**
   * A copy of the frame that `from` sent ended, on the host of some of those who must hear it, or of the sender. Gives whom that excuses
   * where it was for their groups; undefined where the drop has another reason.
   */
  dropped(
    from: { nic: string; isHere: boolean },
    hearers: readonly string[],
    { network }: Ruling,
    at: Nanoseconds,
    reason: string,
    frame: FrameBytes,
  ): readonly string[] | undefined {
    if (network === undefined) return undefined
    const passages = hearers
      .filter((nic) => this.isFiltered(nic))
      .map((nic) => passageOf(nic, network, 'ingress', at, frame))
    if (reason === SECURITY_GROUP) return passages.filter((passage) => this.#isRefused(passage)).map(({ nic }) => nic)
    // It may have been counted for a connection before it ended, or not.
    for (const passage of passages) if (this.#guard.opinion(passage) !== 'denied') this.#guard.passed(passage, false)
    if (from.isHere && this.isFiltered(from.nic)) this.#guard.doubtOf(passageOf(from.nic, network, 'egress', at, frame))
    return undefined
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
