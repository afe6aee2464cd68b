// The outer tag in a match. The syntax has several words for its 16 bits (dl_vlan, dl_vlan_pcp, vlan_vid, vlan_tci); each
// set of bits has one form as a match and one as text, whichever words asked for it.

import type { FieldMatch, Match } from '../match.ts'
import type { MaskedValue } from './numbers.ts'

/** Tag control information: priority 3, present 1, VLAN 12. */
const PRESENT = 0x1000n
const VID = 0x0fffn
const PCP = 0xe000n
const PCP_SHIFT = 13n
const ALL = 0xffffn

export type TagBits = Required<MaskedValue>

const ANY: TagBits = { value: 0n, mask: 0n }

const combined = (a: TagBits, b: TagBits): TagBits => ({ value: a.value | b.value, mask: a.mask | b.mask })

/** What a match says about the tag; undefined where it says nothing. */
export function tagBits(match: Match): TagBits | undefined {
  const bits = match.map(bitsOf).reduce(combined, ANY)
  return bits.mask === 0n ? undefined : bits
}

/** Priority or VLAN alone mean nothing without a tag, so they ask for one. */
export const vlanBits = (vid: bigint): TagBits => ({ value: PRESENT | vid, mask: PRESENT | VID })
export const untaggedBits: TagBits = { value: 0n, mask: PRESENT | VID }
export const priorityBits = (pcp: bigint): TagBits => ({ value: PRESENT | (pcp << PCP_SHIFT), mask: PRESENT | PCP })

/** Bits that `part` asks for, whichever of the tag's fields it is of. */
export function bitsOf(part: FieldMatch): TagBits {
  switch (part.field) {
    case 'vlan_tci':
      return { value: part.value, mask: part.mask ?? ALL }
    case 'vlan_vid':
      return { value: part.value, mask: part.mask ?? PRESENT | VID }
    case 'vlan_pcp':
      return { value: part.value << PCP_SHIFT, mask: PCP }
    default:
      return ANY
  }
}

/** Two demands on the same bits that can't both hold. */
export const contradict = (a: TagBits, b: TagBits): boolean => ((a.value ^ b.value) & a.mask & b.mask) !== 0n

export { combined as combineTagBits }

/** VLAN and priority whole, over a tag that is there: what dl_vlan and dl_vlan_pcp can say. */
const isPlain = ({ value, mask }: TagBits) =>
  (value & PRESENT) !== 0n &&
  (mask & PRESENT) !== 0n &&
  whole(mask, VID) &&
  whole(mask, PCP) &&
  (mask & (VID | PCP)) !== 0n

const whole = (mask: bigint, bits: bigint) => (mask & bits) === bits || (mask & bits) === 0n

/** The one form of these bits in a match. */
export function tagMatch(bits: TagBits): FieldMatch[] {
  const { value, mask } = bits
  if (isPlain(bits)) return plainMatch(bits)
  if ((mask & PCP) !== 0n) return [mask === ALL ? { field: 'vlan_tci', value } : { field: 'vlan_tci', value, mask }]
  return [mask === (PRESENT | VID) ? { field: 'vlan_vid', value } : { field: 'vlan_vid', value, mask }]
}

function plainMatch({ value, mask }: TagBits): FieldMatch[] {
  const parts: FieldMatch[] = [
    (mask & VID) === 0n
      ? { field: 'vlan_vid', value: PRESENT, mask: PRESENT }
      : { field: 'vlan_vid', value: value & (PRESENT | VID) },
  ]
  if ((mask & PCP) !== 0n) parts.push({ field: 'vlan_pcp', value: value >> PCP_SHIFT })
  return parts
}

/** The words that Open vSwitch prints for these bits. */
export function tagText(bits: TagBits): string[] {
  const { value, mask } = bits
  if (!isPlain(bits)) return [`vlan_tci=${fourDigits(value)}${mask === ALL ? '' : `/${fourDigits(mask)}`}`]
  const text: string[] = []
  if ((mask & VID) !== 0n) text.push(`dl_vlan=${value & VID}`)
  if ((mask & PCP) !== 0n) text.push(`dl_vlan_pcp=${value >> PCP_SHIFT}`)
  return text
}

const fourDigits = (value: bigint) => `0x${value.toString(16).padStart(4, '0')}`
