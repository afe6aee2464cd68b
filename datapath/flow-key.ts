// Frame -> flow key: the few words that look-ups compare, laid out by protocols/fields.ts.
//
// What is seen of a frame, and where parsing stops, follows Open vSwitch's `miniflow_extract` (lib/flow.c) with
// `vlan-limit=0`: two tags are visible; a header that is cut short or contradicts itself leaves the words of that layer and
// of those above it at 0. Nothing is seen of what a label stack or an I-TAG carries. Bits that a frame does not have are 0, so a
// key never depends on what lay in it before.

import type { Field } from '../protocols/fields.ts'
import { KEY_WORDS, MAX_LABELS, Word } from '../protocols/fields.ts'
import { EtherType, IpProtocol } from '../protocols/match.ts'
import { countLabels, LABEL_SIZE } from '../protocols/packet/mpls.ts'
import { SERVICE_TAG_SIZE } from '../protocols/packet/pbb.ts'
import { announcesVlan } from '../protocols/packet/vlan.ts'
import type { FrameArena, FrameHandle } from './frames.ts'

export type FlowKey = Uint32Array

export const ETHERNET_HEADER_SIZE = 14
/** In the low half of a VLAN word: there is a tag. */
export const VLAN_PRESENT = 0x1000
/** Tags that a key shows, as many as Open vSwitch knows. */
export const MAX_TAGS = 2
/** `Word.fragment`: bit 0 any fragment, bit 1 a later one. */
export const Fragment = { Any: 1, Later: 2 } as const

/** What Open vSwitch calls the type of an 802.3 frame that carries no SNAP header. */
const TYPE_NONE = 0x05ff
const SMALLEST_ETHERTYPE = 0x0600
const VLAN_TAG_SIZE = 4
const SNAP_SIZE = 8
const IPV4_SIZE = 20
const IPV6_SIZE = 40
const ARP_SIZE = 28
const ND_TARGET_SIZE = 16
const TRANSPORT_SIZE = { tcp: 20, udp: 8, sctp: 12, icmp: 8 } as const
const EXTENSION = {
  hopByHop: 0,
  routing: 43,
  fragment: 44,
  encapsulatingSecurity: 50,
  authentication: 51,
  noNext: 59,
  destination: 60,
} as const

/** `Word.ipv6Extensions`: OpenFlow 1.3 §7.2.3.8, OFPIEH_*. */
export const Ipv6ExtensionBits = {
  NoNext: 0x001,
  EncapsulatingSecurity: 0x002,
  Authentication: 0x004,
  Destination: 0x008,
  Fragment: 0x010,
  Routing: 0x020,
  /** Only where it is the first. */
  HopByHop: 0x040,
  /** One of a kind too many; two of destination options are not. */
  UnexpectedRepeat: 0x080,
  /** Not in the order of RFC 8200 §4.1. */
  UnexpectedSequence: 0x100,
} as const

/**
 * Fills all words of `key` from the frame; of what the pipeline knows beside it only `inPort` is told, the rest is 0. Any bytes
 * will do. Of a frame shorter than an Ethernet header only `inPort` is told; of one without (`packetType` in frames.ts) the type
 * and what follows.
 */
export function extractKey(arena: FrameArena, frame: FrameHandle, inPort: number, key: FlowKey): void {
  const view = arena.view
  const start = arena.offset[frame]
  const end = start + arena.length[frame]
  key.fill(0)
  key[Word.inPort] = inPort
  if (arena.packetType[frame] !== 0) {
    key[Word.etherType] = arena.packetType[frame]
    return extractPayload(view, start, end, key)
  }
  if (end - start < ETHERNET_HEADER_SIZE) return
  key[Word.ethernetDestination] = view.getUint16(start)
  key[Word.ethernetDestination + 1] = view.getUint32(start + 2)
  key[Word.ethernetSource] = view.getUint16(start + 6)
  key[Word.ethernetSource + 1] = view.getUint32(start + 8)
  const typeAt = extractTags(view, start + 12, end, key)
  extractPayload(view, extractEtherType(view, typeAt, end, key), end, key)
}

