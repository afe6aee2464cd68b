// All tables of a switch, and what may be asked of them: OpenFlow 1.3 §6.4, as Open vSwitch does it (ofproto/ofproto.c).

import { isDeepStrictEqual } from 'node:util'
import type { Clock, Nanoseconds, Timer } from '../runtime/clock.ts'
import type {
  FlowFilter,
  FlowMod,
  FlowSpec,
  FlowStatistics,
  RemovalReason,
  TableConfig,
  TableStatistics,
} from '../protocols/control/messages.ts'
import { ALL_TABLES } from '../protocols/control/messages.ts'
import { Refused, asRefusal } from '../protocols/control/refused.ts'
import { InvalidField } from '../protocols/errors.ts'
import { onceIfFrozen } from '../runtime/once.ts'
import type { CheckContext } from './flow-check.ts'
import { TABLES, checkFlowMod } from './flow-check.ts'
import type { Learned } from './flow-references.ts'
import { FlowReferences } from './flow-references.ts'
import type { FlowSelection } from './flow-table.ts'
import { FlowTable, someAction } from './flow-table.ts'
import { FlowTimeouts, expiryReason, leastWorth } from './flow-timeouts.ts'
import type { Flow } from './flow.ts'
import { changedFlow, makeFlow, statisticsOf, takeOver } from './flow.ts'
import { TableConfigs } from './table-configs.ts'

export interface FlowTablesOptions extends Pick<CheckContext, 'meterExists' | 'groupExists'> {
  clock: Clock
  /** Flows in all tables together, at most. */
  maxFlows: number
  /** The flow is gone, and not because another took its place. */
  removed: (flow: Flow, reason: RemovalReason) => void
  /** Counters are about to be read, or flows to change: whoever has counted for them is to say so now. */
  catchUp?: () => void
  /** The flow has come or gone: the answer to a key that it matches may be another. */
  changed?: (flow: Flow) => void
  /** Tables have been told what to do with what no flow takes. */
  configured?: () => void
}

/** Whose message made a change: the connection, and the xid of the message. */
export interface ChangedBy {
  owner: object
  xid: number
}

/** `removal` is the reason that its deleted flows go for; it is a plain delete where absent. */
export type PlannedFlowMod = FlowMod & { removal?: RemovalReason }

export type FlowChange =
  /** `before` gave way to it. */
  | { event: 'added' | 'modified'; flow: Flow; before?: Flow; by?: ChangedBy | undefined }
  | { event: 'deleted'; flow: Flow; reason: RemovalReason; by?: ChangedBy | undefined }

/** All that one message, frame or moment changed, in order. */
export type FlowListener = (changes: readonly FlowChange[]) => void

/** What mods did so far: how to take it back, and what there is to tell of it once all are done. */
interface Transaction {
  readonly undo: (() => void)[]
  readonly changes: FlowChange[]
  readonly by: ChangedBy | undefined
}

/** One of several mods was refused, the one at `index`, and so none was carried out. */
export class FlowModRefused extends Refused {
  readonly index: number

  constructor(index: number, { code, field, message }: Refused) {
    super(code, field, message)
    this.name = 'FlowModRefused'
    this.index = index
  }
}

/** As many flows that are gone may be watched for their timeouts, beside as many again as there are flows. */
const FEW = 1024

export class FlowTables {
  readonly #options: FlowTablesOptions
  /** The last one is behind those that OpenFlow knows, and always empty. */
  readonly #tables = Array.from({ length: TABLES + 1 }, () => new FlowTable())
  readonly #configs = new TableConfigs()
  readonly #references = new FlowReferences()
  readonly #timeouts = new FlowTimeouts()
  readonly #listeners = new Set<FlowListener>()
  readonly #isAlive = (flow: Flow) => this.#tables[flow.spec.table].has(flow)
  /** Learned flows whose learners went; see `#deleteOrphans`. */
  #orphans: Learned[] = []
  #size = 0
  #timer: { at: Nanoseconds; timer: Timer } | undefined

  constructor(options: FlowTablesOptions) {
    this.#options = options
  }

  /** Flows in all tables. */
  get size(): number {
    return this.#size
  }

  /** 0 to 254: the last is always empty. */
  table(number: number): FlowTable {
    return this.#tables[number]
  }

