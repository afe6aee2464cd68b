import { KEY_WORDS, Word } from '../../protocols/fields.ts'
import type { Flow } from '../flow.ts'
import type { FlowKey } from '../flow-key.ts'
import { keysAgree } from '../flow-key.ts'
import type { Classifier } from './classifier.ts'
import { conjunctionsHeld } from './conjunctions.ts'

const sameWords = (a: Uint32Array, b: Uint32Array) => a.every((word, at) => word === b[at])

/** Every flow in turn, highest priority first. */
export class LinearSearch implements Classifier {
  #flows: Flow[] = []

  get size(): number {
    return this.#flows.length
  }

  insert(flow: Flow): Flow | undefined {
    const replaced = this.find(flow.value, flow.mask, flow.spec.priority)
    if (replaced) this.remove(replaced)
    this.#flows.push(flow)
    this.#flows.sort((a, b) => b.spec.priority - a.spec.priority)
    return replaced
  }

  remove(flow: Flow): boolean {
    const at = this.#flows.indexOf(flow)
    if (at >= 0) this.#flows.splice(at, 1)
    return at >= 0
  }

  find(value: Uint32Array, mask: Uint32Array, priority: number): Flow | undefined {
    return this.#flows.find(
      (flow) => flow.spec.priority === priority && sameWords(flow.mask, mask) && sameWords(flow.value, value),
    )
  }

  lookup(key: FlowKey, consulted: Uint32Array): Flow | undefined {
    const flows = this.#flows
    for (let at = 0; at < flows.length;) {
      const { priority } = flows[at].spec
      const met: Flow[] = []
      for (; at < flows.length && flows[at].spec.priority === priority; at++)
        if (meets(key, flows[at], consulted)) met.push(flows[at])
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
      const answer = this.#flows.find((flow) => !this.#isHidden(flow) && meets(withId, flow, consulted))
      if (answer) return answer
    }
    return undefined
  }

  /** From a second look-up. */
  #isHidden(flow: Flow): boolean {
    const hides = (other: Flow) =>
      other.clauses !== undefined && sameWords(other.mask, flow.mask) && sameWords(other.value, flow.value)
    return this.#flows.some((other) => other.spec.priority >= flow.spec.priority && hides(other))
  }
}

function meets(key: FlowKey, flow: Flow, consulted: Uint32Array): boolean {
  for (let word = 0; word < KEY_WORDS; word++) consulted[word] |= flow.mask[word]
  return keysAgree(key, flow.value, flow.mask)
}
