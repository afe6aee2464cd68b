// A frame's walk through tables, groups and lists of actions.
//
// Lists nest by resubmits and groups, too deep for the call stack, so the walk keeps its own: a stack of lists under way
// (`Activation`) in scopes. A scope is what is done to one copy of the frame: the frame itself, a clone or a bucket. When its
// lists have ended, its action set is carried out, and the frame is again what it was before.

import type { Action, FragmentHandling, TableConfig } from '../../protocols/control/messages.ts'
import { LAST_TABLE, MAX_CLONE_DEPTH, NO_COOKIE, ReservedPort } from '../../protocols/control/messages.ts'
import { Word, fieldOf } from '../../protocols/fields.ts'
import type { Nanoseconds } from '../../runtime/clock.ts'
import type { DropReason } from '../drops.ts'
import { DROP_REASONS } from '../drops.ts'
import { COST_OF_COPY, COST_OF_LOOKUP, MAX_EFFORT } from './effort.ts'
import type { Flow } from '../flow.ts'
import type { FlowKey } from '../flow-key.ts'
import type { FlowTable } from '../flow-table.ts'
import type { FlowTables } from '../flow-tables.ts'
import type { Group, GroupBucket, GroupTable } from '../groups.ts'
import type { ActionSet } from './action-set.ts'
import { UNSET, actionSetInOrder, outputOf, stepsWritten, written } from './action-set.ts'
import { runStep } from './actions.ts'
import type { Activation, Frozen, StackValue } from './freeze.ts'
import { findFlow } from './lookup.ts'
import type { TranslationObserver } from './observer.ts'
import type { OutputContext } from './output.ts'
import type { Step } from './steps.ts'
import { actionOf, wordWrites } from './steps.ts'
import type { BeforeClone, TranslationRoom } from './translation.ts'
import { Translation } from './translation.ts'
import { needsReading } from './unread.ts'

/** Open vSwitch's MAX_DEPTH and MAX_RESUBMITS. */
const MAX_DEPTH = 64
const MAX_LOOKUPS = MAX_DEPTH * MAX_DEPTH
/** Open vSwitch stops resubmits at 64 kB of datapath actions; an output takes 8 bytes there. */
const MAX_ACTIONS = 8192
const MAX_STACK_BYTES = 65536

const METADATA = fieldOf('metadata')
const WHOLE_FRAME = 0xffff

export interface PipelineContext extends OutputContext {
  readonly tables: Pick<FlowTables, 'missOf' | 'mayLearn'> & { table(number: number): Pick<FlowTable, 'lookup'> }
  readonly groups: Pick<GroupTable, 'get'>
  readonly fragments: FragmentHandling
  /** A frame that table 0 does not take is forwarded normally. */
  readonly standalone: boolean
  /** Where the words of an answer may be. */
  readonly room?: TranslationRoom
}

export interface WalkOptions {
  context: PipelineContext
  key: FlowKey
  now: Nanoseconds
  observer?: TranslationObserver | undefined
  frozen?: Frozen
}

const NO_PAST = { recirculations: 0, measurements: 0 }

interface Scope {
  readonly kind: 'frame' | 'clone' | 'bucket'
  /** The lists of this scope stand on so many others. */
  readonly base: number
  readonly before: BeforeClone | undefined
  readonly actionSet: ActionSet | undefined
  readonly stack: StackValue | undefined
  executesSet: boolean
  /** Of a bucket: those that come after it. */
  readonly next: (() => void) | undefined
}

/** Where in the tables a list of actions stands. */
type Place = Pick<Activation, 'table' | 'flow' | 'origin' | 'depth'>

/** Whether a look-up that finds nothing does what its table is told to; a resubmit's does not. */
type Miss = 'as configured' | 'nothing'

export class Walk {
  readonly context: PipelineContext
  readonly now: Nanoseconds
  readonly observer: TranslationObserver | undefined
  readonly frame: Translation
  readonly #lists: Activation[] = []
  readonly #scopes: Scope[] = []
  readonly #past: { recirculations: number; measurements: number }
  #depth = 0
  #clones = 0
  #lookups = 0
  #effort = 0
  #aborted = false
  #exits = false
  #executingSets = 0
  isPacketOut = false
  #actionSet: ActionSet | undefined
  /** The frame's own stack, never changed in place: clones keep it. */
  stack: StackValue | undefined

