// Holds what happened to each frame against the law. It is told what enters, what is heard and what is dropped, and keeps an
// open record of each frame until nothing more is to come of it.

import type { Nanoseconds } from '../../runtime/clock.ts'
import { SECOND } from '../../runtime/clock.ts'
import type { FailureTarget } from '../../topologies/scenario.ts'
import type { Topology } from '../../topologies/topology.ts'
import type { FrameCounts } from '../verdict.ts'
import { Law, type Ruling } from './law.ts'
import { look, type Sight } from './sight.ts'
import type { Surroundings } from './surroundings.ts'

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
  drops: Drop[]
  /** The sender's host when it sent. */
  from: string | undefined
  /** Of those who must hear it: whom no path led to since. */
  cutOff: string[]
  bytes: Uint8Array
}

interface Drop {
  reason: string
  place: string
  /** Who need not hear the frame for it. */
  excuses: 'all' | readonly string[]
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
  /** Frames that the receiver heard of this sender, had it to or not. */
  reached: number
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
  /** By the two networks: the first frame that got from the one into the other. */
  readonly crossings = new Map<string, LeakWitness>()
  #law: Law
  readonly #surroundings: Surroundings
  readonly #open = new Map<number, Record>()
  readonly #pairs = new Map<string, PairTally>()
  /** By receiver and flow: the newest frame heard. */
  readonly #newest = new Map<string, number>()

  constructor(topology: Topology, surroundings: Surroundings) {
    this.#law = new Law(topology)
    this.#surroundings = surroundings
  }

  /** From here on the law is that of `topology`. Frames on their way are judged by the law they were sent under. */
  amend(topology: Topology): void {
    this.#law = new Law(topology)
    this.#surroundings.amend(topology)
  }

  /** The scenario breaks a link or a host: those whom no path leads to any more need not hear what is on its way. */
  break(target: FailureTarget): void {
    this.#surroundings.break(target)
    for (const record of this.#open.values()) this.#noteCutOff(record)
  }

  mend(target: FailureTarget): void {
    this.#surroundings.mend(target)
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
    const record: Record = {
      id,
      source,
      at,
      nic,
      made,
      ruling,
      from: this.#surroundings.hostOf(nic),
      cutOff: [],
      flow: seen?.flow ?? 0,
      heardBy: [],
      answered: false,
      drops: [],
      bytes: bytes.slice(),
    }
    this.#noteCutOff(record)
    this.#open.set(id, record)
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
    const record = this.#open.get(id)
    if (record === undefined) return
    record.drops.push({ reason, place, excuses: this.#excusedBy(record, reason, place) })
  }

  pair(from: string, to: string): PairTally {
    const key = `${from} ${to}`
    let tally = this.#pairs.get(key)
    if (tally === undefined) this.#pairs.set(key, (tally = { sent: 0, heard: 0, lost: 0, duplicated: 0, reached: 0 }))
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
    this.pair(record.nic, nic).reached++
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
    this.pair(record.nic, to).reached++
    this.mishaps.push({ kind: 'leaked', at, nics: [record.nic, to] })
    const leak = { ...witness(record), at, to, toNetwork: seen && this.#law.networkAt(to, seen) }
    const crossing = `${leak.fromNetwork ?? ''} ${leak.toNetwork ?? ''}`
    if (!this.crossings.has(crossing)) this.crossings.set(crossing, leak)
    if (this.leaks.length < WITNESSES) this.leaks.push(leak)
    return 'leaked'
  }

  #noteCutOff(record: Record): void {
    if (!this.#surroundings.anythingBroken) return
    for (const nic of record.ruling.must) {
      if (!record.cutOff.includes(nic) && this.#surroundings.areCutOff(record.nic, nic)) record.cutOff.push(nic)
    }
  }

  /** Whom the loss of this copy excuses: everybody, or the vNICs named. */
  #excusedBy({ ruling, from }: Record, reason: string, place: string): 'all' | readonly string[] {
    if (ruling.excuses.includes(reason)) return 'all'
    if (reason === 'rate_limited') return ruling.limited
    if (reason === 'link_down') return this.#surroundings.isBroken(place) ? 'all' : []
    if (reason !== 'user_flow') return []
    const [host] = place.split('/')
    return host === from ? 'all' : ruling.must.filter((nic) => this.#surroundings.hostOf(nic) === host)
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
      else if (fate === 'lost' && isOwed(record, nic)) tally.lost++
    }
    if (typeof fate === 'object') counts.dropped[fate.dropped] = (counts.dropped[fate.dropped] ?? 0) + 1
    else counts[fate]++
    if (fate === 'lost')
      this.#noteLoss(
        record,
        missed.filter((nic) => isOwed(record, nic)),
      )
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

const missing = ({ ruling, heardBy }: Record) => ruling.must.filter((nic) => !heardBy.includes(nic))

/** Nothing excuses that the vNIC has not heard the frame. */
const isOwed = ({ drops, cutOff }: Record, nic: string): boolean =>
  !cutOff.includes(nic) && !drops.some(({ excuses }) => excuses === 'all' || excuses.includes(nic))

/** How the frame ended, exactly one way: DESIGN §7. */
function fateOf(record: Record, held: boolean): 'delivered' | 'answered' | 'held' | 'lost' | { dropped: string } {
  const { drops, heardBy, answered, cutOff } = record
  const missed = missing(record)
  if (missed.length === 0 && heardBy.length > 0) return 'delivered'
  if (answered) return 'answered'
  if (missed.some((nic) => isOwed(record, nic))) return held ? 'held' : 'lost'
  if (held && missed.length === 0) return 'held'
  const excuse = drops.find(({ excuses }) => excuses.length > 0)
  return { dropped: excuse?.reason ?? (cutOff.length > 0 ? 'no_route' : (drops[0]?.reason ?? 'no_recipient')) }
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
