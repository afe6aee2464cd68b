// NXT_CT_FLUSH_ZONE and NXT_CT_FLUSH: nicira-ext.h, lib/ofp-ct.c.
//
//   | protocol 8 | pad 56 | properties: original tuple, reply tuple, zone |
//
// Addresses are IPv6's; IPv4's are mapped (RFC 4291 §2.5.5.2). Of ICMP, the message's identifier stands for the source port, its
// type and code for the destination port, and all three stand there even where none was asked for.

import type { ConnectionFilter, ConnectionTuple, Message } from '../../control/messages.ts'
import { Refused } from '../../control/refused.ts'
import { IpProtocol } from '../../match.ts'
import type { Body } from '../body.ts'
import { body } from '../body.ts'
import type { ByteReader } from '../byte-reader.ts'
import type { ByteWriter } from '../byte-writer.ts'
import { nicira } from '../header.ts'
import { readProperties, writeAlignedProperty, writeProperty } from '../properties.ts'

/** NXT_CT_*. */
const Part = { Original: 0, Reply: 1, Zone: 2 } as const
const TuplePart = { Source: 0, Destination: 1, SourcePort: 2, DestinationPort: 3, IcmpId: 4, IcmpType: 5, IcmpCode: 6 }

const MAPPED = 0xffffn << 32n
const ADDRESS_SIZE = 16

function flush(filter: ConnectionFilter): { type: 'flushConnections'; filter: ConnectionFilter } {
  return { type: 'flushConnections', filter }
}

/** For a whole zone and nothing else: older than the other, and so better known. */
export const FLUSH_ZONE: Body = body(
  'flushConnections',
  nicira(29),
  (writer, { filter }) => {
    writer.zero(6)
    writer.u16(filter.zone ?? 0)
  },
  (reader) => {
    if (!reader.sub(6).endsInZeros()) throw new Refused('bad_request', '', 'what must be 0 is not')
    return flush({ zone: reader.u16() })
  },
)

const flushSome = body(
  'flushConnections',
  nicira(32),
  (writer, { filter }) => {
    const { original, reply, zone } = filter
    writer.u8(original?.protocol ?? reply?.protocol ?? 0)
    writer.zero(7)
    if (original !== undefined) writeTuple(writer, Part.Original, original)
    if (reply !== undefined)
      writeTuple(writer, Part.Reply, { ...reply, protocol: reply.protocol ?? original?.protocol ?? 0 })
    if (zone !== undefined) writeNumber(writer, Part.Zone, zone)
  },
  (reader) => {
    const protocol = reader.u8()
    if (!reader.sub(7).endsInZeros()) throw new Refused('bad_request', '', 'what must be 0 is not')
    const filter: ConnectionFilter = {}
    for (const { type, value } of readProperties(reader)) {
      if (type === Part.Original) filter.original = readTuple(value, protocol)
      else if (type === Part.Reply) filter.reply = readTuple(value, protocol)
      else if (type === Part.Zone) filter.zone = value.u16()
      else throw new Refused('bad_request', 'filter', `connections are not chosen by property ${type}`)
    }
    if (protocol !== 0 && filter.original === undefined) filter.original = { protocol }
    return flush(filter)
  },
)

export const FLUSH: Body = {
  ...flushSome,
  encode: (message, xid) => (isZone(message) ? FLUSH_ZONE : flushSome).encode(message, xid),
}

const isZone = (message: Message) =>
  message.type === 'flushConnections' &&
  message.filter.zone !== undefined &&
  message.filter.original === undefined &&
  message.filter.reply === undefined

const isIcmp = (protocol: number | undefined) => protocol === IpProtocol.Icmp || protocol === IpProtocol.Icmpv6

/** 16 bits in a property with room for 32. */
function writeNumber(writer: ByteWriter, type: number, number: number): void {
  writeProperty(writer, type, (value) => {
    value.u16(number)
    value.zero(2)
  })
}

function writeTuple(writer: ByteWriter, type: number, tuple: ConnectionTuple): void {
  const { source, destination, sourcePort, destinationPort, protocol } = tuple
  if ([source, destination, sourcePort, destinationPort].every((part) => part === undefined) && !isIcmp(protocol))
    return
  writeAlignedProperty(writer, type, (value) => {
    writeAddress(value, TuplePart.Source, source, tuple)
    writeAddress(value, TuplePart.Destination, destination, tuple)
    if (isIcmp(protocol)) return writeIcmp(value, sourcePort ?? 0, destinationPort ?? 0)
    if (sourcePort !== undefined) writeNumber(value, TuplePart.SourcePort, sourcePort)
    if (destinationPort !== undefined) writeNumber(value, TuplePart.DestinationPort, destinationPort)
  })
}

function writeAddress(
  writer: ByteWriter,
  type: number,
  address: bigint | undefined,
  { family }: ConnectionTuple,
): void {
  if (address === undefined) return
  const wide = family === 6 ? address : MAPPED | address
  writeProperty(writer, type, (value) => value.big(wide, ADDRESS_SIZE))
}

function writeIcmp(writer: ByteWriter, id: number, typeAndCode: number): void {
  writeNumber(writer, TuplePart.IcmpId, id)
  writeProperty(writer, TuplePart.IcmpType, (value) => value.u8(typeAndCode >> 8))
  writeProperty(writer, TuplePart.IcmpCode, (value) => value.u8(typeAndCode & 0xff))
}

function readTuple(reader: ByteReader, protocol: number): ConnectionTuple {
  const tuple: ConnectionTuple = { ...(protocol !== 0 && { protocol }) }
  const icmp = { id: 0, type: 0, code: 0 }
  reader.skip(4)
  for (const { type, value } of readProperties(reader)) {
    if (type === TuplePart.Source) Object.assign(tuple, readAddress(value, tuple.family, 'source'))
    else if (type === TuplePart.Destination) Object.assign(tuple, readAddress(value, tuple.family, 'destination'))
    else if (type === TuplePart.SourcePort) tuple.sourcePort = value.u16()
    else if (type === TuplePart.DestinationPort) tuple.destinationPort = value.u16()
    else if (type === TuplePart.IcmpId) icmp.id = value.u16()
    else if (type === TuplePart.IcmpType) icmp.type = value.u8()
    else if (type === TuplePart.IcmpCode) icmp.code = value.u8()
    else throw new Refused('bad_request', 'filter', `a connection's tuple has no property ${type}`)
  }
  if (isIcmp(protocol) && (icmp.id | icmp.type | icmp.code) !== 0)
    return { ...tuple, sourcePort: icmp.id, destinationPort: (icmp.type << 8) | icmp.code }
  return tuple
}

function readAddress(
  value: ByteReader,
  family: ConnectionTuple['family'],
  name: 'source' | 'destination',
): ConnectionTuple {
  const address = value.big(ADDRESS_SIZE)
  if (address === 0n) return {}
  const found = address >> 32n === 0xffffn ? 4 : 6
  if (family !== undefined && family !== found)
    throw new Refused('bad_request', 'filter', 'a connection has addresses of one family')
  return { family: found, [name]: found === 4 ? BigInt.asUintN(32, address) : address }
}
