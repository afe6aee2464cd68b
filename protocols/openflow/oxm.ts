// Matches on the wire: OpenFlow 1.3 §7.2.3, and Open vSwitch's NXM, which differs in the class and in the width of two fields.
//
//   | class 16 | field 7 | has mask 1 | length 8 | experimenter 32, class 0xffff only | value | mask, where there is one |

import type { ErrorCode } from '../control/error-codes.ts'
import { Refused } from '../control/refused.ts'
import type { Field, FieldName, OxmHeader } from '../fields.ts'
import { FIELDS, KEY_WORDS, ONF_EXPERIMENTER, OxmClass, fieldOf } from '../fields.ts'
import type { FieldMatch, Match } from '../match.ts'
import { missingPrerequisite } from '../match.ts'
import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'
import { portFromWire16, portIsSound } from '../port-numbers.ts'

/** OFPMT_OXM. */
const MATCH_TYPE_OXM = 1
const MATCH_HEADER_SIZE = 4

/** A field under one of its headers. */
export interface WireField {
  field: Field
  class: number
  number: number
  /** Bytes of the value. */
  bytes: number
  /** NXM_OF_IN_PORT has 16 bits where the field has 32, NXM_OF_IP_TOS has the DSCP in the upper six of 8 bits. */
  form: 'plain' | 'port16' | 'tos'
}

/** Bytes that a field's value takes: 3 only where the width is 24 bits (PBB's service), 20 bits go in 4. */
function bytesFor(bits: number): number {
  const bytes = Math.ceil(bits / 8)
  return bytes === 3 && bits !== 24 ? 4 : bytes
}

const plain = (field: Field, header: OxmHeader): WireField => ({
  field,
  class: header.class,
  number: header.field,
  bytes: bytesFor(field.bits),
  form: 'plain',
})

export const NXM_OF_IN_PORT: WireField = {
  field: fieldOf('in_port'),
  class: OxmClass.NXM_OF,
  number: 0,
  bytes: 2,
  form: 'port16',
}
const NXM_OF_IP_TOS: WireField = { field: fieldOf('ip_dscp'), class: OxmClass.NXM_OF, number: 5, bytes: 1, form: 'tos' }

const byName = new Map<FieldName, WireField>()
/** For where there are 32 bits for a header and no more. */
const shortByName = new Map<FieldName, WireField>()
const byNumber = new Map<number, WireField>()

for (const field of FIELDS) {
  for (const wire of field.headers.map((header) => plain(field, header))) {
    if (!byName.has(field.name)) byName.set(field.name, wire)
    if (!isExperimenter(wire.class) && !shortByName.has(field.name)) shortByName.set(field.name, wire)
    byNumber.set(numberOf(wire.class, wire.number), wire)
  }
}
for (const wire of [NXM_OF_IN_PORT, NXM_OF_IP_TOS]) byNumber.set(numberOf(wire.class, wire.number), wire)

function numberOf(oxmClass: number, field: number): number {
  return oxmClass * 128 + field
}

function isExperimenter(oxmClass: number): boolean {
  return oxmClass === OxmClass.ONFOXM_ET
}

/** The header under which we say `field`; `short`: one of 32 bits. */
export function wireFieldOf(field: FieldName, short = false): WireField {
  const wire = (short ? shortByName : byName).get(field)
  if (wire === undefined) throw new Refused('OFPBAC_BAD_SET_TYPE', field, `${field} has no header of 32 bits`)
  return wire
}

/**
 * OXM_OF_PACKET_TYPE (OpenFlow 1.5 §7.2.3.11), which Open vSwitch puts into matches that nothing else ties to Ethernet. All frames
 * here are Ethernet, so that it says nothing.
 */
const PACKET_TYPE = numberOf(OxmClass.OXM_OF, 44)
const PACKET_TYPE_BYTES = 4

/** NXM_NX_TUN_METADATA0 to 63: options of Geneve, which nobody has mapped to fields here. */
const isTunnelMetadata = (oxmClass: number, number: number) =>
  oxmClass === OxmClass.NXM_NX && number >= 40 && number < 104

