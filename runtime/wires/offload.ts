// What Linux leaves to a network card, done here for those that have none: checksums, and cutting the long segments of TCP and UDP
// into frames. A header before the frame says what is left to do: struct virtio_net_hdr (Virtio 1.2, §5.1.6).

import type { Received } from './wire.ts'

//   | flags 8 | gso_type 8 | hdr_len 16 | gso_size 16 | csum_start 16 | csum_offset 16 |      little-endian
const FLAGS = 0
const SEGMENTATION = 1
const SEGMENT_SIZE = 4
const CHECKSUM_START = 6
const CHECKSUM_OFFSET = 8
export const OFFLOAD_HEADER_SIZE = 10

const NEEDS_CHECKSUM = 1
const ECN = 0x80
const KINDS = { none: 0, tcp4: 1, tcp6: 4, udp: 5 } as const

/** A frame that is to be cut: 64 KiB with its headers. */
export const LONGEST_OFFLOADED = 0x10000 + 64

const ETHERNET_ADDRESSES = 12
const VLAN_TYPES: readonly number[] = [0x8100, 0x88a8]
const IPV4 = 0x0800
const IPV6 = 0x86dd
const TCP = 6
const UDP = 17
/** Hop-by-hop, routing and destination options (RFC 8200 §4): next header, and length in eights behind the first. */
const IPV6_OPTIONS: readonly number[] = [0, 43, 60]

const TCP_LAST_ONLY = 0x09 // FIN, PSH
const TCP_FIRST_ONLY = 0x80 // CWR

/** What is left to do on a frame. */
export interface Offload {
  needsChecksum: boolean
  /** A code of `KINDS`, or one that is not known here. */
  segmentation: number
  /** Payload of each segment. */
  segmentSize: number
  /** Where the transport header begins, and in it the checksum. */
  checksumStart: number
  checksumOffset: number
}

export function readOffload(bytes: Buffer, at: number): Offload {
  return {
    needsChecksum: (bytes[at + FLAGS]! & NEEDS_CHECKSUM) !== 0,
    segmentation: bytes[at + SEGMENTATION]! & ~ECN,
    segmentSize: bytes.readUInt16LE(at + SEGMENT_SIZE),
    checksumStart: bytes.readUInt16LE(at + CHECKSUM_START),
    checksumOffset: bytes.readUInt16LE(at + CHECKSUM_OFFSET),
  }
}

/**
 * Does on `frame` what is left to do, and hands over what comes of it: the frame itself, or several cut from it.
 * @returns false where it is no frame that can be cut: a segment in a tunnel, say, whose outer headers are not told of
 */
export function finishOffload(offload: Offload, frame: Buffer, take: Received): boolean {
  const { needsChecksum, segmentation, checksumStart, checksumOffset } = offload
  if (segmentation !== KINDS.none) return cut(offload, frame, take)
  if (needsChecksum) {
    const place = checksumStart + checksumOffset
    if (place + 2 > frame.length) return false
    // The sum of the pseudo header stands where the checksum is to be.
    frame.writeUInt16BE(transportChecksum(sum(frame, checksumStart, frame.length, 0)), place)
  }
  take(frame)
  return true
}

/** Where the headers of a frame that is to be cut begin. */
interface Layout {
  network: number
  isIpv6: boolean
  transport: number
  protocol: number
  payload: number
}

function cut({ segmentation, segmentSize, checksumStart }: Offload, frame: Buffer, take: Received): boolean {
  const layout = layoutOf(frame)
  const protocol = segmentation === KINDS.udp ? UDP : TCP
  const isKnown = segmentation === KINDS.udp || segmentation === KINDS.tcp4 || segmentation === KINDS.tcp6
  if (!isKnown || layout?.protocol !== protocol || layout.transport !== checksumStart || segmentSize === 0) return false
  const { payload } = layout
  const segment = Buffer.allocUnsafe(payload + Math.min(segmentSize, frame.length - payload))
  const count = Math.max(1, Math.ceil((frame.length - payload) / segmentSize))
  for (let index = 0; index < count; index++) {
    const from = payload + index * segmentSize
    const length = payload + frame.copy(segment, payload, from, Math.min(from + segmentSize, frame.length))
    frame.copy(segment, 0, 0, payload)
    writeHeaders(segment.subarray(0, length), layout, { index, last: index === count - 1, offset: from - payload })
    take(segment.subarray(0, length))
  }
  return true
}

