import type { Action } from '../../protocols/control/messages.ts'
import type { Flow } from '../flow.ts'
import type { FlowKey } from '../flow-key.ts'
import type { Group, GroupBucket } from '../groups.ts'
import type { ActionSet } from './action-set.ts'
import type { Frozen } from './freeze.ts'

/** Told of every turn that a frame takes, in order. `depth` is in how many lists of actions it stands: those of flows and of buckets. */
export interface TranslationObserver {
  /** A look-up, and what it found. */
  table(table: number, flow: Flow | undefined, key: FlowKey, depth: number): void
  /** About to be done. */
  action(action: Action, depth: number): void
  /** Behind the actions of `flow`, its other instructions come next: clear, write, writeMetadata, gotoTable. */
  instructions(flow: Flow, depth: number, actionSet: ActionSet | undefined): void
  /** The actions of the bucket come next, in the order of an action set. */
  bucket(group: Group, bucket: GroupBucket, depth: number): void
  /** What the action set has come to, in its order, is done next. */
  actionSet(actions: readonly Action[], depth: number): void
  /** Why things go as they do. */
  note(text: string, depth: number): void
  /** The way ends here, or that of a copy, to go on when the datapath has done its part. */
  frozen(frozen: Frozen, depth: number): void
  /** The way of a copy is at its end: the key becomes what it was before. */
  copyEnds(): void
  /** The key at the end. */
  final(key: FlowKey): void
}
