// What a walk through the pipeline tells, as a tree of lines: Open vSwitch's `struct oftrace_node` (ofproto-dpif-trace.c).

import type { Action, Subfield } from '../../protocols/control/messages.ts'
import { FIELDS, fieldOf } from '../../protocols/fields.ts'
import type { FieldMatch } from '../../protocols/match.ts'
import { printActions, printInstructions, printMatch } from '../../protocols/flow-text/print.ts'
import { hexadecimal } from '../../protocols/flow-text/numbers.ts'
import { formatSubfield, isWhole } from '../../protocols/flow-text/subfields.ts'
import { formatInAction } from '../../protocols/flow-text/values.ts'
import { DROP_REASONS } from '../drops.ts'
import type { Flow } from '../flow.ts'
import type { FlowKey } from '../flow-key.ts'
import { readField } from '../flow-key.ts'
import type { FlowTables } from '../flow-tables.ts'
import type { Group, GroupBucket } from '../groups.ts'
import type { ActionSet } from '../pipeline/action-set.ts'
import { actionSetInOrder, stepsWritten } from '../pipeline/action-set.ts'
import type { Frozen } from '../pipeline/freeze.ts'
import type { TranslationObserver } from '../pipeline/observer.ts'
import type { Step } from '../pipeline/steps.ts'
import { actionOf } from '../pipeline/steps.ts'

/** A line of a trace and those under it. What is a place in the tables stands at its own level where nothing follows. */
export interface TraceNode {
  kind: 'place' | 'bucket' | 'action' | 'detail' | 'warning' | 'error'
  text: string
  under: TraceNode[]
}

const node = (kind: TraceNode['kind'], text: string): TraceNode => ({ kind, text, under: [] })

/** Notes of the pipeline that Open vSwitch gives as warnings and as errors. */
const WARNINGS =
  /^(skipping output|Nonexistent|IPv[46] decrement|MPLS decrement|unmet prerequisites|output_trunc|suppressing|disallowed VLAN|Trying to send|resubmit\(ct\)|output to nonexistent|Packet with)/
const ERRORS = /^(stack underflow|dropping |over )/
/** Why the pipeline gives up, in its words there. */
const LIMITS: ReadonlyMap<string, string> = new Map([
  [DROP_REASONS.recursion_too_deep, 'over max translation depth 64'],
  [DROP_REASONS.too_many_resubmit, 'over 4096 resubmit actions'],
  [DROP_REASONS.stack_too_deep, 'resubmits yielded over 64 kB of stack'],
])

/** Records one walk: from a key to its end. */
export class TraceRecorder implements TranslationObserver {
  /** What stands under the bridge's name. */
  readonly root: TraceNode[] = []
  /** Where the walk of a frozen frame left off. */
  readonly frozenAt = new Map<Frozen, { depth: number; lists: TraceNode[][] }>()
  readonly #tables: FlowTables
  /** By depth: where the next line of that depth goes. */
  #lists: TraceNode[][] = []
  #key: FlowKey | undefined
  #finalKey: FlowKey | undefined
  /** A field whose value is told once it has been written. */
  #written: { to: Subfield; depth: number } | undefined
  /** An action set under way beside other lists: how many of its actions are to come, and where lines go afterwards. */
  #setUnderWay: { left: number; depth: number; list: TraceNode[] } | undefined
  #lastMiss: { node: TraceNode; depth: number } | undefined

  constructor(tables: FlowTables, frozen?: Frozen) {
    this.#tables = tables
    if (frozen === undefined) return
    const thaw = node('place', 'thaw')
    this.root.push(thaw)
    const under = (text: string) => thaw.under.push(node('place', text))
    if (frozen.table !== undefined) under(`Resuming from table ${frozen.table}`)
    const restored = actionSetInOrder(stepsWritten(frozen.actionSet))
    if (restored.length > 0) under(`Restoring action set: ${printActions(restored.map(actionOf))}`)
    const rest = frozen.lists.flatMap(({ steps, next }) => steps.slice(next)).map(actionOf)
    if (rest.length > 0) under(`Restoring actions: ${printActions(rest)}`)
  }

  /** The key at the end. */
  get finalKey(): FlowKey | undefined {
    return this.#finalKey
  }

