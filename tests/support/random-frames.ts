// Frames by chance: every protocol that a flow key tells apart, from a few addresses, ports and VLANs, so that flows meet them.

import { EtherType, IpProtocol } from '../../protocols/match.ts'
import {
  ethernetFrame,
  ipFrame,
  neighbourAdvertisement,
  neighbourSolicitation,
  tcpFrame,
  udpFrame,
} from '../../protocols/packet/compose.ts'
import type { FrameVlan } from '../../protocols/packet/compose.ts'
import type { Random } from '../../runtime/random.ts'
import { chance, pick } from './random-flows.ts'

const MACS = [0x020000000001n, 0x020000000002n, 0x020000000003n, 0xffffffffffffn, 0x0180c2000001n, 0x01005e000001n]
const PORTS = [53, 80, 4789, 1234]
const ADDRESSES = [0x0a000001, 0x0a000002, 0x0a000103, 0xe0000001]

const NEIGHBOURS = [0xfe800000000000000000000000000001n, 0xfe800000000000000000000000000002n]

/** A frame that makes sense. */
export function randomFrame(random: Random): Uint8Array {
  const link = { ethSrc: pick(random, MACS.slice(0, 3)), ethDst: pick(random, MACS), vlan: randomTags(random) }
  const isIpv6 = chance(random, 0.4)
  const address = () => (isIpv6 ? (0x20010db8n << 96n) + BigInt(pick(random, ADDRESSES)) : pick(random, ADDRESSES))
  const ip = {
    ...link,
    ipSrc: address(),
    ipDst: address(),
    ttl: pick(random, [0, 1, 2, 64]),
    dscp: random.below(64),
    ecn: random.below(4),
  }
  const ports = {
    srcPort: pick(random, PORTS),
    dstPort: pick(random, PORTS),
    payload: new Uint8Array(random.below(40)),
  }
  switch (random.below(8)) {
    case 0:
    case 1:
      return tcpFrame({ ...ip, ...ports })
    case 2:
      return udpFrame({ ...ip, ...ports })
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
    default:
      return ethernetFrame({
        ...link,
        etherType: pick(random, [0x88cc, 40, 0x8100, 0x9999]),
        payload: randomBytes(random, 60),
      })
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
