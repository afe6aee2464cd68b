// A whole frame as layers, for people: reports, traces, tests. Nothing here is for the packet path.

import { Malformed } from '../errors.ts'
import { viewOf } from '../bytes.ts'
import { EtherType, IpProtocol } from '../match.ts'
import type { Arp } from './arp.ts'
import { decodeArp } from './arp.ts'
import type { DhcpMessage } from './dhcp.ts'
import { decodeDhcp, DhcpPort } from './dhcp.ts'
import type { EthernetHeader } from './ethernet.ts'
import { decodeEthernet, ETHERNET_HEADER_SIZE, isLength } from './ethernet.ts'
import type { IcmpHeader } from './icmp.ts'
import { decodeIcmp, ICMP_HEADER_SIZE } from './icmp.ts'
import { decodeIcmpv6 } from './icmpv6.ts'
import type { IgmpMessage } from './igmp.ts'
import { decodeIgmp } from './igmp.ts'
import type { Ipv4Header } from './ipv4.ts'
import { decodeIpv4, ipv4HeaderSize } from './ipv4.ts'
import type { Ipv6Chain } from './ipv6-extensions.ts'
import { decodeIpv6Chain } from './ipv6-extensions.ts'
import type { Ipv6Header } from './ipv6.ts'
import { decodeIpv6, IPV6_HEADER_SIZE } from './ipv6.ts'
import type { LlcHeader } from './llc.ts'
import { decodeLlc, llcSize } from './llc.ts'
import type { MldMessage } from './mld.ts'
import { decodeMld, isMld } from './mld.ts'
import type { LabelStackEntry } from './mpls.ts'
import { decodeLabel, LABEL_SIZE, typeBelowLabels } from './mpls.ts'
import type { MrdMessage } from './mrd.ts'
import { decodeMrd, isMrd } from './mrd.ts'
import type { NeighbourDiscovery } from './nd.ts'
import { decodeNd, isNd } from './nd.ts'
import type { ServiceTag } from './pbb.ts'
import { decodeServiceTag, SERVICE_TAG_SIZE } from './pbb.ts'
import type { PimMessage } from './pim.ts'
import { decodePim } from './pim.ts'
import type { SctpHeader } from './sctp.ts'
import { decodeSctp, SCTP_HEADER_SIZE } from './sctp.ts'
import type { TcpHeader } from './tcp.ts'
import { decodeTcp, tcpHeaderSize } from './tcp.ts'
import type { UdpHeader } from './udp.ts'
import { decodeUdp, UDP_HEADER_SIZE } from './udp.ts'
import type { VlanTag } from './vlan.ts'
import { announcesVlan, decodeVlanTag, VLAN_TAG_SIZE } from './vlan.ts'
import type { VxlanHeader } from './vxlan.ts'
import { decodeVxlan, VXLAN_HEADER_SIZE, VXLAN_PORT } from './vxlan.ts'

/** `at` is where the layer begins, `end` where all that it holds ends; padding of the frame lies behind that. */
export type Layer = { at: number; end: number } & (
  | { name: 'ethernet'; header: EthernetHeader }
  | { name: 'vlan'; header: VlanTag }
  | { name: 'llc'; header: LlcHeader }
  /** One entry of a label stack. */
  | { name: 'mpls'; header: LabelStackEntry }
  | { name: 'pbb'; header: ServiceTag }
  | { name: 'arp'; header: Arp }
  | { name: 'ipv4'; header: Ipv4Header }
  | { name: 'ipv6'; header: Ipv6Header }
  | { name: 'ipv6-extensions'; header: Ipv6Chain }
  | { name: 'icmp' | 'icmpv6'; header: IcmpHeader }
  | { name: 'igmp'; header: IgmpMessage }
  /** These stand behind their own `icmpv6` layer and begin where that does. */
  | { name: 'nd'; header: NeighbourDiscovery }
  | { name: 'mld'; header: MldMessage }
  /** In the place of `igmp`, or of `icmpv6`: those may be shorter than ICMP's header. */
  | { name: 'mrd'; header: MrdMessage }
  | { name: 'pim'; header: PimMessage }
  | { name: 'tcp'; header: TcpHeader }
  | { name: 'udp'; header: UdpHeader }
  | { name: 'sctp'; header: SctpHeader }
  | { name: 'vxlan'; header: VxlanHeader }
  | { name: 'dhcp'; header: DhcpMessage }
  /** What no codec reads. */
  | { name: 'payload' }
  /** The last layer where it appears: why nothing more could be read. */
  | { name: 'malformed'; protocol: string; problem: string }
)