/** An OXM header as it came. */
export interface ReadHeader {
  number: number
  /** Absent: nobody knows the field by this class, number and length. */
  wire?: WireField
  /** The class and number are known, the length is not theirs. */
  wrongLength: boolean
  masked: boolean
  /** Bytes that follow, mask included. */
  payload: number
}

/** @throws Refused OFPBMC_BAD_LEN: the header ends too early. NXFMFC_INVALID_TLV_FIELD: the field is an option of tunnels. */
export function readHeader(reader: ByteReader): ReadHeader {
  const oxmClass = reader.u16()
  const fieldAndMask = reader.u8()
  const length = reader.u8()
  const masked = (fieldAndMask & 1) === 1
  if (isTunnelMetadata(oxmClass, fieldAndMask >> 1))
    throw new Refused('NXFMFC_INVALID_TLV_FIELD', '', 'no option of tunnels is mapped to a field')
  const experimenter = isExperimenter(oxmClass) ? reader.u32() : ONF_EXPERIMENTER
  const payload = isExperimenter(oxmClass) ? length - 4 : length
  if (payload < 0) throw new Refused('OFPBMC_BAD_LEN', '', `OXM length ${length} has no room for the experimenter`)
  const known = experimenter === ONF_EXPERIMENTER ? byNumber.get(numberOf(oxmClass, fieldAndMask >> 1)) : undefined
  const width = masked ? payload >> 1 : payload
  const wrongLength = known !== undefined && (width !== known.bytes || (masked && payload % 2 === 1))
  return {
    number: numberOf(oxmClass, fieldAndMask >> 1),
    ...(known !== undefined && !wrongLength && { wire: known }),
    wrongLength,
    masked,
    payload,
  }
}

/** The length in it is the field's also where only the header is wanted, in actions that name a field. */
export function writeHeader(writer: ByteWriter, wire: WireField, masked = false): void {
  const experimenter = isExperimenter(wire.class)
  const length = (masked ? 2 * wire.bytes : wire.bytes) + (experimenter ? 4 : 0)
  writer.u16(wire.class)
  writer.u8((wire.number << 1) | (masked ? 1 : 0))
  writer.u8(length)
  if (experimenter) writer.u32(ONF_EXPERIMENTER)
}

// ---- one field -----------------------------------------------------------------------------------------------------

/** The header, the value, and the mask where it leaves a bit out. */
export function encodeOxm(writer: ByteWriter, part: FieldMatch): void {
  const wire = wireFieldOf(part.field)
  const masked = part.mask !== undefined && part.mask !== wire.field.ones
  writeHeader(writer, wire, masked)
  writer.big(part.value, wire.bytes)
  if (masked) writer.big(part.mask ?? wire.field.ones, wire.bytes)
}

/** A field with the bits that came; nothing is said yet of whether its frames could be. */
interface ReadOxm {
  /** Absent: unknown. */
  wire?: WireField
  /** Says that frames are Ethernet, which all are. */
  redundant?: boolean
  value: bigint
  /** All ones where none came. */
  mask: bigint
}

/**
 * Reads one field, unknown ones as well.
 * @throws Refused OFPBMC_BAD_LEN, OFPBMC_BAD_WILDCARDS.
 */
function readOxm(reader: ByteReader): ReadOxm {
  const { number, wire, masked, payload } = readHeader(reader)
  const body = reader.sub(payload)
  if (wire !== undefined) return { wire, ...readValue(body, wire, masked) }
  if (number === PACKET_TYPE && payload === (masked ? 2 : 1) * PACKET_TYPE_BYTES && body.u32() === 0)
    return { redundant: true, value: 0n, mask: 0n }
  if (masked) checkUnknownMask(body)
  return { value: 0n, mask: 0n }
}

/**
 * Reads what follows the header of a known field.
 * @throws Refused OFPBMC_BAD_WILDCARDS, and what the reader refuses.
 */
