// A frame made from a flow key, for those who have no frame: Open vSwitch's `flow_compose` (lib/flow.c).

import { KEY_WORDS, Word, fieldOf } from '../../protocols/fields.ts'
import { EtherType, IpProtocol } from '../../protocols/match.ts'
import * as compose from '../../protocols/packet/compose.ts'
import type { FlowKey } from '../flow-key.ts'
import { VLAN_PRESENT, extractKey, readField } from '../flow-key.ts'
import type { FrameArena, FrameHandle } from '../frames.ts'
import { isMpls, labelsOf } from '../pipeline/header-stacks.ts'
import { applySet, pushMpls, pushVlan } from '../rewrite.ts'

/** As much as a frame without a payload of its own is given. */
const PAYLOAD = new Uint8Array(64)

/** A frame with this key's headers, as far as bytes can say what it does: a fragment comes out whole. */
export function frameFromKey(arena: FrameArena, key: FlowKey): FrameHandle {
  const frame = arena.allocateFrom(plainFrame(key))
  if (isMpls(key[Word.etherType]))
    for (const entry of labelsOf(key).reverse()) pushMpls(arena, frame, key[Word.etherType], entry)
  for (const tag of [key[Word.innerVlan], key[Word.vlan]])
    if (tag !== 0) pushVlan(arena, frame, tag >>> 16 || EtherType.Vlan, tag & 0xffff & ~VLAN_PRESENT)
  const made = new Uint32Array(KEY_WORDS)
  extractKey(arena, frame, 0, made)
  for (let word = Word.ethernetDestination; word < KEY_WORDS; word++) {
    const differing = (made[word] ^ key[word]) >>> 0
    if (differing !== 0 && !UNWRITABLE.has(word)) applySet(arena, frame, word, (key[word] & differing) >>> 0, differing)
  }
  return frame
}

/** What kind of frame it is, and what no header says. */
const UNWRITABLE: ReadonlySet<number> = new Set([
  Word.etherType,
  Word.vlan,
  Word.innerVlan,
  Word.fragment,
  Word.ipv6Extensions,
  Word.ndOptionsType,
])

function plainFrame(key: FlowKey): Uint8Array {
  const macs = { ethSrc: readField(key, fieldOf('eth_src')), ethDst: readField(key, fieldOf('eth_dst')) }
  switch (key[Word.etherType]) {
    case EtherType.Ipv4:
      return ipFrame(key, { ...macs, ipSrc: key[Word.ipv4Source], ipDst: key[Word.ipv4Destination] })
    case EtherType.Ipv6:
      return ipv6Frame(key, {
        ...macs,
        ipSrc: readField(key, fieldOf('ipv6_src')),
        ipDst: readField(key, fieldOf('ipv6_dst')),
      })
    case EtherType.Arp:
      return compose.arpRequest({ ...macs, ipSrc: key[Word.ipv4Source], ipDst: key[Word.ipv4Destination] })
    case EtherType.Rarp:
      return compose.rarpFrame(macs)
    case EtherType.Pbb:
      return compose.pbbFrame({ ...macs, serviceId: key[Word.pbbServiceId], inner: new Uint8Array(60) })
    case EtherType.Mpls:
    case EtherType.MplsMulticast:
      return compose.ethernetFrame({ ...macs, etherType: EtherType.Ipv4, payload: PAYLOAD })
    default:
      return compose.ethernetFrame({ ...macs, etherType: key[Word.etherType], payload: PAYLOAD })
  }
}

interface Ends {
  ethSrc: bigint
  ethDst: bigint
  ipSrc: number | bigint
  ipDst: number | bigint
}

function ipFrame(key: FlowKey, ends: Ends): Uint8Array {
  const ports = { srcPort: key[Word.transportSource], dstPort: key[Word.transportDestination] }
  const protocol = key[Word.protocol]
  switch (protocol) {
    case IpProtocol.Tcp:
      return compose.tcpFrame({ ...ends, ...ports, flags: key[Word.tcpFlags] & 0xff, payload: PAYLOAD })
    case IpProtocol.Udp:
      return compose.udpFrame({ ...ends, ...ports, payload: PAYLOAD })
    case IpProtocol.Sctp:
      return compose.sctpFrame({ ...ends, ...ports, payload: PAYLOAD })
    default:
      return compose.ipFrame({ ...ends, protocol, segment: icmpSegment(key) ?? PAYLOAD })
  }
}

/** Type and code, and room for an identifier. */
function icmpSegment(key: FlowKey): Uint8Array | undefined {
  const protocol = key[Word.protocol]
  if (protocol !== IpProtocol.Icmp && protocol !== IpProtocol.Icmpv6) return undefined
  const segment = new Uint8Array(64)
  segment[0] = key[Word.transportSource]
  segment[1] = key[Word.transportDestination]
  return segment
}

function ipv6Frame(key: FlowKey, ends: Ends & { ipSrc: bigint; ipDst: bigint }): Uint8Array {
  if (key[Word.protocol] !== IpProtocol.Icmpv6 || key[Word.transportDestination] !== 0) return ipFrame(key, ends)
  const target = readField(key, fieldOf('nd_target'))
  if (key[Word.transportSource] === 135) return compose.neighbourSolicitation({ ...ends, target })
  if (key[Word.transportSource] === 136) return compose.neighbourAdvertisement({ ...ends, target })
  return ipFrame(key, ends)
}
