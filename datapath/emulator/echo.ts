// The frames of an echo conversation: what is said, and how each is answered.

import { parseIpv4, parseIpv6, parseMac } from '../../protocols/address.ts'
import {
  arpReply,
  arpRequest,
  icmpEchoFrame,
  icmpv6EchoFrame,
  neighbourAdvertisement,
  neighbourSolicitation,
} from '../../protocols/packet/compose.ts'
import { IcmpType, echoIdentifier } from '../../protocols/packet/icmp.ts'
import { Icmpv6Type } from '../../protocols/packet/icmpv6.ts'
import { dissect, type Layer, outerLayers } from '../../protocols/packet/packet.ts'
import type { Nic } from '../../topologies/topology.ts'

/** Two vNICs, and the addresses of one family by which they speak. */
export type EchoPair = { from: Nic; to: Nic } & (
  { version: 4; source: number; target: number } | { version: 6; source: bigint; target: bigint }
)

/** The first pair of addresses of one family, IPv4 before IPv6; undefined where there is none. */
export function echoPair(from: Nic, to: Nic): EchoPair | undefined {
  const first = (nic: Nic, isWanted: (address: string) => boolean) => nic.addresses.find(isWanted)
  const isIpv6 = (address: string) => address.includes(':')
  const isIpv4 = (address: string) => !isIpv6(address)
  const [source4, target4] = [first(from, isIpv4), first(to, isIpv4)]
  if (source4 !== undefined && target4 !== undefined) {
    return { from, to, version: 4, source: parseIpv4(source4), target: parseIpv4(target4) }
  }
  const [source6, target6] = [first(from, isIpv6), first(to, isIpv6)]
  if (source6 === undefined || target6 === undefined) return undefined
  return { from, to, version: 6, source: parseIpv6(source6), target: parseIpv6(target6) }
}

/** Asks for the target's MAC address. */
export function addressQuestion(pair: EchoPair): Uint8Array {
  const ethSrc = parseMac(pair.from.mac)
  return pair.version === 4
    ? arpRequest({ ethSrc, ipSrc: pair.source, ipDst: pair.target, pad: true })
    : neighbourSolicitation({ ethSrc, ipSrc: pair.source, target: pair.target })
}

/** An echo request to whoever has the MAC address `ethDst`. */
export function echoRequest(pair: EchoPair, ethDst: bigint, identifier: number, sequence: number): Uint8Array {
  const common = { ethSrc: parseMac(pair.from.mac), ethDst, identifier, sequence, payload: new Uint8Array(56) }
  return pair.version === 4
    ? icmpEchoFrame({ ...common, ipSrc: pair.source, ipDst: pair.target })
    : icmpv6EchoFrame({ ...common, ipSrc: pair.source, ipDst: pair.target })
}

/** What the target says to a frame of the conversation; undefined where it asks for nothing of its own. */
export function answerTo(pair: EchoPair, frame: Uint8Array): Uint8Array | undefined {
  const layers = outerLayers(dissect(frame))
  const ethDst = layerOf(layers, 'ethernet')?.header.source
  if (ethDst === undefined) return undefined
  const sender = { ethSrc: parseMac(pair.to.mac), ethDst }
  return pair.version === 4 ? answerIpv4(pair, sender, layers) : answerIpv6(pair, sender, layers)
}

type Sender = { ethSrc: bigint; ethDst: bigint }

function answerIpv4(pair: EchoPair & { version: 4 }, sender: Sender, layers: readonly Layer[]): Uint8Array | undefined {
  const arp = layerOf(layers, 'arp')?.header
  if (arp?.operation === 1 && arp.targetAddress === pair.target) {
    return arpReply({ ...sender, ipSrc: pair.target, ipDst: arp.senderAddress, pad: true })
  }
  const icmp = layerOf(layers, 'icmp')?.header
  if (icmp?.type !== IcmpType.EchoRequest) return undefined
  return icmpEchoFrame({ ...sender, ipSrc: pair.target, ipDst: pair.source, ...echoed(icmp.rest) })
}

function answerIpv6(pair: EchoPair & { version: 6 }, sender: Sender, layers: readonly Layer[]): Uint8Array | undefined {
  const nd = layerOf(layers, 'nd')?.header
  if (nd?.type === 'neighbour-solicitation' && nd.target === pair.target) {
    return neighbourAdvertisement({ ...sender, ipSrc: pair.target, ipDst: pair.source, target: pair.target })
  }
  const icmp = layerOf(layers, 'icmpv6')?.header
  if (icmp?.type !== Icmpv6Type.EchoRequest) return undefined
  return icmpv6EchoFrame({ ...sender, ipSrc: pair.target, ipDst: pair.source, ...echoed(icmp.rest) })
}

const echoed = (rest: number) => ({
  identifier: echoIdentifier(rest),
  sequence: rest & 0xffff,
  reply: true,
  payload: new Uint8Array(56),
})

/** The MAC address of whoever answered: with the address that was asked for, or with an echo reply to `sequence`. */
export function answerFrom(frame: Uint8Array, sequence: number): bigint | undefined {
  const layers = outerLayers(dissect(frame))
  const arp = layerOf(layers, 'arp')?.header
  const nd = layerOf(layers, 'nd')?.header
  const icmp = layerOf(layers, 'icmp')?.header ?? layerOf(layers, 'icmpv6')?.header
  const isEchoReply = icmp?.type === IcmpType.EchoReply || icmp?.type === Icmpv6Type.EchoReply
  const isAnswer =
    arp?.operation === 2 ||
    nd?.type === 'neighbour-advertisement' ||
    (isEchoReply && (icmp!.rest & 0xffff) === sequence)
  return isAnswer ? layerOf(layers, 'ethernet')?.header.source : undefined
}

function layerOf<N extends Layer['name']>(layers: readonly Layer[], name: N): (Layer & { name: N }) | undefined {
  return layers.find((layer): layer is Layer & { name: N } => layer.name === name)
}