  /** Goes on telling where the walk of `frozen` left off: the same walk, measured. */
  goOnFrom(frozen: Frozen): void {
    const at = this.frozenAt.get(frozen)
    if (at !== undefined) this.#lists = [...at.lists]
  }

  table(table: number, flow: Flow | undefined, key: FlowKey, depth: number): void {
    this.#flush()
    this.#key = key
    if (this.#lastMiss?.depth === depth) this.#remove(this.#lastMiss.node, depth)
    const found = node('place', `${String(table).padStart(2)}. ${this.#describe(table, flow, depth)}`)
    this.#lastMiss = flow === undefined ? { node: found, depth } : undefined
    this.#listAbove(depth).push(found)
    this.#enter(depth, found)
    if (flow === undefined) return
    const { instructions } = flow.spec
    if (instructions.meter !== undefined) this.#add(depth, node('action', `meter:${instructions.meter}`))
    if (printInstructions(instructions) === 'drop') this.#add(depth, node('action', 'drop'))
  }

  action(action: Action, depth: number): void {
    this.#flush()
    this.#lastMiss = undefined
    this.#leaveSet(depth)
    this.#add(depth, node('action', printActions([action])))
    if (action.type === 'ct' || action.type === 'clone') this.#inner(action, depth)
    else if (action.type === 'learn') this.note('suppressing side effects, so learn action ignored', depth)
    const to = writtenBy(action)
    if (to !== undefined) this.#written = { to, depth }
  }

  instructions(flow: Flow, depth: number, actionSet: ActionSet | undefined): void {
    this.#flush()
    this.#leaveSet(depth)
    const { clear, write, writeMetadata, gotoTable } = flow.spec.instructions
    const say = (part: Partial<Flow['spec']['instructions']>) =>
      this.#add(depth, node('action', printInstructions({ apply: [], clear: false, write: [], ...part })))
    if (clear) {
      say({ clear })
      this.#sayActionSet('was', stepsWritten(actionSet), depth)
    }
    if (write.length > 0) {
      say({ write })
      const before = clear ? [] : stepsWritten(actionSet)
      this.#sayActionSet('is', [...before, ...flow.write], depth)
    }
    if (writeMetadata !== undefined) say({ writeMetadata })
    if (gotoTable !== undefined) say({ gotoTable })
  }

  bucket(group: Group, bucket: GroupBucket, depth: number): void {
    this.#flush()
    const { groupType } = group.spec
    if (groupType === 'select' || groupType === 'fast_failover')
      this.#add(depth - 1, node('detail', `using bucket ${bucket.spec.id}`))
    const found = node('bucket', `bucket ${bucket.spec.id}`)
    this.#add(depth - 1, found)
    this.#enter(depth, found)
    if (actionSetInOrder(bucket.steps).length === 0) this.#add(depth, node('action', 'drop'))
  }

  actionSet(actions: readonly Action[], depth: number): void {
    this.#flush()
    const found = node('place', '--. Executing action set:')
    const list = this.#list(depth)
    list.push(found)
    this.#setUnderWay = { left: actions.length, depth, list }
    this.#lists[depth] = found.under
  }

  note(reason: string, depth: number): void {
    this.#flush()
    const text = LIMITS.get(reason) ?? reason
    const kind = ERRORS.test(text) ? 'error' : WARNINGS.test(text) ? 'warning' : 'detail'
    this.#add(depth, node(kind, text))
  }

  frozen(frozen: Frozen, depth: number): void {
    this.#flush()
    this.frozenAt.set(frozen, { depth, lists: [...this.#lists] })
  }

  copyEnds(): void {
    this.#flush()
  }

  final(key: FlowKey): void {
    this.#key = key
    this.#flush()
    this.#finalKey ??= key.slice()
    addDrops(this.root)
    if (this.root.length === 0)
      this.root.push({
        ...node('place', ' 0. Packets are IP fragments and the fragment handling mode is "drop".'),
        under: [node('action', 'drop')],
      })
  }

  // ---- where lines go --------------------------------------------------------------------------------------------

  #list(depth: number): TraceNode[] {
    for (let at = Math.min(depth, this.#lists.length - 1); at >= 0; at--) {
      const list = this.#lists[at]
      if (list !== undefined) return list
    }
    return this.root
  }

  #listAbove = (depth: number): TraceNode[] => (depth === 0 ? this.root : this.#list(depth - 1))

  #enter(depth: number, at: TraceNode): void {
    this.#lists.length = Math.min(this.#lists.length, depth)
    while (this.#lists.length < depth) this.#lists.push(this.#list(this.#lists.length))
    this.#lists.push(at.under)
  }

  #add(depth: number, line: TraceNode): void {
    this.#list(depth).push(line)
  }

  #remove(gone: TraceNode, depth: number): void {
    const list = this.#listAbove(depth)
    if (list.at(-1) === gone) list.pop()
  }

  #leaveSet(depth: number): void {
    const set = this.#setUnderWay
    if (set === undefined || depth !== set.depth) return
    if (set.left-- > 0) return
    this.#lists[depth] = set.list
    this.#setUnderWay = undefined
  }

  // ---- words -----------------------------------------------------------------------------------------------------

  #describe(table: number, flow: Flow | undefined, depth: number): string {
    if (flow === undefined)
      return depth === 0 && this.#tables.missOf(table) === 'controller'
        ? 'No match, and a "packet-in" is called for.'
        : 'No match.'
    const { match, priority, cookie } = flow.spec
    const met = match.length === 0 ? '' : `${printMatch(match.toSorted(byField))}, `
    return `${met}priority ${priority}${cookie === 0n ? '' : `, cookie 0x${cookie.toString(16)}`}`
  }

