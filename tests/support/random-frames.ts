// Frames by chance: every protocol that a flow key tells apart, from a few addresses, ports and VLANs, so that flows meet them.

import { EtherType, IpProtocol } from '../../protocols/match.ts'
import {
  ethernetFrame,
  ipFrame,
  mplsFrame,
  neighbourAdvertisement,
  neighbourSolicitation,
  pbbFrame,
  tcpFrame,
  udpFrame,
} from '../../protocols/packet/compose.ts'
import type { FrameVlan, IpOptions } from '../../protocols/packet/compose.ts'
import { ETHERNET_HEADER_SIZE } from '../../protocols/packet/ethernet.ts'
import type { Ipv6Extension } from '../../protocols/packet/ipv6-extensions.ts'
import { encodeIpv6Chain, firstProtocol, ipv6ChainSize } from '../../protocols/packet/ipv6-extensions.ts'
import { viewOf } from '../../protocols/bytes.ts'
import type { Random } from '../../runtime/random.ts'
import { chance, pick } from './random-flows.ts'

const MACS = [0x020000000001n, 0x020000000002n, 0x020000000003n, 0xffffffffffffn, 0x0180c2000001n, 0x01005e000001n]
const PORTS = [53, 80, 4789, 1234]
const ADDRESSES = [0x0a000001, 0x0a000002, 0x0a000103, 0xe0000001]

const NEIGHBOURS = [0xfe800000000000000000000000000001n, 0xfe800000000000000000000000000002n]

/** A frame that makes sense. */
export function randomFrame(random: Random): Uint8Array {
  switch (random.below(12)) {
    case 0:
      return randomMplsFrame(random)
    case 1:
      return pbbFrame({
        ...randomLink(random),
        serviceId: random.below(1 << 24),
        priority: random.below(8),
        inner: plainFrame(random),
      })
    default:
      return plainFrame(random)
  }
}

/** A stack of one to four labels over IPv4, IPv6 or what is neither. */
function randomMplsFrame(random: Random): Uint8Array {
  const labels = Array.from({ length: 1 + random.below(4) }, () => ({
    label: pick(random, [16, 17, 0xfffff]),
    trafficClass: random.below(8),
    ttl: pick(random, [0, 1, 2, 64]),
  }))
  const unknown = () => Uint8Array.from([0, ...randomBytes(random, random.below(40))])
  const payload = chance(random, 0.7) ? randomPacket(random) : unknown()
  return mplsFrame({
    ...randomLink(random),
    labels,
    payload,
    etherType: pick(random, [EtherType.Mpls, EtherType.Mpls, EtherType.MplsMulticast]),
  })
}

/** An IP packet, which no frame is around. */
const randomPacket = (random: Random): Uint8Array =>
  segmentFrame(random, { ...randomIp(random), vlan: [] }).slice(ETHERNET_HEADER_SIZE)

const randomLink = (random: Random) => ({
  ethSrc: pick(random, MACS.slice(0, 3)),
  ethDst: pick(random, MACS),
  vlan: randomTags(random),
})

function randomIp(random: Random): IpOptions {
  const isIpv6 = chance(random, 0.4)
  const address = () => (isIpv6 ? (0x20010db8n << 96n) + BigInt(pick(random, ADDRESSES)) : pick(random, ADDRESSES))
  return {
    ...randomLink(random),
    ipSrc: address(),
    ipDst: address(),
    ttl: pick(random, [0, 1, 2, 64]),
    dscp: random.below(64),
    ecn: random.below(4),
  }
}

function segmentFrame(random: Random, ip: IpOptions): Uint8Array {
  const ports = {
    srcPort: pick(random, PORTS),
    dstPort: pick(random, PORTS),
    payload: randomBytes(random, random.below(40)),
  }
  return chance(random, 0.6) ? tcpFrame({ ...ip, ...ports }) : udpFrame({ ...ip, ...ports })
}

