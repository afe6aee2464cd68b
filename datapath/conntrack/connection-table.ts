// All connections, found by either direction's tuple, limited in number, forgotten when their time is up.

import type { ConnectionFilter } from '../../protocols/control/messages.ts'
import type { Clock, Nanoseconds, Timer } from '../../runtime/clock.ts'
import { SECOND } from '../../runtime/clock.ts'
import type { Connection } from './connection.ts'
import { keyOf } from './connection.ts'
import { fits } from './filter.ts'
import { Entry, ExpiryLists } from './expiry.ts'
import type { TimeoutName } from './timeouts.ts'
import { merge } from './transfer.ts'

/** A sweep costs a timer; look-ups see what has expired before it does. */
const SWEEP_INTERVAL = SECOND

/** One direction of a connection. */
export interface Direction {
  entry: Entry
  reply: boolean
  /** With the same tuple and older: replies that somebody's NAT makes look like a connection of their own. */
  older: Direction | undefined
}

export interface ZoneLimit {
  zone: number | 'default'
  limit: number
  /** Connections of the zone. */
  count: number
}

/** As in Open vSwitch. */
const NO_LIMIT = 0

export class ConnectionTable {
  readonly #clock: Clock
  /** Connections in all zones together, at most; those that are there already stay. */
  maximum: number
  readonly #directions = new Map<string, Direction>()
  readonly #entries = new Set<Entry>()
  readonly #expiry = new ExpiryLists()
  readonly #counts = new Map<number, number>()
  readonly #limits = new Map<number | 'default', number>()
  #timer: Timer | undefined
  #sweepAt: Nanoseconds = Infinity
  #sweptAt: Nanoseconds = -Infinity
  readonly #original: ConnectionTable | undefined
  readonly #copied = new Set<Entry>()

  /** `original`: a table that this one is a shadow of, and of which it has copies of what it was asked for. */
  constructor(clock: Clock, maximum: number, original?: ConnectionTable) {
    this.#clock = clock
    this.maximum = maximum
    this.#original = original
  }