  /** As in Open vSwitch, a ct tells its own actions behind itself; those of a clone are told as they are done. */
  #inner(action: Extract<Action, { type: 'ct' | 'clone' }>, depth: number): void {
    if (action.type === 'clone' && action.actions.length > 0) return
    const inner = action.actions.length === 0 ? ['drop'] : action.actions.map((one) => printActions([one]))
    for (const text of inner) this.#add(depth, node('action', text))
  }

  #sayActionSet(verb: 'is' | 'was', written: readonly Step[], depth: number): void {
    const steps = actionSetInOrder(written)
    const text = steps.length === 0 ? `${verb} empty` : `${verb}: ${printActions(steps.map(actionOf))}`
    this.#add(depth, node('detail', `action set ${text}`))
  }

  #flush(): void {
    const written = this.#written
    this.#written = undefined
    if (written === undefined || this.#key === undefined) return
    const { to, depth } = written
    const field = fieldOf(to.field)
    const value = (readField(this.#key, field) >> BigInt(to.offset)) & ((1n << BigInt(to.bits)) - 1n)
    const text = isWhole(to) ? formatInAction(field, { value }, {}) : hexadecimal(value)
    this.#add(depth, node('detail', `${formatSubfield(to)} is now ${text}`))
  }
}

/** The order of printing; a controller may have written them in any. */
const byField = (a: FieldMatch, b: FieldMatch) => FIELDS.indexOf(fieldOf(a.field)) - FIELDS.indexOf(fieldOf(b.field))

function writtenBy(action: Action): Subfield | undefined {
  switch (action.type) {
    case 'move':
    case 'stack_pop':
    case 'multipath':
      return action.to
    case 'bundle':
      return action.to
    default:
      return undefined
  }
}

/** A look-up that finds nothing and does nothing drops. */
function addDrops(nodes: readonly TraceNode[]): void {
  for (const { kind, text, under } of nodes) {
    if (kind === 'place' && text.includes('. No match') && !under.some((one) => one.kind === 'action'))
      under.unshift(node('action', 'drop'))
    addDrops(under)
  }
}

const isPlace = ({ kind }: TraceNode) => kind === 'place'
const ARROWS: Readonly<Record<TraceNode['kind'], (text: string) => string>> = {
  place: (text) => text,
  bucket: (text) => text,
  action: (text) => text,
  detail: (text) => ` -> ${text}`,
  warning: (text) => ` >> ${text}`,
  error: (text) => ` >>>> ${text} <<<<`,
}

/** The tree's lines, indented as Open vSwitch does: a place that nothing follows costs no room, so long ways stay readable. */
export function linesOf(nodes: readonly TraceNode[], level = 0): string[] {
  return nodes.flatMap((one, index) => {
    const more = index < nodes.length - 1 || !isPlace(one) ? 1 : 0
    return [`${' '.repeat((level + more) * 4)}${ARROWS[one.kind](one.text)}`, ...linesOf(one.under, level + 2 * more)]
  })
}