  /** Table by table. */
  *[Symbol.iterator](): Iterator<Flow> {
    this.#catchUp()
    for (const table of this.#tables) if (table.size > 0) yield* table
  }

  /** Hears of every change from now on; call what comes back to hear no more. */
  listen(listener: FlowListener): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /**
   * Carries out `mods` in order: all of them, or none.
   * @throws Refused the first that can not be carried out.
   */
  applyBundle(mods: readonly FlowMod[]): void {
    for (const mod of mods) checkFlowMod(mod, this.#options)
    this.applyChecked(mods)
  }

  /**
   * The same for mods that have been through `checkFlowMod`.
   * @throws FlowModRefused what the tables themselves refuse: overlap, no room
   */
  applyChecked(mods: readonly PlannedFlowMod[], by?: ChangedBy): void {
    this.#catchUp()
    const transaction: Transaction = { undo: [], changes: [], by }
    let index = 0
    try {
      for (; index < mods.length; index++) this.#apply(mods[index], transaction)
    } catch (error) {
      for (const step of transaction.undo.reverse()) step()
      this.#orphans = []
      throw new FlowModRefused(index, asRefusal(error))
    }
    this.#settle(transaction.changes)
  }

  /** Deletes the flows that use the meter (OpenFlow 1.3 §6.5: they go with it). */
  deleteUsingMeter(meter: number): void {
    if (this.countUsingMeter(meter) > 0)
      this.#deleteAll('meter_delete', ({ spec }) => spec.instructions.meter === meter)
  }

  /** Deletes the flows that send to the group (OpenFlow 1.3 §6.4: they go with it). */
  deleteUsingGroup(group: number): void {
    if (this.countUsingGroup(group) === 0) return
    const sends = (flow: Flow) =>
      someAction(flow.spec.instructions, (action) => action.type === 'group' && action.group === group)
    this.#deleteAll('group_delete', sends)
  }

  countUsingMeter(meter: number): number {
    return this.#references.flowsOfMeter(meter)
  }

  countUsingGroup(group: number): number {
    return this.#references.flowsOfGroup(group)
  }

  /**
   * A flow that a frame has taught. One that is there already, the same in all, only counts its hard timeout anew. False where
   * the table has `limit` flows of this cookie, or no room, or is none of a controller's; 0 stands for no limit.
   */
  learn(mod: FlowMod, limit = 0): boolean {
    const { clock } = this.#options
    if (mod.table >= TABLES) return false
    this.#catchUp()
    const isBelow = this.mayLearn(mod.table, mod.cookie, limit)
    try {
      const flow = makeFlow(specOf(mod), clock.now())
      const known = this.#tables[mod.table].find(flow, mod.priority)
      if (known !== undefined && isSame(known.spec, flow.spec)) known.modifiedAt = clock.now()
      else if (isBelow) this.#learnAnew(mod, known)
      return isBelow
    } catch (error) {
      if (error instanceof Refused || error instanceof InvalidField) return false
      throw error
    }
  }

  /** Whether the table has fewer than `limit` flows of this cookie; 0 stands for no limit. */
  mayLearn(table: number, cookie: bigint, limit: number): boolean {
    if (limit === 0) return true
    let flows = 0
    for (const { spec } of this.#tables[table]) if (spec.cookie === cookie && ++flows >= limit) return false
    return true
  }

  /** What a TCP connection's end does to its flow (seconds; 0 leaves a timeout as it is). Timeouts never grow. */
  shortenTimeouts(flow: Flow, idle: number, hard: number): void {
    const { idleTimeout, hardTimeout } = flow.spec
    const shorter = { idleTimeout: shorten(idleTimeout, idle), hardTimeout: shorten(hardTimeout, hard) }
    if (shorter.idleTimeout === idleTimeout && shorter.hardTimeout === hardTimeout) return
    flow.spec = { ...flow.spec, ...shorter }
    if (!this.#isAlive(flow)) return
    this.#timeouts.watch(flow)
    this.#schedule()
  }

  /**
   * Sets a table up, or all of them (255). Flows for which there is no room any more go where the table may let them go.
   * @throws Refused
   */
  configure(config: TableConfig): void {
    this.#catchUp()
    const changes: FlowChange[] = []
    for (const table of this.#configs.set(config)) {
      while (this.#tables[table].size > this.capacityOf(table)) {
        const victim = this.#victimOf(table)
        if (victim === undefined) break
        this.#remove(victim)
        changes.push({ event: 'deleted', flow: victim, reason: 'eviction' })
      }
    }
    this.#options.configured?.()
    this.#settle(changes)
  }

  configs(): TableConfig[] {
    return this.#configs.all()
  }

  /** What becomes of a frame that no flow of the table takes; undefined: as the switch's default has it. */
  missOf(table: number): TableConfig['miss'] {
    return this.#configs.get(table)?.miss
  }

  /** Flows that fit the table. */
  capacityOf(table: number): number {
    return this.#configs.get(table)?.maxFlows ?? this.#options.maxFlows
  }

  tableStatistics(): TableStatistics[] {
    this.#catchUp()
    return this.#tables.slice(0, TABLES).map(({ size, lookups, matched }, table) => ({
      table,
      active: size,
      lookups: BigInt(lookups),
      matched: BigInt(matched),
    }))
  }

  /** Takes out the flows whose time is up at `now`, in the order in which it was up. */
  expire(now: Nanoseconds): Flow[] {
    this.#catchUp()
    const expired: Flow[] = []
    for (;;) {
      const flow = this.#timeouts.takeExpired(now, this.#isAlive)
      if (flow === undefined) break
      this.#remove(flow)
      expired.push(flow)
    }
    const reasonOf = (flow: Flow) => expiryReason(flow, now) ?? 'idle_timeout'
    this.#settle(expired.map((flow) => ({ event: 'deleted', flow, reason: reasonOf(flow) })))
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

  /** The flows that the filter selects now, table by table; each as it stands when it is taken. */
  statistics(filter: FlowFilter): IterableIterator<FlowStatistics> {
    return this.#statisticsOf(this.#select(filter.table, filter))
  }

  *#statisticsOf(flows: readonly Flow[]): Generator<FlowStatistics> {
    const { clock } = this.#options
    for (const flow of flows) {
      this.#catchUp()
      yield statisticsOf(flow, clock.now())
    }
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
    if (table !== ALL_TABLES) return this.#tables[table].select(selection)
    return this.#tables.filter(({ size }) => size > 0).flatMap((one) => one.select(selection))
  }

  #apply(mod: PlannedFlowMod, transaction: Transaction): void {
    switch (mod.command) {
      case 'add':
        return this.#add(mod, transaction)
      case 'modify':
      case 'modify-strict':
        return this.#modify(mod, transaction)
      case 'delete':
      case 'delete-strict':
        return this.#delete(mod, transaction)
    }
  }

