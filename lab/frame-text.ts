// A frame from a line of text: hexadecimal digits, or a match in flow syntax whose fields it will have.

import { applySet, pushVlan } from '../datapath/rewrite.ts'
import { extractKey } from '../datapath/flow-key.ts'
import { FrameArena, type FrameHandle } from '../datapath/frames.ts'
import { packMatch } from '../datapath/packed-match.ts'
import { parseIpv4, parseIpv6, parseMac } from '../protocols/address.ts'
import { InvalidField } from '../protocols/errors.ts'
import { fieldOf, KEY_WORDS } from '../protocols/fields.ts'
import { EtherType, IpProtocol, type Match } from '../protocols/match.ts'
import * as compose from '../protocols/packet/compose.ts'
import { BROADCAST_MAC } from '../protocols/packet/ethernet.ts'
import { TcpFlag } from '../protocols/packet/tcp.ts'
import { parseFrameText } from '../topologies/frame-text.ts'
import type { Nic, Topology } from '../topologies/topology.ts'

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
  const value = (name: string) => match.find(({ field }) => field === name)?.value
  const ethSrc = value('eth_src') ?? parseMac(nic.mac)
  const addressed = value('nw_dst') ?? value('ipv6_dst')
  const ethDst = value('eth_dst') ?? ownerOf(addressed, topology) ?? BROADCAST_MAC
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

function baseFrame(match: Match, nic: Nic, macs: { ethSrc: bigint; ethDst: bigint }): Uint8Array {
  const number = (name: string) => {
    const found = match.find(({ field }) => field === name)
    return found && Number(found.value)
  }
  const payload = new Uint8Array(18)
  const etherType = number('eth_type')
  if (etherType === undefined || !(etherType === EtherType.Ipv4 || etherType === EtherType.Ipv6)) {
    return otherFrame(etherType, number('arp_tpa') ?? 0, nic, macs)
  }
  const ends = etherType === EtherType.Ipv4 ? ipv4Ends(nic) : ipv6Ends(nic)
  const ports = { srcPort: 0, dstPort: 0 }
  switch (number('nw_proto')) {
    case IpProtocol.Tcp:
      return compose.tcpFrame({ ...macs, ...ends, ...ports, flags: tcpFlags(match) })
    case IpProtocol.Udp:
      return compose.udpFrame({ ...macs, ...ends, ...ports, payload })
    case IpProtocol.Sctp:
      return compose.sctpFrame({ ...macs, ...ends, ...ports, payload })
    case IpProtocol.Icmp:
      return compose.icmpEchoFrame({ ...macs, ...ipv4Ends(nic), identifier: 1, sequence: 1 })
    case IpProtocol.Icmpv6:
      return compose.icmpv6EchoFrame({ ...macs, ...ipv6Ends(nic), identifier: 1, sequence: 1 })
    default:
      return compose.ipFrame({ ...macs, ...ends, protocol: number('nw_proto') ?? NO_NEXT_PROTOCOL, segment: payload })
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

function otherFrame(
  etherType: number | undefined,
  asked: number,
  nic: Nic,
  macs: { ethSrc: bigint; ethDst: bigint },
): Uint8Array {
  if (etherType === EtherType.Arp) return compose.arpRequest({ ...macs, ipSrc: ipv4Ends(nic).ipSrc, ipDst: asked })
  if (etherType === EtherType.Rarp) return compose.rarpFrame(macs)
  return compose.ethernetFrame({ ...macs, etherType: etherType ?? EXPERIMENT, payload: new Uint8Array(46) })
}

function ipv4Ends(nic: Nic): { ipSrc: number; ipDst: number } {
  const own = nic.addresses.find((address) => !address.includes(':'))
  if (own === undefined)
    throw new InvalidField(
      'send.frame',
      `${nic.id} has no IPv4 address`,
      'nw_src in the text, or an address in the topology',
    )
  return { ipSrc: parseIpv4(own), ipDst: 0xffffffff }
}

function ipv6Ends(nic: Nic): { ipSrc: bigint; ipDst: bigint } {
  const own = nic.addresses.find((address) => address.includes(':'))
  if (own === undefined)
    throw new InvalidField(
      'send.frame',
      `${nic.id} has no IPv6 address`,
      'ipv6_src in the text, or an address in the topology',
    )
  return { ipSrc: parseIpv6(own), ipDst: parseIpv6('ff02::1') }
}

function ownerOf(address: bigint | undefined, topology: Topology): bigint | undefined {
  if (address === undefined) return undefined
  const numeric = (text: string) => (text.includes(':') ? parseIpv6(text) : BigInt(parseIpv4(text)))
  const owner = topology.vms
    .flatMap((vm) => vm.nics)
    .find(({ addresses }) => addresses.some((text) => numeric(text) === address))
  return owner && parseMac(owner.mac)
}
