// RFC 1112 appendix I, RFC 2236 §2, RFC 3376 §4: who listens to which IPv4 multicast group.
//
//   query, report, leave: | type 8 | maximum response code 8 | checksum 16 | group 32 |      a query of version 3 goes on, see group-records.ts
//   report, version 3:    | type 8 | reserved 8 | checksum 16 | reserved 16 | number of records 16 | group records … |

import { requireBytes } from '../bytes.ts'
import { Malformed } from '../errors.ts'
import type { AddressCodec, GroupRecord, QueryExtension } from './group-records.ts'
import {
  decodeGroupRecords,
  decodeQueryExtension,
  encodeGroupRecords,
  encodeQueryExtension,
  groupRecordsSize,
  queryExtensionSize,
} from './group-records.ts'

const CODE = 1
const CHECKSUM = 2
const GROUP = 4
const RECORDS = 6
const HEADER_SIZE = 8

const IgmpType = { Query: 0x11, ReportV1: 0x12, ReportV2: 0x16, Leave: 0x17, ReportV3: 0x22 } as const

export type IgmpMessage =
  | {
      type: 'query'
      /** 0 for a general one. */
      group: number
      /** In tenths of a second as RFC 3376 §4.1.1 writes them; 0 in version 1. */
      maxResponseCode: number
      /** Of version 3. */
      extension?: QueryExtension<number>
    }
  | { type: 'report'; version: 1 | 2; group: number }
  | { type: 'leave'; group: number }
  | { type: 'report'; version: 3; records: GroupRecord<number>[] }

const IPV4: AddressCodec<number> = {
  protocol: 'igmp',
  size: 4,
  read: (view, at) => view.getUint32(at),
  write: (view, at, address) => view.setUint32(at, address),
}

/** @throws Malformed a message cut short, or of a type that none of the three versions has. */
export function decodeIgmp(view: DataView, at: number, end = view.byteLength): IgmpMessage {
  requireBytes('igmp', 'header', at, end, HEADER_SIZE)
  const group = view.getUint32(at + GROUP)
  const type = view.getUint8(at)
  switch (type) {
    case IgmpType.Query:
      return decodeQuery(view, at, end)
    case IgmpType.ReportV1:
      return { type: 'report', version: 1, group }
    case IgmpType.ReportV2:
      return { type: 'report', version: 2, group }
    case IgmpType.Leave:
      return { type: 'leave', group }
    case IgmpType.ReportV3:
      return { type: 'report', version: 3, records: decodeGroupRecords(IPV4, view, at + RECORDS, end) }
    default:
      throw new Malformed('igmp', `unknown type ${type}`, at)
  }
}

/** Of eight bytes it is of version 1 or 2, of twelve and more of version 3; others are to be ignored (RFC 3376 §7.1). */
function decodeQuery(view: DataView, at: number, end: number): IgmpMessage {
  const query = {
    type: 'query',
    group: view.getUint32(at + GROUP),
    maxResponseCode: view.getUint8(at + CODE),
  } as const
  if (end - at === HEADER_SIZE) return query
  return { ...query, extension: decodeQueryExtension(IPV4, view, at + HEADER_SIZE, end) }
}

/** Bytes that the message takes. */
export function igmpSize(message: IgmpMessage): number {
  if ('records' in message) return RECORDS + groupRecordsSize(IPV4, message.records)
  if (message.type === 'query' && message.extension !== undefined)
    return HEADER_SIZE + queryExtensionSize(IPV4, message.extension)
  return HEADER_SIZE
}

/** Writes the message with a checksum of zero, which its sender has to fill in; returns where it ends. */
export function encodeIgmp(message: IgmpMessage, view: DataView, at: number): number {
  view.setUint8(at, typeOf(message))
  view.setUint8(at + CODE, message.type === 'query' ? message.maxResponseCode : 0)
  view.setUint16(at + CHECKSUM, 0)
  if ('records' in message) {
    view.setUint16(at + GROUP, 0)
    return encodeGroupRecords(IPV4, message.records, view, at + RECORDS)
  }
  view.setUint32(at + GROUP, message.group)
  if (message.type !== 'query' || message.extension === undefined) return at + HEADER_SIZE
  return encodeQueryExtension(IPV4, message.extension, view, at + HEADER_SIZE)
}

function typeOf(message: IgmpMessage): number {
  if (message.type === 'query') return IgmpType.Query
  if (message.type === 'leave') return IgmpType.Leave
  return { 1: IgmpType.ReportV1, 2: IgmpType.ReportV2, 3: IgmpType.ReportV3 }[message.version]
}

/** RFC 1112 §6.4: the MAC address of an IPv4 multicast group. */
export const ipv4MulticastMac = (group: number): bigint => 0x01005e000000n | BigInt(group & 0x7fffff)
