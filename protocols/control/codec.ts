// messages.ts <-> control.proto. Everything that reaches or leaves protobufjs goes through here and through wire/, where each
// family of messages has its file.

import protobuf from 'protobufjs/minimal.js'
import { InvalidField, Malformed } from '../errors.ts'
import { signalbox } from './generated/control.js'
import type { Envelope, FlowSpec, Message, MessageType } from './messages.ts'
import { BUNDLE_MESSAGES, bundleAddFromWire, encodeBundleAdd } from './wire/bundles.ts'
import type { Codecs, WireEnvelope } from './wire/codecs.ts'
import { CONNECTION_MESSAGES } from './wire/connections.ts'
import { encodeStatistics, readStatistics } from './wire/flow-statistics.ts'
import { FLOW_MESSAGES } from './wire/flows.ts'
import { FRAME_MESSAGES } from './wire/frames.ts'
import { GROUP_MESSAGES } from './wire/groups.ts'
import { HOST_MESSAGES } from './wire/hosts.ts'
import { METER_MESSAGES } from './wire/meters.ts'
import { PORT_MESSAGES } from './wire/ports.ts'
import { QUEUE_MESSAGES } from './wire/queues.ts'
import { SESSION_MESSAGES } from './wire/session.ts'
import { TABLE_MESSAGES } from './wire/tables.ts'
import { bounded, UINT32 } from './wire/values.ts'
import { VNIC_STATE_MESSAGES } from './wire/vnic-state.ts'

const { control } = signalbox
const { Envelope: Wire } = control

const CODECS: Codecs<Exclude<MessageType, 'bundleAdd'>> = {
  ...SESSION_MESSAGES,
  ...PORT_MESSAGES,
  ...QUEUE_MESSAGES,
  ...FRAME_MESSAGES,
  ...FLOW_MESSAGES,
  ...TABLE_MESSAGES,
  ...GROUP_MESSAGES,
  ...METER_MESSAGES,
  ...BUNDLE_MESSAGES,
  ...CONNECTION_MESSAGES,
  ...HOST_MESSAGES,
  ...VNIC_STATE_MESSAGES,
}

/** One codec for any type: the caller has the message, or the member of the envelope, that belongs to it. */
interface AnyCodec {
  toWire(message: never, at: string): unknown
  fromWire(wire: never, at: string): Message
}

const byType = new Map<string, AnyCodec>(Object.entries<AnyCodec>(CODECS))

/** @throws InvalidField a value that its place on the wire can not hold. */
export function encodeEnvelope({ xid, message }: Envelope): Uint8Array {
  bounded(xid, UINT32, 'xid')
  if (message.type === 'bundleAdd')
    return encodeBundleAdd(message, startWith(xid, BUNDLE_ADD_TAG).fork()).ldelim().finish()
  if (message.type === 'flowStatisticsReply')
    return startWith(xid, FLOW_STATISTICS_TAG).bytes(encodeStatistics(message)).finish()
  const codec = byType.get(message.type)
  if (codec === undefined) throw new InvalidField('type', `'${message.type}' is unknown`, 'a message of messages.ts')
  const { tag, encode } = memberOf(message.type)
  return encode(codec.toWire(message as never, '') as never, startWith(xid, tag).fork())
    .ldelim()
    .finish()
}

/** Field 1, a varint: what every encoder writes first. */
const XID_TAG = (1 << 3) | 0
/** The same in a `bundleAdd`. */
const BUNDLE_TAG = (1 << 3) | 0
/** After that, and after its flags, the change is a message in it. */
const isChange = (tag: number): boolean => tag >>> 3 > 2 && (tag & 7) === 2

const startWith = (xid: number, tag: number) => protobuf.Writer.create().uint32(XID_TAG).uint32(xid).uint32(tag)

/** What a member of the envelope is: its tag, and what writes it behind that. */
interface Member {
  readonly tag: number
  readonly encode: (wire: never, writer: protobuf.Writer) => protobuf.Writer
}

const members = new Map<MessageType, Member>()