/** A frame with nothing between it and what it carries but tags. */
function plainFrame(random: Random): Uint8Array {
  const link = randomLink(random)
  const ip = { ...randomIp(random), ...link }
  switch (random.below(10)) {
    case 0:
    case 1:
    case 2:
      return segmentFrame(random, ip)
    case 3: {
      const protocol = pick(random, [IpProtocol.Icmp, IpProtocol.Icmpv6, IpProtocol.Sctp, 0, 43, 44, 47, 51, 60])
      return ipFrame({ ...ip, protocol, segment: randomBytes(random, 12 + random.below(60)) })
    }
    case 4: {
      const nd = { ...link, ipSrc: NEIGHBOURS[0]!, ipDst: NEIGHBOURS[1]!, target: pick(random, NEIGHBOURS) }
      return chance(random, 0.5) ? neighbourSolicitation(nd) : neighbourAdvertisement(nd)
    }
    case 5:
      return ethernetFrame({ ...link, etherType: EtherType.Arp, payload: arpPayload(random) })
    case 6:
      return icmpErrorFrame(random, ip)
    case 7:
      return extendedFrame(random, { ...ip, ipSrc: NEIGHBOURS[0]!, ipDst: NEIGHBOURS[1]! })
    default:
      return ethernetFrame({
        ...link,
        etherType: pick(random, [0x88cc, 40, 0x8100, 0x9999]),
        payload: randomBytes(random, 60),
      })
  }
}

const ICMP_ERRORS = [3, 4, 5, 11, 12]
const ICMPV6_ERRORS = [1, 2, 3, 4]

/** What an error tells of begins the packet that it is about (RFC 792, RFC 4443). */
function icmpErrorFrame(random: Random, ip: IpOptions): Uint8Array {
  const isIpv6 = typeof ip.ipSrc === 'bigint'
  const about = segmentFrame(random, { ...ip, ipSrc: ip.ipDst, ipDst: ip.ipSrc, vlan: [] }).slice(ETHERNET_HEADER_SIZE)
  const enough = about.subarray(0, isIpv6 ? about.length : 28)
  const type = pick(random, isIpv6 ? ICMPV6_ERRORS : ICMP_ERRORS)
  const segment = Uint8Array.from([type, random.below(4), 0, 0, 0, 0, 0, 0, ...enough])
  return ipFrame({ ...ip, protocol: isIpv6 ? IpProtocol.Icmpv6 : IpProtocol.Icmp, segment })
}

const EXTENSIONS = [0, 43, 44, 51, 60]
const ENDS = [IpProtocol.Tcp, IpProtocol.Udp, IpProtocol.Icmpv6, 50, 59]

/** Extension headers in any order, also such as no order has. */
export function extendedFrame(random: Random, ip: IpOptions & { ipSrc: bigint; ipDst: bigint }): Uint8Array {
  const extensions = Array.from({ length: 1 + random.below(4) }, () => randomExtension(random))
  const protocol = pick(random, ENDS)
  const size = ipv6ChainSize(extensions)
  const segment = new Uint8Array(size + 24)
  segment.set(randomBytes(random, 24), size)
  encodeIpv6Chain(extensions, protocol, viewOf(segment), 0)
  return ipFrame({ ...ip, protocol: firstProtocol(extensions, protocol), segment })
}

function randomExtension(random: Random): Ipv6Extension {
  const protocol = pick(random, EXTENSIONS)
  if (protocol !== 44) return { type: 'other', protocol, body: randomBytes(random, pick(random, [6, 14])) }
  return {
    type: 'fragment',
    offset: pick(random, [0, 0, 0, 8]),
    more: chance(random, 0.5),
    identification: random.uint32(),
  }
}

function randomTags(random: Random): FrameVlan[] {
  return Array.from({ length: pick(random, [0, 0, 0, 1, 1, 2, 3]) }, () => ({
    id: pick(random, [0, 10, 20, 30]),
    priority: random.below(8),
    etherType: pick(random, [EtherType.Vlan, EtherType.Vlan, EtherType.ProviderVlan]),
  }))
}

export const randomBytes = (random: Random, length: number): Uint8Array =>
  Uint8Array.from({ length }, () => random.below(256))

function arpPayload(random: Random): Uint8Array {
  const payload = randomBytes(random, 28)
  payload.set([0, 1, 8, 0, 6, 4, 0, 1 + random.below(2)])
  return payload
}

/** A frame that something happened to: cut short, overwritten in places, or no frame at all. */
export function damagedFrame(random: Random): Uint8Array {
  const frame = randomFrame(random)
  switch (random.below(4)) {
    case 0:
      return frame.slice(0, random.below(frame.length + 1))
    case 1:
      return randomBytes(random, random.below(120))
    case 2:
      frame[random.below(frame.length)] = random.below(256)
      return frame
    default:
      return frame
  }
}
