// Actions that read and write fields: set_field, load, move, the stack (Open vSwitch: mf_check_src, mf_check_dst).

import type { Subfield } from '../../protocols/control/messages.ts'
import { Refused } from '../../protocols/control/refused.ts'
import type { Field, FieldName } from '../../protocols/fields.ts'
import { fieldNamed } from '../../protocols/fields.ts'
import type { ActionOf, Place } from './context.ts'
import { demandField, demandToSet, refuseUnless } from './context.ts'

const VLAN_PRESENT = 0x1000n
const TRACKED_FIELDS: ReadonlySet<FieldName> = new Set(['ct_mark', 'ct_label'])
/** The widest constant that Open vSwitch's load has room for. */
const WIDEST_LOAD = 64

const ones = (bits: number) => (1n << BigInt(bits)) - 1n

/** Bits to read. */
export function checkSource(subfield: Subfield, place: Place, path: string): void {
  checkBits(subfield, path)
  demandField(place, path, subfield.field)
}

/** Bits to write. */
export function checkTarget(subfield: Subfield, place: Place, path: string): void {
  checkBits(subfield, path)
  demandField(place, path, subfield.field)
  checkSettable(rowOf(subfield.field, path), path)
}

export function checkBits({ field, offset, bits }: Subfield, path: string): void {
  const row = rowOf(field, path)
  const isInside = Number.isInteger(offset) && offset >= 0 && Number.isInteger(bits) && bits >= 1
  refuseUnless(
    isInside && offset + bits <= row.bits,
    'OFPBAC_BAD_SET_LEN',
    path,
    `bits ${offset}..${offset + bits - 1} of ${field}, which has ${row.bits}`,
  )
}

export function checkSetField({ field, value, mask }: ActionOf<'set_field'>, place: Place): void {
  const { path } = place
  const row = rowOf(field, `${path}.field`)
  checkSettable(row, `${path}.field`)
  checkTracked(field, place)
  const isNarrow = value >= 0n && value <= row.ones && (mask === undefined || (mask >= 0n && mask <= row.ones))
  refuseUnless(isNarrow, 'OFPBAC_BAD_SET_ARGUMENT', `${path}.value`, `${field}: wider than ${row.bits} bits`)
  const isInMask = mask === undefined || (value & ~mask) === 0n
  refuseUnless(isInMask, 'OFPBAC_BAD_SET_ARGUMENT', `${path}.mask`, `${field}: a bit of the value is outside the mask`)
  // OpenFlow 1.5 §7.2.3.8 says it of set_field, and Open vSwitch asks it in every version.
  const isVlan = field !== 'vlan_vid' || mask !== undefined || (value & VLAN_PRESENT) !== 0n
  refuseUnless(
    isVlan,
    'OFPBAC_BAD_SET_ARGUMENT',
    `${path}.value`,
    'vlan_vid: the bit that says there is a tag is not set',
  )
  demandToSet(place, path, field)
}

export function checkLoad({ value, to }: ActionOf<'load'>, place: Place): void {
  const path = `${place.path}.to`
  checkBits(to, path)
  refuseUnless(to.bits <= WIDEST_LOAD, 'OFPBAC_BAD_SET_LEN', path, `${to.bits} bits; expected 1 to ${WIDEST_LOAD}`)
  refuseUnless(
    value >= 0n && value <= ones(to.bits),
    'OFPBAC_BAD_ARGUMENT',
    `${place.path}.value`,
    `0x${value.toString(16)} does not fit ${to.bits} bits`,
  )
  checkSettable(rowOf(to.field, path), path)
  demandToSet(place, path, to.field)
  checkTracked(to.field, place)
}

export function checkMove({ from, to }: ActionOf<'move'>, place: Place): void {
  checkSource(from, place, `${place.path}.from`)
  checkTarget(to, place, `${place.path}.to`)
  checkTracked(to.field, place)
  const fits = from.bits === to.bits
  refuseUnless(fits, 'OFPBAC_BAD_ARGUMENT', `${place.path}.to.bits`, `${from.bits} bits do not fit ${to.bits}`)
}

/** As in Open vSwitch the bit may be in a header that not every frame has. */
export function checkLengthTest({ length, to }: ActionOf<'check_pkt_larger'>, place: Place): void {
  const isLength = Number.isInteger(length) && length >= 0 && length <= 0xffff
  refuseUnless(isLength, 'OFPBAC_BAD_ARGUMENT', `${place.path}.length`, `${length}; expected 0 to 65535`)
  checkBits(to, `${place.path}.to`)
  checkSettable(rowOf(to.field, `${place.path}.to`), `${place.path}.to`)
  refuseUnless(to.bits === 1, 'OFPBAC_BAD_SET_LEN', `${place.path}.to.bits`, `${to.bits} bits; expected 1`)
}

function rowOf(field: FieldName, path: string): Field {
  const row = fieldNamed(field)
  if (row === undefined) throw new Refused('OFPBAC_BAD_SET_TYPE', path, `there is no field ${field}`)
  return row
}

function checkSettable(row: Field, path: string): void {
  refuseUnless(row.settable, 'OFPBAC_BAD_SET_ARGUMENT', path, `${row.name} can not be set`)
}

/** A connection's mark and label are written by `ct` alone, and `ct` writes nothing else. */
function checkTracked(field: FieldName, { path, within }: Place): void {
  const isTracked = TRACKED_FIELDS.has(field)
  if (within === 'ct')
    refuseUnless(isTracked, 'OFPBAC_BAD_ARGUMENT', path, `ct writes ct_mark and ct_label, and not ${field}`)
  else refuseUnless(!isTracked, 'OFPBAC_BAD_SET_ARGUMENT', path, `${field} is written in ct(exec(…)) only`)
}
