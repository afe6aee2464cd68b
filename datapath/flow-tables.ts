// All tables of a switch, and what may be asked of them: OpenFlow 1.3 §6.4.

import type { Clock, Nanoseconds, Timer } from '../runtime/clock.ts'
import type { FlowFilter, FlowMod, FlowStatistics } from '../protocols/control/messages.ts'
import { ALL_TABLES } from '../protocols/control/messages.ts'
import { Refused } from '../protocols/control/refused.ts'
import { TABLES, checkFlowMod } from './flow-check.ts'
import type { FlowSelection } from './flow-table.ts'
import { FlowTable } from './flow-table.ts'
import type { ExpiryReason } from './flow-timeouts.ts'
import { FlowTimeouts, expiryReason } from './flow-timeouts.ts'
import type { Flow } from './flow.ts'
import { makeFlow, statisticsOf, withInstructions } from './flow.ts'

export interface FlowTablesOptions {
  clock: Clock
  /** Flows in all tables together, at most. */
  maxFlows: number
  meterExists: (meter: number) => boolean
  /** The flow is gone, and not because another took its place. */
  removed: (flow: Flow, reason: ExpiryReason | 'delete') => void
}

/** Takes back one step of a bundle. */
type Undo = () => void

export class FlowTables {
  /** Goes up whenever an answer of a table may have changed. */
  generation = 0
  readonly #options: FlowTablesOptions
  readonly #tables = Array.from({ length: TABLES }, () => new FlowTable())
  readonly #timeouts = new FlowTimeouts()
  #size = 0
  #timer: { at: Nanoseconds; timer: Timer } | undefined

  constructor(options: FlowTablesOptions) {
    this.#options = options
  }

  /** Flows in all tables. */
  get size(): number {
    return this.#size
  }

  table(number: number): FlowTable {
    return this.#tables[number]
  }

  /** Table by table. */
  *[Symbol.iterator](): Iterator<Flow> {
    for (const table of this.#tables) yield* table
  }

  /**
   * Carries out `mods` in order: all of them, or none.
   * @throws Refused the first that can not be carried out.
   */
  applyBundle(mods: readonly FlowMod[]): void {
    for (const mod of mods) checkFlowMod(mod, this.#options.meterExists)
    this.applyChecked(mods)
  }

  /**
   * The same for mods that have been through `checkFlowMod`.
   * @throws Refused what the tables themselves refuse: overlap, no room
   */
  applyChecked(mods: readonly FlowMod[]): void {
    const undo: Undo[] = []
    const deleted: Flow[] = []
    try {
      for (const mod of mods) this.#apply(mod, undo, deleted)
    } catch (error) {
      for (const step of undo.reverse()) step()
      throw error
    }
    if (undo.length > 0) this.generation++
    this.#schedule()
    for (const flow of deleted) this.#options.removed(flow, 'delete')
  }

  /** Deletes the flows that use the meter (OpenFlow 1.3 §6.5: they go with it). */
  deleteUsingMeter(meter: number): void {
    const users = [...this].filter((flow) => flow.spec.instructions.meter === meter)
    for (const flow of users) this.#remove(flow)
    for (const flow of users) this.#options.removed(flow, 'delete')
  }

  /** Takes out the flows whose time is up at `now`, in the order in which it was up. */
  expire(now: Nanoseconds): Flow[] {
    const expired: Flow[] = []
    const alive = (flow: Flow) => this.#tables[flow.spec.table].has(flow)
    for (;;) {
      const flow = this.#timeouts.takeExpired(now, alive)
      if (flow === undefined) break
      this.#remove(flow)
      expired.push(flow)
    }
    for (const flow of expired) this.#options.removed(flow, expiryReason(flow, now) ?? 'idle_timeout')
    return expired
  }

  /** Lets no flow expire any more. */
  close(): void {
    this.#timer?.timer.cancel()
    this.#timer = undefined
  }

  /** No flow expires before this instant; Infinity where none has a timeout. */
  get nextExpiry(): Nanoseconds {
    return this.#timeouts.next
  }

  /** The flows that the filter selects, table by table. */
  statistics(filter: FlowFilter): FlowStatistics[] {
    const now = this.#options.clock.now()
    return this.#select(filter.table, filter).map((flow) => statisticsOf(flow, now))
  }

  /** Wakes when the next flow may expire, and not at all where none ever does. */
  #schedule(): void {
    const at = this.#timeouts.next
    if (this.#timer && this.#timer.at <= at) return
    this.close()
    if (at === Infinity) return
    const { clock } = this.#options
    const wake = () => {
      this.#timer = undefined
      this.expire(clock.now())
      this.#schedule()
    }
    this.#timer = { at, timer: clock.schedule(at, wake) }
  }

  #select(table: number, selection: FlowSelection): Flow[] {
    const tables = table === ALL_TABLES ? this.#tables : this.#tables.slice(table, table + 1)
    return tables.flatMap((one) => (one.size === 0 ? [] : one.select(selection)))
  }

  #apply(mod: FlowMod, undo: Undo[], deleted: Flow[]): void {
    switch (mod.command) {
      case 'add':
        return this.#add(mod, undo)
      case 'modify':
      case 'modify-strict':
        return this.#modify(mod, undo)
      case 'delete':
      case 'delete-strict':
        return this.#delete(mod, undo, deleted)
    }
  }

