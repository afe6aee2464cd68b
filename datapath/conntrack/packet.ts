// What the tracker reads of a frame, and when it takes a frame for invalid: Open vSwitch's `conn_key_extract` (lib/conntrack.c).

import { internetChecksum, pseudoHeaderSum4, pseudoHeaderSum6 } from '../../protocols/checksum.ts'
import { EtherType, IpProtocol } from '../../protocols/match.ts'
import type { FrameArena, FrameHandle } from '../frames.ts'
import { locate } from '../rewrite/layout.ts'
import type { Tuple } from './connection.ts'
import { reversedIcmpType } from './connection.ts'
import type { TcpSegment, WindowScale } from './tcp.ts'

const IPV4_SIZE = 20
const IPV6_SIZE = 40
const TCP_SIZE = 20
const UDP_SIZE = 8
const ICMP_SIZE = 8

/** The tuple of a frame, and where its headers stand in the arena's bytes. One is reused for every frame. */
export interface Packet extends Tuple {
  source: Uint32Array
  destination: Uint32Array
  network: number
  transport: number
  end: number
  /** An ICMP error. The tuple is then that of an answer to the packet it quotes, whose headers stand at these places. */
  related: boolean
  quotedNetwork: number
  quotedTransport: number
}

export const packet: Packet = {
  family: 4,
  protocol: 0,
  source: new Uint32Array(4),
  destination: new Uint32Array(4),
  sourcePort: 0,
  destinationPort: 0,
  icmpType: 0,
  network: 0,
  transport: 0,
  end: 0,
  related: false,
  quotedNetwork: 0,
  quotedTransport: 0,
}

/** Reads the frame into `packet`. False for what is no whole and right IP packet, a fragment included; for port 0 unless it is `allowed`. */
export function readPacket(arena: FrameArena, frame: FrameHandle, portZero: 'allowed' | 'wrong'): boolean {
  const layout = locate(arena, frame)
  packet.related = false
  packet.network = layout.network
  packet.end = layout.end
  if (layout.network === 0 || layout.fragment) return false
  if (layout.etherType === EtherType.Ipv4) packet.family = 4
  else if (layout.etherType === EtherType.Ipv6) packet.family = 6
  else return false
  packet.transport = readNetwork(arena.view, packet.network, packet.end)
  if (packet.transport === 0) return false
  const headerIsRight =
    packet.family === 6 || internetChecksum(arena.bytes, packet.network, packet.transport - packet.network) === 0
  return headerIsRight && transportIsRight(arena) && readTransport(arena.view) && (portZero === 'allowed' || hasPorts())
}

/** Reads addresses and protocol; gives where the transport header begins, 0 where the header is short or of a fragment. */
function readNetwork(view: DataView, at: number, end: number): number {
  return packet.family === 4 ? readIpv4(view, at, end) : readIpv6(view, at, end)
}

function readIpv4(view: DataView, at: number, end: number): number {
  if (end - at < IPV4_SIZE) return 0
  const size = (view.getUint8(at) & 15) * 4
  if (size < IPV4_SIZE || end - at < size || (view.getUint16(at + 6) & 0x3fff) !== 0) return 0
  packet.source[0] = view.getUint32(at + 12)
  packet.destination[0] = view.getUint32(at + 16)
  packet.protocol = view.getUint8(at + 9)
  return at + size
}

function readIpv6(view: DataView, at: number, end: number): number {
  if (end - at < IPV6_SIZE) return 0
  const transport = passExtensions(view, at, end)
  if (transport === 0) return 0
  for (let word = 0; word < 4; word++) {
    packet.source[word] = view.getUint32(at + 8 + 4 * word)
    packet.destination[word] = view.getUint32(at + 24 + 4 * word)
  }
  return transport
}

const FRAGMENT = 44
const AUTHENTICATION = 51

/** RFC 8200 §4: gives where the chain of extension headers ends, 0 where it is cut short or says that this is a fragment. */
function passExtensions(view: DataView, network: number, end: number): number {
  let protocol = view.getUint8(network + 6)
  let at = network + IPV6_SIZE
  while (protocol === 0 || protocol === 43 || protocol === 60 || protocol === FRAGMENT || protocol === AUTHENTICATION) {
    if (end - at < 8) return 0
    const length = view.getUint8(at + 1)
    const size = protocol === FRAGMENT ? 8 : protocol === AUTHENTICATION ? (length + 2) * 4 : (length + 1) * 8
    if (protocol === FRAGMENT && view.getUint16(at + 2) !== 0) return 0
    if (size > end - at) return 0
    protocol = view.getUint8(at)
    at += size
  }
  packet.protocol = protocol
  return at
}

/** Whether the transport header is whole, and its checksum right. */
function transportIsRight({ bytes, view }: FrameArena): boolean {
  const { transport: at, end, network, protocol, family } = packet
  const size = end - at
  if (family === 4 && protocol === IpProtocol.Icmp) return internetChecksum(bytes, at, size) === 0
  if (protocol === IpProtocol.Tcp) {
    if (size < TCP_SIZE) return false
    const header = (view.getUint8(at + 12) >> 4) * 4
    if (header < TCP_SIZE || header > size) return false
  } else if (protocol === IpProtocol.Udp) {
    if (size < UDP_SIZE) return false
    const length = view.getUint16(at + 4)
    if (length < UDP_SIZE || length > size) return false
    if (family === 4 && view.getUint16(at + 6) === 0) return true
  } else if (family === 4 || protocol !== IpProtocol.Icmpv6) return true
  const sum =
    family === 4 ? pseudoHeaderSum4(bytes, network, protocol, size) : pseudoHeaderSum6(bytes, network, protocol, size)
  return internetChecksum(bytes, at, size, sum) === 0
}