/** Frames within frames are followed this deep; deeper is payload. */
const MAXIMUM_NESTING = 8

const isNested = (layer: Layer) => layer.name === 'vxlan' || layer.name === 'pbb'
const mayNest = ({ layers }: Dissection) => layers.filter(isNested).length < MAXIMUM_NESTING

/** The layers up to the first that another packet or frame is carried in: what a host that knows no tunnels sees. */
export function outerLayers(layers: readonly Layer[]): readonly Layer[] {
  const carrier = layers.findIndex((layer) => isNested(layer) || layer.name === 'mpls')
  return carrier < 0 ? layers : layers.slice(0, carrier + 1)
}

interface Dissection {
  view: DataView
  layers: Layer[]
}

/** The frame's layers, outermost first. Never throws: a layer that is malformed becomes the last one and says why. */
export function dissect(frame: Uint8Array): Layer[] {
  const into: Dissection = { view: viewOf(frame), layers: [] }
  try {
    readEthernet(into, 0, frame.length)
  } catch (problem) {
    if (!(problem instanceof Malformed)) throw problem
    const { protocol, message, offset } = problem
    into.layers.push({ name: 'malformed', at: offset, end: frame.length, protocol, problem: message })
  }
  return into.layers
}

function readEthernet(into: Dissection, at: number, end: number): void {
  const header = decodeEthernet(into.view, at, end)
  into.layers.push({ name: 'ethernet', at, end, header })
  let etherType = header.etherType
  let next = at + ETHERNET_HEADER_SIZE
  while (announcesVlan(etherType)) {
    const tag = decodeVlanTag(into.view, next, end)
    into.layers.push({ name: 'vlan', at: next, end, header: tag })
    etherType = tag.etherType
    next += VLAN_TAG_SIZE
  }
  if (isLength(etherType)) readLlc(into, next, within('ethernet', next, etherType, end))
  else readEtherType(into, etherType, next, end)
}

/** Where `length` bytes from `at` end. */
function within(protocol: string, at: number, length: number, end: number): number {
  if (at + length > end) throw new Malformed(protocol, `length ${length} leaves the ${end - at} bytes there are`, at)
  return at + length
}

function readLlc(into: Dissection, at: number, end: number): void {
  const header = decodeLlc(into.view, at, end)
  into.layers.push({ name: 'llc', at, end, header })
  const next = at + llcSize(header)
  if (header.type === 'snap' && header.organization === 0) readEtherType(into, header.protocol, next, end)
  else readPayload(into, next, end)
}

function readEtherType(into: Dissection, etherType: number, at: number, end: number): void {
  switch (etherType) {
    case EtherType.Arp:
    case EtherType.Rarp:
      into.layers.push({ name: 'arp', at, end, header: decodeArp(into.view, at, end) })
      return
    case EtherType.Ipv4:
      return readIpv4(into, at, end)
    case EtherType.Ipv6:
      return readIpv6(into, at, end)
    case EtherType.Mpls:
    case EtherType.MplsMulticast:
      return readLabels(into, at, end)
    case EtherType.Pbb:
      return mayNest(into) ? readServiceTag(into, at, end) : readPayload(into, at, end)
    default:
      return readPayload(into, at, end)
  }
}

function readLabels(into: Dissection, at: number, end: number): void {
  let header: LabelStackEntry
  do {
    header = decodeLabel(into.view, at, end)
    into.layers.push({ name: 'mpls', at, end, header })
    at += LABEL_SIZE
  } while (!header.bottomOfStack)
  readEtherType(into, typeBelowLabels(into.view, at, end), at, end)
}

function readServiceTag(into: Dissection, at: number, end: number): void {
  into.layers.push({ name: 'pbb', at, end, header: decodeServiceTag(into.view, at, end) })
  readEthernet(into, at + SERVICE_TAG_SIZE, end)
}

function readPayload(into: Dissection, at: number, end: number): void {
  if (at < end) into.layers.push({ name: 'payload', at, end })
}

function readIpv4(into: Dissection, at: number, frameEnd: number): void {
  const header = decodeIpv4(into.view, at, frameEnd)
  const end = Math.min(at + header.totalLength, frameEnd)
  into.layers.push({ name: 'ipv4', at, end, header })
  within('ipv4', at, header.totalLength, frameEnd)
  const next = at + ipv4HeaderSize(into.view, at)
  if (header.fragmentOffset > 0) readPayload(into, next, end)
  else readTransport(into, header.protocol, next, end, header.moreFragments)
}

