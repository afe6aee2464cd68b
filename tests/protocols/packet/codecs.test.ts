import { describe, expect, test } from 'vitest'
import { viewOf } from '../../../protocols/bytes.ts'
import { Malformed } from '../../../protocols/errors.ts'
import { ARP_SIZE, decodeArp, encodeArp } from '../../../protocols/packet/arp.ts'
import { decodeDhcp, dhcpSize, encodeDhcp } from '../../../protocols/packet/dhcp.ts'
import { decodeEthernet, encodeEthernet, ETHERNET_HEADER_SIZE } from '../../../protocols/packet/ethernet.ts'
import { decodeIcmp, encodeIcmp, ICMP_HEADER_SIZE } from '../../../protocols/packet/icmp.ts'
import { decodeIpv4, encodeIpv4, ipv4Size } from '../../../protocols/packet/ipv4.ts'
import {
  decodeIpv6Chain,
  encodeIpv6Chain,
  firstProtocol,
  ipv6ChainSize,
  newIpv6Walk,
  walkIpv6Chain,
} from '../../../protocols/packet/ipv6-extensions.ts'
import type { Ipv6Extension } from '../../../protocols/packet/ipv6-extensions.ts'
import { decodeIpv6, encodeIpv6, IPV6_HEADER_SIZE } from '../../../protocols/packet/ipv6.ts'
import type { LlcHeader } from '../../../protocols/packet/llc.ts'
import { decodeLlc, encodeLlc, llcSize } from '../../../protocols/packet/llc.ts'
import { decodeLabel, encodeLabel, LABEL_SIZE } from '../../../protocols/packet/mpls.ts'
import type { NdOption } from '../../../protocols/packet/nd-options.ts'
import type { NeighbourDiscovery } from '../../../protocols/packet/nd.ts'
import { decodeNd, encodeNd, ipv6MulticastMac, ndSize, solicitedNodeAddress } from '../../../protocols/packet/nd.ts'
import { decodeServiceTag, encodeServiceTag, SERVICE_TAG_SIZE } from '../../../protocols/packet/pbb.ts'
import { decodeSctp, encodeSctp, SCTP_HEADER_SIZE } from '../../../protocols/packet/sctp.ts'
import { decodeTcp, encodeTcp, tcpSize } from '../../../protocols/packet/tcp.ts'
import { decodeUdp, encodeUdp, UDP_HEADER_SIZE } from '../../../protocols/packet/udp.ts'
import { decodeVlanTag, encodeVlanTag, VLAN_TAG_SIZE } from '../../../protocols/packet/vlan.ts'
import { decodeVxlan, encodeVxlan, VXLAN_HEADER_SIZE } from '../../../protocols/packet/vxlan.ts'
import type { Random } from '../../../runtime/random.ts'
import { seeded } from '../../../runtime/random.ts'
import { oneOf, randomBits, randomBytes } from '../../support/frames.ts'

interface Codec<T> {
  random: (random: Random) => T
  size: (value: T) => number
  encode: (value: T, view: DataView, at: number) => number
  decode: (view: DataView, at: number, end: number) => T
}

const bit = (random: Random) => random.below(2) === 1
const u8 = (random: Random) => random.below(256)
const u16 = (random: Random) => random.below(65536)
const some = <T>(random: Random, most: number, make: () => T) => Array.from({ length: random.below(most + 1) }, make)

/** `decode` gives back what `encode` was given, and no truncation of it gets past `decode`. */
function holds<T>(name: string, codec: Codec<T>): void {
  test.each([1, 2, 3])(`${name} (seed %i)`, (seed) => {
    const random = seeded(seed)
    for (let round = 0; round < 100; round++) {
      const value = codec.random(random)
      const size = codec.size(value)
      const at = random.below(8)
      const view = viewOf(randomBytes(random, at + size + 4))
      expect(codec.encode(value, view, at)).toBe(at + size)
      expect(codec.decode(view, at, at + size)).toEqual(value)
    }
  })
}

