// A whole frame for people: as layers (dissect.ts), and as one line much as tcpdump would say it.

import { formatIpv4, formatIpv6, formatMac } from '../address.ts'
import { IpProtocol } from '../match.ts'
import type { Arp } from './arp.ts'
import { ArpOperation } from './arp.ts'
import { dhcpMessageType } from './dhcp.ts'
import type { GroupRecord } from './group-records.ts'
import { RecordType } from './group-records.ts'
import type { IcmpHeader } from './icmp.ts'
import { echoIdentifier, echoSequence, IcmpType } from './icmp.ts'
import { Icmpv6Type } from './icmpv6.ts'
import type { IgmpMessage } from './igmp.ts'
import type { Ipv4Header } from './ipv4.ts'
import type { Ipv6Extension } from './ipv6-extensions.ts'
import { isExtension } from './ipv6-extensions.ts'
import type { LlcHeader } from './llc.ts'
import type { MldMessage } from './mld.ts'
import type { LabelStackEntry } from './mpls.ts'
import type { NeighbourDiscovery } from './nd.ts'
import type { Layer } from './dissect.ts'
import { dissect } from './dissect.ts'
import type { ServiceTag } from './pbb.ts'
import { PimType } from './pim.ts'
import { TcpFlag } from './tcp.ts'

export type { Layer } from './dissect.ts'
export { dissect, outerLayers } from './dissect.ts'

/** `02:…:01 > 02:…:02 vlan 10 IPv4 10.0.0.1 > 10.0.0.2 icmp echo request id 1 seq 2`. Never throws. */
export function describe(frame: Uint8Array): string {
  const layers = dissect(frame)
  return layers
    .map((layer, index) => describeLayer(layer, layers[index + 1]))
    .filter(Boolean)
    .join(' ')
}

function describeLayer(layer: Layer, next: Layer | undefined): string {
  switch (layer.name) {
    case 'ethernet': {
      const addresses = `${formatMac(layer.header.source)} > ${formatMac(layer.header.destination)}`
      return withUnknownType(addresses, layer.header.etherType, next)
    }
    case 'vlan': {
      const priority = layer.header.priority === 0 ? '' : ` priority ${layer.header.priority}`
      return withUnknownType(`vlan ${layer.header.id}${priority}`, layer.header.etherType, next)
    }
    case 'llc':
      return describeLlc(layer.header, next)
    case 'mpls':
      return describeLabel(layer.header, next)
    case 'pbb':
      return describeServiceTag(layer.header)
    case 'arp':
      return describeArp(layer.header)
    case 'ipv4':
      return describeIpv4(layer.header)
    case 'ipv6': {
      const { source, destination, nextHeader } = layer.header
      const addresses = `IPv6 ${formatIpv6(source)} > ${formatIpv6(destination)}`
      return isExtension(nextHeader) ? addresses : `${addresses}${protocolNumber(nextHeader)}`
    }
    case 'ipv6-extensions':
      return describeChain(layer.header.extensions) + protocolNumber(layer.header.protocol)
    case 'malformed':
      return `[malformed ${layer.problem}]`
    default:
      return describeInner(layer, next)
  }
}

function describeInner(layer: Layer, next: Layer | undefined): string {
  switch (layer.name) {
    case 'icmp':
      return `icmp ${describeIcmp(layer.header, IcmpType.EchoRequest, IcmpType.EchoReply)}`
    case 'icmpv6':
      if (next?.name === 'nd' || next?.name === 'mld') return 'icmpv6'
      return `icmpv6 ${describeIcmp(layer.header, Icmpv6Type.EchoRequest, Icmpv6Type.EchoReply)}`
    case 'nd':
      return describeNd(layer.header)
    case 'igmp':
    case 'mld':
      return `${layer.name} ${describeMembership(layer.header)}`
    case 'mrd':
      return `mrd ${layer.header.type}`
    case 'pim':
      return layer.header.type === PimType.Hello ? 'pim hello' : `pim type ${layer.header.type}`
    case 'tcp':
      return `tcp ${ports(layer.header)} [${tcpFlags(layer.header.flags)}] seq ${layer.header.sequence} length ${payloadLength(next)}`
    case 'udp':
      return `udp ${ports(layer.header)}${next === undefined || next.name === 'payload' ? ` length ${payloadLength(next)}` : ''}`
    case 'sctp':
      return `sctp ${ports(layer.header)}`
    case 'vxlan':
      return `vxlan ${layer.header.vni}`
    case 'dhcp':
      return `dhcp ${dhcpMessageType(layer.header) ?? 'bootp'} from ${formatMac(layer.header.clientMac)}`
    default:
      return ''
  }
}

const hexadecimal = (value: number) => `0x${value.toString(16).padStart(4, '0')}`

/** Names the ethertype only where no layer behind it does. */
const withUnknownType = (text: string, etherType: number, next: Layer | undefined) =>
  next === undefined || next.name === 'payload'
    ? `${text} ethertype ${hexadecimal(etherType)} length ${payloadLength(next)}`
    : text

