// Whole frames from a few facts, every length and checksum right: for tests, the emulator's ping and a scenario's `send`.

import { viewOf } from '../bytes.ts'
import { internetChecksum, pseudoHeaderSum4, pseudoHeaderSum6, udpChecksum } from '../checksum.ts'
import { EtherType, IpProtocol } from '../match.ts'
import { ARP_SIZE, ArpOperation, encodeArp } from './arp.ts'
import type { DhcpMessage } from './dhcp.ts'
import { DhcpOperation, DhcpOptionCode, DhcpPort, dhcpSize, encodeDhcp } from './dhcp.ts'
import { BROADCAST_MAC, encodeEthernet, ETHERNET_HEADER_SIZE, MINIMUM_FRAME_SIZE } from './ethernet.ts'
import type { HeaderOption } from './header-options.ts'
import { echoWord, encodeIcmp, ICMP_HEADER_SIZE, IcmpType } from './icmp.ts'
import { Icmpv6Type } from './icmpv6.ts'
import type { IgmpMessage } from './igmp.ts'
import { encodeIgmp, igmpSize } from './igmp.ts'
import { encodeIpv4, type Ipv4Header, ipv4Size } from './ipv4.ts'
import type { Ipv6Extension } from './ipv6-extensions.ts'
import { encodeIpv6Chain, ExtensionType, firstProtocol, ipv6ChainSize } from './ipv6-extensions.ts'
import { encodeIpv6, IPV6_HEADER_SIZE } from './ipv6.ts'
import type { MldMessage } from './mld.ts'
import { encodeMld, mldSize } from './mld.ts'
import type { LabelStackEntry } from './mpls.ts'
import { encodeLabel, LABEL_SIZE } from './mpls.ts'
import type { NeighbourDiscovery } from './nd.ts'
import { encodeNd, ipv6MulticastMac, ndSize, solicitedNodeAddress } from './nd.ts'
import { encodeServiceTag, SERVICE_TAG_SIZE } from './pbb.ts'
import { encodeSctp, SCTP_HEADER_SIZE, sctpChecksum } from './sctp.ts'
import { encodeTcp, TcpFlag, tcpSize } from './tcp.ts'
import { encodeUdp, UDP_HEADER_SIZE } from './udp.ts'
import { encodeVlanTag, VLAN_TAG_SIZE } from './vlan.ts'
import { encodeVxlan, VXLAN_HEADER_SIZE, VXLAN_PORT } from './vxlan.ts'

const NO_PAYLOAD: Uint8Array = new Uint8Array(0)

export interface FrameVlan {
  id: number
  priority?: number
  /** The ethertype that announces the tag: 0x8100 where absent. */
  etherType?: number
}

/** What every frame has. */
export interface FrameOptions {
  ethSrc: bigint
  ethDst: bigint
  /** Outermost first. */
  vlan?: readonly FrameVlan[]
  /** Fill up with zeros to the 60 bytes that Ethernet asks for. */
  pad?: boolean
}

/** Both addresses are numbers (IPv4) or both are bigints (IPv6). */
export interface IpOptions extends FrameOptions {
  ipSrc: number | bigint
  ipDst: number | bigint
  /** TTL or hop limit; 64 where absent. */
  ttl?: number
  dscp?: number
  ecn?: number
  /** IPv4 only. */
  identification?: number
  /** IPv4 only. */
  headerOptions?: HeaderOption[]
  /** IPv6 only. */
  extensions?: readonly Ipv6Extension[]
}

export interface PortOptions extends IpOptions {
  srcPort: number
  dstPort: number
  payload?: Uint8Array
}

/** Optional where the kind of frame has a usual destination. */
type WithUsualDestination<T extends FrameOptions> = Omit<T, 'ethDst'> & { ethDst?: bigint }