function extractPayload(view: DataView, at: number, end: number, key: FlowKey): void {
  switch (key[Word.etherType]) {
    case EtherType.Ipv4:
      return extractIpv4(view, at, end, key)
    case EtherType.Ipv6:
      return extractIpv6(view, at, end, key)
    case EtherType.Arp:
    case EtherType.Rarp:
      return extractArp(view, at, end, key)
    case EtherType.Mpls:
    case EtherType.MplsMulticast:
      return extractLabels(view, at, end, key)
    case EtherType.Pbb:
      if (end - at >= SERVICE_TAG_SIZE + ETHERNET_HEADER_SIZE) key[Word.pbbServiceId] = view.getUint32(at) & 0xffffff
  }
}

function extractLabels(view: DataView, at: number, end: number, key: FlowKey): void {
  const labels = countLabels(view, at, end, MAX_LABELS)
  for (let label = 0; label < labels; label++) key[Word.mpls + label] = view.getUint32(at + LABEL_SIZE * label)
}

/** Up to two tags; gives where the type after them stands. */
function extractTags(view: DataView, at: number, end: number, key: FlowKey): number {
  for (let tag = 0; tag < MAX_TAGS; tag++) {
    if (!announcesVlan(view.getUint16(at)) || end - at < VLAN_TAG_SIZE + 2) break
    key[Word.vlan + tag] = view.getUint32(at) | VLAN_PRESENT
    at += VLAN_TAG_SIZE
  }
  return at
}

/** The type at `at`, or that of the SNAP header behind a length; gives where the payload begins. */
function extractEtherType(view: DataView, at: number, end: number, key: FlowKey): number {
  const type = view.getUint16(at)
  const payload = at + 2
  key[Word.etherType] = type
  if (type >= SMALLEST_ETHERTYPE) return payload
  key[Word.etherType] = TYPE_NONE
  if (end - payload < SNAP_SIZE || !isEthernetSnap(view, payload)) return payload
  const snapType = view.getUint16(payload + 6)
  if (snapType >= SMALLEST_ETHERTYPE) key[Word.etherType] = snapType
  return payload + SNAP_SIZE
}

const isEthernetSnap = (view: DataView, at: number) => view.getUint32(at) === 0xaaaa0300 && view.getUint16(at + 4) === 0

function extractIpv4(view: DataView, at: number, end: number, key: FlowKey): void {
  const size = end - at
  if (size < IPV4_SIZE) return
  const headerLength = (view.getUint8(at) & 0x0f) * 4
  const totalLength = view.getUint16(at + 2)
  if (headerLength < IPV4_SIZE || headerLength > totalLength || totalLength > size) return
  key[Word.ipv4Source] = view.getUint32(at + 12)
  key[Word.ipv4Destination] = view.getUint32(at + 16)
  key[Word.trafficClass] = view.getUint8(at + 1)
  key[Word.ttl] = view.getUint8(at + 8)
  key[Word.protocol] = view.getUint8(at + 9)
  const fragment = view.getUint16(at + 6)
  if ((fragment & 0x3fff) !== 0) key[Word.fragment] = Fragment.Any | ((fragment & 0x1fff) !== 0 ? Fragment.Later : 0)
  extractTransport(view, at + headerLength, at + totalLength, key)
}

function extractIpv6(view: DataView, at: number, end: number, key: FlowKey): void {
  if (end - at < IPV6_SIZE) return
  const payloadLength = view.getUint16(at + 4)
  if (payloadLength > end - at - IPV6_SIZE) return
  for (let word = 0; word < 8; word++) key[Word.ipv6Source + word] = view.getUint32(at + 8 + 4 * word)
  const payloadEnd = at + IPV6_SIZE + payloadLength
  const transport = extractExtensions(view, at + 6, at + IPV6_SIZE, payloadEnd, key)
  if (transport < 0) return
  const first = view.getUint32(at)
  key[Word.trafficClass] = (first >>> 20) & 0xff
  key[Word.flowLabel] = first & 0xfffff
  key[Word.ttl] = view.getUint8(at + 7)
  extractTransport(view, transport, payloadEnd, key)
}

/**
 * Walks the chain of extension headers from the next-header octet at `nextAt`, noting fragments, which headers there are and the
 * protocol at its end. Gives where the transport header stands; -1 where the chain is cut short.
 */