  constructor({ context, key, now, observer, frozen }: WalkOptions) {
    this.context = context
    this.now = now
    this.observer = observer
    this.frame = new Translation(key, frozen, context.room)
    this.#past = frozen ?? NO_PAST
    if (frozen === undefined) this.frame.key[Word.actionSetOutput] = UNSET
    this.#open('frame', undefined)
  }

  fromTable(table: number): Translation {
    this.enter(table, this.frame.key[Word.inPort], { depth: 0, miss: 'as configured' })
    return this.#finish()
  }

  under(steps: readonly Step[]): Translation {
    this.isPacketOut = true
    this.#begin(steps, { table: 0, flow: undefined, origin: 'packet_out', depth: 0 })
    return this.#finish()
  }

  onwards({ table, lists, actionSet, stack, isPacketOut }: Frozen): Translation {
    this.#actionSet = actionSet
    this.stack = stack
    this.isPacketOut = isPacketOut
    for (const list of lists) {
      this.#lists.push({ ...list })
      if (list.deepens) this.#depth++
    }
    return table === undefined ? this.#finish() : this.fromTable(table)
  }

  #finish(): Translation {
    while (this.#scopes.length > 0 && !this.#aborted) this.#go()
    this.frame.finish()
    this.frame.effort = this.#effort
    this.observer?.final(this.frame.key)
    return this.frame
  }

  /** One step of the innermost list. */
  #go(): void {
    const scope = this.#scopes[this.#scopes.length - 1]
    if (this.#exits) this.#unwind(scope.base)
    if (this.#lists.length === scope.base) return this.#endScope(scope)
    const current = this.#lists[this.#lists.length - 1]
    if (current.next === current.steps.length) {
      if (!this.#goOn(current)) this.endList()
      return
    }
    if (!this.#mayAfford(1)) return
    const step = current.steps[current.next]
    if (this.frame.unread && needsReading(step, this.context.groups)) return this.readAnew()
    current.next++
    this.observer?.action(actionOf(step), current.depth)
    runStep(this, step, current)
  }

  // ---- lists and scopes ------------------------------------------------------------------------------------------

  #begin(steps: readonly Step[], { table, flow, origin, depth }: Place, deepens: boolean = false): void {
    if (deepens) this.#depth++
    this.#lists.push({ table, flow, origin, depth, steps, next: 0, deepens })
  }

  endList(): void {
    if (this.#lists.pop()?.deepens) this.#depth--
  }

  #unwind(base: number): void {
    while (this.#lists.length > base) this.endList()
  }

  #open(kind: Scope['kind'], before: BeforeClone | undefined, next?: () => void): void {
    this.#scopes.push({
      kind,
      base: this.#lists.length,
      before,
      actionSet: this.#actionSet,
      stack: this.stack,
      executesSet: false,
      next,
    })
  }

  /** As in Open vSwitch, what exits does without the action set, in a clone for all lists around it, too. */
  #endScope(scope: Scope): void {
    if (scope.kind !== 'bucket' && !this.#exits && this.#actionSet !== undefined) return this.#executeSet(scope)
    this.#leave(scope)
    if (scope.kind !== 'bucket') return
    this.#exits = false
    scope.next?.()
  }

