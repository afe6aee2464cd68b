// Where a frame's headers stand. What counts as a whole header is what flow-key.ts takes for one.
//
//   | Ethernet | 0–2 tags | (SNAP) | IPv4, IPv6 or ARP | (extension headers) | TCP, UDP, SCTP or ICMP …
//   | Ethernet | 0–2 tags | (SNAP) | label stack entries …
//   | Ethernet | 0–2 tags | (SNAP) | I-TAG | the customer's frame …

import { MAX_LABELS } from '../../protocols/fields.ts'
import { EtherType, IpProtocol } from '../../protocols/match.ts'
import { ETHERNET_HEADER_SIZE } from '../../protocols/packet/ethernet.ts'
import { countLabels } from '../../protocols/packet/mpls.ts'
import { SERVICE_TAG_SIZE } from '../../protocols/packet/pbb.ts'
import { announcesVlan } from '../../protocols/packet/vlan.ts'
import type { FrameArena, FrameHandle } from '../frames.ts'

/**
 * Offsets count in the arena's bytes; 0 says that the header is not there, or not wholly. One layout is reused for every
 * frame: it holds until the next `locate`, or until the frame is moved.
 */
export interface Layout {
  bytes: Uint8Array
  view: DataView
  /** The outer and the inner VLAN tag. */
  tag: number
  innerTag: number
  /** The type behind all tags and behind SNAP; 0 where the frame names none. */
  etherType: number
  /** Where that type stands: that of 802.3 without SNAP is its length. 0 where the frame has no Ethernet header. */
  typeAt: number
  /** The length of 802.3 where SNAP follows. */
  lengthAt: number
  /** What the type is of. */
  payload: number
  /** Label stack entries that the key shows. */
  labels: number
  /** The I-TAG behind its ethertype, wholly there with the customer's addresses and type. */
  serviceTag: number
  /** An IPv4 or IPv6 header, or an ARP message for IPv4 over Ethernet. */
  network: number
  /** The IP protocol behind all extension headers. */
  protocol: number
  /** What the IP header and its extensions carry; 0 in a later fragment. */
  carried: number
  /** The transport header; never one in a later fragment. */
  transport: number
  /** The first byte behind the IP payload; Ethernet padding is not counted in. */
  end: number
  /** A piece of a datagram, be it the first or a later one. */
  fragment: boolean
  /** A routing header is still to be followed: the final destination, which checksums cover, is not the header's own. */
  routed: boolean
}

const layout: Layout = {
  bytes: new Uint8Array(0),
  view: new DataView(new ArrayBuffer(0)),
  tag: 0,
  innerTag: 0,
  etherType: 0,
  typeAt: 0,
  lengthAt: 0,
  payload: 0,
  labels: 0,
  serviceTag: 0,
  network: 0,
  protocol: 0,
  carried: 0,
  transport: 0,
  end: 0,
  fragment: false,
  routed: false,
}

const ADDRESSES = 12
const TAG_SIZE = 4
const FIRST_ETHERTYPE = 0x0600
const SNAP_SIZE = 8
/** The I-TAG and the customer's addresses and type behind it. */
const SERVICE_FRAME_SIZE = SERVICE_TAG_SIZE + ETHERNET_HEADER_SIZE

/** The bytes a transport header must have to be taken for one. */
const TCP_SIZE = 20
const UDP_SIZE = 8
const SCTP_SIZE = 12
const ICMP_SIZE = 8

export function locate(arena: FrameArena, frame: FrameHandle): Layout {
  const view = arena.view
  const start = arena.offset[frame]!
  const end = start + arena.length[frame]!
  clear(end)
  layout.bytes = arena.bytes
  layout.view = view
  if (arena.packetType[frame] !== 0) {
    layout.etherType = arena.packetType[frame]
    layout.payload = start
  } else {
    const at = passTags(view, start + ADDRESSES, end)
    if (at + 2 > end) return layout
    passType(view, at, end)
  }
  locatePayload(view, layout.payload, end)
  return layout
}

function locatePayload(view: DataView, at: number, end: number): void {
  switch (layout.etherType) {
    case EtherType.Ipv4:
      return locateIpv4(view, at, end)
    case EtherType.Ipv6:
      return locateIpv6(view, at, end)
    case EtherType.Arp:
    case EtherType.Rarp:
      return locateArp(view, at, end)
    case EtherType.Mpls:
    case EtherType.MplsMulticast:
      layout.labels = countLabels(view, at, end, MAX_LABELS)
      return
    case EtherType.Pbb:
      if (at + SERVICE_FRAME_SIZE <= end) layout.serviceTag = at
  }
}

function clear(end: number): void {
  layout.tag = 0
  layout.innerTag = 0
  layout.etherType = 0
  layout.typeAt = 0
  layout.lengthAt = 0
  layout.payload = 0
  layout.labels = 0
  layout.serviceTag = 0
  layout.network = 0
  layout.protocol = 0
  layout.carried = 0
  layout.transport = 0
  layout.end = end
  layout.fragment = false
  layout.routed = false
}

