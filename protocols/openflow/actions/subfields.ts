// Bits of a field in an action: a header of 32 or, with an experimenter, 64 bits, an offset and a number of bits.

import type { Subfield } from '../../control/actions.ts'
import { Refused } from '../../control/refused.ts'
import type { ByteReader } from '../byte-reader.ts'
import type { ByteWriter } from '../byte-writer.ts'
import type { WireField } from '../oxm.ts'
import { NXM_OF_IN_PORT, readHeader, wireFieldOf, writeHeader } from '../oxm.ts'

/** Offset in the upper 10 bits of 16, the number of bits less one in the lower 6. */
export function packRange({ field, offset, bits }: Subfield): number {
  if (bits < 1 || bits > 64) throw new Refused('OFPBAC_BAD_SET_LEN', field, `${bits} bits; expected 1 to 64`)
  return (offset << 6) | (bits - 1)
}
export const rangeOffset = (packed: number): number => packed >> 6
export const rangeBits = (packed: number): number => (packed & 0x3f) + 1

/** What is left of `body`, where what is missing is a field's. */
export const fieldsOf = (body: ByteReader): ByteReader => body.sub(body.remaining, 'OFPBMC_BAD_LEN')

/**
 * Reads a header where there is room for 32 bits and no more.
 * @throws Refused OFPBAC_BAD_SET_TYPE
 */
export function readShortHeader(reader: ByteReader): WireField {
  const { wire, masked } = readHeader(reader.sub(4, 'OFPBAC_BAD_SET_TYPE'))
  if (wire === undefined || masked) throw new Refused('OFPBAC_BAD_SET_TYPE', '', 'unknown field')
  return wire
}

/**
 * Reads a header of 32 or 64 bits.
 * @throws Refused OFPBMC_BAD_FIELD, OFPBMC_BAD_MASK, OFPBMC_BAD_LEN.
 */
export function readLongHeader(fields: ByteReader): WireField {
  const { wire, masked } = readHeader(fields)
  if (wire === undefined) throw new Refused('OFPBMC_BAD_FIELD', '', 'unknown field')
  if (masked) throw new Refused('OFPBMC_BAD_MASK', wire.field.name, 'a mask says nothing here')
  return wire
}

/**
 * Bits that are read.
 * @throws Refused OFPBAC_BAD_SET_LEN: they are not in the field. OFPBAC_BAD_ARGUMENT: bits of NXM_OF_IP_TOS that no field has.
 */
export function sourceOf(wire: WireField, offset: number, bits: number): Subfield {
  const width = wire.form === 'plain' ? wire.field.bits : 8 * wire.bytes
  if (bits < 1 || offset + bits > width)
    throw new Refused('OFPBAC_BAD_SET_LEN', wire.field.name, `${bits} bits from ${offset} are not in its ${width}`)
  if (wire.form !== 'tos') return { field: wire.field.name, offset, bits }
  if (offset < 2) throw new Refused('OFPBAC_BAD_ARGUMENT', wire.field.name, 'NXM_OF_IP_TOS has the DSCP in bits 2 to 7')
  return { field: wire.field.name, offset: offset - 2, bits }
}

/**
 * Bits that are written.
 * @throws Refused as sourceOf, and OFPBAC_BAD_SET_ARGUMENT: the field can not be written.
 */
export function targetOf(wire: WireField, offset: number, bits: number): Subfield {
  const target = sourceOf(wire, offset, bits)
  if (!wire.field.settable)
    throw new Refused('OFPBAC_BAD_SET_ARGUMENT', wire.field.name, `${wire.field.name} is read-only`)
  return target
}

/** Under which header we say a subfield: the port's number under the old one where its 16 bits are enough. */
export function headerFor(subfield: Subfield, short = false): WireField {
  if (subfield.field === 'in_port' && subfield.offset + subfield.bits <= 16) return NXM_OF_IN_PORT
  return wireFieldOf(subfield.field, short)
}

export const writeShortHeader = (writer: ByteWriter, subfield: Subfield): void =>
  writeHeader(writer, headerFor(subfield, true))

export const writeLongHeader = (writer: ByteWriter, subfield: Subfield): void =>
  writeHeader(writer, headerFor(subfield))