/** An envelope's own encoder would ask for each of its members whether it is there. */
function memberOf(type: MessageType): Member {
  const known = members.get(type)
  if (known !== undefined) return known
  const empty = Wire.encode({ [type]: {} }).finish()
  const { encode } = (Wire.decode(empty)[type] as object).constructor as unknown as Member
  const member = { tag: new protobuf.Reader(empty).uint32(), encode }
  members.set(type, member)
  return member
}

const BUNDLE_ADD_TAG = memberOf('bundleAdd').tag
const FLOW_STATISTICS_TAG = memberOf('flowStatisticsReply').tag

/**
 * The message that `bytes` hold; it keeps no reference to them. Only its shape is checked: whether a match makes sense is for
 * the switch to say.
 * @throws Malformed bytes that are no envelope.
 * @throws InvalidField an envelope whose content is not of the agreed shape; `path` is the offending field's place in the message.
 */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  const wire = parse(bytes)
  return { xid: wire.xid ?? 0, message: fromWire(wire) }
}

function fromWire(wire: WireEnvelope): Message {
  if (wire.flowMod) return CODECS.flowMod.fromWire(wire.flowMod, '')
  if (wire.bundleAdd) return bundleAddFromWire(wire.bundleAdd)
  for (const member of Object.keys(wire)) {
    const codec = byType.get(member)
    if (codec !== undefined) return codec.fromWire(wire[member as keyof WireEnvelope] as never, '')
  }
  throw new InvalidField('body', 'is empty or of an unknown kind', 'one message')
}

/** What makes an envelope of bytes. */
export type Decode = (bytes: Uint8Array) => Envelope

/** Of an envelope that puts a change into a bundle, and nothing beside it: its numbers, and where the change begins. */
export function changeInBundle(bytes: Uint8Array): { xid: number; bundle: number; changeAt: number } | undefined {
  return readOnly(bytes, BUNDLE_ADD_TAG, (reader, xid) => {
    if (reader.uint32() !== BUNDLE_TAG) return undefined
    const bundle = reader.uint32()
    const changeAt = reader.pos
    const isAll = isChange(reader.uint32()) && reader.uint32() === bytes.length - reader.pos
    return isAll ? { xid, bundle, changeAt } : undefined
  })
}

/** An envelope with statistics of flows, for which `shared` finds the flows of these bytes. */
export const statisticsIn = (bytes: Uint8Array, shared: (flow: Uint8Array) => FlowSpec): Envelope | undefined =>
  readOnly(bytes, FLOW_STATISTICS_TAG, (reader, xid) => {
    const message = readStatistics(reader, bytes.length, shared)
    return message && { xid, message }
  })

/** What is read of an envelope that has this member and no other. Undefined where it is another, or can not be read. */
function readOnly<T>(bytes: Uint8Array, tag: number, read: (reader: protobuf.Reader, xid: number) => T): T | undefined {
  const reader = readerOf(bytes)
  try {
    if (reader.uint32() !== XID_TAG) return undefined
    const xid = reader.uint32()
    if (reader.uint32() !== tag || reader.uint32() !== bytes.length - reader.pos) return undefined
    return read(reader, xid)
  } catch {
    return undefined
  }
}

/** The xid of an envelope that could not be decoded, so that an error can name it; 0 where even that can't be read. */
export function envelopeXid(bytes: Uint8Array): number {
  const reader = readerOf(bytes)
  try {
    return reader.tag() === XID_TAG ? reader.uint32() : 0
  } catch {
    return 0
  }
}

function parse(bytes: Uint8Array): WireEnvelope {
  const reader = readerOf(bytes)
  try {
    return Wire.decode(reader)
  } catch (error) {
    throw new Malformed(
      'control',
      error instanceof Error ? error.message : 'unreadable',
      Math.min(reader.pos, bytes.length),
    )
  }
}

/** Not `Reader.create`, which would hand out Buffers where a Buffer came in. */
const readerOf = (bytes: Uint8Array) =>
  new protobuf.Reader(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength))
