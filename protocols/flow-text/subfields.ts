// `NXM_OF_ETH_SRC[]`, `NXM_NX_REG0[0..15]`, `OXM_OF_METADATA[3]`: some bits of a field.

import type { Subfield } from '../control/messages.ts'
import type { Field, FieldName } from '../fields.ts'
import { FIELDS, fieldOf } from '../fields.ts'
import { suggestion } from './suggestion.ts'
import { FlowSyntaxError } from './syntax-error.ts'
import type { Piece } from './words.ts'

/** A name for bits of a field, which may be less than all of it. */
interface NamedBits {
  readonly field: FieldName
  readonly offset: number
  readonly bits: number
}

/** Bits that `[]` stands for: a VLAN has 12, the thirteenth of the OXM field says that there is one. */
export const wholeBits = (field: Field) => (field.name === 'vlan_vid' ? 12 : field.bits)

/** OpenFlow 1.0 had ports of 16 bits. Open vSwitch's field of that width is the low half of in_port. */
const NXM_IN_PORT = 'NXM_OF_IN_PORT'
const NXM_PORT_BITS = 16
/** The octet of which OXM_OF_IP_DSCP is the upper six bits; Open vSwitch has no other bits of it under this name. */
const NXM_TOS = 'NXM_OF_IP_TOS'
const ECN_BITS = 2

const names = new Map<string, NamedBits>(
  FIELDS.flatMap((field) =>
    [field.name, ...field.aliases, ...field.headers.map((header) => header.name)].map((name) => [
      name,
      { field: field.name, offset: 0, bits: field.bits },
    ]),
  ),
)
names.set(NXM_IN_PORT, { field: 'in_port', offset: 0, bits: NXM_PORT_BITS })
names.set('in_port', { field: 'in_port', offset: 0, bits: NXM_PORT_BITS })
for (const name of [NXM_TOS, 'nw_tos']) names.set(name, { field: 'ip_dscp', offset: -ECN_BITS, bits: 8 })

/** Open vSwitch prints the Nicira name where there is one. */
const printedName = (field: Field): string =>
  (field.headers.find((header) => header.name.startsWith('NXM_')) ?? field.headers[0])?.name ?? field.name

/** True where `text` begins with a field's name: `NXM_NX_REG0[]`, and not `5`. */
export const namesSubfield = (text: string): boolean => names.has(/^[\w-]*/.exec(text)![0])

/** @throws FlowSyntaxError */
export function parseSubfield(piece: Piece): Subfield {
  const found = /^([\w-]+)(\[(?:(\d{1,3})(?:\.\.(\d{1,3}))?)?\])?$/.exec(piece.text)
  if (found === null)
    throw new FlowSyntaxError(piece.column, `'${piece.text}' names no bits of a field`, 'as NXM_NX_REG0[0..15]')
  const name = found[1]!
  const named = names.get(name)
  if (named === undefined) {
    const meant = suggestion(name, names.keys())
    throw new FlowSyntaxError(piece.column, `unknown field '${name}'`, 'a field, as NXM_NX_REG0[0..15]', meant)
  }
  const whole = Math.min(named.bits, wholeBits(fieldOf(named.field)) - named.offset)
  const first = found[3] === undefined ? 0 : Number(found[3])
  const last = found[3] === undefined ? whole - 1 : Number(found[4] ?? found[3])
  return within(named, first, last, { text: name, column: piece.column })
}

function within(named: NamedBits, first: number, last: number, asked: Piece): Subfield {
  const lowest = Math.max(0, -named.offset)
  if (first < lowest || last < first || last >= named.bits) {
    throw new FlowSyntaxError(
      asked.column + asked.text.length,
      `bits ${first}..${last} are not in ${asked.text}`,
      `bits within ${lowest}..${named.bits - 1}`,
    )
  }
  return { field: named.field, offset: first + named.offset, bits: last - first + 1 }
}

export function formatSubfield({ field: name, offset, bits }: Subfield): string {
  const field = fieldOf(name)
  const narrow = name === 'in_port' && offset + bits <= NXM_PORT_BITS
  const text = narrow ? NXM_IN_PORT : printedName(field)
  if (isWhole({ field: name, offset, bits })) return `${text}[]`
  return bits === 1 ? `${text}[${offset}]` : `${text}[${offset}..${offset + bits - 1}]`
}

/** True of what `[]` stands for. */
export function isWhole({ field: name, offset, bits }: Subfield): boolean {
  const field = fieldOf(name)
  return offset === 0 && (bits === wholeBits(field) || (name === 'in_port' && bits === NXM_PORT_BITS))
}

/** The name of a field in `set_field`, and of a learned value: Open vSwitch's own, unlike those of a match. */
export const actionName = (field: FieldName): string => ACTION_NAMES[field] ?? field

const ACTION_NAMES: Readonly<Partial<Record<FieldName, string>>> = { nw_src: 'ip_src', nw_dst: 'ip_dst' }
