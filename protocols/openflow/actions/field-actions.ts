// Actions that write fields, and move their bits: OFPAT_SET_FIELD, Open vSwitch's loads, moves and stack, the ONF's copy.

import type { Action, Subfield } from '../../control/actions.ts'
import { Refused } from '../../control/refused.ts'
import type { ByteReader } from '../byte-reader.ts'
import type { ByteWriter } from '../byte-writer.ts'
import { portToWire16 } from '../../port-numbers.ts'
import type { WireField } from '../oxm.ts'
import { NXM_OF_IN_PORT, partOf, readHeader, readValue, valueIsSound, wireFieldOf, writeHeader } from '../oxm.ts'
import type { ActionDecoder, ActionEncoders } from './action-codec.ts'
import { nicira, onf, orLonger, putNicira, putStandard, standard } from './action-codec.ts'
import {
  fieldsOf,
  packRange,
  rangeBits,
  rangeOffset,
  readLongHeader,
  readShortHeader,
  sourceOf,
  targetOf,
  writeLongHeader,
  writeShortHeader,
} from './subfields.ts'

const SET_FIELD = 25
const SET_TUNNEL = 2
const REG_MOVE = 6
const REG_LOAD = 7
const SET_TUNNEL64 = 9
const STACK_PUSH = 27
const STACK_POP = 28
const REG_LOAD2 = 33
const CHECK_PKT_LARGER = 49
const COPY_FIELD = 3200

export const fieldDecoders: readonly ActionDecoder[] = [
  orLonger(standard(SET_FIELD, 8, decodeSetField)),
  nicira(SET_TUNNEL, 16, (body) => {
    body.skip(2)
    return { type: 'set_tunnel', id: BigInt(body.u32()), wide: false }
  }),
  nicira(SET_TUNNEL64, 24, (body) => {
    body.skip(6)
    return { type: 'set_tunnel', id: body.u64(), wide: true }
  }),
  nicira(REG_LOAD, 24, decodeRegLoad),
  orLonger(nicira(REG_LOAD2, 16, decodeRegLoad2)),
  orLonger(nicira(REG_MOVE, 16, decodeMove)),
  orLonger(onf(COPY_FIELD, 24, decodeCopyField)),
  nicira(STACK_PUSH, 24, (body) => ({ type: 'stack_push', from: decodeStack(body, sourceOf) })),
  nicira(STACK_POP, 24, (body) => ({ type: 'stack_pop', to: decodeStack(body, targetOf) })),
  orLonger(nicira(CHECK_PKT_LARGER, 24, decodeCheckPacketLarger)),
]

export const fieldEncoders: ActionEncoders<
  'set_field' | 'set_tunnel' | 'load' | 'move' | 'stack_push' | 'stack_pop' | 'check_pkt_larger'
> = {
  set_field: (writer, action) => encodeSetField(writer, action),
  // As in Open vSwitch, whose own two actions for it are of OpenFlow 1.0.
  set_tunnel: (writer, { id }) => encodeSetField(writer, { type: 'set_field', field: 'tun_id', value: id }),
  load: encodeLoad,
  move: encodeMove,
  stack_push: (writer, { from }) => encodeStack(writer, STACK_PUSH, from),
  stack_pop: (writer, { to }) => encodeStack(writer, STACK_POP, to),
  check_pkt_larger: (writer, { length, to }) =>
    putNicira(writer, CHECK_PKT_LARGER, () => {
      writer.u16(length)
      writer.u16(to.offset)
      const start = writer.length
      writeLongHeader(writer, to)
      writer.zero(10 - (writer.length - start))
    }),
}

const badSetArgument = (field: string, problem: string) => new Refused('OFPBAC_BAD_SET_ARGUMENT', field, problem)

function requireZeros(fields: ByteReader, refusal: Refused): void {
  if (!fields.endsInZeros()) throw refusal
}

const mustBeZero = () => new Refused('NXBRC_MUST_BE_ZERO', '', 'padding is not zero')

// ---- values that the action has ------------------------------------------------------------------------------------

/** The field that is to be set, and to what. */
function readSet(fields: ByteReader): { wire: WireField; masked: boolean; value: bigint; mask: bigint } {
  const { wire, wrongLength, masked, payload } = readHeader(fields)
  if (wrongLength && payload > 0) throw new Refused('OFPBAC_BAD_SET_LEN', '', 'a known field of another length')
  if (wire === undefined) throw new Refused('OFPBAC_BAD_SET_TYPE', '', 'unknown field')
  return { wire, masked, ...readValue(fields.sub(payload), wire, masked) }
}

/** OpenFlow 1.3 §7.2.5, and lib/ofp-actions.c, decode_ofpat_set_field. */
function decodeSetField(body: ByteReader): Action {
  const fields = fieldsOf(body)
  const { wire, masked, value, mask } = readSet(fields)
  const field = wire.field.name
  if (masked) throw new Refused('OFPBAC_BAD_SET_MASK', field, 'OpenFlow 1.3 sets no part of a field')
  requireZeros(fields, badSetArgument(field, 'padding is not zero'))
  if (!wire.field.settable || (field === 'in_port' && wire.form === 'plain'))
    throw badSetArgument(field, 'can not be set')
  if (!valueIsSound(wire, value) || (field === 'vlan_vid' && (value & 0x1000n) === 0n))
    throw badSetArgument(field, `${field} can not be 0x${value.toString(16)}`)
  return { type: 'set_field', ...partOf(wire, value, mask) }
}