  #leave(scope: Scope): void {
    this.#unwind(scope.base)
    this.#scopes.pop()
    if (scope.executesSet) this.#executingSets--
    if (scope.before !== undefined) {
      this.observer?.copyEnds()
      this.frame.endClone(scope.before)
    }
    if (scope.kind === 'bucket') this.#depth--
    if (scope.kind !== 'clone') return
    this.#actionSet = scope.actionSet
    this.stack = scope.stack
    this.#clones--
  }

  #executeSet(scope: Scope): void {
    const flow = this.#actionSet?.flow
    const steps = actionSetInOrder(stepsWritten(this.#actionSet))
    this.#actionSet = undefined
    if (steps.length === 0) return
    const depth = this.#lists.at(-1)?.depth ?? 0
    this.observer?.actionSet(steps.map(actionOf), depth)
    if (!scope.executesSet) this.#executingSets++
    scope.executesSet = true
    this.#begin(steps, { table: flow?.spec.table ?? 0, flow, origin: 'action_set', depth })
  }

  // ---- tables ----------------------------------------------------------------------------------------------------

  /** Looks `table` up as though the frame had come in on `port`, and starts on the flow found. */
  enter(table: number, port: number, how: { depth: number; miss: Miss; deepens?: boolean; swapped?: boolean }): void {
    const flow = this.#lookup(table, port, how)
    if (flow === undefined) return
    this.#begin(flow.apply, { table: flow.spec.table, flow, origin: 'flow', depth: how.depth }, how.deepens)
    this.#meter(flow)
  }

  #lookup(
    table: number,
    port: number,
    { depth, miss, swapped = false }: { depth: number; miss: Miss; swapped?: boolean },
  ): Flow | undefined {
    if (!this.mayGoOn()) return undefined
    if (++this.#lookups > MAX_LOOKUPS) return this.abort('too_many_resubmit')
    if (!this.#mayAfford(COST_OF_LOOKUP)) return undefined
    if (this.#isFragmentToDrop()) return this.#dropFragment()
    const { fragments, tables } = this.context
    for (let number = table; ; number++) {
      const flow = findFlow(this.frame, tables.table(number), { port, swapped, fragments })
      this.observer?.table(number, flow, this.frame.key, depth)
      if (flow !== undefined) {
        this.frame.hits.push(flow)
        return flow
      }
      const configured = miss === 'as configured' ? tables.missOf(number) : undefined
      if (configured === 'continue' && number < LAST_TABLE) continue
      return this.#miss(number, miss, configured, depth)
    }
  }

  /** OpenFlow 1.3 drops what a table does not take; Open vSwitch lets a table be told otherwise, and stands in for a controller. */
  #miss(table: number, miss: Miss, configured: TableConfig['miss'], depth: number): undefined {
    this.frame.note('table_miss')
    if (miss === 'nothing') return undefined
    if (this.context.standalone && table === 0) {
      const normal: Action = { type: 'output', port: ReservedPort.Normal }
      this.#begin([normal], { table, flow: undefined, origin: 'flow', depth })
      return undefined
    }
    if (configured === undefined || configured === 'drop') return undefined
    if (this.context.ports.byNumber(this.frame.key[Word.inPort])?.flags.noPacketIn) return undefined
    this.frame.controller({ reason: 'no_match', maxLength: WHOLE_FRAME, table, cookie: NO_COOKIE })
    return undefined
  }

  #isFragmentToDrop(): boolean {
    return this.context.fragments === 'drop' && this.frame.read(Word.fragment) !== 0
  }

  #dropFragment(): undefined {
    this.frame.note('fragment')
    return undefined
  }

  /** Actions and buckets, as many as fit a flow and a group, and as often as these may be met, would take minutes. */
  #mayAfford(cost: number): boolean {
    this.#effort += cost
    const isTooMuch = this.#effort + this.frame.size > MAX_EFFORT
    if (isTooMuch) this.abort('too_many_resubmit')
    return !isTooMuch
  }

  /** Open vSwitch's `xlate_resubmit_resource_check`. */
  mayGoOn(): boolean {
    const { size, effects } = this.frame
    if (this.#depth >= MAX_DEPTH) this.abort('recursion_too_deep')
    else if (size + effects.length + (this.#actionSet?.size ?? 0) > MAX_ACTIONS) this.abort('too_many_resubmit')
    else if ((this.stack?.bytes ?? 0) >= MAX_STACK_BYTES) this.abort('stack_too_deep')
    return !this.#aborted
  }

  #meter(flow: Flow): void {
    const { meter } = flow.spec.instructions
    if (meter !== undefined) this.frame.meter(meter)
  }

  /**
   * A flow's instructions behind its actions (OpenFlow 1.3 §5.9). False where no further table follows. As in Open vSwitch,
   * a resubmit's port holds for its own table alone.
   */
  #goOn(current: Activation): boolean {
    const { flow } = current
    if (flow === undefined || flow.apply !== current.steps) return false
    const { gotoTable, clear, writeMetadata } = flow.spec.instructions
    const hasMore = clear || flow.write.length > 0 || writeMetadata !== undefined || gotoTable !== undefined
    if (!hasMore) return false
    if (this.frame.unread) {
      this.readAnew()
      return true
    }
    this.observer?.instructions(flow, current.depth, this.#actionSet)
    this.#write(flow)
    if (gotoTable === undefined) return false
    const port = this.frame.key[Word.inPort]
    const next = this.#lookup(gotoTable, port, { depth: current.depth + 1, miss: 'as configured' })
    if (next === undefined) return false
    current.table = next.spec.table
    current.flow = next
    current.steps = next.apply
    current.next = 0
    current.depth++
    this.#meter(next)
    return true
  }

  #write(flow: Flow): void {
    const { clear, writeMetadata } = flow.spec.instructions
    const { key } = this.frame
    if (clear) {
      this.#actionSet = undefined
      key[Word.actionSetOutput] = UNSET
    }
    if (flow.write.length > 0) {
      this.#actionSet = written(flow.write, flow, this.#actionSet)
      key[Word.actionSetOutput] = outputOf(this.#actionSet, key[Word.actionSetOutput])
    }
    if (writeMetadata === undefined) return
    for (const { word, value, mask } of wordWrites(METADATA, writeMetadata.value, writeMetadata.mask))
      this.frame.write(word, value, mask)
  }

  // ---- what actions ask of the walk ------------------------------------------------------------------------------

  get isExecutingSet(): boolean {
    return this.#executingSets > 0
  }

  /** Ends this list and all around it, but for those around a bucket. */
  exit(): void {
    this.#exits = true
  }

  /** As in Open vSwitch, the copy has the action set as it is now, may add to it, and carries it out at its end. */
  clone(steps: readonly Step[], place: Place): void {
    if (this.#clones >= MAX_CLONE_DEPTH) return this.abort('recursion_too_deep')
    this.#clones++
    this.#open('clone', this.frame.beginClone())
    this.#begin(steps, place)
  }

  /** Each bucket is an action set of its own, done to a copy. */
  enterBuckets(group: Group, buckets: readonly GroupBucket[], place: Place, index = 0): void {
    const bucket = buckets[index]
    if (bucket === undefined || this.#aborted) return
    // To choose among buckets, each is looked at.
    if (!this.#mayAfford(index === 0 ? COST_OF_COPY + group.buckets.length : COST_OF_COPY)) return
    const depth = place.depth + 1
    this.observer?.bucket(group, bucket, depth)
    this.#open('bucket', this.frame.beginClone(), () => this.enterBuckets(group, buckets, place, index + 1))
    this.#depth++
    this.#begin(actionSetInOrder(bucket.steps), { table: place.table, flow: place.flow, origin: 'group', depth })
  }

  /** A copy goes on at `table` with what the connection tracker will say of it. */
  forkTo(table: number): void {
    const before = this.frame.beginClone()
    this.#recirculate({ table, lists: [], actionSet: this.#actionSet, tracked: true }, true)
    this.frame.endClone(before)
  }

  /** All lists of this scope go on when the frame has been read anew, or only measured. */
  readAnew(isMeasured = false): void {
    const scope = this.#scopes[this.#scopes.length - 1]
    const lists = this.#lists.slice(scope.base)
    const actionSet = scope.kind === 'bucket' ? undefined : this.#actionSet
    this.#recirculate({ table: undefined, lists, actionSet, tracked: false }, !isMeasured)
    this.#unwind(scope.base)
    if (scope.kind !== 'bucket') this.#actionSet = undefined
  }

  #recirculate(
    { table, lists, actionSet, tracked }: Pick<Frozen, 'table' | 'lists' | 'actionSet' | 'tracked'>,
    isReadAnew: boolean,
  ): void {
    const { recirculations, measurements } = this.#past
    const frozen: Frozen = {
      table,
      lists,
      actionSet,
      tracked,
      metadata: this.frame.metadata(),
      stack: this.stack,
      queue: this.frame.queue,
      isPacketOut: this.isPacketOut,
      bare: this.frame.bare,
      recirculations: recirculations + (isReadAnew ? 1 : 0),
      measurements: measurements + (isReadAnew ? 0 : 1),
    }
    this.observer?.frozen(frozen, this.#lists.at(-1)?.depth ?? 0)
    this.frame.recirculate(frozen)
  }

  /** The frame can not be made what the action wants. That ends a bucket; in all else nothing is done (Open vSwitch's `ctx->error`). */
  fail(reason: DropReason): void {
    const bucket = this.#scopes.findLastIndex(({ kind }) => kind === 'bucket')
    if (bucket < 0) return this.abort(reason)
    const flow = this.#lists.at(-1)?.flow
    while (this.#scopes.length > bucket + 1) this.#leave(this.#scopes[this.#scopes.length - 1])
    this.#unwind(this.#scopes[bucket].base)
    this.frame.note(reason, flow)
  }

  abort(reason: DropReason): undefined {
    this.#aborted = true
    this.observer?.note(DROP_REASONS[reason], this.#lists.at(-1)?.depth ?? 0)
    this.frame.abort(reason, this.#lists.at(-1)?.flow)
    return undefined
  }
}
