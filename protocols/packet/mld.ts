// RFC 2710 §3, RFC 3810 §5: who listens to which IPv6 multicast group, from the first byte of the ICMPv6 header.
//
//   query, report, done: | type 8 | code 8 | checksum 16 | maximum response code 16 | reserved 16 | group 128 |      a query of version 2
//                                                                                                   goes on, see group-records.ts
//   report, version 2:   | type 8 | reserved 8 | checksum 16 | reserved 16 | number of records 16 | group records … |

import { getUint128, requireBytes, setUint128 } from '../bytes.ts'
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
import { ICMP_HEADER_SIZE, encodeIcmp } from './icmp.ts'
import { Icmpv6Type } from './icmpv6.ts'

const CODE = 4
const RECORDS = 6
const GROUP = 8
const MESSAGE_SIZE = 24

export type MldMessage =
  | {
      type: 'query'
      /** 0 for a general one. */
      group: bigint
      /** In milliseconds as RFC 3810 §5.1.3 writes them. */
      maxResponseCode: number
      /** Of version 2. */
      extension?: QueryExtension<bigint>
    }
  | { type: 'report'; version: 1; group: bigint }
  | { type: 'done'; group: bigint }
  | { type: 'report'; version: 2; records: GroupRecord<bigint>[] }

const IPV6: AddressCodec<bigint> = { protocol: 'mld', size: 16, read: getUint128, write: setUint128 }

/** Whether an ICMPv6 type is one that `decodeMld` reads. */
export const isMld = (type: number): boolean =>
  (type >= Icmpv6Type.ListenerQuery && type <= Icmpv6Type.ListenerDone) || type === Icmpv6Type.ListenerReportV2

/** @throws Malformed a message cut short, or of a type that `isMld` denies. */
export function decodeMld(view: DataView, at: number, end = view.byteLength): MldMessage {
  requireBytes('mld', 'header', at, end, ICMP_HEADER_SIZE)
  const type = view.getUint8(at)
  if (type === Icmpv6Type.ListenerReportV2)
    return { type: 'report', version: 2, records: decodeGroupRecords(IPV6, view, at + RECORDS, end) }
  if (!isMld(type)) throw new Malformed('mld', `ICMPv6 type ${type} is not multicast listener discovery`, at)
  requireBytes('mld', 'group', at, end, MESSAGE_SIZE)
  const group = getUint128(view, at + GROUP)
  if (type === Icmpv6Type.ListenerReport) return { type: 'report', version: 1, group }
  if (type === Icmpv6Type.ListenerDone) return { type: 'done', group }
  const query = { type: 'query', group, maxResponseCode: view.getUint16(at + CODE) } as const
  // Of 24 bytes it is of version 1, of 28 and more of version 2; others are to be ignored (RFC 3810 §8.1).
  if (end - at === MESSAGE_SIZE) return query
  return { ...query, extension: decodeQueryExtension(IPV6, view, at + MESSAGE_SIZE, end) }
}

/** Bytes that the message takes, ICMPv6 header included. */
export function mldSize(message: MldMessage): number {
  if ('records' in message) return RECORDS + groupRecordsSize(IPV6, message.records)
  if (message.type === 'query' && message.extension !== undefined)
    return MESSAGE_SIZE + queryExtensionSize(IPV6, message.extension)
  return MESSAGE_SIZE
}

/** Writes the message with a checksum of zero, which its sender has to fill in; returns where it ends. */
export function encodeMld(message: MldMessage, view: DataView, at: number): number {
  const rest = message.type === 'query' ? message.maxResponseCode * 0x10000 : 0
  encodeIcmp({ type: typeOf(message), code: 0, checksum: 0, rest }, view, at)
  if ('records' in message) return encodeGroupRecords(IPV6, message.records, view, at + RECORDS)
  setUint128(view, at + GROUP, message.group)
  if (message.type !== 'query' || message.extension === undefined) return at + MESSAGE_SIZE
  return encodeQueryExtension(IPV6, message.extension, view, at + MESSAGE_SIZE)
}

function typeOf(message: MldMessage): number {
  if (message.type === 'query') return Icmpv6Type.ListenerQuery
  if (message.type === 'done') return Icmpv6Type.ListenerDone
  return message.version === 1 ? Icmpv6Type.ListenerReport : Icmpv6Type.ListenerReportV2
}
