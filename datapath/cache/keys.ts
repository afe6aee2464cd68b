import { KEY_WORDS } from '../../protocols/fields.ts'
import type { FlowKey } from '../flow-key.ts'

/**
 * A flow key without the words that are 0, as Open vSwitch's miniflow (lib/flow.h): of most frames a dozen are left. Twos of a word and what
 * is in it, signed (see CompactMatch); a typed array would cost more than it holds.
 */
export function packedKey(key: FlowKey): readonly number[] {
  let count = 0
  for (let word = 0; word < KEY_WORDS; word++) if (key[word] !== 0) count += 2
  const packed = new Array<number>(count)
  for (let word = KEY_WORDS - 1; count > 0; word--) {
    if (key[word] === 0) continue
    packed[--count] = key[word] | 0
    packed[--count] = word
  }
  return packed
}

export function unpackedKey(packed: readonly number[]): FlowKey {
  const key = new Uint32Array(KEY_WORDS)
  for (let index = 0; index < packed.length; index += 2) key[packed[index]] = packed[index + 1]
  return key
}
