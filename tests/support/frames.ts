// Frames of every kind that the codecs know, valid and drawn from a seed.

import { parseIpv4, parseIpv6 } from '../../protocols/address.ts'
import {
  arpReply,
  arpRequest,
  dhcpDiscover,
  ethernetFrame,
  icmpEchoFrame,
  icmpv6EchoFrame,
  ipFrame,
  mplsFrame,
  ndFrame,
  neighbourAdvertisement,
  neighbourSolicitation,
  pbbFrame,
  rarpFrame,
  sctpFrame,
  tcpFrame,
  udpFrame,
  vxlanFrame,
} from '../../protocols/packet/compose.ts'
import { encodeIpv6Chain, firstProtocol, ipv6ChainSize } from '../../protocols/packet/ipv6-extensions.ts'
import { viewOf } from '../../protocols/bytes.ts'
import { IpProtocol } from '../../protocols/match.ts'
import type { Random } from '../../runtime/random.ts'

export const MAC_1 = 0x020000000001n
export const MAC_2 = 0x020000000002n
export const IP_1 = parseIpv4('10.0.0.1')
export const IP_2 = parseIpv4('10.0.0.2')
export const IP6_1 = parseIpv6('2001:db8::1')
export const IP6_2 = parseIpv6('2001:db8::2')

export const randomBytes = (random: Random, length: number): Uint8Array =>
  Uint8Array.from({ length }, () => random.below(256))

/** A whole number of `bits` bits. */
export function randomBits(random: Random, bits: number): bigint {
  let value = 0n
  for (let have = 0; have < bits; have += 32) value = (value << 32n) | BigInt(random.uint32())
  return value & ((1n << BigInt(bits)) - 1n)
}

/** A unicast address. */
export const randomMac = (random: Random): bigint => randomBits(random, 48) & 0xfeffffffffffn

export const oneOf = <T>(random: Random, choices: readonly T[]): T => choices[random.below(choices.length)]!

const ethernet = { ethSrc: MAC_1, ethDst: MAC_2 }
const ipv4 = { ...ethernet, ipSrc: IP_1, ipDst: IP_2 }
const ipv6 = { ...ethernet, ipSrc: IP6_1, ipDst: IP6_2 }
const ports = { srcPort: 1234, dstPort: 80, payload: new Uint8Array([1, 2, 3]) }
const echo = { identifier: 1, sequence: 2, payload: new Uint8Array(56) }

/** A later and a first fragment in turn, behind a header of hop-by-hop options. */
function fragmented6(offset: number): Uint8Array {
  const extensions = [
    { type: 'other', protocol: 0, body: new Uint8Array([1, 4, 0, 0, 0, 0]) },
    { type: 'fragment', offset, more: true, identification: 7 },
  ] as const
  const size = ipv6ChainSize(extensions)
  const segment = new Uint8Array(size + 24).fill(9)
  encodeIpv6Chain(extensions, IpProtocol.Udp, viewOf(segment), 0)
  segment.set([0, 9, 0, 9, 0x01, 0x00, 0x12, 0x34], size)
  return ipFrame({ ...ipv6, protocol: firstProtocol(extensions, IpProtocol.Udp), segment })
}