/** A frame of any ethertype. */
export function ethernetFrame(options: FrameOptions & { etherType: number; payload: Uint8Array }): Uint8Array {
  const tags = options.vlan ?? []
  const size = ETHERNET_HEADER_SIZE + tags.length * VLAN_TAG_SIZE + options.payload.length
  const frame = new Uint8Array(options.pad ? Math.max(size, MINIMUM_FRAME_SIZE) : size)
  const view = viewOf(frame)
  const announced = [...tags.map((tag) => tag.etherType ?? EtherType.Vlan), options.etherType]
  let at = encodeEthernet({ destination: options.ethDst, source: options.ethSrc, etherType: announced[0]! }, view)
  tags.forEach(({ id, priority = 0 }, index) => {
    at = encodeVlanTag({ id, priority, dropEligible: false, etherType: announced[index + 1]! }, view, at)
  })
  frame.set(options.payload, at)
  return frame
}

/** A frame of any IP protocol. The checksum within `segment`, if the protocol has one, is filled in. */
export function ipFrame(options: IpOptions & { protocol: number; segment: Uint8Array }): Uint8Array {
  const { ipSrc, ipDst } = options
  if (typeof ipSrc === 'number' && typeof ipDst === 'number')
    return ethernetFrame({ ...options, etherType: EtherType.Ipv4, payload: ipv4Packet(options, ipSrc, ipDst) })
  if (typeof ipSrc === 'bigint' && typeof ipDst === 'bigint')
    return ethernetFrame({ ...options, etherType: EtherType.Ipv6, payload: ipv6Packet(options, ipSrc, ipDst) })
  throw new TypeError('one address is IPv4 and the other IPv6')
}

type Segment = IpOptions & { protocol: number; segment: Uint8Array }

function ipv4Packet(options: Segment, source: number, destination: number): Uint8Array {
  const { dscp = 0, ecn = 0, identification = 0, ttl = 64, protocol, segment, headerOptions = [] } = options
  const size = ipv4Size({ options: headerOptions })
  const packet = new Uint8Array(size + segment.length)
  // Traffic is made here, frame by frame: one object, and nothing spread.
  const header: Ipv4Header = {
    dscp,
    ecn,
    totalLength: packet.length,
    identification,
    dontFragment: false,
    moreFragments: false,
    fragmentOffset: 0,
    ttl,
    protocol,
    source,
    destination,
    options: headerOptions,
  }
  encodeIpv4(header, viewOf(packet), 0)
  packet.set(segment, size)
  const above = NO_PSEUDO_HEADER.includes(protocol) ? 0 : pseudoHeaderSum4(packet, 0, protocol, segment.length)
  sealSegment(packet, size, protocol, above)
  return packet
}

/** Protocols whose checksums leave out the addresses of IPv4. */
const NO_PSEUDO_HEADER: readonly number[] = [IpProtocol.Icmp, IpProtocol.Igmp, IpProtocol.Pim]

function ipv6Packet(options: Segment, source: bigint, destination: bigint): Uint8Array {
  const { dscp = 0, ecn = 0, ttl = 64, protocol, segment, extensions = [] } = options
  const size = IPV6_HEADER_SIZE + ipv6ChainSize(extensions)
  const packet = new Uint8Array(size + segment.length)
  const nextHeader = firstProtocol(extensions, protocol)
  const fields = { dscp, ecn, flowLabel: 0, nextHeader, hopLimit: ttl, source, destination }
  encodeIpv6({ ...fields, payloadLength: packet.length - IPV6_HEADER_SIZE }, viewOf(packet), 0)
  encodeIpv6Chain(extensions, protocol, viewOf(packet), IPV6_HEADER_SIZE)
  packet.set(segment, size)
  sealSegment(packet, size, protocol, pseudoHeaderSum6(packet, 0, protocol, segment.length))
  return packet
}

/** Writes the checksum of the segment that fills `packet` from `at`; its checksum field must be zero. */
function sealSegment(packet: Uint8Array, at: number, protocol: number, pseudoHeaderSum: number): void {
  const view = viewOf(packet)
  const length = packet.length - at
  switch (protocol) {
    case IpProtocol.Icmp:
    case IpProtocol.Icmpv6:
    case IpProtocol.Igmp:
    case IpProtocol.Pim:
      return view.setUint16(at + 2, internetChecksum(packet, at, length, pseudoHeaderSum))
    case IpProtocol.Tcp:
      return view.setUint16(at + 16, internetChecksum(packet, at, length, pseudoHeaderSum))
    case IpProtocol.Udp:
      return view.setUint16(at + 6, udpChecksum(packet, at, length, pseudoHeaderSum))
    case IpProtocol.Sctp:
      return view.setUint32(at + 8, sctpChecksum(packet, at, length), true)
    default:
  }
}

