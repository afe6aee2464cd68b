// The registers in a match. reg0 to reg15 have wider names (xreg0 is reg0 and reg1, xxreg0 reg0 to reg3), which a flow table does
// not know: Open vSwitch prints the 32-bit ones, whichever were asked for.

import { FIELDS, fieldNamed, fieldOf } from '../fields.ts'
import type { FieldMatch, Match } from '../match.ts'

const REGISTER_BITS = 32n
const REGISTER_ONES = 0xffffffffn

/** The match with each wide register as the registers that it is made of, in the order of fields.ts. */
export function foldRegisters(match: Match): Match {
  if (!match.some(isWide)) return match
  const folded = new Map<string, FieldMatch>()
  for (const part of match.flatMap(narrowed)) {
    const earlier = folded.get(part.field)
    folded.set(part.field, earlier === undefined ? part : (agreed(earlier, part) ?? part))
  }
  return FIELDS.flatMap((field) => folded.get(field.name) ?? [])
}

/**
 * What two demands on one field come to; undefined where they differ. Registers may be asked for in parts, under several of their
 * names.
 */
export function agreed(a: FieldMatch, b: FieldMatch): FieldMatch | undefined {
  if (a.value === b.value && a.mask === b.mask) return a
  const bits = a.field.startsWith('reg') ? REGISTER_ONES : 0n
  const [maskA, maskB] = [a.mask ?? bits, b.mask ?? bits]
  if (bits === 0n || ((a.value ^ b.value) & maskA & maskB) !== 0n) return undefined
  const both = { field: a.field, value: a.value | b.value }
  return (maskA | maskB) === REGISTER_ONES ? both : { ...both, mask: maskA | maskB }
}

const isWide = ({ field }: FieldMatch): boolean => field.startsWith('xreg') || field.startsWith('xxreg')

/** The registers of 32 bits that `part` asks for; those of which no bit counts are left out. */
export function narrowed(part: FieldMatch): FieldMatch[] {
  if (!isWide(part)) return [part]
  const field = fieldOf(part.field)
  const mask = part.mask ?? field.ones
  const count = field.bits / Number(REGISTER_BITS)
  const first = Number(/\d+$/.exec(part.field)![0]) * count
  return Array.from({ length: count }, (_, index): FieldMatch => {
    const shift = BigInt(count - 1 - index) * REGISTER_BITS
    const bits = (mask >> shift) & REGISTER_ONES
    const register = { field: fieldNamed(`reg${first + index}`)!.name, value: (part.value >> shift) & bits }
    return bits === REGISTER_ONES ? register : { ...register, mask: bits }
  }).filter((narrow) => narrow.mask !== 0n)
}