  /**
   * One of the same match and priority gives way. As in Open vSwitch its counters go on, unless the flow says that they shall
   * not, and when it was last used goes on anyway.
   */
  #add(mod: FlowMod, transaction: Transaction): void {
    const flow = makeFlow(specOf(mod), this.#options.clock.now())
    const replaced = this.#tables[mod.table].find(flow, mod.priority)
    if (replaced === undefined) this.#makeRoom(flow, transaction)
    else takeOver(replaced, flow, !mod.flags.resetCounts)
    this.#put(flow, replaced, transaction)
    this.#tell(transaction, 'added', flow, replaced)
  }

  #makeRoom(flow: Flow, transaction: Transaction): void {
    const { table, priority, flags } = flow.spec
    if (flags.checkOverlap && this.#tables[table].overlapping(flow))
      throw new Refused('OFPFMFC_OVERLAP', 'match', `overlaps a flow of priority ${priority} in table ${table}`)
    const isFull = this.#tables[table].size >= this.capacityOf(table)
    if (!isFull && this.#size < this.#options.maxFlows) return
    const victim = this.#victimOf(table)
    if (victim === undefined)
      throw new Refused(
        'OFPFMFC_TABLE_FULL',
        '',
        `table ${table} has ${this.#tables[table].size} flows and takes no more`,
      )
    this.#take(victim, 'eviction', transaction)
  }

  #victimOf(table: number): Flow | undefined {
    return this.#configs.get(table)?.eviction ? leastWorth(this.#tables[table]) : undefined
  }

  /** Cookie, timeouts, flags and age stay as they were; so do counters, unless asked to reset. Hard timeouts count anew. */
  #modify(mod: FlowMod, transaction: Transaction): void {
    for (const flow of this.#select(mod.table, selectionOf(mod))) {
      const modified = changedFlow(flow, { instructions: mod.instructions }, this.#options.clock.now())
      if (mod.flags.resetCounts) takeOver(flow, modified, false)
      this.#put(modified, flow, transaction)
      this.#tell(transaction, 'modified', modified, flow)
    }
  }

  /** What is there under this match keeps its age and its timeouts, as with a modify; what is not there is added. */
  #learnAnew(mod: FlowMod, known: Flow | undefined): void {
    if (known === undefined) return this.applyChecked([{ ...mod, command: 'add' }])
    const { cookie, instructions } = mod
    const transaction: Transaction = { undo: [], changes: [], by: undefined }
    const changed = changedFlow(known, { cookie, instructions }, this.#options.clock.now())
    this.#put(changed, known, transaction)
    this.#tell(transaction, 'modified', changed, known)
    this.#settle(transaction.changes)
  }

  #delete(mod: PlannedFlowMod, transaction: Transaction): void {
    const reason = mod.removal ?? 'delete'
    for (const flow of this.#select(mod.table, selectionOf(mod))) this.#take(flow, reason, transaction)
  }