/** `size` bytes of header written by `encode`, then the payload. */
function segmentOf(size: number, encode: (view: DataView) => void, payload = NO_PAYLOAD): Uint8Array {
  const segment = new Uint8Array(size + payload.length)
  encode(viewOf(segment))
  segment.set(payload, size)
  return segment
}

export function udpFrame(options: PortOptions): Uint8Array {
  const { srcPort: sourcePort, dstPort: destinationPort, payload = NO_PAYLOAD } = options
  const header = { sourcePort, destinationPort, length: UDP_HEADER_SIZE + payload.length, checksum: 0 }
  const segment = segmentOf(UDP_HEADER_SIZE, (view) => encodeUdp(header, view, 0), payload)
  return ipFrame({ ...options, protocol: IpProtocol.Udp, segment })
}

export interface TcpOptions extends PortOptions {
  /** See `TcpFlag`; an acknowledgement where absent. */
  flags?: number
  sequence?: number
  acknowledgement?: number
  window?: number
  options?: HeaderOption[]
}

export function tcpFrame(options: TcpOptions): Uint8Array {
  const { sequence = 0, acknowledgement = 0, flags = TcpFlag.Ack, window = 0xffff } = options
  const ports = { sourcePort: options.srcPort, destinationPort: options.dstPort }
  const numbers = { sequence, acknowledgement, flags, window, checksum: 0, urgent: 0 }
  const header = { ...ports, ...numbers, options: options.options ?? [] }
  const segment = segmentOf(tcpSize(header), (view) => encodeTcp(header, view, 0), options.payload)
  return ipFrame({ ...options, protocol: IpProtocol.Tcp, segment })
}

/** `payload` are the chunks. */
export function sctpFrame(options: PortOptions & { verificationTag?: number }): Uint8Array {
  const { srcPort: sourcePort, dstPort: destinationPort, verificationTag = 0 } = options
  const header = { sourcePort, destinationPort, verificationTag, checksum: 0 }
  const segment = segmentOf(SCTP_HEADER_SIZE, (view) => encodeSctp(header, view, 0), options.payload)
  return ipFrame({ ...options, protocol: IpProtocol.Sctp, segment })
}

export interface EchoOptions extends IpOptions {
  identifier: number
  sequence: number
  /** A request where absent. */
  reply?: boolean
  payload?: Uint8Array
}

function echoSegment(options: EchoOptions, request: number, reply: number): Uint8Array {
  const type = options.reply ? reply : request
  const header = { type, code: 0, checksum: 0, rest: echoWord(options.identifier, options.sequence) }
  return segmentOf(ICMP_HEADER_SIZE, (view) => encodeIcmp(header, view, 0), options.payload)
}

export function icmpEchoFrame(options: EchoOptions & { ipSrc: number; ipDst: number }): Uint8Array {
  const segment = echoSegment(options, IcmpType.EchoRequest, IcmpType.EchoReply)
  return ipFrame({ ...options, protocol: IpProtocol.Icmp, segment })
}

export function icmpv6EchoFrame(options: EchoOptions & { ipSrc: bigint; ipDst: bigint }): Uint8Array {
  const segment = echoSegment(options, Icmpv6Type.EchoRequest, Icmpv6Type.EchoReply)
  return ipFrame({ ...options, protocol: IpProtocol.Icmpv6, segment })
}

/** Who asks and who is asked for; a request from and for the same address is an announcement. */
export interface ArpOptions extends FrameOptions {
  ipSrc: number
  ipDst: number
}

export function arpRequest(options: WithUsualDestination<ArpOptions>): Uint8Array {
  const arp = { operation: ArpOperation.Request, senderMac: options.ethSrc, targetMac: 0n }
  return arpFrame(options, EtherType.Arp, { ...arp, senderAddress: options.ipSrc, targetAddress: options.ipDst })
}

