// A match as words of the flow key. There are many flows and few kinds of match, so equal masks are one array.

import { InvalidField } from '../protocols/errors.ts'
import { fieldOf, KEY_WORDS } from '../protocols/fields.ts'
import type { Match } from '../protocols/match.ts'
import { fieldWords, wordOfField } from './flow-key.ts'
import { freshWords } from './key-words.ts'

export interface PackedMatch {
  /** `value & ~mask` is 0. */
  value: Uint32Array
  /** Shared with other matches: not to be written. */
  mask: Uint32Array
}

/** Masks remembered; when there are more, memory starts anew and equal masks may be two arrays. */
const MASKS_REMEMBERED = 4096

const scratch = { value: new Uint32Array(KEY_WORDS), mask: new Uint32Array(KEY_WORDS) }
const masks = new Map<string, Uint32Array>()

/**
 * A match as words of the flow key.
 * @throws InvalidField two fields that share bits (vlan_tci and vlan_vid) and want different ones.
 */
export function packMatch(match: Match): PackedMatch {
  pack(match)
  const value = freshWords()
  value.set(scratch.value)
  return { value, mask: sharedMask(match) }
}

/** @throws InvalidField as packMatch does */
export const checkContradictions = (match: Match): void => pack(match)

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

function sharedMask(match: Match): Uint32Array {
  let kind = ''
  for (const { field, mask } of match) kind += mask === undefined ? `${field} ` : `${field}/${mask} `
  let mask = masks.get(kind)
  if (mask !== undefined) return mask
  if (masks.size === MASKS_REMEMBERED) masks.clear()
  mask = scratch.mask.slice()
  masks.set(kind, mask)
  return mask
}
