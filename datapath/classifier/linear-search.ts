import { Word } from '../../protocols/fields.ts'
import type { Flow } from '../flow.ts'
import type { FlowKey } from '../flow-key.ts'
import type { CompactMatch } from '../packed-match.ts'
import { meets, RANK, sameMatch } from '../packed-match.ts'
import type { Classifier } from './classifier.ts'
import { conjunctionsHeld } from './conjunctions.ts'

/** Every flow in turn, highest priority first. */
export class LinearSearch implements Classifier {
  #flows: Flow[] = []

  get size(): number {
    return this.#flows.length
  }

  insert(flow: Flow): Flow | undefined {
    const replaced = this.find(flow, flow.spec.priority)
    if (replaced) this.remove(replaced)
    this.#flows.push(flow)
    this.#flows.sort((a, b) => b.spec.priority - a.spec.priority || byMask(a, b))
    return replaced
  }

  remove(flow: Flow): boolean {
    const at = this.#flows.indexOf(flow)
    if (at >= 0) this.#flows.splice(at, 1)
    return at >= 0
  }

  find(match: CompactMatch, priority: number): Flow | undefined {
    return this.#flows.find((flow) => flow.spec.priority === priority && sameMatch(flow, match))
  }

  lookup(key: FlowKey, consulted: Uint32Array): Flow | undefined {
    const flows = this.#flows
    for (let at = 0; at < flows.length;) {
      const { priority } = flows[at].spec
      const met: Flow[] = []
      for (; at < flows.length && flows[at].spec.priority === priority; at++)
        if (consultAndMeet(key, flows[at], consulted)) met.push(flows[at])
      const answer = met.find((flow) => flow.clauses === undefined) ?? this.#conjunctive(key, met, consulted)
      if (answer) return answer
    }
    return undefined
  }

  [Symbol.iterator](): Iterator<Flow> {
    return this.#flows[Symbol.iterator]()
  }

  #conjunctive(key: FlowKey, met: readonly Flow[], consulted: Uint32Array): Flow | undefined {
    for (const id of conjunctionsHeld(met)) {
      const withId = key.slice()
      withId[Word.conjunctionId] = id
      const answer = this.#flows.find((flow) => !this.#isHidden(flow) && consultAndMeet(withId, flow, consulted))
      if (answer) return answer
    }
    return undefined
  }

  /** From a second look-up. */
  #isHidden(flow: Flow): boolean {
    const hides = (other: Flow) => other.clauses !== undefined && sameMatch(other, flow)
    return this.#flows.some((other) => other.spec.priority >= flow.spec.priority && hides(other))
  }
}

function consultAndMeet(key: FlowKey, flow: Flow, consulted: Uint32Array): boolean {
  const { words, bits } = flow.mask
  words.forEach((word, index) => (consulted[word] |= bits[index]))
  return meets(key, flow)
}

/** First the one that, at the first bit that only one of them looks at, does. */
function byMask(a: CompactMatch, b: CompactMatch): number {
  const bitsOf = ({ mask }: CompactMatch, word: number) => (mask.bits[mask.words.indexOf(word)] ?? 0) >>> 0
  const words = [...a.mask.words, ...b.mask.words].sort((one, other) => RANK[one] - RANK[other])
  const first = words.find((word) => bitsOf(a, word) !== bitsOf(b, word))
  return first === undefined ? 0 : bitsOf(b, first) - bitsOf(a, first)
}