export function arpReply(options: ArpOptions): Uint8Array {
  const arp = { operation: ArpOperation.Reply, senderMac: options.ethSrc, targetMac: options.ethDst }
  return arpFrame(options, EtherType.Arp, { ...arp, senderAddress: options.ipSrc, targetAddress: options.ipDst })
}

/** The reverse request with which QEMU announces where a migrated guest is now (`announce_self_create`). */
export function rarpFrame(options: WithUsualDestination<FrameOptions>): Uint8Array {
  const { ethSrc } = options
  const arp = { operation: ArpOperation.ReverseRequest, senderMac: ethSrc, targetMac: ethSrc }
  return arpFrame(options, EtherType.Rarp, { ...arp, senderAddress: 0, targetAddress: 0 })
}

function arpFrame(
  options: WithUsualDestination<FrameOptions>,
  etherType: number,
  arp: Parameters<typeof encodeArp>[0],
): Uint8Array {
  const payload = segmentOf(ARP_SIZE, (view) => encodeArp(arp, view, 0))
  return ethernetFrame({ ethDst: BROADCAST_MAC, ...options, etherType, payload })
}

export interface NeighbourOptions extends FrameOptions {
  ipSrc: bigint
  ipDst: bigint
  target: bigint
}

/** Goes to the target's solicited-node group unless told otherwise. From `::` it is duplicate address detection. */
export function neighbourSolicitation(
  options: Omit<NeighbourOptions, 'ethDst' | 'ipDst'> & { ethDst?: bigint; ipDst?: bigint },
): Uint8Array {
  const ipDst = options.ipDst ?? solicitedNodeAddress(options.target)
  const ethDst = options.ethDst ?? ipv6MulticastMac(ipDst)
  const source = { type: 'source-link-layer', mac: options.ethSrc } as const
  const message = { type: 'neighbour-solicitation', target: options.target } as const
  return ndFrame({ ...options, ethDst, ipDst }, { ...message, options: options.ipSrc === 0n ? [] : [source] })
}

export interface AdvertisementOptions extends NeighbourOptions {
  router?: boolean
  /** True where absent, as is `override`. */
  solicited?: boolean
  override?: boolean
}

export function neighbourAdvertisement(options: AdvertisementOptions): Uint8Array {
  const { router = false, solicited = true, override = true, target } = options
  const link = { type: 'target-link-layer', mac: options.ethSrc } as const
  return ndFrame(options, { type: 'neighbour-advertisement', router, solicited, override, target, options: [link] })
}

/** Any message of neighbour discovery, with the hop limit of 255 that RFC 4861 demands. */
export function ndFrame(
  options: FrameOptions & { ipSrc: bigint; ipDst: bigint },
  message: NeighbourDiscovery,
): Uint8Array {
  const segment = segmentOf(ndSize(message), (view) => encodeNd(message, view, 0))
  return ipFrame({ ...options, ttl: 255, protocol: IpProtocol.Icmpv6, segment })
}

/** Routers are to look at it (RFC 2113). */
const ROUTER_ALERT: HeaderOption = { kind: 148, data: new Uint8Array(2) }
/** The same of IPv6, for multicast listeners (RFC 2711), and two bytes of padding. */
const ROUTER_ALERT6: Ipv6Extension = {
  type: 'other',
  protocol: ExtensionType.HopByHop,
  body: Uint8Array.of(5, 2, 0, 0, 1, 0),
}

/** Any message of IGMP, for this link alone. */
export function igmpFrame(options: FrameOptions & { ipSrc: number; ipDst: number }, message: IgmpMessage): Uint8Array {
  const segment = segmentOf(igmpSize(message), (view) => encodeIgmp(message, view, 0))
  return ipFrame({ ...options, ttl: 1, protocol: IpProtocol.Igmp, headerOptions: [ROUTER_ALERT], segment })
}

