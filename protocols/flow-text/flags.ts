// Fields whose bits have names: `tcp_flags=+syn-ack`, `ct_state=+trk+est`.

import type { Field, FieldFormat } from '../fields.ts'
import type { MaskedValue } from './numbers.ts'
import { parseNumber } from './numbers.ts'
import { FlowSyntaxError } from './syntax-error.ts'
import type { Piece } from './words.ts'
import { cutAt } from './words.ts'

/** From bit 0, in the spelling of ovs-fields(7). */
const NAMES: Readonly<Partial<Record<FieldFormat, readonly string[]>>> = {
  'tcp-flags': ['fin', 'syn', 'rst', 'psh', 'ack', 'urg', 'ece', 'cwr', 'ns', '[200]', '[400]', '[800]'],
  'ct-state': ['new', 'est', 'rel', 'rpl', 'inv', 'trk', 'snat', 'dnat'],
}

const namesOf = (field: Field): readonly string[] => NAMES[field.format] ?? []

/** All bits that have a name. ct_state has fewer of them than its field has bits. */
const named = (field: Field): bigint => (1n << BigInt(namesOf(field).length)) - 1n

function bitOf(field: Field, name: string, column: number): bigint {
  const index = namesOf(field).indexOf(name.toLowerCase())
  if (index < 0)
    throw new FlowSyntaxError(column, `unknown flag '${name}' of ${field.name}`, `one of ${namesOf(field).join(', ')}`)
  return 1n << BigInt(index)
}

/** `+syn-ack`: only what is named counts. `syn|ack`, `0x12`: every flag does. `0x02/0x12`. */
export function parseFlags(field: Field, piece: Piece): MaskedValue {
  if (/^[+-]/.test(piece.text)) return parseSigned(field, piece)
  const [value, mask] = cutAt(piece, '/') ?? [piece]
  if (mask === undefined) return masked(field, parseWhole(field, value), field.ones)
  return masked(field, parseNumber(value, named(field)), parseNumber(mask, field.ones))
}

function parseWhole(field: Field, piece: Piece): bigint {
  if (/^\d/.test(piece.text)) return parseNumber(piece, named(field))
  return piece.text.split('|').reduce((flags, name) => flags | bitOf(field, name, piece.column), 0n)
}

function parseSigned(field: Field, piece: Piece): MaskedValue {
  let value = 0n
  let mask = 0n
  for (const found of piece.text.matchAll(/([+-])([^+-]*)/g)) {
    const column = piece.column + found.index + 1
    const bit = bitOf(field, found[2]!, column)
    if ((mask & bit) !== 0n) throw new FlowSyntaxError(column, `${found[2]} is named twice`, 'each flag once')
    mask |= bit
    if (found[1] === '+') value |= bit
  }
  return masked(field, value, mask)
}

/** Of bits without a name nothing is asked. */
function masked(field: Field, value: bigint, asked: bigint): MaskedValue {
  const mask = asked & named(field)
  return mask === field.ones ? { value } : { value: value & mask, mask }
}

/** Names where every flag counts, signed names where not. */
export function formatFlags(field: Field, { value, mask }: MaskedValue): string {
  const inBits = (bits: bigint) => namesOf(field).filter((_, index) => (bits >> BigInt(index)) & 1n)
  const counting = (mask ?? field.ones) & named(field)
  if (counting === named(field)) return inBits(value).join('|') || '0'
  return namesOf(field)
    .flatMap((name, index) => {
      const bit = 1n << BigInt(index)
      return (counting & bit) === 0n ? [] : [((value & bit) === 0n ? '-' : '+') + name]
    })
    .join('')
}