  /** One of the same match and priority gives way; its counters go on unless the flow says that they shall not. */
  #add(mod: FlowMod, undo: Undo[]): void {
    const flow = makeFlow(specOf(mod), this.#options.clock.now())
    const table = this.#tables[mod.table]
    const replaced = table.find(flow, mod.priority)
    if (replaced === undefined) this.#checkRoom(flow)
    else if (!mod.flags.resetCounts) copyCounters(replaced, flow)
    this.#put(flow, replaced, undo)
  }

  #checkRoom(flow: Flow): void {
    const { spec } = flow
    if (spec.flags.checkOverlap && this.#tables[spec.table].overlapping(flow))
      throw new Refused(
        'OFPFMFC_OVERLAP',
        'match',
        `overlaps a flow of priority ${spec.priority} in table ${spec.table}`,
      )
    if (this.#size >= this.#options.maxFlows)
      throw new Refused('OFPFMFC_TABLE_FULL', '', `the switch has ${this.#size} flows and takes no more`)
  }

  /** Cookie, timeouts, flags and age stay as they were; so do counters, unless asked to reset. */
  #modify(mod: FlowMod, undo: Undo[]): void {
    for (const flow of this.#select(mod.table, selectionOf(mod))) {
      const modified = withInstructions(flow, mod.instructions)
      if (mod.flags.resetCounts) modified.packets = modified.bytes = 0
      this.#put(modified, flow, undo)
    }
  }

  #delete(mod: FlowMod, undo: Undo[], deleted: Flow[]): void {
    for (const flow of this.#select(mod.table, selectionOf(mod))) {
      this.#remove(flow)
      deleted.push(flow)
      undo.push(() => this.#insert(flow))
    }
  }

  #put(flow: Flow, replaced: Flow | undefined, undo: Undo[]): void {
    if (replaced) this.#remove(replaced)
    this.#insert(flow)
    undo.push(() => {
      this.#remove(flow)
      if (replaced) this.#insert(replaced)
    })
  }

  #insert(flow: Flow): void {
    this.#tables[flow.spec.table].add(flow)
    this.#timeouts.watch(flow)
    this.#size++
  }

  #remove(flow: Flow): void {
    this.#tables[flow.spec.table].remove(flow)
    this.#size--
    this.generation++
  }
}

function copyCounters(from: Flow, to: Flow): void {
  to.packets = from.packets
  to.bytes = from.bytes
}

function specOf({ table, priority, match, cookie, idleTimeout, hardTimeout, flags, instructions }: FlowMod) {
  return { table, priority, match, cookie, idleTimeout, hardTimeout, flags, instructions }
}

function selectionOf(mod: FlowMod): FlowSelection {
  const isStrict = mod.command === 'modify-strict' || mod.command === 'delete-strict'
  const isDelete = mod.command === 'delete' || mod.command === 'delete-strict'
  return {
    match: mod.match,
    cookie: mod.cookie,
    cookieMask: mod.cookieMask,
    ...(isStrict ? { priority: mod.priority } : {}),
    ...(isDelete && mod.outPort !== undefined ? { outPort: mod.outPort } : {}),
  }
}
