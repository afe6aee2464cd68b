// A match on the wire: OXM class and field number, value and mask as big-endian bytes of the field's width.

import { InvalidField } from '../../errors.ts'
import type { Field } from '../../fields.ts'
import { fieldOf, fieldWithOxm } from '../../fields.ts'
import type { FieldMatch, Match } from '../../match.ts'
import type { signalbox } from '../generated/control.js'
import type { Subfield } from '../messages.ts'
import { bigintOf, bytesOf } from './big-endian.ts'
import { required } from './values.ts'

type WireFieldMatch = signalbox.control.FieldMatch.$Properties
type WireSubfield = signalbox.control.Subfield.$Properties

export const matchToWire = (match: Match, at: string): WireFieldMatch[] =>
  match.map((part) => fieldMatchToWire(part, at))

export function fieldMatchToWire(part: FieldMatch, at: string): WireFieldMatch {
  const field = fieldOf(part.field)
  const wire: WireFieldMatch = {
    oxmClass: field.headers[0]!.class,
    oxmField: field.headers[0]!.field,
    value: toBytes(part.value, field, at),
  }
  if (part.mask !== undefined) wire.mask = toBytes(part.mask, field, at)
  return wire
}

/** Shape only: whether prerequisites hold is for the switch to say. */
export function matchFromWire(wire: readonly WireFieldMatch[] | null | undefined, at: string): Match {
  if (!wire) return []
  const match: FieldMatch[] = []
  for (let index = 0; index < wire.length; index++) match.push(fieldMatchFromWire(wire[index]!, at, index))
  return match
}

/** `index` is the place in a list, for the path of an error where even the field's name is unknown. */
export function fieldMatchFromWire(wire: WireFieldMatch, at: string, index?: number): FieldMatch {
  const field = knownField(wire, index === undefined ? at : `${at}[${index}]`)
  const value = fromBytes(wire.value, field, at)
  if (!wire.mask || wire.mask.length === 0) return { field: field.name, value }
  return { field: field.name, value, mask: fromBytes(wire.mask, field, at) }
}

export function subfieldToWire(subfield: Subfield): WireSubfield {
  const header = fieldOf(subfield.field).headers[0]!
  return { oxmClass: header.class, oxmField: header.field, offset: subfield.offset, bits: subfield.bits }
}

export function subfieldFromWire(given: WireSubfield | null | undefined, path: string): Subfield {
  const wire = required(given, path, 'a subfield')
  const field = knownField(wire, path)
  const offset = wire.offset ?? 0
  const bits = wire.bits ?? 0
  if (bits === 0 || offset + bits > field.bits)
    throw new InvalidField(
      path,
      `bits ${offset}..${offset + bits - 1} are not in ${field.name}`,
      `bits within 0..${field.bits - 1}`,
    )
  return { field: field.name, offset, bits }
}

function knownField(wire: { oxmClass?: number | null; oxmField?: number | null }, path: string): Field {
  const oxmClass = wire.oxmClass ?? 0
  const number = wire.oxmField ?? 0
  const field = fieldWithOxm(oxmClass, number)
  if (field === undefined)
    throw new InvalidField(
      path,
      `OXM class 0x${oxmClass.toString(16)}, field ${number} is unknown`,
      'a field of protocols/fields.ts',
    )
  return field
}

const width = (field: Field) => (field.bits + 7) >> 3

function toBytes(value: bigint, field: Field, at: string): Uint8Array {
  if (value < 0n || value > field.ones) throw tooWide(value, field, at)
  return bytesOf(value, width(field))
}

function fromBytes(bytes: Uint8Array | null | undefined, field: Field, at: string): bigint {
  const size = width(field)
  if (bytes?.length !== size)
    throw new InvalidField(
      `${at}.${field.name}`,
      `is ${bytes?.length ?? 0} bytes long`,
      `${size} bytes for ${field.bits} bits`,
    )
  const value = bigintOf(bytes)
  if (value > field.ones) throw tooWide(value, field, at)
  return value
}

const tooWide = (value: bigint, field: Field, at: string) =>
  new InvalidField(`${at}.${field.name}`, `0x${value.toString(16)} is too wide`, `${field.bits} bits`)