function isMalformed(read: () => unknown): boolean {
  try {
    read()
    return false
  } catch (error) {
    return error instanceof Malformed
  }
}

function refusesTruncation<T>(name: string, codec: Codec<T>): void {
  test(`${name} cut short is malformed`, () => {
    const value = codec.random(seeded(4))
    const size = codec.size(value)
    const view = viewOf(new Uint8Array(size))
    codec.encode(value, view, 0)
    for (let end = 0; end < size; end++) expect(() => codec.decode(view, 0, end)).toThrow(Malformed)
  })
}

const headerOption = (random: Random) =>
  bit(random)
    ? { kind: 1, data: new Uint8Array(0) }
    : { kind: 2 + random.below(254), data: randomBytes(random, random.below(9)) }

function ndOption(random: Random): NdOption {
  return oneOf<() => NdOption>(random, [
    () => ({ type: 'source-link-layer', mac: randomBits(random, 48) }),
    () => ({ type: 'target-link-layer', mac: randomBits(random, 48) }),
    () => ({ type: 'mtu', mtu: random.uint32() }),
    () => ({
      type: 'prefix',
      length: random.below(129),
      onLink: bit(random),
      autonomous: bit(random),
      validLifetime: random.uint32(),
      preferredLifetime: random.uint32(),
      prefix: randomBits(random, 128),
    }),
    () => ({ type: 'other', code: 6 + random.below(250), data: randomBytes(random, 6 + 8 * random.below(4)) }),
  ])()
}

function neighbourDiscovery(random: Random): NeighbourDiscovery {
  const options = some(random, 3, () => ndOption(random))
  const target = randomBits(random, 128)
  return oneOf<() => NeighbourDiscovery>(random, [
    () => ({ type: 'router-solicitation', options }),
    () => ({ type: 'neighbour-solicitation', target, options }),
    () => ({
      type: 'neighbour-advertisement',
      router: bit(random),
      solicited: bit(random),
      override: bit(random),
      target,
      options,
    }),
    () => ({
      type: 'router-advertisement',
      hopLimit: u8(random),
      managed: bit(random),
      otherConfiguration: bit(random),
      lifetime: u16(random),
      reachableTime: random.uint32(),
      retransmitTime: random.uint32(),
      options,
    }),
  ])()
}

function llc(random: Random): LlcHeader {
  if (bit(random)) return { type: 'snap', organization: random.below(1 << 24), protocol: u16(random) }
  const control = bit(random) ? 3 | (random.below(64) << 2) : (random.below(16384) << 2) | random.below(3)
  return { type: 'llc', destinationAccess: random.below(0xaa), sourceAccess: u8(random), control }
}