/** Whether the frame has a VLAN tag: the same as a `tag` that `locate` finds, in less time. */
export const isTagged = ({ view, offset, length, packetType }: FrameArena, frame: FrameHandle): boolean =>
  packetType[frame] === 0 &&
  length[frame] >= ADDRESSES + TAG_SIZE + 2 &&
  announcesVlan(view.getUint16(offset[frame] + ADDRESSES))

/** Gives the offset of the type behind at most two tags. */
function passTags(view: DataView, at: number, end: number): number {
  if (at + TAG_SIZE + 2 > end || !announcesVlan(view.getUint16(at))) return at
  layout.tag = at
  at += TAG_SIZE
  if (at + TAG_SIZE + 2 > end || !announcesVlan(view.getUint16(at))) return at
  layout.innerTag = at
  return at + TAG_SIZE
}

/** Reads the type, or 802.3's length with LLC and SNAP, at `at`. */
function passType(view: DataView, at: number, end: number): void {
  const type = view.getUint16(at)
  layout.typeAt = at
  layout.payload = at + 2
  if (type >= FIRST_ETHERTYPE) {
    layout.etherType = type
    return
  }
  const llc = at + 2
  if (llc + SNAP_SIZE > end || view.getUint32(llc) !== 0xaaaa0300 || view.getUint16(llc + 4) !== 0) return
  layout.lengthAt = at
  layout.typeAt = llc + 6
  layout.payload = llc + SNAP_SIZE
  if (view.getUint16(layout.typeAt) >= FIRST_ETHERTYPE) layout.etherType = view.getUint16(layout.typeAt)
}

function locateArp(view: DataView, at: number, end: number): void {
  const ETHERNET_AND_IPV4 = 0x00010800
  if (at + 28 <= end && view.getUint32(at) === ETHERNET_AND_IPV4 && view.getUint16(at + 4) === 0x0604)
    layout.network = at
}

function locateIpv4(view: DataView, at: number, end: number): void {
  if (at + 20 > end) return
  const headerSize = (view.getUint8(at) & 15) * 4
  const total = view.getUint16(at + 2)
  if (headerSize < 20 || total < headerSize || at + total > end) return
  layout.network = at
  layout.end = at + total
  layout.protocol = view.getUint8(at + 9)
  const MORE_FRAGMENTS_OR_OFFSET = 0x3fff
  const OFFSET = 0x1fff
  const fragment = view.getUint16(at + 6)
  layout.fragment = (fragment & MORE_FRAGMENTS_OR_OFFSET) !== 0
  if ((fragment & OFFSET) === 0) locateTransport(at + headerSize)
}

const IPV6_SIZE = 40
const HOP_BY_HOP = 0
const ROUTING = 43
export const FRAGMENT = 44
const AUTHENTICATION = 51
const DESTINATION_OPTIONS = 60

function locateIpv6(view: DataView, at: number, end: number): void {
  if (at + IPV6_SIZE > end) return
  const payloadEnd = at + IPV6_SIZE + view.getUint16(at + 4)
  if (payloadEnd > end) return
  layout.network = at
  layout.end = payloadEnd
  layout.protocol = view.getUint8(at + 6)
  const transport = passExtensions(view, at + IPV6_SIZE)
  if (transport !== 0) locateTransport(transport)
}

/** Gives the offset behind the last extension header; 0 where the chain is cut short or this is a later fragment. */
function passExtensions(view: DataView, at: number): number {
  for (;;) {
    const kind = layout.protocol
    if (!isExtension(kind)) return at
    if (at + 8 > layout.end) return 0
    layout.protocol = view.getUint8(at)
    if (kind === FRAGMENT) {
      const offsetAndMore = view.getUint16(at + 2)
      if (offsetAndMore !== 0) layout.fragment = true
      if ((offsetAndMore & 0xfff8) !== 0) return 0
    }
    if (kind === ROUTING && view.getUint8(at + 3) > 0) layout.routed = true
    at += extensionSize(kind, view.getUint8(at + 1))
  }
}

export const isExtension = (kind: number) =>
  kind === HOP_BY_HOP ||
  kind === ROUTING ||
  kind === FRAGMENT ||
  kind === AUTHENTICATION ||
  kind === DESTINATION_OPTIONS

/** RFC 8200 §4.3–4.6, and RFC 4302 §2.2, which counts otherwise. */
export function extensionSize(kind: number, length: number): number {
  if (kind === FRAGMENT) return 8
  return kind === AUTHENTICATION ? (length + 2) * 4 : (length + 1) * 8
}

function locateTransport(at: number): void {
  layout.carried = at
  const size = transportSize(layout.protocol)
  if (size > 0 && at + size <= layout.end) layout.transport = at
}

function transportSize(protocol: number): number {
  const ipv6 = layout.etherType === EtherType.Ipv6
  switch (protocol) {
    case IpProtocol.Tcp:
      return TCP_SIZE
    case IpProtocol.Udp:
      return UDP_SIZE
    case IpProtocol.Sctp:
      return SCTP_SIZE
    case IpProtocol.Icmp:
      return ipv6 ? 0 : ICMP_SIZE
    case IpProtocol.Icmpv6:
      return ipv6 ? ICMP_SIZE : 0
    default:
      return 0
  }
}
