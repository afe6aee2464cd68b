// A frame from a line of text: hexadecimal digits, or a match in flow syntax whose fields it will have.

import { applySet, pushVlan } from '../datapath/rewrite.ts'
import { extractKey } from '../datapath/flow-key.ts'
import { FrameArena, type FrameHandle } from '../datapath/frames.ts'
import { packMatch } from '../datapath/packed-match.ts'
import { parseIpv4, parseIpv6, parseMac } from '../protocols/address.ts'
import { InvalidField } from '../protocols/errors.ts'
import { type FieldName, fieldOf, KEY_WORDS } from '../protocols/fields.ts'
import { EtherType, IpProtocol, type Match } from '../protocols/match.ts'
import * as compose from '../protocols/packet/compose.ts'
import { BROADCAST_MAC } from '../protocols/packet/ethernet.ts'
import { Icmpv6Type } from '../protocols/packet/icmpv6.ts'
import { TcpFlag } from '../protocols/packet/tcp.ts'
import { parseFrameText } from '../topologies/frame-text.ts'
import type { Nic, Topology } from '../topologies/topology.ts'
import { sharesNetwork } from './sharing.ts'

/**
 * The frame that `text` describes, sent by `nic`: its MAC and IP addresses where the text names no others; the destination's MAC
 * address is that of whoever has the IP address in the topology, else broadcast.
 * @throws InvalidField, FlowSyntaxError
 */
export function frameFrom(text: string, nic: Nic, topology: Topology): Uint8Array {
  const frame = parseFrameText(text)
  return frame instanceof Uint8Array ? frame : frameOf(frame, nic, topology)
}

function frameOf(match: Match, nic: Nic, topology: Topology): Uint8Array {
  const value = (name: FieldName) => valueIn(match, name)
  const ethSrc = value('eth_src') ?? parseMac(nic.mac)
  const addressed = value('nw_dst') ?? value('ipv6_dst')
  const ethDst = value('eth_dst') ?? ownerOf(addressed, nic, topology) ?? BROADCAST_MAC
  const base = baseFrame(match, nic, { ethSrc, ethDst })
  const arena = new FrameArena()
  const frame = arena.allocateFrom(base)
  const tag = value('vlan_tci') ?? value('vlan_vid')
  if (tag !== undefined && tag !== 0n) pushVlan(arena, frame, EtherType.Vlan, Number(tag & 0x0fffn))
  const packed = packMatch(match)
  packed.mask.forEach((mask, word) => {
    if (mask !== 0) applySet(arena, frame, word, packed.value[word]!, mask)
  })
  checkMeets(match, arena, frame)
  return arena.read(frame).slice()
}

/** @throws InvalidField where the frame is not what the text says: not every field can be had by every frame. */
function checkMeets(match: Match, arena: FrameArena, frame: FrameHandle): void {
  const key = new Uint32Array(KEY_WORDS)
  extractKey(arena, frame, 0, key)
  const missed = match.find((part) => {
    const { value, mask } = packMatch([part])
    return !key.every((word, index) => (word & mask[index]!) >>> 0 === value[index])
  })
  if (missed !== undefined)
    throw new InvalidField(
      'send.frame',
      `a frame of this kind with that ${missed.field} can not be made from fields`,
      'the bytes in hexadecimal',
    )
}

interface Macs {
  ethSrc: bigint
  ethDst: bigint
}

function baseFrame(match: Match, nic: Nic, macs: Macs): Uint8Array {
  const number = (name: FieldName) => {
    const found = valueIn(match, name)
    return found === undefined ? undefined : Number(found)
  }
  const payload = new Uint8Array(18)
  const etherType = number('eth_type')
  if (etherType === undefined || !(etherType === EtherType.Ipv4 || etherType === EtherType.Ipv6)) {
    return otherFrame(match, etherType, nic, macs)
  }
  const ends = etherType === EtherType.Ipv4 ? ipv4Ends(match, nic) : ipv6Ends(match, nic)
  const ports = { srcPort: 0, dstPort: 0 }
  switch (number('nw_proto')) {
    case IpProtocol.Tcp:
      return compose.tcpFrame({ ...macs, ...ends, ...ports, flags: tcpFlags(match) })
    case IpProtocol.Udp:
      return compose.udpFrame({ ...macs, ...ends, ...ports, payload })
    case IpProtocol.Sctp:
      return compose.sctpFrame({ ...macs, ...ends, ...ports, payload })
    case IpProtocol.Icmp:
      return compose.icmpEchoFrame({ ...macs, ...ipv4Ends(match, nic), identifier: 1, sequence: 1 })
    case IpProtocol.Icmpv6:
      return icmpv6Frame(match, { ...macs, ...ipv6Ends(match, nic) })
    default:
      return compose.ipFrame({ ...macs, ...ends, protocol: number('nw_proto') ?? NO_NEXT_PROTOCOL, segment: payload })
  }
}