function extractExtensions(view: DataView, nextAt: number, at: number, end: number, key: FlowKey): number {
  let protocol = view.getUint8(nextAt)
  let fragment = 0
  let extensions = 0
  for (;;) {
    const isOptions =
      protocol === EXTENSION.hopByHop || protocol === EXTENSION.routing || protocol === EXTENSION.destination
    if (!isOptions && protocol !== EXTENSION.authentication && protocol !== EXTENSION.fragment) break
    if (end - at < 8) return -1
    const current = protocol
    const length = view.getUint8(at + 1)
    const size = isOptions ? (length + 1) * 8 : current === EXTENSION.authentication ? (length + 2) * 4 : 8
    if (size > end - at) return -1
    extensions = withExtension(extensions, current)
    protocol = view.getUint8(at)
    if (current === EXTENSION.fragment) {
      const offsetAndFlags = view.getUint16(at + 2)
      if (offsetAndFlags !== 0) fragment = Fragment.Any
      if ((offsetAndFlags & 0xfff8) !== 0) {
        fragment |= Fragment.Later
        protocol = EXTENSION.fragment
      }
    }
    at += size
    if ((fragment & Fragment.Later) !== 0) break
  }
  if (protocol === EXTENSION.encapsulatingSecurity || protocol === EXTENSION.noNext)
    extensions = withExtension(extensions, protocol)
  key[Word.protocol] = protocol
  key[Word.fragment] = fragment
  key[Word.ipv6Extensions] = extensions & 0x1ff
  return at
}

// The nine bits, and above them which places of the recommended order were met: hop-by-hop, destination options (for each stop
// on the way), routing, fragment, authentication, encapsulating security, destination options (for the end), nothing.
const MET_SHIFT = 9
const FIRST_DESTINATION_PLACE = 0x02
const LAST_DESTINATION_PLACE = 0x40

/** `seen`, and a header of this protocol behind what it has. */
function withExtension(seen: number, protocol: number): number {
  const met = seen >>> MET_SHIFT
  let bits = 0
  let place = 0
  switch (protocol) {
    case EXTENSION.hopByHop:
      bits = met === 0 ? Ipv6ExtensionBits.HopByHop : 0
      place = 0x01
      break
    case EXTENSION.destination:
      bits = Ipv6ExtensionBits.Destination
      place = met < FIRST_DESTINATION_PLACE ? FIRST_DESTINATION_PLACE : LAST_DESTINATION_PLACE
      break
    case EXTENSION.routing:
      bits = Ipv6ExtensionBits.Routing
      place = 0x04
      break
    case EXTENSION.fragment:
      bits = Ipv6ExtensionBits.Fragment
      place = 0x08
      break
    case EXTENSION.authentication:
      bits = Ipv6ExtensionBits.Authentication
      place = 0x10
      break
    case EXTENSION.encapsulatingSecurity:
      bits = Ipv6ExtensionBits.EncapsulatingSecurity
      place = 0x20
      break
    case EXTENSION.noNext:
      bits = Ipv6ExtensionBits.NoNext
      place = 0x80
  }
  if ((met & place) !== 0) bits |= Ipv6ExtensionBits.UnexpectedRepeat
  if (met >= 2 * place) bits |= Ipv6ExtensionBits.UnexpectedSequence
  return seen | bits | (place << MET_SHIFT)
}

function extractArp(view: DataView, at: number, end: number, key: FlowKey): void {
  if (end - at < ARP_SIZE) return
  const isEthernetIpv4 = view.getUint32(at) === 0x00010800 && view.getUint16(at + 4) === 0x0604
  if (!isEthernetIpv4) return
  const operation = view.getUint16(at + 6)
  if (operation <= 0xff) key[Word.protocol] = operation
  extractAddress(view, at + 8, key, Word.arpSenderHardware)
  key[Word.ipv4Source] = view.getUint32(at + 14)
  extractAddress(view, at + 18, key, Word.arpTargetHardware)
  key[Word.ipv4Destination] = view.getUint32(at + 24)
}

function extractAddress(view: DataView, at: number, key: FlowKey, word: number): void {
  key[word] = view.getUint16(at)
  key[word + 1] = view.getUint32(at + 2)
}

function extractTransport(view: DataView, at: number, end: number, key: FlowKey): void {
  if ((key[Word.fragment] & Fragment.Later) !== 0) return
  const size = end - at
  switch (key[Word.protocol]) {
    case IpProtocol.Tcp:
      if (!isTcpHeader(view, at, end)) return
      key[Word.tcpFlags] = view.getUint16(at + 12) & 0x0fff
      return extractPorts(view, at, key)
    case IpProtocol.Udp:
      return size < TRANSPORT_SIZE.udp ? undefined : extractPorts(view, at, key)
    case IpProtocol.Sctp:
      return size < TRANSPORT_SIZE.sctp ? undefined : extractPorts(view, at, key)
    case IpProtocol.Icmp:
      return size < TRANSPORT_SIZE.icmp ? undefined : extractTypeAndCode(view, at, key)
    case IpProtocol.Icmpv6:
      if (size < TRANSPORT_SIZE.icmp) return
      extractTypeAndCode(view, at, key)
      return extractNeighbourDiscovery(view, at, end, key)
  }
}

