// RFC 791 §3.1, with the traffic class as RFC 2474 and RFC 3168 divide it.
//
//   | version 4 | words 4 | dscp 6 | ecn 2 | total length 16 |
//   | identification 16 | reserved 1 | don't fragment 1 | more fragments 1 | fragment offset 13 |
//   | ttl 8 | protocol 8 | checksum 16 |
//   | source 32 | destination 32 | options … |

import { bytesOf, requireBytes } from '../bytes.ts'
import { internetChecksum } from '../checksum.ts'
import { Malformed } from '../errors.ts'
import type { HeaderOption } from './header-options.ts'
import { decodeHeaderOptions, encodeHeaderOptions, headerOptionsSize } from './header-options.ts'

const VERSION_AND_WORDS = 0
const TRAFFIC_CLASS = 1
const TOTAL_LENGTH = 2
const IDENTIFICATION = 4
const FRAGMENT = 6
const TTL = 8
const PROTOCOL = 9
const CHECKSUM = 10
const SOURCE = 12
const DESTINATION = 16
export const IPV4_HEADER_SIZE = 20

const DONT_FRAGMENT = 0x4000
const MORE_FRAGMENTS = 0x2000
const OFFSET_MASK = 0x1fff

export interface Ipv4Header {
  dscp: number
  ecn: number
  /** Bytes of header and payload together. */
  totalLength: number
  identification: number
  dontFragment: boolean
  moreFragments: boolean
  /** In bytes, a multiple of eight. */
  fragmentOffset: number
  ttl: number
  protocol: number
  source: number
  destination: number
  options: HeaderOption[]
}

/**
 * The header only: whether `totalLength` bytes are there, and whether the checksum holds, is for the caller to ask.
 * @throws Malformed a header cut short, of another version, or whose lengths contradict each other.
 */
export function decodeIpv4(view: DataView, at: number, end = view.byteLength): Ipv4Header {
  requireBytes('ipv4', 'header', at, end, IPV4_HEADER_SIZE)
  const version = view.getUint8(at + VERSION_AND_WORDS) >> 4
  if (version !== 4) throw new Malformed('ipv4', `version is ${version}`, at)
  const size = ipv4HeaderSize(view, at)
  if (size < IPV4_HEADER_SIZE) throw new Malformed('ipv4', `header length ${size} is too small`, at)
  requireBytes('ipv4', 'options', at, end, size)
  const totalLength = view.getUint16(at + TOTAL_LENGTH)
  if (totalLength < size)
    throw new Malformed('ipv4', `total length ${totalLength} is less than the header's ${size}`, at + TOTAL_LENGTH)
  return {
    ...fixedFields(view, at),
    totalLength,
    options: decodeHeaderOptions('ipv4', view, at + IPV4_HEADER_SIZE, at + size),
  }
}

function fixedFields(view: DataView, at: number) {
  const fragment = view.getUint16(at + FRAGMENT)
  return {
    dscp: view.getUint8(at + TRAFFIC_CLASS) >> 2,
    ecn: view.getUint8(at + TRAFFIC_CLASS) & 3,
    identification: view.getUint16(at + IDENTIFICATION),
    dontFragment: (fragment & DONT_FRAGMENT) !== 0,
    moreFragments: (fragment & MORE_FRAGMENTS) !== 0,
    fragmentOffset: (fragment & OFFSET_MASK) * 8,
    ttl: view.getUint8(at + TTL),
    protocol: view.getUint8(at + PROTOCOL),
    source: view.getUint32(at + SOURCE),
    destination: view.getUint32(at + DESTINATION),
  }
}

/** Bytes that a header with these options takes. */
export const ipv4Size = (header: Pick<Ipv4Header, 'options'>): number =>
  IPV4_HEADER_SIZE + headerOptionsSize(header.options)

/** Writes the header with its right checksum; returns where it ends. */
export function encodeIpv4(header: Ipv4Header, view: DataView, at: number): number {
  const size = ipv4Size(header)
  view.setUint8(at + VERSION_AND_WORDS, 0x40 | (size / 4))
  view.setUint8(at + TRAFFIC_CLASS, (header.dscp << 2) | header.ecn)
  view.setUint16(at + TOTAL_LENGTH, header.totalLength)
  view.setUint16(at + IDENTIFICATION, header.identification)
  const flags = (header.dontFragment ? DONT_FRAGMENT : 0) | (header.moreFragments ? MORE_FRAGMENTS : 0)
  view.setUint16(at + FRAGMENT, flags | (header.fragmentOffset / 8))
  view.setUint8(at + TTL, header.ttl)
  view.setUint8(at + PROTOCOL, header.protocol)
  view.setUint16(at + CHECKSUM, 0)
  view.setUint32(at + SOURCE, header.source)
  view.setUint32(at + DESTINATION, header.destination)
  encodeHeaderOptions(header.options, view, at + IPV4_HEADER_SIZE)
  view.setUint16(at + CHECKSUM, internetChecksum(bytesOf(view), at, size))
  return at + size
}

/** For the per-packet path: bytes of the header at `at` as it says itself. Length already checked. */
export const ipv4HeaderSize = (view: DataView, at: number): number => (view.getUint8(at + VERSION_AND_WORDS) & 0x0f) * 4

/** For the per-packet path: whether the header's checksum is right. The whole header must be there. */
export const ipv4ChecksumHolds = (view: DataView, bytes: Uint8Array, at: number): boolean =>
  internetChecksum(bytes, at, ipv4HeaderSize(view, at)) === 0
