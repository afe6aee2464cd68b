import { Word } from '../../protocols/fields.ts'
import type { Flow } from '../flow.ts'
import type { FlowKey } from '../flow-key.ts'
import type { CompactMatch } from '../packed-match.ts'
import type { Classifier } from './classifier.ts'
import { conjunctionsHeld } from './conjunctions.ts'
import { TernaryTrie } from './ternary-trie.ts'

const priorityOf = ({ spec }: Flow): number => spec.priority

export class TrieClassifier implements Classifier {
  readonly #trie = new TernaryTrie(priorityOf)
  /** Flows with clauses of conjunctive matches. Where there are none, nobody pays for them. */
  #conjunctive = 0

  get size(): number {
    return this.#trie.size
  }

  insert(flow: Flow): Flow | undefined {
    const replaced = this.#trie.insert(flow)
    if (flow.clauses) this.#conjunctive++
    if (replaced?.clauses) this.#conjunctive--
    return replaced
  }

  remove(flow: Flow): boolean {
    const isThere = this.#trie.remove(flow)
    if (isThere && flow.clauses) this.#conjunctive--
    return isThere
  }

  find(match: CompactMatch, priority: number): Flow | undefined {
    return this.#trie.find(match, priority)
  }

  [Symbol.iterator](): Iterator<Flow> {
    return this.#trie[Symbol.iterator]()
  }

  lookup(key: FlowKey, consulted: Uint32Array): Flow | undefined {
    if (this.#conjunctive === 0) return this.#trie.best(key, consulted)
    const soft: Flow[] = []
    const hard = this.#trie.best(key, consulted, soft)
    return soft.length === 0 ? hard : this.#conjoin(key, consulted, soft, hard)
  }

  /**
   * Tries the flows with clauses, priority by priority, as long as they are better than `hard`. A flow whose conjunction came to
   * nothing gives way to the one of the same match and the next lower priority.
   */
  #conjoin(key: FlowKey, consulted: Uint32Array, soft: Flow[], hard: Flow | undefined): Flow | undefined {
    for (;;) {
      const floor = hard?.spec.priority ?? -1
      const better = soft.filter(({ spec }) => spec.priority > floor)
      if (better.length === 0) return hard
      const highest = Math.max(...better.map(({ spec }) => spec.priority))
      const met = better.filter(({ spec }) => spec.priority === highest)
      const answer = this.#answerTo(key, consulted, met)
      if (answer) return answer
      soft = better.filter(({ spec }) => spec.priority < highest)
      for (const flow of met) {
        const below = this.#trie.below(flow)
        if (below?.clauses !== undefined) soft.push(below)
        else if (below && below.spec.priority > (hard?.spec.priority ?? -1)) hard = below
      }
    }
  }

  #answerTo(key: FlowKey, consulted: Uint32Array, met: readonly Flow[]): Flow | undefined {
    const before = key[Word.conjunctionId]
    let answer: Flow | undefined
    for (const id of conjunctionsHeld(met)) {
      key[Word.conjunctionId] = id
      answer = this.#trie.best(key, consulted)
      if (answer) break
    }
    key[Word.conjunctionId] = before
    return answer
  }
}