  find(key: string): Direction | undefined {
    const found = this.#directions.get(key) ?? this.#copyOf(key)
    if (!found || found.entry.connection.expires > this.#clock.now()) return found
    this.remove(found.entry)
    return this.find(key)
  }

  /** What the original has under this key, once; when it is gone here, it stays gone. */
  #copyOf(key: string): Direction | undefined {
    const found = this.#original === undefined ? undefined : this.#original.#directions.get(key)
    if (!found || this.#copied.has(found.entry) || found.entry.connection.expires <= this.#clock.now()) return undefined
    this.#copied.add(found.entry)
    const entry = new Entry(structuredClone(found.entry.connection))
    const { original, reply, zone } = entry.connection
    this.#link(keyOf(reply, zone), entry, true)
    this.#link(keyOf(original, zone), entry, false)
    this.#entries.add(entry)
    return this.#directions.get(key)
  }

  /** Whether one more connection of the zone may come. */
  hasRoom(zone: number): boolean {
    if (this.#original !== undefined) return this.#original.#isBelowLimits(zone)
    if (this.#isBelowLimits(zone)) return true
    this.#sweep()
    return this.#isBelowLimits(zone)
  }

  #isBelowLimits(zone: number): boolean {
    return this.#hasRoomFor(zone, 1)
  }

  insert(connection: Connection, timeout: TimeoutName): Entry {
    const entry = this.#insert(connection)
    this.restart(entry, timeout)
    return entry
  }

  /**
   * Takes in connections of one zone that another table has had, those that are known here already merged with what is known. False,
   * taking none, where there is no room for all.
   */
  adopt(zone: number, connections: readonly Connection[]): boolean {
    this.#sweep()
    const known = connections.map(({ original }) => this.#known(keyOf(original, zone)))
    if (!this.#hasRoomFor(zone, known.filter((entry) => entry === undefined).length)) return false
    const entries = connections.map((connection, index) => {
      const entry = known[index]
      if (entry === undefined) return this.#insert(connection)
      merge(entry.connection, connection)
      if (entry.connection.expires >= connection.expires) return undefined
      this.#expiry.remove(entry)
      entry.connection.expires = connection.expires
      return entry
    })
    const moved = entries.filter((entry) => entry !== undefined)
    this.#expiry.adopt(moved.sort((a, b) => a.connection.expires - b.connection.expires))
    if (this.#expiry.earliest() < this.#sweepAt) this.#arm()
    return true
  }

  /** The connection whose original direction this is. */
  #known(key: string): Entry | undefined {
    for (let direction = this.#directions.get(key); direction; direction = direction.older)
      if (!direction.reply) return direction.entry
    return undefined
  }

  #hasRoomFor(zone: number, more: number): boolean {
    const limit = this.#limits.get(zone) ?? this.#limits.get('default') ?? NO_LIMIT
    const count = (this.#counts.get(zone) ?? 0) + more
    return this.#entries.size + more <= this.maximum && (limit === NO_LIMIT || count <= limit)
  }

  #insert(connection: Connection): Entry {
    const entry = new Entry(connection)
    const { original, reply, zone } = connection
    // The original direction last: it is found first where both look the same.
    this.#link(keyOf(reply, zone), entry, true)
    this.#link(keyOf(original, zone), entry, false)
    this.#entries.add(entry)
    this.#counts.set(zone, (this.#counts.get(zone) ?? 0) + 1)
    return entry
  }

  restart(entry: Entry, timeout: TimeoutName): void {
    this.#expiry.restart(entry, timeout, this.#clock.now())
    if (entry.connection.expires < this.#sweepAt) this.#arm()
  }

  remove(entry: Entry): void {
    const { original, reply, zone } = entry.connection
    entry.alive = false
    this.#expiry.remove(entry)
    this.#entries.delete(entry)
    this.#unlink(keyOf(original, zone), entry)
    this.#unlink(keyOf(reply, zone), entry)
    const count = (this.#counts.get(zone) ?? 0) - 1
    if (count > 0) this.#counts.set(zone, count)
    else this.#counts.delete(zone)
    if (this.#entries.size === 0) this.#disarm()
  }

  /** Those that the filter means, in the order in which they were committed. */
  select(filter: ConnectionFilter): Entry[] {
    this.#sweep()
    return [...this.#entries].filter(({ connection }) => fits(connection, filter))
  }

  /** How many connections each zone has that has any. */
  zoneCounts(): Map<number, number> {
    this.#sweep()
    return new Map(this.#counts)
  }

  /** A limit of 0 is none, whatever the default is; `undefined` leaves the zone to the default. */
  setZoneLimit(zone: number | 'default', limit: number | undefined): void {
    if (limit === undefined) this.#limits.delete(zone)
    else this.#limits.set(zone, limit)
  }

  zoneLimits(): ZoneLimit[] {
    this.#sweep()
    return [...this.#limits].map(([zone, limit]) => ({
      zone,
      limit,
      count: zone === 'default' ? this.#countWithoutLimit() : (this.#counts.get(zone) ?? 0),
    }))
  }

  #countWithoutLimit(): number {
    return [...this.#counts].reduce((sum, [zone, count]) => sum + (this.#limits.has(zone) ? 0 : count), 0)
  }

  /** Forgets everything and waits for nothing. */
  close(): void {
    this.#disarm()
    for (const entry of this.#entries) this.remove(entry)
  }

  #link(key: string, entry: Entry, reply: boolean): void {
    this.#directions.set(key, { entry, reply, older: this.#directions.get(key) })
  }

  #unlink(key: string, entry: Entry): void {
    let newer: Direction | undefined
    let direction = this.#directions.get(key)
    while (direction && direction.entry !== entry) {
      newer = direction
      direction = direction.older
    }
    if (!direction) return
    if (newer) newer.older = direction.older
    else if (direction.older) this.#directions.set(key, direction.older)
    else this.#directions.delete(key)
  }

  #sweep(): void {
    const now = this.#clock.now()
    this.#sweptAt = now
    for (let entry = this.#expiry.expired(now); entry; entry = this.#expiry.expired(now)) this.remove(entry)
  }

  /** One timer at a time, and none without connections. */
  #arm(): void {
    this.#disarm()
    const earliest = this.#expiry.earliest()
    if (earliest === Infinity) return
    this.#sweepAt = Math.max(earliest, this.#sweptAt + SWEEP_INTERVAL)
    this.#timer = this.#clock.schedule(this.#sweepAt, () => {
      this.#sweep()
      this.#arm()
    })
  }

  #disarm(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#sweepAt = Infinity
  }
}
