import type { Nanoseconds } from '../runtime/clock.ts'
import { SECOND } from '../runtime/clock.ts'

/** An address seen behind a port. */
export interface MacEntry {
  readonly vlan: number
  readonly mac: number
  port: number
  usedAt: Nanoseconds
  /** Of two, the one that was seen later has the greater. */
  order: number
}

export interface MacTableOptions {
  /** How long an address is believed without being seen: Open vSwitch's `mac-aging-time`. */
  ageing?: Nanoseconds
  /**
   * Addresses kept at most, `mac-table-size`. One of the port that has the most gives way, the one that was not seen for longest: who
   * makes addresses up drives out his own (Open vSwitch's lib/mac-learning.c).
   */
  capacity?: number
  /** Called whenever the answer of `lookup` for an address is another, other than by ageing. */
  changed?: (vlan: number, mac: number) => void
}

/** Which address was last seen behind which port, per VLAN. MAC addresses are 48-bit numbers. */
export class MacTable {
  readonly #ageing: Nanoseconds
  readonly #capacity: number
  readonly #changed: (vlan: number, mac: number) => void
  readonly #vlans = new Map<number, Map<number, MacEntry>>()
  readonly #entries = new Set<MacEntry>()
  /** How many are behind each port. */
  readonly #behind = new Map<number, number>()
  /** By port, those that give way first, the first of them last, as of some time ago: whoever was seen since has another order. */
  readonly #oldest = new Map<number, { entry: MacEntry; order: number }[]>()
  #order = 0
  /** Nobody's time is up before this. */
  #nextExpiry = Infinity

  constructor({ ageing = 300 * SECOND, capacity = 8192, changed = () => {} }: MacTableOptions = {}) {
    this.#ageing = ageing
    this.#capacity = capacity
    this.#changed = changed
  }

  /** Notes that `mac` was seen behind `port`; gives whether that is news. Group addresses are nobody's and not learned. */
  learn(vlan: number, mac: number, port: number, now: Nanoseconds): boolean {
    if (isGroupAddress(mac)) return false
    const known = this.find(vlan, mac, now)
    if (known === undefined) {
      this.#insert({ vlan, mac, port, usedAt: now, order: ++this.#order })
      return true
    }
    const isNews = known.port !== port
    this.refresh(known, now)
    if (isNews) {
      this.#count(known.port, -1)
      this.#count(port, 1)
      known.port = port
      this.#changed(vlan, mac)
    }
    return isNews
  }

  /** The same for an address that is still where it was when it was found. */
  refresh(entry: MacEntry, now: Nanoseconds): void {
    entry.usedAt = now
    entry.order = ++this.#order
  }

  /** The port behind which `mac` was last seen; undefined where it was not, or too long ago. */
  lookup(vlan: number, mac: number, now: Nanoseconds): number | undefined {
    return this.find(vlan, mac, now)?.port
  }

  find(vlan: number, mac: number, now: Nanoseconds): MacEntry | undefined {
    const entry = this.#vlans.get(vlan)?.get(mac)
    return entry && !this.#isStale(entry, now) ? entry : undefined
  }

  /** Forgets those that were not seen for too long. To be called before an answer from before is given again. */
  expire(now: Nanoseconds): void {
    if (now < this.#nextExpiry) return
    this.#nextExpiry = Infinity
    for (const entry of this.#entries) {
      if (this.#isStale(entry, now)) this.#remove(entry)
      else this.#expireFrom(entry)
    }
  }

  /** Forgets everything that was seen behind `port`, or in all. */
  flush(port?: number): void {
    for (const entry of this.#entries) if (port === undefined || entry.port === port) this.#remove(entry)
  }

  /** What is known at `now`, the address that was not seen for longest first. */
  entries(now: Nanoseconds): MacEntry[] {
    return [...this.#entries].filter((entry) => !this.#isStale(entry, now)).sort((a, b) => a.order - b.order)
  }

  #isStale(entry: MacEntry, now: Nanoseconds): boolean {
    return now - entry.usedAt >= this.#ageing
  }

  #expireFrom(entry: MacEntry): void {
    this.#nextExpiry = Math.min(this.#nextExpiry, entry.usedAt + this.#ageing)
  }

  #insert(entry: MacEntry): void {
    const stale = this.#vlans.get(entry.vlan)?.get(entry.mac)
    if (stale) this.#remove(stale)
    else if (this.#entries.size >= this.#capacity) this.#evictOldest()
    this.#put(entry)
  }

  #evictOldest(): void {
    const most = Math.max(...this.#behind.values())
    let oldest: MacEntry | undefined
    for (const [port, count] of this.#behind) {
      if (count < most) continue
      const entry = this.#oldestOf(port)
      if (oldest === undefined || entry.order < oldest.order) oldest = entry
    }
    if (oldest !== undefined) this.#remove(oldest)
  }

  /** A frame's address is noted without anybody being put in order; that is done here, for many evictions at once. */
  #oldestOf(port: number): MacEntry {
    for (;;) {
      let seen = this.#oldest.get(port)
      if (seen === undefined || seen.length === 0) this.#oldest.set(port, (seen = this.#ordered(port)))
      const { entry, order } = seen.at(-1)!
      if (entry.order === order && entry.port === port && this.#entries.has(entry)) return entry
      seen.pop()
    }
  }

  #ordered(port: number): { entry: MacEntry; order: number }[] {
    return [...this.#entries]
      .filter((entry) => entry.port === port)
      .map((entry) => ({ entry, order: entry.order }))
      .sort((a, b) => b.order - a.order)
  }

  #count(port: number, difference: number): void {
    const count = (this.#behind.get(port) ?? 0) + difference
    if (count > 0) this.#behind.set(port, count)
    else {
      this.#behind.delete(port)
      this.#oldest.delete(port)
    }
  }

  #put(entry: MacEntry): void {
    let macs = this.#vlans.get(entry.vlan)
    if (macs === undefined) this.#vlans.set(entry.vlan, (macs = new Map()))
    macs.set(entry.mac, entry)
    this.#entries.add(entry)
    this.#count(entry.port, 1)
    this.#expireFrom(entry)
    this.#changed(entry.vlan, entry.mac)
  }

  #remove(entry: MacEntry): void {
    const macs = this.#vlans.get(entry.vlan)!
    macs.delete(entry.mac)
    if (macs.size === 0) this.#vlans.delete(entry.vlan)
    this.#entries.delete(entry)
    this.#count(entry.port, -1)
    this.#changed(entry.vlan, entry.mac)
  }
}

/** Multicast and broadcast: the lowest bit of the first octet. */
export const isGroupAddress = (mac: number): boolean => Math.floor(mac / 2 ** 40) % 2 === 1
