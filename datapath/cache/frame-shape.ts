// Shapes: kinds of frames whose headers stand in the same places.
//
// Most frames of a network are of a few kinds: no tag or one, then IPv4 or IPv6 without options, then a transport header or
// nothing that a flow could see. Among frames of one shape, each word of the flow key is read from a fixed place or is always 0,
// so two keys agree on some bits if and only if the frames agree on the bytes where these stand. The exact-match cache
// (microflows.ts) compares bytes of frames and makes no keys. A frame of any other kind has no shape, and takes the longer way.

import { Word } from '../../protocols/fields.ts'
import { EtherType, IpProtocol } from '../../protocols/match.ts'
import { announcesVlan } from '../../protocols/packet/vlan.ts'
import { ETHERNET_HEADER_SIZE, VLAN_PRESENT } from '../flow-key.ts'

/** What stands behind the ethertype. `ip` is all without ports that a key shows. */
const Kind = { opaque: 0, ipv4: 1, tcp4: 2, ports4: 3, icmp4: 4, ipv6: 5, tcp6: 6, ports6: 7, icmp6: 8 } as const
type Kind = (typeof Kind)[keyof typeof Kind]

const KINDS = 9
const MAX_TAGS = 1

export const SHAPES = KINDS * (MAX_TAGS + 1)
export const NO_SHAPE = -1

const VLAN_TAG_SIZE = 4
const IPV4_SIZE = 20
const IPV6_SIZE = 40
const TCP_SIZE = 20
const SMALLEST_ETHERTYPE = 0x0600

/** Headers that a shape may have end within so many bytes. */
export const SHAPED_BYTES = ETHERNET_HEADER_SIZE + VLAN_TAG_SIZE + IPV6_SIZE + TCP_SIZE

/** The shape of the frame of `length` bytes at `at`; NO_SHAPE where it has none. */
export function shapeOf(view: DataView, at: number, length: number): number {
  const end = at + length
  const type = view.getUint16(at + 12)
  if (!announcesVlan(type)) return kindOf(view, type, at + ETHERNET_HEADER_SIZE, end)
  if (length < ETHERNET_HEADER_SIZE + VLAN_TAG_SIZE) return NO_SHAPE
  const inner = view.getUint16(at + 16)
  const kind = kindOf(view, inner, at + ETHERNET_HEADER_SIZE + VLAN_TAG_SIZE, end)
  return kind < 0 ? NO_SHAPE : kind + KINDS
}

function kindOf(view: DataView, type: number, at: number, end: number): number {
  if (type === EtherType.Ipv4) return ipv4Kind(view, at, end)
  switch (type) {
    case EtherType.Ipv6:
      return ipv6Kind(view, at, end)
    case EtherType.Arp:
    case EtherType.Rarp:
    case EtherType.Mpls:
    case EtherType.MplsMulticast:
    case EtherType.Pbb:
    case EtherType.Vlan:
    case EtherType.ProviderVlan:
      return NO_SHAPE
  }
  return type < SMALLEST_ETHERTYPE ? NO_SHAPE : Kind.opaque
}

/** Without options, whole, and no fragment. */
function ipv4Kind(view: DataView, at: number, end: number): number {
  const size = end - at
  if (size < IPV4_SIZE || view.getUint8(at) !== 0x45) return NO_SHAPE
  const total = view.getUint16(at + 2)
  if (total < IPV4_SIZE || total > size || (view.getUint16(at + 6) & 0x3fff) !== 0) return NO_SHAPE
  return transportKind(view, view.getUint8(at + 9), at + IPV4_SIZE, total - IPV4_SIZE, Kind.ipv4)
}

/** Without extension headers, and whole. */
function ipv6Kind(view: DataView, at: number, end: number): number {
  if (end - at < IPV6_SIZE || view.getUint8(at) >> 4 !== 6) return NO_SHAPE
  const payload = view.getUint16(at + 4)
  if (payload > end - at - IPV6_SIZE) return NO_SHAPE
  const protocol = view.getUint8(at + 6)
  return isExtension(protocol) ? NO_SHAPE : transportKind(view, protocol, at + IPV6_SIZE, payload, Kind.ipv6)
}

/** As `extractExtensions` (flow-key.ts) sees them, and those that end the chain. */
const isExtension = (protocol: number) =>
  protocol === 0 ||
  protocol === 43 ||
  protocol === 44 ||
  protocol === 50 ||
  protocol === 51 ||
  protocol === 59 ||
  protocol === 60

/** Where a transport header is there, and as large as it says. `ip` is the kind without; the others follow it. */
function transportKind(view: DataView, protocol: number, at: number, size: number, ip: Kind): number {
  switch (protocol) {
    case IpProtocol.Tcp: {
      if (size < TCP_SIZE) return NO_SHAPE
      const header = (view.getUint8(at + 12) >>> 4) * 4
      return header >= TCP_SIZE && header <= size ? ip + 1 : NO_SHAPE
    }
    case IpProtocol.Udp:
      return size < 8 ? NO_SHAPE : ip + 2
    case IpProtocol.Sctp:
      return size < 12 ? NO_SHAPE : ip + 2
    case IpProtocol.Icmp:
      return ip === Kind.ipv6 || size < 8 ? NO_SHAPE : ip + 3
    case IpProtocol.Icmpv6:
      return ip === Kind.ipv4 || size < 8 || isNeighbourDiscovery(view.getUint8(at)) ? NO_SHAPE : ip + 3
  }
  return ip
}

