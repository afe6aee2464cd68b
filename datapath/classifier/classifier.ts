// Classifiers: of many flows, which one does a key meet?
//
// A flow's match is a value and a mask over the words of the flow key; a key meets it where they agree on the mask's bits. Of
// all flows that a key meets, the one with the highest priority answers.
//
// linear-search.ts asks one flow after the other: obviously right, and the measure of the others in tests.
//
// trie-classifier.ts keeps them in a ternary Patricia trie (ternary-trie.ts tells how), and puts conjunctive matches together.
//
// Conjunctive matches (ovs-fields(7); Open vSwitch lib/classifier.c). A flow with clauses is not met by itself: when a key meets
// flows of one priority that together hold all clauses of a conjunction, the flows without clauses are asked once more with
// conj_id set to the conjunction's number, and who answers is the answer. Where nobody does, or not all clauses hold, it goes on
// with the next lower priority. At one priority, a flow without clauses comes before a conjunction. Of several conjunctions that
// hold at one priority, which Open vSwitch leaves open, the one with the lowest number is asked first. As in Open vSwitch the
// second look-up does not see a flow that has the same match as one with clauses and a lower priority.
//
// Both say which bits their answer depended on: linear search those of every mask that was held against the key, the trie those of
// the winner's and one for whatever else could have won.

import type { Flow } from '../flow.ts'
import type { FlowKey } from '../flow-key.ts'
import type { CompactMatch } from '../packed-match.ts'

export interface Classifier extends Iterable<Flow> {
  readonly size: number

  /** Adds a flow. One with the same match and priority gives way and is returned. */
  insert(flow: Flow): Flow | undefined

  /** Takes out this very flow; false where it was not there. */
  remove(flow: Flow): boolean

  /** The flow with exactly this match and priority. */
  find(match: CompactMatch, priority: number): Flow | undefined

  /**
   * The flow with the highest priority that `key` meets. Where several have it: of two, at the first bit (by WORDS_IN_ORDER) that
   * only one of them looks at, the one that does. So other flows that come or go never change which of them it is.
   * While it looks, it may write to the key's conj_id, and puts back what was there.
   * Sets in `consulted` every bit that the answer depended on: a key that agrees with this one on them has the same answer.
   */
  lookup(key: FlowKey, consulted: Uint32Array): Flow | undefined
}