function readIpv6(into: Dissection, at: number, frameEnd: number): void {
  const header = decodeIpv6(into.view, at, frameEnd)
  const next = at + IPV6_HEADER_SIZE
  const end = Math.min(next + header.payloadLength, frameEnd)
  into.layers.push({ name: 'ipv6', at, end, header })
  within('ipv6', next, header.payloadLength, frameEnd)
  const chain = decodeIpv6Chain(into.view, next, end, header.nextHeader)
  if (chain.extensions.length > 0) into.layers.push({ name: 'ipv6-extensions', at: next, end, header: chain })
  const fragment = chain.extensions.find((extension) => extension.type === 'fragment')
  if (fragment !== undefined && fragment.offset > 0) readPayload(into, chain.at, end)
  else readTransport(into, chain.protocol, chain.at, end, fragment?.more ?? false)
}

function readTransport(into: Dissection, protocol: number, at: number, end: number, isFragment: boolean): void {
  switch (protocol) {
    case IpProtocol.Icmp:
      into.layers.push({ name: 'icmp', at, end, header: decodeIcmp(into.view, at, end) })
      return readPayload(into, at + ICMP_HEADER_SIZE, end)
    case IpProtocol.Icmpv6:
      return discoversRouters(into.view, at, end) ? readMrd(into, at, end) : readIcmpv6(into, at, end)
    case IpProtocol.Igmp:
      if (discoversRouters(into.view, at, end)) return readMrd(into, at, end)
      return void into.layers.push({ name: 'igmp', at, end, header: decodeIgmp(into.view, at, end) })
    case IpProtocol.Pim:
      return void into.layers.push({ name: 'pim', at, end, header: decodePim(into.view, at, end) })
    case IpProtocol.Tcp: {
      const header = decodeTcp(into.view, at, end)
      into.layers.push({ name: 'tcp', at, end, header })
      return readPayload(into, at + tcpHeaderSize(into.view, at), end)
    }
    case IpProtocol.Udp:
      return readUdp(into, at, end, isFragment)
    case IpProtocol.Sctp:
      into.layers.push({ name: 'sctp', at, end, header: decodeSctp(into.view, at, end) })
      return readPayload(into, at + SCTP_HEADER_SIZE, end)
    default:
      return readPayload(into, at, end)
  }
}

function readMrd(into: Dissection, at: number, end: number): void {
  into.layers.push({ name: 'mrd', at, end, header: decodeMrd(into.view, at, end) })
}

const discoversRouters = (view: DataView, at: number, end: number) => at < end && isMrd(view.getUint8(at))

function readIcmpv6(into: Dissection, at: number, end: number): void {
  const header = decodeIcmpv6(into.view, at, end)
  into.layers.push({ name: 'icmpv6', at, end, header })
  if (isNd(header.type)) into.layers.push({ name: 'nd', at, end, header: decodeNd(into.view, at, end) })
  else if (isMld(header.type)) into.layers.push({ name: 'mld', at, end, header: decodeMld(into.view, at, end) })
  else readPayload(into, at + ICMP_HEADER_SIZE, end)
}

function readUdp(into: Dissection, at: number, packetEnd: number, isFragment: boolean): void {
  const header = decodeUdp(into.view, at, packetEnd)
  const end = Math.min(at + header.length, packetEnd)
  into.layers.push({ name: 'udp', at, end, header })
  if (isFragment) return readPayload(into, at + UDP_HEADER_SIZE, packetEnd)
  within('udp', at, header.length, packetEnd)
  readDatagram(into, header, at + UDP_HEADER_SIZE, end)
}

function readDatagram(into: Dissection, udp: UdpHeader, at: number, end: number): void {
  const isDhcp = [udp.sourcePort, udp.destinationPort].every(
    (port) => port === DhcpPort.Server || port === DhcpPort.Client,
  )
  if (udp.destinationPort === VXLAN_PORT && mayNest(into)) {
    into.layers.push({ name: 'vxlan', at, end, header: decodeVxlan(into.view, at, end) })
    readEthernet(into, at + VXLAN_HEADER_SIZE, end)
  } else if (isDhcp) into.layers.push({ name: 'dhcp', at, end, header: decodeDhcp(into.view, at, end) })
  else readPayload(into, at, end)
}
