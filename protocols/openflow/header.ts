// What stands before every OpenFlow message: OpenFlow 1.3 §7.1.1, and the further headers of multipart messages (§7.3.5) and of
// experimenters' (§7.5.4).
//
//   | version 8 | type 8 | length 16 | xid 32 |

import { Refused } from '../control/refused.ts'
import type { ByteReader } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'

/** OpenFlow 1.3. */
export const VERSION = 4
export const HEADER_SIZE = 8
export const MAXIMUM_MESSAGE = 0xffff
const LENGTH = 2

/** OFPT_*. */
export const MessageCode = {
  Hello: 0,
  Error: 1,
  EchoRequest: 2,
  EchoReply: 3,
  Experimenter: 4,
  FeaturesRequest: 5,
  FeaturesReply: 6,
  ConfigRequest: 7,
  ConfigReply: 8,
  SetConfig: 9,
  PacketIn: 10,
  FlowRemoved: 11,
  PortStatus: 12,
  PacketOut: 13,
  FlowMod: 14,
  GroupMod: 15,
  PortMod: 16,
  TableMod: 17,
  MultipartRequest: 18,
  MultipartReply: 19,
  BarrierRequest: 20,
  BarrierReply: 21,
  QueueConfigRequest: 22,
  QueueConfigReply: 23,
  RoleRequest: 24,
  RoleReply: 25,
  AsyncConfigRequest: 26,
  AsyncConfigReply: 27,
  SetAsyncConfig: 28,
  MeterMod: 29,
} as const

/** OFPMP_*. */
export const MultipartCode = {
  Description: 0,
  Flow: 1,
  Aggregate: 2,
  Table: 3,
  Port: 4,
  Queue: 5,
  Group: 6,
  GroupDescription: 7,
  GroupFeatures: 8,
  Meter: 9,
  MeterConfig: 10,
  MeterFeatures: 11,
  TableFeatures: 12,
  PortDescription: 13,
  Experimenter: 0xffff,
} as const

export const Experimenter = { Nicira: 0x2320, Onf: 0x4f4e4600 } as const

/** OFPMPF_REQ_MORE and OFPMPF_REPLY_MORE. */
const MORE = 1

/** What a message is, in all the words that its headers have for it. */
export interface WireType {
  /** `MessageCode`. */
  message: number
  /** `MultipartCode`, of multipart messages. */
  multipart?: number
  /** Of experimenters' messages: whose, and which of them. */
  experimenter?: number
  subtype?: number
}

export const request = (multipart: number): WireType => ({ message: MessageCode.MultipartRequest, multipart })
export const reply = (multipart: number): WireType => ({ message: MessageCode.MultipartReply, multipart })
export const nicira = (subtype: number): WireType => ({
  message: MessageCode.Experimenter,
  experimenter: Experimenter.Nicira,
  subtype,
})
export const onf = (subtype: number): WireType => ({
  message: MessageCode.Experimenter,
  experimenter: Experimenter.Onf,
  subtype,
})

/** Equal for equal types, and for no others. */
export const wireKey = ({ message, multipart = 0, experimenter = 0, subtype = 0 }: WireType): string =>
  `${message}/${multipart}/${experimenter}/${subtype}`

export const isMultipart = (message: number): boolean =>
  message === MessageCode.MultipartRequest || message === MessageCode.MultipartReply

export interface Header {
  version: number
  type: number
  length: number
  xid: number
}

/** The first eight bytes, which must be there. */
export const readHeader = (reader: ByteReader): Header => ({
  version: reader.u8(),
  type: reader.u8(),
  length: reader.u16(),
  xid: reader.u32(),
})

/**
 * Reads the headers that follow the first one.
 * @throws Refused OFPBRC_BAD_LEN they end too early; OFPBRC_BAD_EXPERIMENTER nobody knows the experimenter.
 */
export function readWireType(message: number, reader: ByteReader): { wire: WireType; more: boolean } {
  if (message === MessageCode.Experimenter) return { wire: { message, ...readExperimenter(reader) }, more: false }
  if (!isMultipart(message)) return { wire: { message }, more: false }
  const multipart = reader.u16()
  const more = (reader.u16() & MORE) !== 0
  reader.skip(4)
  const experimenter = multipart === MultipartCode.Experimenter && readExperimenter(reader)
  return { wire: { message, multipart, ...experimenter }, more }
}

function readExperimenter(reader: ByteReader): { experimenter: number; subtype: number } {
  const experimenter = reader.u32()
  if (experimenter !== Experimenter.Nicira && experimenter !== Experimenter.Onf)
    throw new Refused('OFPBRC_BAD_EXPERIMENTER', '', `nobody knows experimenter 0x${experimenter.toString(16)}`)
  return { experimenter, subtype: reader.u32() }
}

/** A message that so far has its headers. */
export function startMessage(wire: WireType, xid: number): ByteWriter {
  const writer = new ByteWriter()
  writer.u8(VERSION)
  writer.u8(wire.message)
  writer.u16(0)
  writer.u32(xid)
  if (wire.multipart !== undefined) {
    writer.u16(wire.multipart)
    writer.u16(0)
    writer.zero(4)
  }
  if (wire.experimenter !== undefined) {
    writer.u32(wire.experimenter)
    writer.u32(wire.subtype ?? 0)
  }
  return writer
}

const MULTIPART_FLAGS = HEADER_SIZE + 2

/**
 * Fills in the length, and that more parts follow.
 * @throws RangeError it is longer than a message can be.
 */
export function endMessage(writer: ByteWriter, more = false): Uint8Array {
  if (writer.length > MAXIMUM_MESSAGE)
    throw new RangeError(`${writer.length} bytes are too many for one OpenFlow message`)
  writer.setU16(LENGTH, writer.length)
  if (more) writer.setU16(MULTIPART_FLAGS, MORE)
  return writer.take()
}
