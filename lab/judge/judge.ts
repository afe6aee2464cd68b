// Holds what happened to each frame against the law. It is told what enters, what is heard and what is dropped, and keeps an
// open record of each frame until nothing more is to come of it.

import type { Nanoseconds } from '../../runtime/clock.ts'
import { SECOND } from '../../runtime/clock.ts'
import type { Topology } from '../../topologies/topology.ts'
import type { FrameCounts } from '../verdict.ts'
import { Law, type Ruling } from './law.ts'
import { look, type Sight } from './sight.ts'

/** A frame whose fate is settled is forgotten after this much time; a second copy later than that counts as doubled all the same. */
const SETTLED_AFTER = 5 * SECOND
/** Witnesses kept of each kind; all are counted. */
const WITNESSES = 20

interface Record {
  id: number
  /** Where the frame is from, for people: `web.pcapng#47`. */
  source: string
  at: Nanoseconds
  nic: string
  made: boolean
  ruling: Ruling
  flow: number
  heardBy: string[]
  answered: boolean
  drops: { reason: string; place: string }[]
  leaked: boolean
  bytes: Uint8Array
}

export interface Witness {
  id: number
  source: string
  at: Nanoseconds
  from: string
  fromNetwork: string | undefined
  bytes: Uint8Array
}

export interface LeakWitness extends Witness {
  to: string
  toNetwork: string | undefined
}

export interface LossWitness extends Witness {
  missed: string[]
  reason: string
  place: string
}

/** What became of the frames from one vNIC to another that had to hear them. */
export interface PairTally {
  sent: number
  heard: number
  lost: number
  duplicated: number
}

/** Something that happened to a VM's frames, for the report of its moves. */
export interface Mishap {
  kind: 'lost' | 'duplicated' | 'leaked'
  at: Nanoseconds
  nics: string[]
}

/** What a frame turned out to be at the moment it was heard. */
export type Hearing = 'delivered' | 'answered' | 'duplicated' | 'leaked' | 'unknown'

const noFrames = (): FrameCounts => ({
  injected: 0,
  delivered: 0,
  answered: 0,
  held: 0,
  lost: 0,
  unmapped: 0,
  duplicated: 0,
  reordered: 0,
  leaked: 0,
  unmarked: 0,
  dropped: {},
})

export class Judge {
  readonly frames = noFrames()
  readonly made = noFrames()
  readonly leaks: LeakWitness[] = []
  readonly losses: LossWitness[] = []
  readonly mishaps: Mishap[] = []
  #law: Law
  readonly #open = new Map<number, Record>()
  readonly #pairs = new Map<string, PairTally>()
  /** By receiver and flow: the newest frame heard. */
  readonly #newest = new Map<string, number>()
  /** Reasons that hold for now whatever the policy says: the scenario itself has broken something. */
  #broken = 0

  constructor(topology: Topology) {
    this.#law = new Law(topology)
  }

  /** From here on the law is that of `topology`. Frames on their way are judged by the law they were sent under. */
  amend(topology: Topology): void {
    this.#law = new Law(topology)
  }

