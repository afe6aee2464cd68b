import { KEY_WORDS } from '../protocols/fields.ts'

const ARRAYS_IN_BLOCK = 256
const ARRAY_BYTES = KEY_WORDS * 4

let block = new ArrayBuffer(0)
let used = 0

/**
 * As many words as a flow key has, all 0. They are cut from larger blocks: made alone, an array of this size is an allocation
 * outside the heap, which costs more than all else that is done with it.
 */
export function freshWords(): Uint32Array<ArrayBuffer> {
  if (used + ARRAY_BYTES > block.byteLength) {
    block = new ArrayBuffer(ARRAYS_IN_BLOCK * ARRAY_BYTES)
    used = 0
  }
  const words = new Uint32Array(block, used, KEY_WORDS)
  used += ARRAY_BYTES
  return words
}

export function copyOfWords(words: Uint32Array): Uint32Array<ArrayBuffer> {
  const copy = freshWords()
  copy.set(words)
  return copy
}
