import { KEY_WORDS } from '../../protocols/fields.ts'
import type { FlowKey } from '../flow-key.ts'

const KEYS_IN_BLOCK = 256

/** Flow keys by place, in large blocks: an object for each would cost more than what it holds. */
export class Keys {
  readonly #blocks: Uint32Array[] = []

  put(place: number, key: FlowKey): void {
    const block = (this.#blocks[Math.floor(place / KEYS_IN_BLOCK)] ??= new Uint32Array(KEYS_IN_BLOCK * KEY_WORDS))
    block.set(key, (place % KEYS_IN_BLOCK) * KEY_WORDS)
  }

  /** That of a place which has been put there. */
  at(place: number): FlowKey {
    const start = (place % KEYS_IN_BLOCK) * KEY_WORDS
    return this.#blocks[Math.floor(place / KEYS_IN_BLOCK)].slice(start, start + KEY_WORDS)
  }
}
