// Where frames meet multicast listeners: as they are sent, and as they are heard, when somebody may have begun to listen.

import type { Nanoseconds } from '../../../runtime/clock.ts'
import type { Topology } from '../../../topologies/topology.ts'
import type { Ruling } from '../law.ts'
import type { Record } from '../open-records.ts'
import { look, type Sight } from '../sight.ts'
import { MulticastListeners, ON_THE_WAY } from './listeners.ts'

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
    return this.#listeners.ruling(general, at, seen, bytes.subarray(start, end))
  }

  /** The frame of the record enters; `open` are those that are on their way. What it says of groups counts from now on; they may meet either. */
  sent(record: Record, open: Iterable<Record>): void {
    const { ruling, nic, at } = record
    if (!ruling.isForGroup) return
    const { bytes } = record
    const turns = this.#listeners.sent(nic, ruling, at, look(bytes)!, bytes)
    if (turns.length === 0) return
    for (const other of open) {
      if (!other.ruling.isForGroup || other.ruling.network !== ruling.network || other.at < at - ON_THE_WAY) continue
      const group = look(other.bytes)!.ip!.destination
      for (const turn of turns) if (turn.group === group) other.drops.push({ ...NOT_FOR_HIM, excuses: turn.excused })
    }
  }

  /** Whether what the frame is for reaches the vNIC now, though it did not when it was sent. */
  reachesNow(record: Record, nic: string, at: Nanoseconds): boolean {
    const { ruling } = record
    if (!ruling.isForGroup) return false
    const { bytes } = record
    const { may } = this.#listeners.ruling({ ...ruling, may: 'network' }, at, look(bytes)!, bytes)
    return may === 'network' || may.includes(nic)
  }

  /** A copy of the frame ended. */
  dropped(record: Record, reason: string, place: string): void {
    const { ruling, nic, from } = record
    if (!ruling.isForGroup || !UNHEARD.includes(reason) || place.split('/')[0] !== from) return
    const { bytes } = record
    this.#listeners.doubt(nic, ruling, look(bytes)!, bytes)
  }
}