  /** The scenario breaks (+1) or mends (-1) a link or host: until mended, and for frames then on their way, no path is an excuse. */
  breakage(change: 1 | -1): void {
    this.#broken += change
    if (change === 1) for (const record of this.#open.values()) record.ruling = excused(record.ruling)
  }

  unmapped(): void {
    this.frames.injected++
    this.frames.unmapped++
  }

  /** A frame enters. `source` says to people where it is from; `made` that it is none of theirs. */
  sent(id: number, nic: string, at: Nanoseconds, bytes: Uint8Array, source: string, made: boolean): void {
    const seen = look(bytes)
    const ruling = seen === undefined ? MALFORMED : this.#law.judge(nic, seen)
    this.#count(made).injected++
    this.#open.set(id, {
      id,
      source,
      at,
      nic,
      made,
      ruling: this.#broken > 0 ? excused(ruling) : ruling,
      flow: seen?.flow ?? 0,
      heardBy: [],
      answered: false,
      drops: [],
      leaked: false,
      bytes: bytes.slice(),
    })
    this.#settleOlderThan(at - SETTLED_AFTER)
  }

  heard(id: number, nic: string, at: Nanoseconds, bytes: Uint8Array): Hearing {
    const record = this.#open.get(id)
    if (record === undefined) {
      if (id !== 0) this.frames.duplicated++
      return id === 0 ? 'unknown' : 'duplicated'
    }
    const seen = look(bytes)
    if (nic === record.nic && isAnswer(record, seen)) {
      record.answered = true
      return 'answered'
    }
    if (!this.#entitled(record, nic, seen)) return this.#leaked(record, nic, at, seen)
    return this.#delivered(record, nic, at, seen)
  }

  /** A copy of the frame ended. `reason` is a drop's name, or the policy's or user's own name for it. */
  dropped(id: number, reason: string, place: string): void {
    this.#open.get(id)?.drops.push({ reason, place })
  }

  pair(from: string, to: string): PairTally {
    const key = `${from} ${to}`
    let tally = this.#pairs.get(key)
    if (tally === undefined) this.#pairs.set(key, (tally = { sent: 0, heard: 0, lost: 0, duplicated: 0 }))
    return tally
  }

  /** Settles all that is open. `held` are the frames kept somewhere at the end. */
  finish(held: ReadonlySet<number>): void {
    for (const record of this.#open.values()) this.#settle(record, held.has(record.id))
    this.#open.clear()
  }

  #count(made: boolean): FrameCounts {
    return made ? this.made : this.frames
  }

  #entitled({ ruling, nic: sender }: Record, nic: string, seen: Sight | undefined): boolean {
    if (seen === undefined || nic === sender) return false
    if (ruling.may !== 'network' && !ruling.may.includes(nic)) return false
    return ruling.network !== undefined && this.#law.networkAt(nic, seen) === ruling.network
  }

  #delivered(record: Record, nic: string, at: Nanoseconds, seen: Sight | undefined): Hearing {
    const counts = this.#count(record.made)
    if (record.heardBy.includes(nic)) {
      counts.duplicated++
      this.pair(record.nic, nic).duplicated++
      this.mishaps.push({ kind: 'duplicated', at, nics: [record.nic, nic] })
      return 'duplicated'
    }
    record.heardBy.push(nic)
    this.#checkOrder(record, nic)
    if (record.ruling.dscp !== undefined && seen?.ip?.dscp !== record.ruling.dscp) counts.unmarked++
    return 'delivered'
  }

  #checkOrder(record: Record, nic: string): void {
    const key = `${record.nic} ${nic} ${record.flow}`
    const newest = this.#newest.get(key) ?? 0
    if (record.id < newest) this.#count(record.made).reordered++
    else this.#newest.set(key, record.id)
  }

  #leaked(record: Record, to: string, at: Nanoseconds, seen: Sight | undefined): Hearing {
    this.#count(record.made).leaked++
    record.leaked = true
    this.mishaps.push({ kind: 'leaked', at, nics: [record.nic, to] })
    if (this.leaks.length < WITNESSES) {
      this.leaks.push({ ...witness(record), at, to, toNetwork: seen && this.#law.networkAt(to, seen) })
    }
    return 'leaked'
  }

  #settleOlderThan(instant: Nanoseconds): void {
    for (const record of this.#open.values()) {
      if (record.at > instant) return
      // What is still owed may be held somewhere; it stays open to the end.
      if (fateOf(record, false) === 'lost') continue
      this.#settle(record, false)
      this.#open.delete(record.id)
    }
  }

  #settle(record: Record, held: boolean): void {
    const counts = this.#count(record.made)
    const fate = fateOf(record, held)
    const missed = missing(record)
    for (const nic of fate === 'answered' ? record.heardBy : record.ruling.must) {
      const tally = this.pair(record.nic, nic)
      tally.sent++
      if (!missed.includes(nic)) tally.heard++
      else if (fate === 'lost') tally.lost++
    }
    if (typeof fate === 'object') counts.dropped[fate.dropped] = (counts.dropped[fate.dropped] ?? 0) + 1
    else counts[fate]++
    if (fate === 'lost') this.#noteLoss(record, missed)
  }

  #noteLoss(record: Record, missed: string[]): void {
    this.mishaps.push({ kind: 'lost', at: record.at, nics: [record.nic, ...missed] })
    if (this.losses.length >= WITNESSES) return
    const last = record.drops.at(-1)
    this.losses.push({
      ...witness(record),
      missed,
      reason: last?.reason ?? 'never seen again',
      place: last?.place ?? 'unknown',
    })
  }
}

const MALFORMED: Ruling = { network: undefined, must: [], may: [], excuses: ['malformed'], limited: [] }

/** The same ruling, with the scenario's own breakages as excuses. */
const excused = (ruling: Ruling): Ruling => ({ ...ruling, excuses: [...ruling.excuses, 'link_down', 'no_route'] })

const missing = ({ ruling, heardBy }: Record) => ruling.must.filter((nic) => !heardBy.includes(nic))

/** How the frame ended, exactly one way: DESIGN §7. */
function fateOf(record: Record, held: boolean): 'delivered' | 'answered' | 'held' | 'lost' | { dropped: string } {
  const { ruling, drops, heardBy, answered } = record
  const missed = missing(record)
  const complete = missed.length === 0
  if (complete && heardBy.length > 0) return 'delivered'
  if (answered) return 'answered'
  const onlyLimited = missed.every((nic) => ruling.limited.includes(nic))
  const excuse = drops.find(
    ({ reason }) =>
      reason === 'user_flow' || ruling.excuses.includes(reason) || (reason === 'rate_limited' && onlyLimited),
  )
  if (excuse !== undefined) return { dropped: excuse.reason }
  if (held) return 'held'
  if (!complete) return 'lost'
  return { dropped: drops[0]?.reason ?? 'no_recipient' }
}

function isAnswer(record: Record, seen: Sight | undefined): boolean {
  if (seen === undefined || record.ruling.answer === undefined) return false
  const isArpReply = seen.arp?.operation === 2 && seen.arp.senderMac === record.ruling.answer
  const isAdvertisement = seen.ip?.icmpType === 136 && seen.source === record.ruling.answer
  return isArpReply || isAdvertisement
}

const witness = (record: Record): Witness => ({
  id: record.id,
  source: record.source,
  at: record.at,
  from: record.nic,
  fromNetwork: record.ruling.network,
  bytes: record.bytes,
})
