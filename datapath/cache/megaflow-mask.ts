import { KEY_WORDS, Word } from '../../protocols/fields.ts'
import type { FlowKey } from '../flow-key.ts'
import type { CompactMask } from '../packed-match.ts'
import { WORDS_IN_ORDER } from '../packed-match.ts'

/** Bits of a key; equal ones of an entrance are one object. */
export class MegaflowMask implements CompactMask {
  readonly words: Uint8Array
  readonly bits: Int32Array
  /** None of a frame's headers. */
  readonly isBlind: boolean
  /** Megaflows that have it. */
  size = 0

  constructor(words: Uint8Array, bits: Int32Array) {
    this.words = words
    this.bits = bits
    this.isBlind = words.every((word) => word < Word.ethernetDestination)
  }

  /** The bits in a word of the key. */
  inWord(word: number): number {
    const index = this.words.indexOf(word)
    return index < 0 ? 0 : this.bits[index]
  }

  /** Whether it has all of these. */
  covers(consulted: Uint32Array): boolean {
    for (let rank = 0, index = 0; rank < KEY_WORDS; rank++) {
      const word = WORDS_IN_ORDER[rank]
      const covered = this.words[index] === word ? this.bits[index++] : 0
      if ((consulted[word] & ~covered) !== 0) return false
    }
    return true
  }

  /** As a key has them. */
  whole(): FlowKey {
    const whole = new Uint32Array(KEY_WORDS)
    this.words.forEach((word, index) => (whole[word] = this.bits[index]))
    return whole
  }

  /** What the key has of them, word by word. */
  valuesOf(key: FlowKey): number[] {
    const { words, bits } = this
    const values = new Array<number>(words.length)
    for (let index = 0; index < words.length; index++) values[index] = key[words[index]] & bits[index]
    return values
  }
}
