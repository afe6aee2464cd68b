// RFC 8200 §3: the fixed header.
//
//   | version 4 | traffic class 8 | flow label 20 |
//   | payload length 16 | next header 8 | hop limit 8 |
//   | source 128 | destination 128 |

import { getUint128, requireBytes, setUint128 } from '../bytes.ts'
import { Malformed } from '../errors.ts'

const FIRST_WORD = 0
const PAYLOAD_LENGTH = 4
const NEXT_HEADER = 6
const HOP_LIMIT = 7
const SOURCE = 8
const DESTINATION = 24
export const IPV6_HEADER_SIZE = 40

export interface Ipv6Header {
  dscp: number
  ecn: number
  flowLabel: number
  /** Bytes behind this header, extension headers included. */
  payloadLength: number
  nextHeader: number
  hopLimit: number
  source: bigint
  destination: bigint
}

/**
 * The fixed header only: whether `payloadLength` bytes are there is for the caller to ask.
 * @throws Malformed fewer than 40 bytes, or another version.
 */
export function decodeIpv6(view: DataView, at: number, end = view.byteLength): Ipv6Header {
  requireBytes('ipv6', 'header', at, end, IPV6_HEADER_SIZE)
  const first = view.getUint32(at + FIRST_WORD)
  if (first >>> 28 !== 6) throw new Malformed('ipv6', `version is ${first >>> 28}`, at)
  return {
    dscp: (first >>> 22) & 0x3f,
    ecn: (first >>> 20) & 3,
    flowLabel: first & 0xfffff,
    payloadLength: view.getUint16(at + PAYLOAD_LENGTH),
    nextHeader: view.getUint8(at + NEXT_HEADER),
    hopLimit: view.getUint8(at + HOP_LIMIT),
    source: getUint128(view, at + SOURCE),
    destination: getUint128(view, at + DESTINATION),
  }
}

/** Returns where the header ends. */
export function encodeIpv6(header: Ipv6Header, view: DataView, at: number): number {
  view.setUint32(at + FIRST_WORD, (6 << 28) | (header.dscp << 22) | (header.ecn << 20) | header.flowLabel)
  view.setUint16(at + PAYLOAD_LENGTH, header.payloadLength)
  view.setUint8(at + NEXT_HEADER, header.nextHeader)
  view.setUint8(at + HOP_LIMIT, header.hopLimit)
  setUint128(view, at + SOURCE, header.source)
  setUint128(view, at + DESTINATION, header.destination)
  return at + IPV6_HEADER_SIZE
}
