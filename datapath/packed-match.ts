// A match as words of the flow key. There are many flows and few kinds of match, so equal masks are one object.

import { InvalidField } from '../protocols/errors.ts'
import { fieldOf, KEY_WORDS, Word } from '../protocols/fields.ts'
import type { Match } from '../protocols/match.ts'
import { onceIfFrozen } from '../runtime/once.ts'
import { fieldWords, wordOfField } from './flow-key.ts'

export interface PackedMatch {
  /** `value & ~mask` is 0. */
  value: Uint32Array
  mask: Uint32Array
}

/**
 * The words of a key in the order in which look-ups ask for them: that of the key, but IP addresses, destination first, before
 * what else an IP header has. Most rules name addresses and many leave the protocol open: asked for first, it would be asked for
 * twice. With this order the look-ups of large rule sets are the shortest, and need the fewest kinds of megaflow.
 */
export const WORDS_IN_ORDER = Uint8Array.from(wordsInOrder())
/** Of each word, its place in that order. */
export const RANK = new Uint8Array(KEY_WORDS)
WORDS_IN_ORDER.forEach((word, rank) => (RANK[word] = rank))

function wordsInOrder(): number[] {
  const { ipv4Source, ipv4Destination, ipv6Source, ipv6Destination } = Word
  const wide = (word: number) => [word, word + 1, word + 2, word + 3]
  const addresses = [ipv4Destination, ipv4Source, ...wide(ipv6Destination), ...wide(ipv6Source)]
  const others = Array.from({ length: KEY_WORDS }, (_, word) => word).filter((word) => !addresses.includes(word))
  others.splice(others.indexOf(Word.protocol), 0, ...addresses)
  return others
}

/** A mask without its empty words: `bits[index]` is what lies in the key's word `words[index]`. Words are in order of look-up. */
export interface CompactMask {
  readonly words: Uint8Array
  readonly bits: Int32Array
}

/** A match without the words that it does not look at. A match of 5 words takes 90 bytes so, beside the mask. */
export interface CompactMatch {
  /** Shared with other matches: not to be written. */
  readonly mask: CompactMask
  /** One for each word of the mask, signed: V8 keeps such numbers in 8 bytes, and a small typed array costs 200 more. */
  readonly values: readonly number[]
}

/** Masks remembered; when there are more, memory starts anew and equal masks may be two objects. */
const MASKS_REMEMBERED = 4096

const scratch = { value: new Uint32Array(KEY_WORDS), mask: new Uint32Array(KEY_WORDS) }
const masks = new Map<string, CompactMask>()

/**
 * A match as words of the flow key.
 * @throws InvalidField two fields that share bits (vlan_tci and vlan_vid) and want different ones.
 */
export function packMatch(match: Match): PackedMatch {
  pack(match)
  return { value: scratch.value.slice(), mask: scratch.mask.slice() }
}

/** @throws InvalidField as packMatch does */
export const compactMatch = onceIfFrozen((match: Match): CompactMatch => {
  pack(match)
  const mask = sharedMask(match)
  const values = new Array<number>(mask.words.length)
  for (let index = 0; index < values.length; index++) values[index] = scratch.value[mask.words[index]] | 0
  return { mask, values }
})

/** @throws InvalidField as packMatch does */
export const checkContradictions = (match: Match): void => pack(match)

/** Whether a key meets the match. */
export function meets(key: Uint32Array, { mask: { words, bits }, values }: CompactMatch): boolean {
  for (let index = 0; index < words.length; index++)
    if (((key[words[index]] ^ values[index]) & bits[index]) !== 0) return false
  return true
}

/** The same keys meet both. */
export const sameMatch = (a: CompactMatch, b: CompactMatch): boolean => isWithin(a, b) && isWithin(b, a)

/** Every key that meets `narrow` meets `wide` too. */
export function isWithin(narrow: CompactMatch, wide: CompactMatch): boolean {
  const inner = narrow.mask
  let at = 0
  for (let index = 0; index < wide.values.length; index++) {
    const word = wide.mask.words[index]
    const bits = wide.mask.bits[index]
    while (at < inner.words.length && inner.words[at] !== word) at++
    if (at === inner.words.length) return false
    if ((bits & ~inner.bits[at]) !== 0 || ((narrow.values[at] ^ wide.values[index]) & bits) !== 0) return false
  }
  return true
}

/** Some key could meet both. */
export function overlap(a: CompactMatch, b: CompactMatch): boolean {
  let at = 0
  for (let index = 0; index < a.values.length; index++) {
    const word = a.mask.words[index]
    while (at < b.values.length && RANK[b.mask.words[at]] < RANK[word]) at++
    if (at === b.values.length) return true
    if (b.mask.words[at] !== word) continue
    if (((a.values[index] ^ b.values[at]) & a.mask.bits[index] & b.mask.bits[at]) !== 0) return false
  }
  return true
}

function pack(match: Match): void {
  const { value, mask } = scratch
  value.fill(0)
  mask.fill(0)
  for (const part of match) {
    const field = fieldOf(part.field)
    for (let index = 0; index < fieldWords(field); index++) {
      const at = field.word + index
      const bits = wordOfField(field, part.mask ?? field.ones, index)
      const wanted = wordOfField(field, part.value, index) & bits
      if (((value[at] ^ wanted) & mask[at] & bits) !== 0)
        throw new InvalidField(
          `match.${part.field}`,
          'contradicts another field of the match',
          'fields that can hold together',
          'OFPBMC_BAD_VALUE',
        )
      value[at] |= wanted
      mask[at] |= bits
    }
  }
}

/** The mask that `pack` left in `scratch`. */
function sharedMask(match: Match): CompactMask {
  let kind = ''
  for (const { field, mask } of match) kind += mask === undefined ? `${field} ` : `${field}/${mask} `
  let mask = masks.get(kind)
  if (mask !== undefined) return mask
  if (masks.size === MASKS_REMEMBERED) masks.clear()
  const words: number[] = []
  for (const word of WORDS_IN_ORDER) if (scratch.mask[word] !== 0) words.push(word)
  mask = { words: Uint8Array.from(words), bits: Int32Array.from(words, (word) => scratch.mask[word]) }
  masks.set(kind, mask)
  return mask
}