function icmpv6Frame(match: Match, ends: Macs & { ipSrc: bigint; ipDst: bigint }): Uint8Array {
  const target = valueIn(match, 'nd_target') ?? 0n
  switch (Number(valueIn(match, 'icmpv6_type'))) {
    case Icmpv6Type.NeighbourSolicitation:
      return compose.neighbourSolicitation({ ...ends, target })
    case Icmpv6Type.NeighbourAdvertisement:
      return compose.neighbourAdvertisement({ ...ends, target })
    default:
      return compose.icmpv6EchoFrame({ ...ends, identifier: 1, sequence: 1 })
  }
}

/** Those that the match names; of the others, an acknowledgement's. */
function tcpFlags(match: Match): number {
  const { value = 0n, mask } = match.find(({ field }) => field === 'tcp_flags') ?? { mask: 0n }
  return (TcpFlag.Ack & ~Number(mask ?? fieldOf('tcp_flags').ones)) | Number(value)
}

/** RFC 3692: for experiments. */
const NO_NEXT_PROTOCOL = 253
/** IEEE 802: the first ethertype for local experiments. */
const EXPERIMENT = 0x88b5

function otherFrame(match: Match, etherType: number | undefined, nic: Nic, macs: Macs): Uint8Array {
  const asked = Number(valueIn(match, 'arp_tpa') ?? 0n)
  if (etherType === EtherType.Arp)
    return compose.arpRequest({ ...macs, ipSrc: ipv4Ends(match, nic).ipSrc, ipDst: asked })
  if (etherType === EtherType.Rarp) return compose.rarpFrame(macs)
  return compose.ethernetFrame({ ...macs, etherType: etherType ?? EXPERIMENT, payload: new Uint8Array(46) })
}

function ipv4Ends(match: Match, nic: Nic): { ipSrc: number; ipDst: number } {
  const named = valueIn(match, 'nw_src') ?? valueIn(match, 'arp_spa')
  const own = () => parseIpv4(ownAddress(nic, 'IPv4', 'nw_src'))
  return { ipSrc: named === undefined ? own() : Number(named), ipDst: 0xffffffff }
}

function ipv6Ends(match: Match, nic: Nic): { ipSrc: bigint; ipDst: bigint } {
  const own = () => parseIpv6(ownAddress(nic, 'IPv6', 'ipv6_src'))
  return { ipSrc: valueIn(match, 'ipv6_src') ?? own(), ipDst: parseIpv6('ff02::1') }
}

/** @throws InvalidField where it has none: then the text must name one. */
function ownAddress(nic: Nic, family: 'IPv4' | 'IPv6', field: FieldName): string {
  const own = nic.addresses.find((address) => address.includes(':') === (family === 'IPv6'))
  if (own !== undefined) return own
  const expected = `${field} in the text, or an address in the topology`
  throw new InvalidField('send.frame', `${nic.id} has no ${family} address`, expected)
}

const valueIn = (match: Match, name: FieldName) => match.find(({ field }) => field === name)?.value

/** MAC address of whoever has the address: on the sender's network rather than on another. */
function ownerOf(address: bigint | undefined, sender: Nic, topology: Topology): bigint | undefined {
  if (address === undefined) return undefined
  const numeric = (text: string) => (text.includes(':') ? parseIpv6(text) : BigInt(parseIpv4(text)))
  const owners = topology.vms
    .flatMap((vm) => vm.nics)
    .filter(({ addresses }) => addresses.some((text) => numeric(text) === address))
  const owner = owners.find((nic) => sharesNetwork(sender, nic)) ?? owners[0]
  return owner && parseMac(owner.mac)
}