function layoutOf(frame: Buffer): Layout | undefined {
  let network = ETHERNET_ADDRESSES + 2
  while (network + 4 <= frame.length && VLAN_TYPES.includes(frame.readUInt16BE(network - 2))) network += 4
  if (network + 40 > frame.length) return undefined
  const type = frame.readUInt16BE(network - 2)
  if (type !== IPV4 && type !== IPV6) return undefined
  const isIpv6 = type === IPV6
  const { protocol, transport } = isIpv6 ? behindIpv6(frame, network) : behindIpv4(frame, network)
  const size = protocol === TCP && transport + 20 <= frame.length ? (frame[transport + 12]! >> 4) * 4 : 8
  const payload = transport + size
  return payload > frame.length ? undefined : { network, isIpv6, transport, protocol, payload }
}

interface Behind {
  protocol: number
  transport: number
}

const behindIpv4 = (frame: Buffer, network: number): Behind => ({
  protocol: frame[network + 9]!,
  transport: network + (frame[network]! & 0xf) * 4,
})

function behindIpv6(frame: Buffer, network: number): Behind {
  let protocol = frame[network + 6]!
  let transport = network + 40
  while (IPV6_OPTIONS.includes(protocol) && transport + 8 <= frame.length) {
    protocol = frame[transport]!
    transport += 8 + frame[transport + 1]! * 8
  }
  return { protocol, transport }
}

/** Which of the segments it is, and where in the payload it begins. */
interface Segment {
  index: number
  last: boolean
  offset: number
}

function writeHeaders(segment: Buffer, layout: Layout, { index, last, offset }: Segment): void {
  const { network, isIpv6, transport, protocol } = layout
  if (isIpv6) segment.writeUInt16BE(segment.length - network - 40, network + 4)
  else {
    segment.writeUInt16BE(segment.length - network, network + 2)
    segment.writeUInt16BE((segment.readUInt16BE(network + 4) + index) & 0xffff, network + 4)
    segment.writeUInt16BE(0, network + 10)
    segment.writeUInt16BE(checksum(sum(segment, network, network + (segment[network]! & 0xf) * 4, 0)), network + 10)
  }
  if (protocol === TCP) {
    segment.writeUInt32BE((segment.readUInt32BE(transport + 4) + offset) >>> 0, transport + 4)
    if (!last) segment[transport + 13]! &= ~TCP_LAST_ONLY
    if (index > 0) segment[transport + 13]! &= ~TCP_FIRST_ONLY
  } else segment.writeUInt16BE(segment.length - transport, transport + 4)
  const place = transport + (protocol === TCP ? 16 : 6)
  segment.writeUInt16BE(0, place)
  const [addresses, size] = isIpv6 ? [network + 8, 32] : [network + 12, 8]
  const pseudo = sum(segment, addresses, addresses + size, protocol + segment.length - transport)
  segment.writeUInt16BE(transportChecksum(sum(segment, transport, segment.length, pseudo)), place)
}

/**
 * RFC 1071, four bytes at a time: a sum of these, folded, is that of two at a time. By a view, which takes a fifth of the time that
 * `readUInt32BE` takes.
 */
function sum(bytes: Buffer, from: number, to: number, start: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let total = start
  let at = from
  for (; at + 4 <= to; at += 4) total += view.getUint32(at)
  if (at + 2 <= to) {
    total += view.getUint16(at)
    at += 2
  }
  if (at < to) total += view.getUint8(at) << 8
  return total
}

/** What a transport header says of such a sum: 0 would mean that there is none (RFC 768). */
const transportChecksum = (total: number): number => checksum(total) || 0xffff

function checksum(total: number): number {
  let folded = total
  while (folded > 0xffff) folded = (folded % 0x10000) + Math.floor(folded / 0x10000)
  return ~folded & 0xffff
}
