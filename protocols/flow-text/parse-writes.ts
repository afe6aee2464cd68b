// Actions that write to fields: set_field, load, move, mod_*, and the frame's own stack.

import type { Action, Subfield } from '../control/messages.ts'
import type { Field, FieldName } from '../fields.ts'
import { FIELDS, fieldNamed, fieldOf } from '../fields.ts'
import { lackingToRead, lackingToSet } from '../known-frame.ts'
import type { MaskedValue } from './numbers.ts'
import { parseNumber, parseSmall, UINT32, UINT64, UINT8 } from './numbers.ts'
import { parseTos, transportField } from './parse-match.ts'
import type { ActionReader, Reading } from './reading.ts'
import { refuseLacking } from './reading.ts'
import { parseSubfield } from './subfields.ts'
import { suggestion } from './suggestion.ts'
import { FlowSyntaxError } from './syntax-error.ts'
import { parseMasked } from './values.ts'
import type { Piece, Word } from './words.ts'
import { cutAt, sides, valueOf } from './words.ts'

export const WRITES: Readonly<Record<string, ActionReader>> = {
  mod_vlan_vid: (word) => ({ type: 'set_vlan_vid', vid: parseSmall(valueOf(word), 4095) }),
  mod_vlan_pcp: (word) => ({ type: 'set_vlan_pcp', pcp: parseSmall(valueOf(word), 7) }),
  // Open vSwitch's names for OpenFlow 1.1's own actions; over OpenFlow 1.3 they are set_field.
  set_vlan_vid: (word, reading) =>
    setField(fieldOf('vlan_vid'), { value: TAG_PRESENT | parseNumber(valueOf(word), 4095n) }, word.key, reading),
  set_vlan_pcp: setter('vlan_pcp'),
  mod_dl_src: setter('eth_src'),
  mod_dl_dst: setter('eth_dst'),
  mod_nw_src: setter('nw_src'),
  mod_nw_dst: setter('nw_dst'),
  mod_nw_ecn: setter('nw_ecn'),
  mod_nw_tos: (word, reading) => setField(fieldOf('ip_dscp'), { value: parseTos(valueOf(word)) }, word.key, reading),
  mod_nw_ttl: readTtl,
  set_nw_ttl: readTtl,
  mod_tp_src: transportSetter('tp_src'),
  mod_tp_dst: transportSetter('tp_dst'),
  set_mpls_label: setter('mpls_label'),
  set_mpls_tc: setter('mpls_tc'),
  set_mpls_ttl: (word) => ({ type: 'set_mpls_ttl', ttl: parseSmall(valueOf(word), UINT8) }),
  set_field: readSetField,
  load: readLoad,
  move: readMove,
  push: (word, reading) => ({ type: 'stack_push', from: readSource(valueOf(word), reading) }),
  pop: (word, reading) => ({ type: 'stack_pop', to: readTarget(valueOf(word), reading) }),
  set_tunnel: (word) => tunnel(word, false),
  set_tunnel64: (word) => tunnel(word, true),
}

const TAG_PRESENT = 0x1000n

/** Fields that a ct action writes to the connection, and no other action to the frame. */
const CONNECTION_FIELDS = new Set<FieldName>(['ct_mark', 'ct_label'])

function setter(name: FieldName): ActionReader {
  const field = fieldOf(name)
  return (word, reading) => {
    const value = valueOf(word)
    const parsed = parseMasked(field, value, reading.options)
    if (parsed.mask !== undefined)
      throw new FlowSyntaxError(value.column, `${word.key.text} takes no mask`, 'a whole value, or set_field')
    return setField(field, parsed, word.key, reading)
  }
}

function transportSetter(keyword: 'tp_src' | 'tp_dst'): ActionReader {
  return (word, reading) => {
    const protocol = reading.known?.match.find((part) => part.field === 'nw_proto')?.value
    const field = transportField(keyword, protocol, word.key)
    return setField(field, { value: parseNumber(valueOf(word), field.ones) }, word.key, reading)
  }
}

function readTtl(word: Word): Action {
  return { type: 'set_nw_ttl', ttl: parseSmall(valueOf(word), UINT8) }
}

