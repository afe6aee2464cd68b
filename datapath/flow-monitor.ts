// Flow monitors (OpenFlow 1.4 §7.3.5.18, Open vSwitch's NXST_FLOW_MONITOR): one controller hears of what changes in the tables. What
// is said and when follows Open vSwitch's ofmonitor_report (ofproto/connmgr.c).

import type { FlowMonitor, FlowSpec, FlowUpdate } from '../protocols/control/messages.ts'
import { ALL_TABLES } from '../protocols/control/messages.ts'
import { Refused, asRefusal } from '../protocols/control/refused.ts'
import { checkFlowFilter } from './flow-check.ts'
import { isSelected } from './flow-table.ts'
import type { FlowChange, FlowTables } from './flow-tables.ts'
import type { Flow } from './flow.ts'
import type { CompactMatch } from './packed-match.ts'
import { compactMatch, isWithin } from './packed-match.ts'

/** Monitors that one controller may have. */
const MOST_MONITORS = 1024
const WANTED = { added: 'add', modified: 'modify', deleted: 'delete' } as const

/** How a flow has come to be while its hearer was not told; `before` is what it knows in its place. */
interface Untold {
  readonly flow: Flow
  readonly event: 'added' | 'modified'
  readonly before: Flow | undefined
}

interface Watch {
  readonly monitor: FlowMonitor
  readonly match: CompactMatch
}

/** The monitors of one controller, and what they have to tell. */
export class FlowMonitors {
  readonly #tables: FlowTables
  readonly #owner: object
  readonly #report: (updates: FlowUpdate[]) => void
  readonly #watches = new Map<number, Watch>()
  #stopListening: (() => void) | undefined
  /**
   * While paused: flows that the hearer does not know as they are, by their packed matches, which even a modify that is no news
   * leaves in place. Each is in a table, so there are no more than flows.
   */
  #untold: Map<object, Untold> | undefined

  /** `owner` is whom `ChangedBy` names where the controller itself made a change. `report` hears of all that one message changed. */
  constructor(tables: FlowTables, owner: object, report: (updates: FlowUpdate[]) => void) {
    this.#tables = tables
    this.#owner = owner
    this.#report = report
  }