function describeLlc(header: LlcHeader, next: Layer | undefined): string {
  if (header.type === 'snap') return withUnknownType('snap', header.protocol, next)
  return `llc dsap ${header.destinationAccess.toString(16)} ssap ${header.sourceAccess.toString(16)} length ${payloadLength(next)}`
}

function describeLabel({ label, trafficClass, bottomOfStack, ttl }: LabelStackEntry, next: Layer | undefined): string {
  const entry = `mpls ${label}${trafficClass === 0 ? '' : ` class ${trafficClass}`} ttl ${ttl}`
  const isLast = next === undefined || next.name === 'payload'
  return bottomOfStack && isLast ? `${entry} length ${payloadLength(next)}` : entry
}

const describeServiceTag = ({ serviceId, priority }: ServiceTag) =>
  `pbb ${serviceId}${priority === 0 ? '' : ` priority ${priority}`}`

const payloadLength = (next: Layer | undefined) => (next?.name === 'payload' ? next.end - next.at : 0)

const ports = (header: { sourcePort: number; destinationPort: number }) =>
  `${header.sourcePort} > ${header.destinationPort}`

function describeArp(arp: Arp): string {
  const sender = formatIpv4(arp.senderAddress)
  const target = formatIpv4(arp.targetAddress)
  switch (arp.operation) {
    case ArpOperation.Request:
      return arp.senderAddress === arp.targetAddress ? `ARP announce ${sender}` : `ARP who-has ${target} tell ${sender}`
    case ArpOperation.Reply:
      return `ARP reply ${sender} is-at ${formatMac(arp.senderMac)}`
    case ArpOperation.ReverseRequest:
      return `RARP who-is ${formatMac(arp.targetMac)} tell ${formatMac(arp.senderMac)}`
    case ArpOperation.ReverseReply:
      return `RARP reply ${formatMac(arp.targetMac)} at ${target}`
    default:
      return `ARP operation ${arp.operation}`
  }
}

function describeIpv4(header: Ipv4Header): string {
  const addresses = `IPv4 ${formatIpv4(header.source)} > ${formatIpv4(header.destination)}${protocolNumber(header.protocol)}`
  return header.moreFragments || header.fragmentOffset > 0
    ? `${addresses} ${fragment(header.identification, header.fragmentOffset, header.moreFragments)}`
    : addresses
}

const fragment = (identification: number, offset: number, more: boolean) =>
  `fragment ${identification}@${offset}${more ? '+' : ''}`

const describeChain = (extensions: readonly Ipv6Extension[]) =>
  extensions
    .map((extension) =>
      extension.type === 'fragment'
        ? fragment(extension.identification, extension.offset, extension.more)
        : `extension ${extension.protocol}`,
    )
    .join(' ')

const NAMED_PROTOCOLS: readonly number[] = Object.values(IpProtocol)

/** Protocols with a layer of their own name themselves. */
const protocolNumber = (protocol: number) => (NAMED_PROTOCOLS.includes(protocol) ? '' : ` protocol ${protocol}`)

function describeIcmp(header: IcmpHeader, request: number, reply: number): string {
  if (header.type !== request && header.type !== reply) return `type ${header.type} code ${header.code}`
  const kind = header.type === request ? 'request' : 'reply'
  return `echo ${kind} id ${echoIdentifier(header.rest)} seq ${echoSequence(header.rest)}`
}

function describeNd(message: NeighbourDiscovery): string {
  const words = message.type.replace('-', ' ')
  return 'target' in message ? `${words} ${formatIpv6(message.target)}` : words
}

function describeMembership(message: IgmpMessage | MldMessage): string {
  if ('records' in message)
    return [`report v${message.version}`, ...message.records.map((record) => describeRecord(record))].join(' ')
  const { type, group } = message
  return Number(group) === 0 ? `general ${type}` : `${type} ${formatAddress(group)}`
}

const formatAddress = (address: number | bigint): string =>
  typeof address === 'number' ? formatIpv4(address) : formatIpv6(address)

const RECORD_NAMES = new Map<number, string>([
  [RecordType.ModeIsInclude, 'is_in'],
  [RecordType.ModeIsExclude, 'is_ex'],
  [RecordType.ChangeToInclude, 'to_in'],
  [RecordType.ChangeToExclude, 'to_ex'],
  [RecordType.AllowNewSources, 'allow'],
  [RecordType.BlockOldSources, 'block'],
])

const describeRecord = ({ type, group, sources }: GroupRecord<number> | GroupRecord<bigint>): string =>
  `${formatAddress(group)} ${RECORD_NAMES.get(type) ?? type} {${sources.map(formatAddress).join(', ')}}`

/** As tcpdump writes them: the acknowledgement is a dot. */
const FLAG_LETTERS = [
  [TcpFlag.Fin, 'F'],
  [TcpFlag.Syn, 'S'],
  [TcpFlag.Rst, 'R'],
  [TcpFlag.Psh, 'P'],
  [TcpFlag.Ack, '.'],
  [TcpFlag.Urg, 'U'],
  [TcpFlag.Ece, 'E'],
  [TcpFlag.Cwr, 'W'],
] as const

const tcpFlags = (flags: number) =>
  FLAG_LETTERS.filter(([bit]) => flags & bit)
    .map(([, letter]) => letter)
    .join('') || 'none'