const CODECS = {
  ethernet: {
    random: (random: Random) => ({
      destination: randomBits(random, 48),
      source: randomBits(random, 48),
      etherType: u16(random),
    }),
    size: () => ETHERNET_HEADER_SIZE,
    encode: encodeEthernet,
    decode: decodeEthernet,
  },
  llc: { random: llc, size: llcSize, encode: encodeLlc, decode: decodeLlc },
  vlan: {
    random: (random: Random) => ({
      priority: random.below(8),
      dropEligible: bit(random),
      id: random.below(4096),
      etherType: u16(random),
    }),
    size: () => VLAN_TAG_SIZE,
    encode: encodeVlanTag,
    decode: decodeVlanTag,
  },
  mpls: {
    random: (random: Random) => ({
      label: random.below(1 << 20),
      trafficClass: random.below(8),
      bottomOfStack: bit(random),
      ttl: u8(random),
    }),
    size: () => LABEL_SIZE,
    encode: encodeLabel,
    decode: decodeLabel,
  },
  pbb: {
    random: (random: Random) => ({
      priority: random.below(8),
      dropEligible: bit(random),
      reserved: random.below(16),
      serviceId: random.below(1 << 24),
    }),
    size: () => SERVICE_TAG_SIZE,
    encode: encodeServiceTag,
    decode: decodeServiceTag,
  },
  arp: {
    random: (random: Random) => ({
      operation: u16(random),
      senderMac: randomBits(random, 48),
      senderAddress: random.uint32(),
      targetMac: randomBits(random, 48),
      targetAddress: random.uint32(),
    }),
    size: () => ARP_SIZE,
    encode: encodeArp,
    decode: decodeArp,
  },
  ipv4: {
    random: (random: Random) => ({
      dscp: random.below(64),
      ecn: random.below(4),
      totalLength: 60 + random.below(60000),
      identification: u16(random),
      dontFragment: bit(random),
      moreFragments: bit(random),
      fragmentOffset: 8 * random.below(8192),
      ttl: u8(random),
      protocol: u8(random),
      source: random.uint32(),
      destination: random.uint32(),
      options: some(random, 4, () => headerOption(random)),
    }),
    size: ipv4Size,
    encode: encodeIpv4,
    decode: decodeIpv4,
  },
  ipv6: {
    random: (random: Random) => ({
      dscp: random.below(64),
      ecn: random.below(4),
      flowLabel: random.below(1 << 20),
      payloadLength: u16(random),
      nextHeader: u8(random),
      hopLimit: u8(random),
      source: randomBits(random, 128),
      destination: randomBits(random, 128),
    }),
    size: () => IPV6_HEADER_SIZE,
    encode: encodeIpv6,
    decode: decodeIpv6,
  },
  icmp: {
    random: (random: Random) => ({ type: u8(random), code: u8(random), checksum: u16(random), rest: random.uint32() }),
    size: () => ICMP_HEADER_SIZE,
    encode: encodeIcmp,
    decode: (view: DataView, at: number, end: number) => decodeIcmp(view, at, end),
  },
  tcp: {
    random: (random: Random) => ({
      sourcePort: u16(random),
      destinationPort: u16(random),
      sequence: random.uint32(),
      acknowledgement: random.uint32(),
      flags: random.below(4096),
      window: u16(random),
      checksum: u16(random),
      urgent: u16(random),
      options: some(random, 4, () => headerOption(random)),
    }),
    size: tcpSize,
    encode: encodeTcp,
    decode: decodeTcp,
  },
  udp: {
    random: (random: Random) => ({
      sourcePort: u16(random),
      destinationPort: u16(random),
      length: 8 + random.below(65528),
      checksum: u16(random),
    }),
    size: () => UDP_HEADER_SIZE,
    encode: encodeUdp,
    decode: decodeUdp,
  },
  sctp: {
    random: (random: Random) => ({
      sourcePort: u16(random),
      destinationPort: u16(random),
      verificationTag: random.uint32(),
      checksum: random.uint32(),
    }),
    size: () => SCTP_HEADER_SIZE,
    encode: encodeSctp,
    decode: decodeSctp,
  },
  vxlan: {
    random: (random: Random) => ({ vni: random.below(1 << 24) }),
    size: () => VXLAN_HEADER_SIZE,
    encode: encodeVxlan,
    decode: decodeVxlan,
  },
  dhcp: {
    random: (random: Random) => ({
      operation: 1 + random.below(2),
      hops: u8(random),
      transactionId: random.uint32(),
      seconds: u16(random),
      broadcast: bit(random),
      clientAddress: random.uint32(),
      yourAddress: random.uint32(),
      serverAddress: random.uint32(),
      gatewayAddress: random.uint32(),
      clientMac: randomBits(random, 48),
      serverName: 'x'.repeat(random.below(65)),
      bootFile: 'é'.repeat(random.below(129)),
      options: some(random, 6, () => ({ code: 1 + random.below(254), data: randomBytes(random, u8(random)) })),
    }),
    size: dhcpSize,
    encode: encodeDhcp,
    decode: decodeDhcp,
  },
}

describe('what is decoded is what was encoded', () => {
  for (const [name, codec] of Object.entries(CODECS)) holds(name, codec as Codec<unknown>)
  holds('nd', { random: neighbourDiscovery, size: ndSize, encode: encodeNd, decode: decodeNd })
})