  #take(flow: Flow, reason: RemovalReason, { undo, changes, by }: Transaction): void {
    this.#remove(flow)
    undo.push(() => this.#insert(flow))
    changes.push({ event: 'deleted', flow, reason, by })
  }

  #put(flow: Flow, replaced: Flow | undefined, { undo }: Transaction): void {
    if (replaced) this.#remove(replaced)
    this.#insert(flow)
    undo.push(() => {
      this.#remove(flow)
      if (replaced) this.#insert(replaced)
    })
  }

  /** A modify that changes nothing is no news, as in Open vSwitch. */
  #tell({ changes, by }: Transaction, event: 'added' | 'modified', flow: Flow, before: Flow | undefined): void {
    if (this.#listeners.size === 0) return
    const isNews =
      event === 'added' ||
      flow.spec.cookie !== before?.spec.cookie ||
      !isDeepStrictEqual(flow.spec.instructions, before.spec.instructions)
    if (isNews) changes.push(before === undefined ? { event, flow, by } : { event, flow, before, by })
  }

  #deleteAll(reason: RemovalReason, isSuch: (flow: Flow) => boolean): void {
    this.#catchUp()
    const flows = [...this].filter(isSuch)
    for (const flow of flows) this.#remove(flow)
    this.#settle(flows.map((flow) => ({ event: 'deleted', flow, reason })))
  }

  /** Everything is in its place: what was to go with it goes, and all are told. */
  #settle(changes: FlowChange[]): void {
    this.#deleteOrphans(changes)
    this.#schedule()
    for (const change of changes) if (change.event === 'deleted') this.#options.removed(change.flow, change.reason)
    if (changes.length > 0) for (const listener of this.#listeners) listener(changes)
  }

  /** Learned flows that go with the last flow that learns them; they may have been learners themselves. */
  #deleteOrphans(changes: FlowChange[]): void {
    for (let orphan = this.#orphans.pop(); orphan !== undefined; orphan = this.#orphans.pop()) {
      const { table, cookie } = orphan
      if (!this.#references.isOrphaned(orphan)) continue
      const learned = [...this.#tables[table]].filter(({ spec }) => spec.cookie === cookie)
      for (const flow of learned) {
        this.#remove(flow)
        changes.push({ event: 'deleted', flow, reason: 'delete' })
      }
    }
  }

  #catchUp(): void {
    this.#options.catchUp?.()
  }

  #insert(flow: Flow): void {
    this.#tables[flow.spec.table].add(flow)
    this.#options.changed?.(flow)
    this.#references.add(flow)
    this.#timeouts.watch(flow)
    this.#size++
    // Flows that come and go faster than their timeouts leave nothing behind.
    if (this.#timeouts.size > 2 * this.#size + FEW) this.#timeouts.compact(this.#isAlive)
  }

  #remove(flow: Flow): void {
    this.#tables[flow.spec.table].remove(flow)
    this.#orphans.push(...this.#references.remove(flow))
    this.#options.changed?.(flow)
    this.#size--
  }
}

/** The shorter of a flow's timeout and `most`; of each, 0 means none. */
const shorten = (timeout: number, most: number) => (most > 0 && (timeout === 0 || timeout > most) ? most : timeout)

const isSame = (a: FlowSpec, b: FlowSpec) =>
  a.cookie === b.cookie &&
  a.idleTimeout === b.idleTimeout &&
  a.hardTimeout === b.hardTimeout &&
  isDeepStrictEqual(a.flags, b.flags) &&
  isDeepStrictEqual(a.instructions, b.instructions)

const specOf = onceIfFrozen((mod: FlowMod): FlowSpec => {
  const { table, priority, match, cookie, idleTimeout, hardTimeout, flags, importance, instructions } = mod
  const spec: FlowSpec = { table, priority, match, cookie, idleTimeout, hardTimeout, flags, instructions }
  if (importance !== undefined) spec.importance = importance
  return Object.isFrozen(mod) ? Object.freeze(spec) : spec
})

function selectionOf(mod: FlowMod): FlowSelection {
  const isStrict = mod.command === 'modify-strict' || mod.command === 'delete-strict'
  const isDelete = mod.command === 'delete' || mod.command === 'delete-strict'
  return {
    match: mod.match,
    cookie: mod.cookie,
    cookieMask: mod.cookieMask,
    ...(isStrict ? { priority: mod.priority } : {}),
    ...(isDelete && mod.outPort !== undefined ? { outPort: mod.outPort } : {}),
    ...(isDelete && mod.outGroup !== undefined ? { outGroup: mod.outGroup } : {}),
  }
}