const isNeighbourDiscovery = (type: number) => type === 135 || type === 136

/** Whether frames of the shape are untagged IPv4 with the ports of TCP, UDP or SCTP. */
export const hasPlainPorts = (shape: number): boolean => shape === Kind.tcp4 || shape === Kind.ports4

/** The TCP flags of a frame of the shape; 0 where it is no TCP. */
export function tcpFlagsOf(view: DataView, at: number, shape: number): number {
  const tagged = shape >= KINDS
  const kind = tagged ? shape - KINDS : shape
  if (kind !== Kind.tcp4 && kind !== Kind.tcp6) return 0
  const ip = at + ETHERNET_HEADER_SIZE + (tagged ? VLAN_TAG_SIZE : 0)
  return view.getUint16(ip + (kind === Kind.tcp4 ? IPV4_SIZE : IPV6_SIZE) + 12) & 0x0fff
}

/** Where a word of the key stands in a frame: so many octets from `at` on, the word's bit 0 being bit `shift` of them. */
interface Place {
  at: number
  octets: number
  shift: number
}

/**
 * Marks in `bytes` (of SHAPED_BYTES) the bits of a frame of this shape that make up the bits of `mask` of this word. Words that
 * are the same for all frames of the shape mark nothing.
 */
export function markBytes(shape: number, word: number, mask: number, bytes: Uint8Array): void {
  const place = placeOf(shape, word)
  if (place === undefined) return
  // The bit that says that there is a tag is the word's own; in the frame, there is the drop-eligible bit in its place.
  const bits = word === Word.vlan ? mask & ~VLAN_PRESENT : mask
  const shifted = (bits << place.shift) >>> 0
  for (let octet = 0; octet < place.octets; octet++)
    bytes[place.at + octet] |= (shifted >>> (8 * (place.octets - 1 - octet))) & 0xff
}

function placeOf(shape: number, word: number): Place | undefined {
  const tags = shape >= KINDS ? 1 : 0
  const kind = shape - tags * KINDS
  const network = ETHERNET_HEADER_SIZE + tags * VLAN_TAG_SIZE
  switch (word) {
    case Word.ethernetDestination:
      return { at: 0, octets: 2, shift: 0 }
    case Word.ethernetDestination + 1:
      return { at: 2, octets: 4, shift: 0 }
    case Word.ethernetSource:
      return { at: 6, octets: 2, shift: 0 }
    case Word.ethernetSource + 1:
      return { at: 8, octets: 4, shift: 0 }
    case Word.vlan:
      return tags === 0 ? undefined : { at: 12, octets: 4, shift: 0 }
    case Word.etherType:
      return kind === Kind.opaque ? { at: network - 2, octets: 2, shift: 0 } : undefined
  }
  if (kind === Kind.opaque) return undefined
  if (kind < Kind.ipv6) return ipv4Place(kind, word, network)
  return ipv6Place(kind, word, network)
}

function ipv4Place(kind: number, word: number, at: number): Place | undefined {
  switch (word) {
    case Word.trafficClass:
      return { at: at + 1, octets: 1, shift: 0 }
    case Word.ttl:
      return { at: at + 8, octets: 1, shift: 0 }
    case Word.protocol:
      return { at: at + 9, octets: 1, shift: 0 }
    case Word.ipv4Source:
      return { at: at + 12, octets: 4, shift: 0 }
    case Word.ipv4Destination:
      return { at: at + 16, octets: 4, shift: 0 }
  }
  return transportPlace(kind - Kind.ipv4, word, at + IPV4_SIZE)
}

function ipv6Place(kind: number, word: number, at: number): Place | undefined {
  if (word >= Word.ipv6Source && word < Word.ipv6Source + 8)
    return { at: at + 8 + 4 * (word - Word.ipv6Source), octets: 4, shift: 0 }
  switch (word) {
    case Word.trafficClass:
      return { at, octets: 4, shift: 20 }
    case Word.flowLabel:
      return { at, octets: 4, shift: 0 }
    case Word.ttl:
      return { at: at + 7, octets: 1, shift: 0 }
    case Word.protocol:
      return { at: at + 6, octets: 1, shift: 0 }
  }
  return transportPlace(kind - Kind.ipv6, word, at + IPV6_SIZE)
}

/** `kind` counts from the one without a transport header. */
function transportPlace(kind: number, word: number, at: number): Place | undefined {
  if (kind === 0) return undefined
  const octets = kind === 3 ? 1 : 2
  switch (word) {
    case Word.transportSource:
      return { at, octets, shift: 0 }
    case Word.transportDestination:
      return { at: at + octets, octets, shift: 0 }
    case Word.tcpFlags:
      return kind === 1 ? { at: at + 12, octets: 2, shift: 0 } : undefined
  }
  return undefined
}