describe('nothing incomplete is decoded', () => {
  for (const [name, codec] of Object.entries(CODECS)) refusesTruncation(name, codec as Codec<unknown>)
})

describe('the chain of IPv6', () => {
  const extension = (random: Random): Ipv6Extension =>
    oneOf<() => Ipv6Extension>(random, [
      () => ({ type: 'fragment', offset: 0, more: bit(random), identification: random.uint32() }),
      () => ({
        type: 'other',
        protocol: oneOf(random, [0, 43, 60, 135]),
        body: randomBytes(random, 6 + 8 * random.below(6)),
      }),
      () => ({ type: 'other', protocol: 51, body: randomBytes(random, 6 + 4 * random.below(6)) }),
    ])()

  test.each([1, 2, 3])('comes back as it was written, and the walk ends where decoding ends (seed %i)', (seed) => {
    const random = seeded(seed)
    const walk = newIpv6Walk()
    for (let round = 0; round < 200; round++) {
      const extensions = some(random, 5, () => extension(random))
      const size = ipv6ChainSize(extensions)
      const view = viewOf(randomBytes(random, size))
      expect(encodeIpv6Chain(extensions, 6, view, 0)).toBe(size)
      const first = firstProtocol(extensions, 6)
      expect(decodeIpv6Chain(view, 0, size, first)).toEqual({ extensions, protocol: 6, at: size })
      expect(walkIpv6Chain(view, 0, size, first, walk)).toBe(true)
      expect(walk).toMatchObject({ protocol: 6, at: size })
      const isRead = (end: number) => !isMalformed(() => decodeIpv6Chain(view, 0, end, first))
      const isWalked = (end: number) => walkIpv6Chain(view, 0, end, first, walk)
      const cutShort = Array.from({ length: size }, (_, end) => end)
      expect(cutShort.filter((end) => isRead(end) || isWalked(end))).toEqual([])
    }
  })

  test('ends behind the header of a later fragment', () => {
    const view = viewOf(Uint8Array.of(60, 0, 0x05, 0xc9, 0, 0, 0, 7))
    const walk = newIpv6Walk()
    expect(decodeIpv6Chain(view, 0, 8, 44)).toMatchObject({ protocol: 60, at: 8 })
    expect(walkIpv6Chain(view, 0, 8, 44, walk)).toBe(true)
    expect(walk).toEqual({ protocol: 60, at: 8, fragment: 0x05c9 })
  })
})

test('headers that contradict themselves are malformed', () => {
  const bytes = (hex: string) => viewOf(Uint8Array.from(Buffer.from(hex.padEnd(120, '0'), 'hex')))
  expect(() => decodeIpv4(bytes('55'), 0)).toThrow('ipv4: version is 5 at byte 0')
  expect(() => decodeIpv4(bytes('44'), 0)).toThrow('header length 16 is too small')
  expect(() => decodeIpv4(bytes('45000013'), 0)).toThrow('total length 19 is less')
  expect(() => decodeIpv6(bytes('45'), 0)).toThrow('version is 4')
  expect(() => decodeUdp(bytes('0000000000070000'), 0)).toThrow('length 7 is too small')
  expect(() => decodeTcp(bytes('00'.repeat(12) + '40'), 0)).toThrow('header length 16 is too small')
  expect(() => decodeTcp(bytes('00'.repeat(12) + '60' + '00'.repeat(7) + '0201'), 0)).toThrow('option length 1')
  expect(() => decodeVxlan(bytes('00'), 0)).toThrow('valid VNI')
  expect(() => decodeArp(bytes('0006'), 0)).toThrow('hardware type is not Ethernet')
  expect(() => decodeNd(bytes('85000000000000000100'), 0)).toThrow('option of size zero')
})

test('groups of a solicited node (RFC 4291 §2.7.1)', () => {
  const group = solicitedNodeAddress((0x4037n << 112n) | 0x01_0203_0e8c_6cn)
  expect(group).toBe(0xff0200000000000000000001ff0e8c6cn)
  expect(ipv6MulticastMac(group)).toBe(0x3333ff0e8c6cn)
})