export function readValue(body: ByteReader, wire: WireField, masked: boolean): { value: bigint; mask: bigint } {
  const value = body.big(wire.bytes)
  const mask = masked ? body.big(wire.bytes) : allOnes(wire)
  if ((value & ~mask) !== 0n) throw refused('OFPBMC_BAD_WILDCARDS', wire.field, 'has a bit set outside its mask')
  return { value, mask }
}

const allOnes = (wire: WireField) => (1n << BigInt(8 * wire.bytes)) - 1n

/**
 * A field to match; a `mask` of 0 says nothing of the frame.
 * @throws Refused OFPBMC_BAD_FIELD, OFPBMC_BAD_LEN, OFPBMC_BAD_WILDCARDS, OFPBMC_BAD_MASK, OFPBMC_BAD_VALUE.
 */
export function decodeOxm(reader: ByteReader): FieldMatch {
  const part = matchOf(readOxm(reader))
  if (part === undefined) throw new Refused('OFPBMC_BAD_FIELD', '', 'unknown field')
  return part
}

function matchOf({ wire, value, mask }: ReadOxm): FieldMatch | undefined {
  if (wire === undefined) return undefined
  // A field that can not be masked takes a mask of all ones or all zeros, over all its bytes.
  if (!wire.field.maskable && mask !== 0n && mask !== allOnes(wire))
    throw refused('OFPBMC_BAD_MASK', wire.field, 'can not be masked')
  if (!valueIsSound(wire, value)) throw refused('OFPBMC_BAD_VALUE', wire.field, `can not be 0x${value.toString(16)}`)
  return partOf(wire, value, mask)
}

/** All that ct_state has, of the 32 that it takes on the wire. */
const CT_STATE_BITS = 0xffn

/** The field's own value and mask. */
export function partOf(wire: WireField, value: bigint, mask: bigint): FieldMatch {
  const field = wire.field.name
  if (wire.form === 'port16')
    return { field, value: BigInt(portFromWire16(Number(value))), ...(mask === 0n && { mask }) }
  const shift = wire.form === 'tos' ? 2n : 0n
  const part = { field, value: (value >> shift) & wire.field.ones }
  const ownMask = (mask >> shift) & wire.field.ones
  if (ownMask === wire.field.ones) return part
  return { ...part, mask: field === 'ct_state' ? ownMask & CT_STATE_BITS : ownMask }
}

/** Open vSwitch looks at the mask before it looks for the field. */
function checkUnknownMask(body: ByteReader): void {
  const value = body.bytes(body.remaining >> 1)
  const mask = body.bytes(value.length)
  if (value.some((byte, at) => (byte & ~(mask[at] ?? 0)) !== 0))
    throw new Refused('OFPBMC_BAD_WILDCARDS', '', 'an unknown field has a bit set outside its mask')
}

const refused = (code: ErrorCode, field: Field, problem: string) =>
  new Refused(code, field.name, `${field.name} ${problem}`)

/** Whether a frame can have it: lib/meta-flow.c, mf_is_value_valid. */
export function valueIsSound(wire: WireField, value: bigint): boolean {
  if (wire.form === 'port16') return true
  if (wire.form === 'tos') return (value & 3n) === 0n
  if (value > wire.field.ones) return false
  switch (wire.field.name) {
    case 'in_port':
    case 'actset_output':
      return portIsSound(Number(value))
    case 'arp_op':
      return value <= 0xffn
    case 'ct_state':
      return value <= 0xffn
    default:
      return true
  }
}

// ---- lists ---------------------------------------------------------------------------------------------------------

/** Open vSwitch takes a field only behind what it needs; the table has the connection's tuple before the Ethernet type. */
const place = new Map<FieldName, number>(
  FIELDS.map((field, index) => [field.name, field.prerequisite === 'ct' ? FIELDS.length + index : index]),
)
const inWireOrder = (a: FieldMatch, b: FieldMatch) => (place.get(a.field) ?? 0) - (place.get(b.field) ?? 0)

/** Fields without an ofp_match around them, each behind what it needs. */
export function encodeOxmList(writer: ByteWriter, match: Match): void {
  for (const part of match.toSorted(inWireOrder)) if (part.mask !== 0n) encodeOxm(writer, part)
}