/** Any message of multicast listener discovery, for this link alone. */
export function mldFrame(options: FrameOptions & { ipSrc: bigint; ipDst: bigint }, message: MldMessage): Uint8Array {
  const segment = segmentOf(mldSize(message), (view) => encodeMld(message, view, 0))
  return ipFrame({ ...options, ttl: 1, protocol: IpProtocol.Icmpv6, extensions: [ROUTER_ALERT6], segment })
}

/** A client's first broadcast for an address. */
export function dhcpDiscover(
  options: WithUsualDestination<FrameOptions> & { transactionId: number; hostName?: string },
): Uint8Array {
  const text = (value: string) => new Uint8Array(Buffer.from(value, 'latin1'))
  const hostName =
    options.hostName === undefined ? [] : [{ code: DhcpOptionCode.HostName, data: text(options.hostName) }]
  const wanted = Uint8Array.of(DhcpOptionCode.SubnetMask, DhcpOptionCode.Router)
  return dhcpFrame(
    { ...options, ethDst: options.ethDst ?? BROADCAST_MAC, ipSrc: 0, ipDst: 0xffffffff },
    {
      ...emptyDhcpMessage,
      transactionId: options.transactionId,
      clientMac: options.ethSrc,
      options: [
        { code: DhcpOptionCode.MessageType, data: Uint8Array.of(1) },
        ...hostName,
        { code: DhcpOptionCode.ParameterRequestList, data: wanted },
      ],
    },
  )
}

const emptyDhcpMessage: DhcpMessage = {
  operation: DhcpOperation.Request,
  hops: 0,
  transactionId: 0,
  seconds: 0,
  broadcast: true,
  clientAddress: 0,
  yourAddress: 0,
  serverAddress: 0,
  gatewayAddress: 0,
  clientMac: 0n,
  serverName: '',
  bootFile: '',
  options: [],
}

/** Any DHCP message, between the ports that its operation implies. */
export function dhcpFrame(options: FrameOptions & { ipSrc: number; ipDst: number }, message: DhcpMessage): Uint8Array {
  const payload = segmentOf(dhcpSize(message), (view) => encodeDhcp(message, view, 0))
  const isRequest = message.operation === DhcpOperation.Request
  const srcPort = isRequest ? DhcpPort.Client : DhcpPort.Server
  const dstPort = isRequest ? DhcpPort.Server : DhcpPort.Client
  return udpFrame({ ...options, srcPort, dstPort, payload })
}

/** A frame within VXLAN. */
export function vxlanFrame(
  options: Omit<PortOptions, 'dstPort' | 'payload'> & { vni: number; inner: Uint8Array },
): Uint8Array {
  const payload = segmentOf(VXLAN_HEADER_SIZE, (view) => encodeVxlan({ vni: options.vni }, view, 0), options.inner)
  return udpFrame({ ...options, dstPort: VXLAN_PORT, payload })
}

export interface MplsOptions extends FrameOptions {
  /** Outermost first; the last is the bottom of the stack. */
  labels: readonly Omit<LabelStackEntry, 'bottomOfStack'>[]
  /** An IP packet, or what else the last label is for. */
  payload: Uint8Array
  /** That of unicast where absent. */
  etherType?: number
}

/** A label switched packet. */
export function mplsFrame(options: MplsOptions): Uint8Array {
  const { labels, etherType = EtherType.Mpls } = options
  const payload = new Uint8Array(labels.length * LABEL_SIZE + options.payload.length)
  let at = 0
  labels.forEach((label, index) => {
    at = encodeLabel({ ...label, bottomOfStack: index === labels.length - 1 }, viewOf(payload), at)
  })
  payload.set(options.payload, at)
  return ethernetFrame({ ...options, etherType, payload })
}

/** A customer's frame within a provider's backbone; addresses and tags are the backbone's. */
export function pbbFrame(
  options: FrameOptions & { serviceId: number; priority?: number; inner: Uint8Array },
): Uint8Array {
  const { serviceId, priority = 0, inner } = options
  const tag = { serviceId, priority, dropEligible: false, reserved: 0 }
  const payload = segmentOf(SERVICE_TAG_SIZE, (view) => encodeServiceTag(tag, view, 0), inner)
  return ethernetFrame({ ...options, etherType: EtherType.Pbb, payload })
}