  /**
   * Adds all of these, or none; gives what is there already, of those that want to hear of it.
   * @throws Refused
   */
  add(monitors: readonly FlowMonitor[]): FlowUpdate[] {
    const ids = new Set(this.#watches.keys())
    monitors.forEach((monitor, index) => checkMonitor(monitor, ids, `monitors[${index}]`))
    const added = monitors.map((monitor) => ({ monitor, match: compactMatch(monitor.match) }))
    for (const watch of added) this.#watches.set(watch.monitor.id, watch)
    if (this.#watches.size > 0) this.#stopListening ??= this.#tables.listen((changes) => this.#hear(changes))
    const initial = added.filter(({ monitor }) => monitor.flags.initial)
    return initial.length === 0 ? [] : this.#present(initial)
  }

  /** @throws Refused where there is no such monitor. */
  cancel(id: number): void {
    if (!this.#watches.delete(id)) throw new Refused('OFPMOFC_UNKNOWN_MONITOR', 'id', `there is no monitor ${id}`)
    if (this.#watches.size === 0) this.close()
  }

  get paused(): boolean {
    return this.#untold !== undefined
  }

  /** Until `resume` tells of nothing but flows that go, of those that the hearer knows. */
  pause(): void {
    this.#untold ??= new Map()
  }

  /** Ends a pause; gives what came and changed in it and is still there. */
  resume(): FlowUpdate[] {
    const untold = this.#untold ?? new Map<object, Untold>()
    this.#untold = undefined
    const updates: FlowUpdate[] = []
    for (const { flow, event, before } of untold.values()) {
      const change: FlowChange = { event, flow, ...(before && { before }) }
      const seeing = [...this.#watches.values()].filter((watch) => hears(watch, change))
      if (seeing.length > 0) updates.push(updateOf(change, seeing))
    }
    return updates
  }

  close(): void {
    this.#untold = undefined
    this.#watches.clear()
    this.#stopListening?.()
    this.#stopListening = undefined
  }

  /** Each flow once, however many monitors see it. */
  #present(watches: readonly Watch[]): FlowUpdate[] {
    const updates: FlowUpdate[] = []
    for (const flow of this.#tables) {
      const seeing = watches.filter((watch) => sees(watch, flow))
      if (seeing.length > 0) updates.push({ type: 'full', event: 'added', flow: toldOf(flow, seeing) })
    }
    return updates
  }

  /** Of changes that the controller made itself it hears in short, and once, unless it wants them in full. */
  #hear(changes: readonly FlowChange[]): void {
    const updates: FlowUpdate[] = []
    let isAbbreviated = false
    for (const change of changes) {
      if (this.#untold !== undefined && !isToldInPause(this.#untold, change)) continue
      const seeing = [...this.#watches.values()].filter((watch) => hears(watch, change))
      if (seeing.length === 0) continue
      const wantsOwn = seeing.some(({ monitor }) => monitor.flags.own)
      if (change.by?.owner !== this.#owner || wantsOwn) updates.push(updateOf(change, seeing))
      else if (!isAbbreviated) {
        updates.push({ type: 'abbreviated', xid: change.by.xid })
        isAbbreviated = true
      }
    }
    if (updates.length > 0) this.#report(updates)
  }
}

/** Notes the change of a pause; true where it is told all the same: a flow goes that was known. */
function isToldInPause(untold: Map<object, Untold>, change: FlowChange): boolean {
  const gone = change.event === 'deleted' ? change.flow : change.before
  const known = gone && untold.get(gone.values)
  if (gone !== undefined) untold.delete(gone.values)
  if (change.event === 'deleted') return known === undefined || known.before !== undefined
  const event = known?.event === 'added' ? 'added' : change.event
  untold.set(change.flow.values, { flow: change.flow, event, before: known === undefined ? gone : known.before })
  return false
}

function checkMonitor(monitor: FlowMonitor, ids: Set<number>, path: string): void {
  if (ids.has(monitor.id)) throw new Refused('OFPMOFC_MONITOR_EXISTS', `${path}.id`, `there is a monitor ${monitor.id}`)
  ids.add(monitor.id)
  if (ids.size > MOST_MONITORS)
    throw new Refused('bad_request', path, `more than ${MOST_MONITORS} monitors of one controller`)
  try {
    checkFlowFilter(monitor)
  } catch (error) {
    throw asRefusal(error).within(path)
  }
}

const ANY_COOKIE = { cookie: 0n, cookieMask: 0n }

const sees = ({ monitor, match }: Watch, flow: Flow): boolean =>
  (monitor.table === ALL_TABLES || monitor.table === flow.spec.table) &&
  isWithin(flow, match) &&
  isSelected(flow, { ...monitor, ...ANY_COOKIE })

/** A flow that no longer sends to the port, or the group, that the monitor watches is still news to it. */
function hears(watch: Watch, change: FlowChange): boolean {
  if (!watch.monitor.flags[WANTED[change.event]]) return false
  if (sees(watch, change.flow)) return true
  return change.event !== 'deleted' && change.before !== undefined && sees(watch, change.before)
}

function updateOf(change: FlowChange, seeing: readonly Watch[]): FlowUpdate {
  const flow = toldOf(change.flow, seeing)
  return change.event === 'deleted'
    ? { type: 'full', event: 'deleted', reason: change.reason, flow }
    : { type: 'full', event: change.event, flow }
}

/** What a flow does is told to those who asked for it. */
function toldOf({ spec }: Flow, seeing: readonly Watch[]): FlowSpec {
  const isFull = seeing.some(({ monitor }) => monitor.flags.instructions)
  return isFull ? spec : { ...spec, instructions: { apply: [], clear: false, write: [] } }
}