const order = new Map<FieldName, number>(FIELDS.map((field, index) => [field.name, index]))

/**
 * Fields up to the end of `reader`, in the order of fields.ts; what a mask of 0 stands with is left out. `loose` leaves out
 * unknown fields, and asks for no prerequisites: for what a switch says of a frame.
 * @throws Refused OFPBMC_*, as Open vSwitch's lib/nx-match.c has them.
 */
export function decodeOxmList(reader: ByteReader, options: { loose?: boolean } = {}): Match {
  const parts: FieldMatch[] = []
  const taken = new Uint32Array(KEY_WORDS)
  const body = reader.sub(reader.remaining, 'OFPBMC_BAD_LEN')
  while (body.remaining > 0) {
    const read = readOxm(body)
    const part = matchOf(read)
    if (part === undefined) {
      if (read.redundant === true || options.loose === true) continue
      throw new Refused('OFPBMC_BAD_FIELD', '', 'unknown field')
    }
    const field = fieldOf(part.field)
    const missing = options.loose === true ? undefined : missingPrerequisite(field, parts)
    if (missing !== undefined) throw refused('OFPBMC_BAD_PREREQ', field, `lacks ${missing} before it`)
    if (part.mask === 0n) continue
    claim(taken, field, part.mask ?? field.ones)
    parts.push(part)
  }
  return parts.sort((a, b) => (order.get(a.field) ?? 0) - (order.get(b.field) ?? 0))
}

/** Fields that share bits of the key, as vlan_tci and vlan_vid or a register and a half of a wider one, are one field twice. */
function claim(taken: Uint32Array, field: Field, mask: bigint): void {
  if (field.name === 'in_phy_port') return
  const words = Math.ceil(field.bits / 32)
  for (let index = 0; index < words; index++) {
    const down = BigInt(32 * (words - 1 - index))
    const word = field.word + index
    const bits = (Number((field.ones >> down) & 0xffffffffn) << field.shift) >>> 0
    if (((taken[word] ?? 0) & bits) !== 0) throw refused('OFPBMC_DUP_FIELD', field, 'is given twice')
  }
  for (let index = 0; index < words; index++) {
    const down = BigInt(32 * (words - 1 - index))
    const word = field.word + index
    taken[word] = (taken[word] ?? 0) | (Number((mask >> down) & 0xffffffffn) << field.shift)
  }
}

// ---- ofp_match -----------------------------------------------------------------------------------------------------

/** An ofp_match of type OXM, padded to 8 bytes. */
export function encodeMatch(writer: ByteWriter, match: Match): void {
  const start = writer.length
  writer.u16(MATCH_TYPE_OXM)
  writer.u16(0)
  encodeOxmList(writer, match)
  writer.setU16(start + 2, writer.length - start)
  writer.alignTo8(start)
}

/**
 * Reads an ofp_match with its padding; its fields come in the order of fields.ts.
 * @throws Refused OFPBMC_*, as Open vSwitch's lib/nx-match.c has them.
 */
export function decodeMatch(reader: ByteReader, options: { loose?: boolean } = {}): Match {
  if (reader.remaining < MATCH_HEADER_SIZE) throw new Refused('OFPBMC_BAD_LEN', '', 'the match has no header')
  const type = reader.u16()
  const length = reader.u16()
  if (length < MATCH_HEADER_SIZE)
    throw new Refused('OFPBMC_BAD_LEN', '', `match length ${length} is less than its header's`)
  if (type !== MATCH_TYPE_OXM) throw new Refused('OFPBMC_BAD_TYPE', '', `match type ${type}; expected OXM`)
  const padding = (8 - (length % 8)) % 8
  if (length - MATCH_HEADER_SIZE + padding > reader.remaining)
    throw new Refused('OFPBMC_BAD_LEN', '', `match length ${length} is more than the message has`)
  const match = decodeOxmList(reader.sub(length - MATCH_HEADER_SIZE, 'OFPBMC_BAD_LEN'), options)
  reader.skip(padding)
  return match
}