/** Sets part of a field: a value and, where some bits stay, a mask. */
function decodeRegLoad2(body: ByteReader): Action {
  const fields = fieldsOf(body)
  const { wire, value, mask } = readSet(fields)
  requireZeros(fields, badSetArgument(wire.field.name, 'padding is not zero'))
  if (!wire.field.settable) throw badSetArgument(wire.field.name, 'can not be set')
  return { type: 'set_field', ...partOf(wire, value, mask) }
}

/** OFPAT_SET_FIELD has no mask in OpenFlow 1.3; Open vSwitch's load of fields has. */
export function encodeSetField(writer: ByteWriter, action: Extract<Action, { type: 'set_field' }>): void {
  const { field, value } = action
  // OpenFlow keeps its own in_port from being set.
  const wire = field === 'in_port' ? NXM_OF_IN_PORT : wireFieldOf(field)
  const said = wire.form === 'port16' ? BigInt(portToWire16(Number(value))) : value
  const mask = action.mask === wire.field.ones ? undefined : action.mask
  if (mask === undefined) return putStandard(writer, SET_FIELD, () => writeValue(writer, wire, said))
  putNicira(writer, REG_LOAD2, () => {
    writeHeader(writer, wire, true)
    writer.big(said & mask, wire.bytes)
    writer.big(mask, wire.bytes)
  })
}

function writeValue(writer: ByteWriter, wire: WireField, value: bigint): void {
  writeHeader(writer, wire)
  writer.big(value, wire.bytes)
}

function decodeRegLoad(body: ByteReader): Action {
  const packed = body.u16()
  const wire = readShortHeader(body)
  const value = body.u64()
  const [offset, bits] = [rangeOffset(packed), rangeBits(packed)]
  if (wire.form === 'tos' && offset === 0 && bits === 8) return loadTrafficClass(wire, value)
  const to = targetOf(wire, offset, bits)
  if (value >> BigInt(bits) !== 0n)
    throw new Refused('OFPBAC_BAD_ARGUMENT', to.field, `value is wider than ${bits} bits`)
  return { type: 'load', value, to }
}

/** NXM_OF_IP_TOS[] is the field as OpenFlow 1.0 has it: a DSCP in the upper six of 8 bits, the others 0. */
function loadTrafficClass(wire: WireField, value: bigint): Action {
  if (value > 0xffn || (value & 3n) !== 0n)
    throw new Refused('OFPBAC_BAD_ARGUMENT', wire.field.name, 'has the DSCP in bits 2 to 7')
  return { type: 'load', value: value >> 2n, to: { field: wire.field.name, offset: 0, bits: wire.field.bits } }
}

/** A load has 64 bits at most: wider ones go as several, from the least significant bits on. */
function encodeLoad(writer: ByteWriter, { value, to }: Extract<Action, { type: 'load' }>): void {
  for (let done = 0; done < to.bits; done += 64) {
    const part: Subfield = { field: to.field, offset: to.offset + done, bits: Math.min(64, to.bits - done) }
    putNicira(writer, REG_LOAD, () => {
      writer.u16(packRange(part))
      writeShortHeader(writer, part)
      writer.u64(BigInt.asUintN(part.bits, value >> BigInt(done)))
    })
  }
}

// ---- values that the frame has -------------------------------------------------------------------------------------

function decodeMove(body: ByteReader): Action {
  const bits = body.u16()
  const from = body.u16()
  const to = body.u16()
  return moveOf(fieldsOf(body), bits, from, to)
}

/** The ONF's extension 320 for OpenFlow 1.3: OpenFlow 1.5's copy_field. */
function decodeCopyField(body: ByteReader): Action {
  body.skip(2)
  const bits = body.u16()
  const from = body.u16()
  const to = body.u16()
  body.skip(2)
  return moveOf(fieldsOf(body), bits, from, to)
}

function moveOf(fields: ByteReader, bits: number, fromOffset: number, toOffset: number): Action {
  const source = readLongHeader(fields)
  const target = readLongHeader(fields)
  requireZeros(fields, mustBeZero())
  return { type: 'move', from: sourceOf(source, fromOffset, bits), to: targetOf(target, toOffset, bits) }
}

function encodeMove(writer: ByteWriter, { from, to }: Extract<Action, { type: 'move' }>): void {
  putNicira(writer, REG_MOVE, () => {
    writer.u16(to.bits)
    writer.u16(from.offset)
    writer.u16(to.offset)
    writeLongHeader(writer, from)
    writeLongHeader(writer, to)
  })
}

function decodeStack(body: ByteReader, subfieldOf: typeof sourceOf): Subfield {
  const offset = body.u16()
  const fields = fieldsOf(body)
  const wire = readLongHeader(fields)
  const bits = fields.u16()
  requireZeros(fields, mustBeZero())
  return subfieldOf(wire, offset, bits)
}

function encodeStack(writer: ByteWriter, subtype: number, subfield: Subfield): void {
  putNicira(writer, subtype, () => {
    writer.u16(subfield.offset)
    const start = writer.length
    writeLongHeader(writer, subfield)
    writer.u16(subfield.bits)
    writer.zero(12 - (writer.length - start))
  })
}

function decodeCheckPacketLarger(body: ByteReader): Action {
  const length = body.u16()
  const offset = body.u16()
  const fields = fieldsOf(body)
  const wire = readLongHeader(fields)
  requireZeros(fields, mustBeZero())
  return { type: 'check_pkt_larger', length, to: targetOf(wire, offset, 1) }
}
