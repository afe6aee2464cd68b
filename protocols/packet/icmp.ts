// RFC 792, and RFC 4443 §2.1 for ICMPv6, which begins alike:
//
//   | type 8 | code 8 | checksum 16 | rest 32 |      rest of an echo: | identifier 16 | sequence 16 |

import { requireBytes } from '../bytes.ts'

const TYPE = 0
const CODE = 1
const CHECKSUM = 2
const REST = 4
export const ICMP_HEADER_SIZE = 8

export const IcmpType = { EchoReply: 0, Unreachable: 3, Redirect: 5, EchoRequest: 8, TimeExceeded: 11 } as const

export interface IcmpHeader {
  type: number
  code: number
  /** As it stands in the packet. ICMP sums the message; ICMPv6 sums a pseudo-header too. */
  checksum: number
  /** What the type makes of the second word. */
  rest: number
}

/** @throws Malformed fewer than eight bytes. */
export function decodeIcmp(view: DataView, at: number, end = view.byteLength, protocol = 'icmp'): IcmpHeader {
  requireBytes(protocol, 'header', at, end, ICMP_HEADER_SIZE)
  return {
    type: view.getUint8(at + TYPE),
    code: view.getUint8(at + CODE),
    checksum: view.getUint16(at + CHECKSUM),
    rest: view.getUint32(at + REST),
  }
}

/** Returns where the header ends. */
export function encodeIcmp(header: IcmpHeader, view: DataView, at: number): number {
  view.setUint8(at + TYPE, header.type)
  view.setUint8(at + CODE, header.code)
  view.setUint16(at + CHECKSUM, header.checksum)
  view.setUint32(at + REST, header.rest)
  return at + ICMP_HEADER_SIZE
}

/** The second word of an echo request or reply. */
export const echoWord = (identifier: number, sequence: number): number => identifier * 0x10000 + sequence
export const echoIdentifier = (rest: number): number => rest >>> 16
export const echoSequence = (rest: number): number => rest & 0xffff
