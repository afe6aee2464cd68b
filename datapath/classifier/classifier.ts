// Classifiers: of many flows, which one does a key meet?
//
// A flow's match is a value and a mask over the words of the flow key; a key meets it where they agree on the mask's bits. Of
// all flows that a key meets, the one with the highest priority answers.
//
// linear-search.ts asks one flow after the other: obviously right, and the measure of the others in tests.
//
// tuple-space.ts (Srinivasan, Suri and Varghese, "Packet Classification using Tuple Space Search", SIGCOMM 1999) groups
// flows by mask. Within a group, all flows compare the same bits, so one hash of those bits finds them. Groups are asked in
// order of their highest priority, and asking stops when no group left could do better than what was found. A look-up
// costs one hash for each group asked, however many flows there are.
//
// Conjunctive matches (ovs-fields(7); Open vSwitch lib/classifier.c). A flow with clauses is not met by itself: when a key meets
// flows of one priority that together hold all clauses of a conjunction, the flows without clauses are asked once more with
// conj_id set to the conjunction's number, and who answers is the answer. Where nobody does, or not all clauses hold, it goes on
// with the next lower priority. At one priority, a flow without clauses comes before a conjunction. Of several conjunctions that
// hold at one priority, which Open vSwitch leaves open, the one with the lowest number is asked first. As in Open vSwitch the
// second look-up does not see a flow that has the same match as one with clauses and a lower priority.
//
// Both say which bits their answer depended on: those of every mask that was held against the key.

import type { Flow } from '../flow.ts'
import type { FlowKey } from '../flow-key.ts'

export interface Classifier extends Iterable<Flow> {
  readonly size: number

  /** Adds a flow. One with the same match and priority gives way and is returned. */
  insert(flow: Flow): Flow | undefined

  /** Takes out this very flow; false where it was not there. */
  remove(flow: Flow): boolean

  /** The flow with exactly this match and priority. */
  find(value: Uint32Array, mask: Uint32Array, priority: number): Flow | undefined

  /**
   * The flow with the highest priority that `key` meets; any one of them where several have it, but always the same one.
   * While it looks, it may write to the key's conj_id, and puts back what was there.
   * Sets in `consulted` every bit that the answer depended on: a key that agrees with this one on them has the same answer.
   */
  lookup(key: FlowKey, consulted: Uint32Array): Flow | undefined
}
