// Packet-ins in Open vSwitch's own two forms: NXT_PACKET_IN, and NXT_PACKET_IN2, which is a list of properties.

import type { MessageOf } from '../../control/messages.ts'
import { NO_COOKIE } from '../../control/messages.ts'
import { Refused } from '../../control/refused.ts'
import type { Body } from '../body.ts'
import { body } from '../body.ts'
import type { ByteReader } from '../byte-reader.ts'
import type { ByteWriter } from '../byte-writer.ts'
import { nicira } from '../header.ts'
import { metadataOf, packetInOf, reasonCode } from '../messages/packet-in.ts'
import { decodeOxmList, encodeOxmList } from '../oxm.ts'
import type { Property } from '../properties.ts'
import { readProperties, writeAlignedProperty, writeProperty } from '../properties.ts'
import { NONE } from '../values.ts'

type PacketIn = MessageOf<'packetIn'>

/** | buffer 32 | total length 16 | reason 8 | table 8 | cookie 64 | match length 16 | pad 48 | fields | pad 16 | frame | */
export const NXT_PACKET_IN: Body = body(
  'packetIn',
  nicira(17),
  (writer, packet) => {
    writer.u32(NONE)
    writer.u16(Math.min(packet.totalLength, 0xffff))
    writer.u8(reasonCode(packet.reason))
    writer.u8(packet.table)
    writer.u64(packet.cookie)
    const lengthAt = writer.length
    writer.zero(8)
    const start = writer.length
    encodeOxmList(writer, metadataOf(packet))
    writer.setU16(lengthAt, writer.length - start)
    writer.alignTo8(start)
    writer.zero(2)
    writer.bytes(packet.frame)
  },
  (reader) => {
    reader.skip(4)
    const [totalLength, code, table] = [reader.u16(), reader.u8(), reader.u8()]
    const [cookie, length] = [reader.u64(), reader.u16()]
    reader.skip(6)
    const match = decodeOxmList(reader.sub(length), { loose: true })
    reader.skip(((8 - (length % 8)) % 8) + 2)
    const frame = reader.bytes(reader.remaining).slice()
    return packetInOf(code, { table, cookie, totalLength, match, frame })
  },
)

/** NXPINT_*. */
const Part = { Frame: 0, FullLength: 1, Table: 3, Cookie: 4, Reason: 5, Metadata: 6, Userdata: 7 } as const

function writeParts(writer: ByteWriter, packet: PacketIn): void {
  writeProperty(writer, Part.Frame, (value) => value.bytes(packet.frame))
  if (packet.totalLength !== packet.frame.length)
    writeProperty(writer, Part.FullLength, (value) => value.u32(packet.totalLength))
  writeProperty(writer, Part.Table, (value) => value.u8(packet.table))
  if (packet.cookie !== NO_COOKIE) writeAlignedProperty(writer, Part.Cookie, (value) => value.u64(packet.cookie))
  writeProperty(writer, Part.Reason, (value) => value.u8(reasonCode(packet.reason)))
  writeProperty(writer, Part.Metadata, (value) => encodeOxmList(value, metadataOf(packet)))
  const { userdata } = packet
  if (userdata !== undefined) writeProperty(writer, Part.Userdata, (value) => value.bytes(userdata))
}

type Told = Pick<PacketIn, 'table' | 'cookie' | 'match'> & { code: number; fullLength: number }

/** @throws Refused OFPBRC_BAD_LEN: there is no frame in it. */
function readParts(properties: Property[]): PacketIn {
  const packet: Told = { table: 0, cookie: NO_COOKIE, match: [], code: 0, fullLength: 0 }
  let frame: Uint8Array | undefined
  let userdata: Uint8Array | undefined
  for (const { type, value } of properties) {
    if (type === Part.Frame) frame = value.bytes(value.remaining).slice()
    else if (type === Part.FullLength) packet.fullLength = value.u32()
    else if (type === Part.Table) packet.table = value.u8()
    else if (type === Part.Cookie) packet.cookie = readAligned64(value)
    else if (type === Part.Reason) packet.code = value.u8()
    else if (type === Part.Metadata) packet.match = decodeOxmList(value, { loose: true })
    else if (type === Part.Userdata) userdata = value.bytes(value.remaining).slice()
  }
  if (frame === undefined) throw new Refused('bad_request', 'frame', 'a packet-in without a packet')
  const { code, fullLength, ...told } = packet
  const totalLength = Math.max(fullLength, frame.length)
  return packetInOf(code, { ...told, totalLength, frame, ...(userdata !== undefined && { userdata }) })
}

function readAligned64(value: ByteReader): bigint {
  value.skip(4)
  return value.u64()
}

export const NXT_PACKET_IN2: Body = body('packetIn', nicira(30), writeParts, (reader) =>
  readParts(readProperties(reader)),
)
