// The fields by which a select group with selection method `hash` chooses, hashed as Open vSwitch does
// (`pick_hash_fields_select_group`, ofproto/ofproto-dpif-xlate.c).

import { finished, inMemory, mixed } from './hash.ts'
import type { HashedPart } from './hashed-parts.ts'
import type { Translation } from './translation.ts'

/** Consults the bits that it goes by. */
export function hashOfPart(frame: Translation, { field, words, size }: HashedPart, basis: number): number {
  for (const { word, mask } of words) frame.consulted[word] |= mask
  const masked = (index: number) => {
    const word = field.word + index
    const mask = words.find((one) => one.word === word)?.mask ?? 0
    return (frame.key[word] & mask) >>> field.shift
  }
  return finished(memoryWords(masked, size).map(inMemory).reduce(mixed, basis) ^ size)
}

/** The octets of a value of `size` octets in words of network order; 0 behind the last. */
function memoryWords(word: (index: number) => number, size: number): number[] {
  if (size === 6) return [(word(0) << 16) | (word(1) >>> 16), word(1) << 16]
  if (size < 4) return [word(0) << (32 - 8 * size)]
  return Array.from({ length: size / 4 }, (_, index) => word(index))
}