function tunnel(word: Word, wide: boolean): Action {
  const id = parseNumber(valueOf(word), UINT64)
  return { type: 'set_tunnel', id, wide: wide || id > BigInt(UINT32) }
}

function setField(field: Field, part: MaskedValue, asked: Piece, reading: Reading): Action {
  requireWritable(field, asked, reading)
  if (reading.known !== undefined) refuseLacking(asked, lackingToSet(field, reading.known))
  return { type: 'set_field', field: field.name, ...part }
}

function requireWritable(field: Field, asked: Piece, { inside }: Reading): void {
  if (!field.settable) throw new FlowSyntaxError(asked.column, `${field.name} can not be written`, 'a field that can')
  const ofConnection = CONNECTION_FIELDS.has(field.name)
  if (ofConnection && inside !== 'ct')
    throw new FlowSyntaxError(asked.column, `${field.name} is written outside of ct`, 'ct(commit,exec(…))')
  if (!ofConnection && inside === 'ct')
    throw new FlowSyntaxError(asked.column, `${field.name} is written in ct`, 'ct_mark or ct_label')
}

/** Bits that are read. */
export function readSource(piece: Piece, reading: Reading): Subfield {
  const from = parseSubfield(piece)
  if (reading.known !== undefined) refuseLacking(piece, lackingToRead(fieldOf(from.field), reading.known))
  return from
}

/** Bits that are written, in whole or in part, by anything but set_field and load. */
export function readTarget(piece: Piece, reading: Reading): Subfield {
  const to = parseSubfield(piece)
  requireWritable(fieldOf(to.field), piece, reading)
  if (reading.known !== undefined) refuseLacking(piece, lackingToRead(fieldOf(to.field), reading.known))
  return to
}

/** `set_field:VALUE[/MASK]->FIELD`. */
function readSetField(word: Word, reading: Reading): Action {
  const [value, name] = sides(valueOf(word))
  if (name.text === 'nw_tos') return setField(fieldOf('ip_dscp'), { value: parseTos(value) }, name, reading)
  const field = fieldNamed(name.text)
  if (field === undefined) {
    const meant = suggestion(
      name.text,
      FIELDS.map((known) => known.name),
    )
    throw new FlowSyntaxError(name.column, `unknown field '${name.text}'`, 'a field that can be written', meant)
  }
  const part = parseMasked(field, value, reading.options)
  if (field.name === 'vlan_vid' && part.mask === undefined && (part.value & TAG_PRESENT) === 0n)
    throw new FlowSyntaxError(value.column, `${value.text} says that there is no tag`, 'a VLAN with bit 0x1000 set')
  return setField(field, part, name, reading)
}

/** `load:VALUE->FIELD[first..last]`. */
function readLoad(word: Word, reading: Reading): Action {
  const [source, destination] = sides(valueOf(word))
  const to = parseSubfield(destination)
  const field = fieldOf(to.field)
  requireWritable(field, destination, reading)
  if (reading.known !== undefined) refuseLacking(destination, lackingToSet(field, reading.known))
  return { type: 'load', value: parseBits(source, to.bits), to }
}

export const parseBits = (piece: Piece, bits: number): bigint =>
  parseNumber(piece, (1n << BigInt(bits)) - 1n, `a number of ${bits} bits`)

/** `move:FIELD[..]->FIELD[..]`. */
function readMove(word: Word, reading: Reading): Action {
  const [source, destination] = sides(valueOf(word))
  const from = parseSubfield(source)
  const to = parseSubfield(destination)
  if (from.bits !== to.bits)
    throw new FlowSyntaxError(source.column, `${from.bits} bits do not fit ${to.bits}`, 'as many bits on both sides')
  return { type: 'move', from: readSource(source, reading), to: readTarget(destination, reading) }
}

/** `VALUE/MASK`: what `write_metadata` takes. */
export function parseMetadata(piece: Piece): { value: bigint; mask: bigint } {
  const [value, maskPiece] = cutAt(piece, '/') ?? [piece]
  const mask = maskPiece === undefined ? UINT64 : parseNumber(maskPiece, UINT64)
  return { value: parseNumber(value, UINT64) & mask, mask }
}
