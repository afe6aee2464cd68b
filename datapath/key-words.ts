import { KEY_WORDS } from '../protocols/fields.ts'

/** Few, since one array that is kept keeps its block. */
const ARRAYS_IN_BLOCK = 32
const ARRAY_BYTES = KEY_WORDS * 4

/**
 * Where arrays of so many words are cut from larger blocks: made alone, an array of this size is an allocation outside the heap,
 * which costs more than all else that is done with it.
 */
class Blocks {
  #block = new ArrayBuffer(0)
  #used = 0

  cut(): Uint32Array<ArrayBuffer> {
    if (this.#used + ARRAY_BYTES > this.#block.byteLength) {
      this.#block = new ArrayBuffer(ARRAYS_IN_BLOCK * ARRAY_BYTES)
      this.#used = 0
    }
    const words = new Uint32Array(this.#block, this.#used, KEY_WORDS)
    this.#used += ARRAY_BYTES
    return words
  }
}

const blocks = new Blocks()

/** As many words as a flow key has, all 0. */
export const freshWords = (): Uint32Array<ArrayBuffer> => blocks.cut()

export function copyOfWords(words: Uint32Array): Uint32Array<ArrayBuffer> {
  const copy = blocks.cut()
  copy.set(words)
  return copy
}
