import { KEY_WORDS } from '../../protocols/fields.ts'
import type { Flow } from '../flow.ts'
import type { FlowKey } from '../flow-key.ts'
import { keysAgree } from '../flow-key.ts'
import type { Classifier } from './classifier.ts'

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
    for (const flow of this.#flows) {
      for (let word = 0; word < KEY_WORDS; word++) consulted[word] |= flow.mask[word]
      if (keysAgree(key, flow.value, flow.mask)) return flow
    }
    return undefined
  }

  [Symbol.iterator](): Iterator<Flow> {
    return this.#flows[Symbol.iterator]()
  }
}