/** Whether a TCP header stands at `at`, as large as it says. */
export function isTcpHeader(view: DataView, at: number, end: number): boolean {
  if (end - at < TRANSPORT_SIZE.tcp) return false
  const size = (view.getUint8(at + 12) >>> 4) * 4
  return size >= TRANSPORT_SIZE.tcp && size <= end - at
}

function extractPorts(view: DataView, at: number, key: FlowKey): void {
  key[Word.transportSource] = view.getUint16(at)
  key[Word.transportDestination] = view.getUint16(at + 2)
}

function extractTypeAndCode(view: DataView, at: number, key: FlowKey): void {
  key[Word.transportSource] = view.getUint8(at)
  key[Word.transportDestination] = view.getUint8(at + 1)
}

const SOLICITATION = 135
const ADVERTISEMENT = 136
const OPTION_SOURCE_ADDRESS = 1
const OPTION_TARGET_ADDRESS = 2

/** RFC 4861 §4.3 and §4.4. An address option given twice makes Open vSwitch see neither target nor addresses. */
function extractNeighbourDiscovery(view: DataView, at: number, end: number, key: FlowKey): void {
  const type = key[Word.transportSource]
  if ((type !== SOLICITATION && type !== ADVERTISEMENT) || key[Word.transportDestination] !== 0) return
  key[Word.ndReserved] = view.getUint32(at + 4)
  let option = at + TRANSPORT_SIZE.icmp + ND_TARGET_SIZE
  if (option > end) return
  for (let word = 0; word < 4; word++) key[Word.ndTarget + word] = view.getUint32(at + 8 + 4 * word)
  while (end - option >= 8) {
    const length = view.getUint8(option + 1) * 8
    if (length === 0 || length > end - option) return
    if (length === 8 && !extractAddressOption(view, option, key)) {
      key.fill(0, Word.ndTarget, Word.ndReserved)
      return
    }
    option += length
  }
}

/** False where an option of this type was there before. */
function extractAddressOption(view: DataView, at: number, key: FlowKey): boolean {
  const type = view.getUint8(at)
  if (type !== OPTION_SOURCE_ADDRESS && type !== OPTION_TARGET_ADDRESS) return true
  const word = type === OPTION_SOURCE_ADDRESS ? Word.arpSenderHardware : Word.arpTargetHardware
  if ((key[word] | key[word + 1]) !== 0) return false
  extractAddress(view, at + 2, key, word)
  if (key[Word.ndOptionsType] === 0) key[Word.ndOptionsType] = type
  return true
}

// ---- fields of a key ---------------------------------------------------------------------------------------------

/** How many words of the key the field spans. */
export const fieldWords = (field: Field): number => (field.bits + 31) >>> 5

/** The part of a field-wide `bits` (a value or a mask) that lies in the field's word number `index`, placed as in the key. */
export function wordOfField(field: Field, bits: bigint, index: number): number {
  if (field.bits <= 32) return (Number(bits) << field.shift) >>> 0
  const below = BigInt(32 * (fieldWords(field) - 1 - index))
  return Number((bits >> below) & 0xffffffffn)
}

export function readField(key: FlowKey, field: Field): bigint {
  if (field.bits <= 32) return BigInt(key[field.word] >>> field.shift) & field.ones
  let value = 0n
  for (let index = 0; index < fieldWords(field); index++) value = (value << 32n) | BigInt(key[field.word + index])
  // Masks fill whole words.
  return value & field.ones
}

/** Writes the bits of `mask`, all of the field's where absent, and leaves the others. */
export function writeField(key: FlowKey, field: Field, value: bigint, mask: bigint = field.ones): void {
  for (let index = 0; index < fieldWords(field); index++) {
    const bits = wordOfField(field, mask, index)
    const at = field.word + index
    key[at] = (key[at] & ~bits) | (wordOfField(field, value, index) & bits)
  }
}

export const keysAgree = (a: Uint32Array, b: Uint32Array, mask: Uint32Array): boolean => {
  for (let word = 0; word < KEY_WORDS; word++) if (((a[word] ^ b[word]) & mask[word]) !== 0) return false
  return true
}
