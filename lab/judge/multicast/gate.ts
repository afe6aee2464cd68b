// Where frames meet multicast listeners: as they are sent, and as they are heard, when somebody may have begun to listen.

import type { Nanoseconds } from '../../../runtime/clock.ts'
import type { Topology } from '../../../topologies/topology.ts'
import { changed, choicesOf, type Ruling } from '../law.ts'
import type { Record } from '../open-records.ts'
import { look, type Sight } from '../sight.ts'
import { MulticastListeners, ON_THE_WAY, type Turn } from './listeners.ts'

/** Where a report that ends for one of these, at its sender's, nobody may have heard it. */
const UNHEARD: readonly string[] = ['rate_limited', 'user_flow', 'security_group', 'port_security', 'inactive_binding']

const NOT_FOR_HIM = { reason: 'no_recipient', place: '' }

export class MulticastGate {
  readonly #listeners: MulticastListeners

  constructor(topology: Topology) {
    this.#listeners = new MulticastListeners(topology)
  }

  amend(topology: Topology): void {
    this.#listeners.amend(topology)
  }

  amended(): void {
    this.#listeners.amended()
  }

  /** See MulticastListeners. */
  deafen(): void {
    this.#listeners.deafen()
  }

  hearAgain(): void {
    this.#listeners.hearAgain()
  }

  /** What the law says with listeners; the same where they have no say. */
  ruling(
    general: Ruling,
    at: Nanoseconds,
    seen: Sight | undefined,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): Ruling {
    if (this.#listeners.areIdle || seen === undefined) return general
    const frame = bytes.subarray(start, end)
    return changed(general, (one) => this.#listeners.ruling(one, at, seen, frame))
  }

  /** The frame of the record enters; `open` are those that are on their way. What it says of groups counts from now on; they may meet either. */
  sent(record: Record, open: Iterable<Record>): void {
    if (this.#listeners.areIdle) return
    const { nic, at } = record
    const choices = choicesOf(record.ruling)
    for (const ruling of choices) {
      if (!ruling.isForGroup) continue
      const { bytes } = record
      const turns = this.#listeners.sent(nic, ruling, at, look(bytes)!, bytes, choices.length === 1)
      if (turns.length > 0) excuse(turns, ruling, at, open)
    }
  }

  /** Whether what the frame is for reaches the vNIC now, though it did not when it was sent. */
  reachesNow(record: Record, ruling: Ruling, nic: string, at: Nanoseconds): boolean {
    if (!ruling.isForGroup) return false
    const { bytes } = record
    const { may } = this.#listeners.ruling({ ...ruling, may: 'network' }, at, look(bytes)!, bytes)
    return may === 'network' || may.includes(nic)
  }

  /** A copy of the frame ended. */
  dropped(record: Record, reason: string, place: string): void {
    const { nic, from } = record
    if (!UNHEARD.includes(reason) || place.split('/')[0] !== from) return
    for (const ruling of choicesOf(record.ruling)) {
      if (!ruling.isForGroup) continue
      const { bytes } = record
      this.#listeners.doubt(nic, ruling, look(bytes)!, bytes)
    }
  }
}

/** Whom what is on its way for a group need not reach any more. */
function excuse(turns: readonly Turn[], { network }: Ruling, at: Nanoseconds, open: Iterable<Record>): void {
  for (const other of open) {
    if (!other.ruling.isForGroup || other.ruling.network !== network || other.at < at - ON_THE_WAY) continue
    const group = look(other.bytes)!.ip!.destination
    for (const turn of turns)
      if ((turn.group ?? group) === group) other.drops.push({ ...NOT_FOR_HIM, excuses: turn.excused })
  }
}
