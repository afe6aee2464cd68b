import type { Nanoseconds } from '../runtime/clock.ts'
import { SECOND } from '../runtime/clock.ts'

/** An address seen behind a port. */
export interface MacEntry {
  readonly vlan: number
  readonly mac: number
  port: number
  usedAt: Nanoseconds
}

export interface MacTableOptions {
  /** How long an address is believed without being seen: Open vSwitch's `mac-aging-time`. */
  ageing?: Nanoseconds
  /** Addresses kept at most, `mac-table-size`; the one that was not seen for longest gives way. */
  capacity?: number
}

/** Which address was last seen behind which port, per VLAN. MAC addresses are 48-bit numbers. */
export class MacTable {
  /** Goes up whenever an answer of `lookup` may have changed, other than by ageing. */
  generation = 0
  readonly #ageing: Nanoseconds
  readonly #capacity: number
  readonly #vlans = new Map<number, Map<number, MacEntry>>()
  /** In the order in which they were last seen. */
  readonly #entries = new Set<MacEntry>()

  constructor({ ageing = 300 * SECOND, capacity = 8192 }: MacTableOptions = {}) {
    this.#ageing = ageing
    this.#capacity = capacity
  }

  /** Notes that `mac` was seen behind `port`; gives whether that is news. Group addresses are nobody's and not learned. */
  learn(vlan: number, mac: number, port: number, now: Nanoseconds): boolean {
    if (isGroupAddress(mac)) return false
    const known = this.#find(vlan, mac, now)
    if (known === undefined) {
      this.#insert({ vlan, mac, port, usedAt: now })
      return true
    }
    const isNews = known.port !== port
    if (isNews) this.generation++
    known.port = port
    known.usedAt = now
    this.#entries.delete(known)
    this.#entries.add(known)
    return isNews
  }

  /** The port behind which `mac` was last seen; undefined where it was not, or too long ago. */
  lookup(vlan: number, mac: number, now: Nanoseconds): number | undefined {
    return this.#find(vlan, mac, now)?.port
  }

  /** Forgets everything that was seen behind `port`, or in all. */
  flush(port?: number): void {
    for (const entry of this.#entries) if (port === undefined || entry.port === port) this.#remove(entry)
  }

  /** What is known at `now`, the address that was not seen for longest first. */
  entries(now: Nanoseconds): MacEntry[] {
    return [...this.#entries].filter((entry) => !this.#isStale(entry, now))
  }

  #find(vlan: number, mac: number, now: Nanoseconds): MacEntry | undefined {
    const entry = this.#vlans.get(vlan)?.get(mac)
    return entry && !this.#isStale(entry, now) ? entry : undefined
  }

  #isStale(entry: MacEntry, now: Nanoseconds): boolean {
    return now - entry.usedAt >= this.#ageing
  }

  #insert(entry: MacEntry): void {
    const stale = this.#vlans.get(entry.vlan)?.get(entry.mac)
    if (stale) this.#remove(stale)
    else if (this.#entries.size >= this.#capacity) this.#evictOldest()
    this.#put(entry)
  }

  #evictOldest(): void {
    const [oldest] = this.#entries
    if (oldest) this.#remove(oldest)
  }

  #put(entry: MacEntry): void {
    let macs = this.#vlans.get(entry.vlan)
    if (macs === undefined) this.#vlans.set(entry.vlan, (macs = new Map()))
    macs.set(entry.mac, entry)
    this.#entries.add(entry)
    this.generation++
  }

  #remove(entry: MacEntry): void {
    const macs = this.#vlans.get(entry.vlan)!
    macs.delete(entry.mac)
    if (macs.size === 0) this.#vlans.delete(entry.vlan)
    this.#entries.delete(entry)
    this.generation++
  }
}

/** Multicast and broadcast: the lowest bit of the first octet. */
export const isGroupAddress = (mac: number): boolean => Math.floor(mac / 2 ** 40) % 2 === 1