/** One valid frame of every kind, by name. */
export const SAMPLE_FRAMES: Readonly<Record<string, Uint8Array>> = {
  arpRequest: arpRequest({ ethSrc: MAC_1, ipSrc: IP_1, ipDst: IP_2, pad: true }),
  arpReply: arpReply({ ...ipv4, vlan: [{ id: 10 }] }),
  rarp: rarpFrame({ ethSrc: MAC_1, pad: true }),
  echo4: icmpEchoFrame({ ...ipv4, ...echo, vlan: [{ id: 10 }] }),
  echo6: icmpv6EchoFrame({ ...ipv6, ...echo, reply: true }),
  udp4: udpFrame({ ...ipv4, ...ports }),
  udp6: udpFrame({
    ...ipv6,
    ...ports,
    vlan: [
      { id: 5, etherType: 0x88a8 },
      { id: 6, priority: 3 },
    ],
  }),
  tcp4: tcpFrame({
    ...ipv4,
    ...ports,
    flags: 2,
    options: [
      { kind: 1, data: new Uint8Array(0) },
      { kind: 2, data: new Uint8Array([5, 180]) },
    ],
  }),
  tcp6: tcpFrame({ ...ipv6, ...ports }),
  sctp4: sctpFrame({ ...ipv4, ...ports }),
  sctp6: sctpFrame({ ...ipv6, ...ports }),
  solicitation: neighbourSolicitation({ ethSrc: MAC_1, ipSrc: IP6_1, target: IP6_2 }),
  advertisement: neighbourAdvertisement({ ...ipv6, target: IP6_1 }),
  routerAdvertisement: ndFrame(ipv6, {
    type: 'router-advertisement',
    hopLimit: 64,
    managed: true,
    otherConfiguration: false,
    lifetime: 1800,
    reachableTime: 0,
    retransmitTime: 0,
    options: [
      { type: 'mtu', mtu: 1450 },
      {
        type: 'prefix',
        length: 64,
        onLink: true,
        autonomous: true,
        validLifetime: 2,
        preferredLifetime: 1,
        prefix: IP6_1,
      },
    ],
  }),
  dhcp: dhcpDiscover({ ethSrc: MAC_1, transactionId: 0xdeadbeef, hostName: 'web1' }),
  vxlan: vxlanFrame({ ...ipv4, srcPort: 50000, vni: 5001, inner: udpFrame({ ...ipv6, ...ports }) }),
  spanningTree: ethernetFrame({
    ...ethernet,
    etherType: 10,
    payload: new Uint8Array([0x42, 0x42, 3, 0, 0, 0, 0, 0, 0, 0]),
    pad: true,
  }),
  snap: ethernetFrame({
    ...ethernet,
    etherType: 12,
    payload: new Uint8Array([0xaa, 0xaa, 3, 0, 0, 0, 0x88, 0xb5, 1, 2, 3, 4]),
    pad: true,
  }),
  firstFragment6: fragmented6(0),
  laterFragment6: fragmented6(1480),
  mpls4: mplsFrame({
    ...ethernet,
    vlan: [{ id: 10 }],
    labels: [
      { label: 16, trafficClass: 5, ttl: 64 },
      { label: 17, trafficClass: 0, ttl: 63 },
    ],
    payload: udpFrame({ ...ipv4, ...ports }).slice(14),
  }),
  mpls6: mplsFrame({
    ...ethernet,
    etherType: 0x8848,
    labels: [{ label: 2, trafficClass: 0, ttl: 1 }],
    payload: tcpFrame({ ...ipv6, ...ports }).slice(14),
  }),
  pseudowire: mplsFrame({
    ...ethernet,
    labels: [{ label: 1048575, trafficClass: 7, ttl: 255 }],
    payload: new Uint8Array(20),
  }),
  pbb: pbbFrame({
    ...ethernet,
    vlan: [{ id: 9, etherType: 0x88a8 }],
    serviceId: 0xabcdef,
    priority: 3,
    inner: udpFrame({ ...ipv4, ...ports, vlan: [{ id: 10 }] }),
  }),
}

/** A valid frame with addresses, tags, ports and payload of chance. */
export function randomFrame(random: Random): Uint8Array {
  const tag = () => ({ id: random.below(4096), priority: random.below(8), etherType: oneOf(random, [0x8100, 0x88a8]) })
  const vlan = Array.from({ length: random.below(3) }, tag)
  const common = {
    ethSrc: randomMac(random),
    ethDst: randomMac(random),
    vlan,
    ttl: random.below(256),
    dscp: random.below(64),
  }
  const payload = randomBytes(random, random.below(100))
  // Ports from 10000 up are none that announce another protocol.
  const transport = { srcPort: 10000 + random.below(50000), dstPort: 10000 + random.below(50000), payload }
  const v4 = { ...common, ipSrc: random.uint32(), ipDst: random.uint32() }
  const v6 = { ...common, ipSrc: randomBits(random, 128), ipDst: randomBits(random, 128) }
  const echoed = { identifier: random.below(65536), sequence: random.below(65536), payload }
  const kinds = [
    () => udpFrame({ ...v4, ...transport }),
    () => udpFrame({ ...v6, ...transport }),
    () => tcpFrame({ ...v4, ...transport, flags: random.below(4096) }),
    () => tcpFrame({ ...v6, ...transport, flags: random.below(4096) }),
    () => sctpFrame({ ...v4, ...transport }),
    () => sctpFrame({ ...v6, ...transport }),
    () => icmpEchoFrame({ ...v4, ...echoed }),
    () => icmpv6EchoFrame({ ...v6, ...echoed }),
    () => arpRequest(v4),
    () => arpReply(v4),
    () => neighbourSolicitation({ ...common, ipSrc: v6.ipSrc, target: v6.ipDst }),
    () => neighbourAdvertisement({ ...v6, target: v6.ipSrc }),
    () => vxlanFrame({ ...v4, ...transport, vni: random.below(1 << 24), inner: udpFrame({ ...v6, ...transport }) }),
  ]
  return oneOf(random, kinds)()
}