function readTransport(view: DataView): boolean {
  if (isIcmp()) return readIcmp(view)
  return readPorts(view, packet.transport, packet.end, TCP_SIZE)
}

const isIcmp = () => packet.protocol === (packet.family === 4 ? IpProtocol.Icmp : IpProtocol.Icmpv6)

/** Protocols without ports that we know keep 0. */
function readPorts(view: DataView, at: number, end: number, tcpSize: number): boolean {
  packet.icmpType = 0
  packet.sourcePort = 0
  packet.destinationPort = 0
  if (packet.protocol !== IpProtocol.Tcp && packet.protocol !== IpProtocol.Udp) return true
  if (end - at < (packet.protocol === IpProtocol.Tcp ? tcpSize : UDP_SIZE)) return false
  packet.sourcePort = view.getUint16(at)
  packet.destinationPort = view.getUint16(at + 2)
  return true
}

/** Port 0 is nobody's. */
function hasPorts(): boolean {
  if (packet.protocol !== IpProtocol.Tcp && packet.protocol !== IpProtocol.Udp) return true
  return packet.sourcePort !== 0 && packet.destinationPort !== 0
}

function readIcmp(view: DataView): boolean {
  const { transport: at, end } = packet
  if (end - at < ICMP_SIZE) return false
  return isError(view.getUint8(at)) ? readQuoted(view) : readEcho(view, at)
}

/** RFC 792 and RFC 4443 §3: messages that quote the packet which they are about. */
const ERRORS4 = [3, 4, 5, 11, 12]
const ERRORS6 = [1, 2, 3, 4]
const isError = (type: number) => (packet.family === 4 ? ERRORS4 : ERRORS6).includes(type)

const QUERIES4 = [0, 8, 13, 14, 15, 16]
const QUERIES6 = [128, 129]

/** Questions and answers, told apart by their identifier. */
function readEcho(view: DataView, at: number): boolean {
  const type = view.getUint8(at)
  if (!(packet.family === 4 ? QUERIES4 : QUERIES6).includes(type) || view.getUint8(at + 1) !== 0) return false
  packet.icmpType = type
  packet.sourcePort = view.getUint16(at + 4)
  packet.destinationPort = packet.sourcePort
  return true
}

const receiver = new Uint32Array(4)

/** Of IPv4 eight bytes of the quoted transport header are enough, which is all that RFC 792 asks for. */
function readQuoted(view: DataView): boolean {
  const { end } = packet
  receiver.set(packet.destination)
  packet.quotedNetwork = packet.transport + ICMP_SIZE
  packet.quotedTransport = readNetwork(view, packet.quotedNetwork, end)
  if (packet.quotedTransport === 0) return false
  for (let word = 0; word < (packet.family === 4 ? 1 : 4); word++)
    if (packet.source[word] !== receiver[word]) return false
  if (!readQuotedTransport(view, packet.quotedTransport, end)) return false
  packet.related = true
  turnAround()
  return true
}

function readQuotedTransport(view: DataView, at: number, end: number): boolean {
  if (!isIcmp()) return readPorts(view, at, end, packet.family === 4 ? 8 : TCP_SIZE)
  return end - at >= ICMP_SIZE && readEcho(view, at)
}

/** Makes the tuple that of an answer. */
export function turnAround(): void {
  const { source, sourcePort } = packet
  packet.source = packet.destination
  packet.destination = source
  packet.sourcePort = packet.destinationPort
  packet.destinationPort = sourcePort
  packet.icmpType = reversedIcmpType(packet.protocol, packet.icmpType)
}

/** The ICMP type at the place of the transport header, whatever IP version carries it; -1 where there is none. */
export const firstOctet = ({ view }: FrameArena): number =>
  packet.transport < packet.end ? view.getUint8(packet.transport) : -1

const segment: TcpSegment = { flags: 0, sequence: 0, acknowledgement: 0, window: 0, payload: 0, scale: 'none' }

/** The TCP header of `packet`; good until the next call. */
export function readSegment({ view }: FrameArena): TcpSegment {
  const at = packet.transport
  const header = (view.getUint8(at + 12) >> 4) * 4
  segment.flags = view.getUint16(at + 12) & 0x0fff
  segment.sequence = view.getUint32(at + 4)
  segment.acknowledgement = view.getUint32(at + 8)
  segment.window = view.getUint16(at + 14)
  segment.payload = packet.end - at - header
  segment.scale = windowScale(view, at + TCP_SIZE, at + header)
  return segment
}

/** RFC 7323 §2.2. A length below two counts as two, so any bytes end somewhere. */
function windowScale(view: DataView, at: number, end: number): WindowScale {
  const END = 0
  const NO_OPERATION = 1
  const WINDOW_SCALE = 3
  const MAX_SCALE = 14
  let scale: WindowScale = 'none'
  while (end - at >= 3) {
    const kind = view.getUint8(at)
    if (kind === END) break
    if (kind === NO_OPERATION) {
      at++
      continue
    }
    if (kind === WINDOW_SCALE) scale = Math.min(view.getUint8(at + 2), MAX_SCALE)
    at += Math.max(view.getUint8(at + 1), 2)
  }
  return scale
}
