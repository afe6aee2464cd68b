import { describe, expect, test } from 'vitest'
import { extractKey } from '../../datapath/flow-key.ts'
import { FrameArena } from '../../datapath/frames.ts'
import { applySet, popVlan, pushVlan } from '../../datapath/rewrite.ts'
import { KEY_WORDS, MAX_LABELS, Word } from '../../protocols/fields.ts'
import { EtherType, IpProtocol } from '../../protocols/match.ts'
import {
  arpReply,
  icmpEchoFrame,
  icmpv6EchoFrame,
  neighbourAdvertisement,
  neighbourSolicitation,
  sctpFrame,
  tcpFrame,
  udpFrame,
} from '../../protocols/packet/compose.ts'
import { wrongChecksums } from '../../protocols/packet/verify.ts'
import type { Random } from '../../runtime/random.ts'
import { seeded } from '../../runtime/random.ts'
import { oneOf, randomBytes, randomFrame, randomMac, SAMPLE_FRAMES } from '../support/frames.ts'
import { damagedFrame, randomFrame as otherRandomFrame } from '../support/random-frames.ts'
import { seeds } from '../support/seeds.ts'

interface Write {
  word: number
  value: number
  mask: number
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

const shared = new FrameArena()

/** The frame after `writes`. */
function rewritten(bytes: Uint8Array, ...writes: Write[]): Uint8Array {
  const frame = shared.allocateFrom(bytes)
  for (const { word, value, mask } of writes) applySet(shared, frame, word, value, mask)
  shared.release(frame)
  return shared.read(frame).slice()
}

function keyOf(bytes: Uint8Array): Uint32Array {
  const key = new Uint32Array(KEY_WORDS)
  const frame = shared.allocateFrom(bytes)
  extractKey(shared, frame, 1, key)
  shared.release(frame)
  return key
}

const isArp = (key: Uint32Array) => key[Word.etherType] === EtherType.Arp || key[Word.etherType] === EtherType.Rarp
const isIpv4 = (key: Uint32Array) => key[Word.etherType] === EtherType.Ipv4
const isIpv6 = (key: Uint32Array) => key[Word.etherType] === EtherType.Ipv6
const isNd = (key: Uint32Array) =>
  isIpv6(key) &&
  key[Word.protocol] === IpProtocol.Icmpv6 &&
  (key[Word.transportSource] === 135 || key[Word.transportSource] === 136) &&
  key[Word.transportDestination] === 0
const withPorts: readonly number[] = [IpProtocol.Tcp, IpProtocol.Udp, IpProtocol.Sctp]

const words = (first: number, count: number) => Array.from({ length: count }, (_, index) => first + index)

/** Words that a whole frame with this key has, with their bits. */
function writableWords(key: Uint32Array): { word: number; bits: number }[] {
  const of = (list: number[], bits: number) => list.map((word) => ({ word, bits }))
  const found = [...of([Word.ethernetDestination, Word.ethernetSource], 0xffff)]
  found.push(...of([Word.ethernetDestination + 1, Word.ethernetSource + 1], 0xffffffff))
  for (const word of [Word.vlan, Word.innerVlan]) if (key[word] !== 0) found.push(...of([word], 0xefff))
  for (const word of words(Word.mpls, MAX_LABELS)) if (key[word] !== 0) found.push(...of([word], 0xfffffeff))
  if (key[Word.pbbServiceId] !== 0) found.push(...of([Word.pbbServiceId], 0xffffff))
  if (isArp(key)) {
    found.push(...of([Word.protocol], 0xff), ...of([Word.ipv4Source, Word.ipv4Destination], 0xffffffff))
    found.push(...of([Word.arpSenderHardware, Word.arpTargetHardware], 0xffff))
  }
  if (isIpv4(key) || isIpv6(key)) found.push(...of([Word.trafficClass, Word.ttl], 0xff))
  if (isIpv4(key)) found.push(...of([Word.ipv4Source, Word.ipv4Destination], 0xffffffff))
  if (isIpv6(key)) found.push(...of(words(Word.ipv6Source, 8), 0xffffffff), ...of([Word.flowLabel], 0xfffff))
  if (isNd(key)) return [...found, ...of(words(Word.ndTarget, 4), 0xffffffff), ...of([Word.ndReserved], 0xffffffff)]
  if ((isIpv4(key) || isIpv6(key)) && key[Word.transportSource] + key[Word.transportDestination] !== 0) {
    const bits = withPorts.includes(key[Word.protocol]) ? 0xffff : 0x7f
    found.push(...of([Word.transportSource, Word.transportDestination], bits))
  }
  return found
}

function randomWrite(random: Random, key: Uint32Array): Write {
  const { word, bits } = oneOf(random, writableWords(key))
  return { word, value: random.uint32(), mask: (random.uint32() & bits) >>> 0 }
}

describe.each(seeds(1))('random frames of seed %i', (seed) => {
  test('a set changes these bits of the key and no others, and no checksum goes wrong', () => {
    const random = seeded(seed)
    for (let round = 0; round < 1000; round++) {
      const bytes = round % 2 === 0 ? randomFrame(random) : oneOf(random, Object.values(SAMPLE_FRAMES))
      const key = keyOf(bytes)
      const write = randomWrite(random, key)
      const after = rewritten(bytes, write)
      const expected = key.slice()
      expected[write.word] = (key[write.word] & ~write.mask) | (write.value & write.mask)
      const seen = keyOf(after)
      const shown = `${hex(bytes)} ${JSON.stringify(write)}`
      // Another ICMPv6 type may make what follows it a neighbour's address, or no longer one.
      const compared = write.word === Word.transportSource && isIpv6(key) ? Word.ndTarget : KEY_WORDS
      expect({ shown, seen: seen.slice(0, compared) }).toEqual({ shown, seen: expected.slice(0, compared) })
      expect(after.length).toBe(bytes.length)
      expect({ shown, wrong: wrongChecksums(after) }).toEqual({ shown, wrong: wrongChecksums(bytes) })
    }
  })

  test('writing the old bits back gives the old bytes, also of damaged frames with wrong checksums', () => {
    const random = seeded(seed)
    for (let round = 0; round < 1000; round++) {
      const bytes = oneOf(random, [randomFrame, otherRandomFrame, damagedFrame])(random)
      const key = keyOf(bytes)
      const word = random.below(KEY_WORDS - Word.ethernetDestination) + Word.ethernetDestination
      if (word === Word.ndOptionsType || isUdpWithoutSum(key)) continue
      if (word === Word.transportSource || word === Word.transportDestination) continue
      const mask = (random.uint32() & (word === Word.vlan || word === Word.innerVlan ? 0xefff : 0xffffffff)) >>> 0
      const there = rewritten(bytes, { word, value: ~key[word] >>> 0, mask })
      const isSeen = ((keyOf(there)[word] ^ key[word]) & mask) !== 0
      if (!isSeen) continue
      expect(hex(rewritten(there, { word, value: key[word], mask }))).toBe(hex(bytes))
    }
  })

  test('any set on any bytes throws nothing, changes no length and nothing outside the frame', () => {
    const random = seeded(seed)
    const arena = new FrameArena()
    for (let round = 0; round < 2500; round++) {
      const whole = oneOf(random, [randomFrame, damagedFrame])(random)
      const bytes = whole.subarray(0, random.below(whole.length + 1))
      const before = arena.allocateFrom(randomBytes(random, 64))
      const frame = arena.allocateFrom(bytes)
      const behind = arena.offset[frame]! + bytes.length
      arena.bytes.fill(0xa5, behind, behind + 64)
      applySet(arena, frame, random.below(KEY_WORDS), random.uint32(), random.uint32())
      expect(arena.length[frame]).toBe(bytes.length)
      expect(arena.bytes.subarray(behind, behind + 64).every((byte) => byte === 0xa5)).toBe(true)
      arena.release(frame)
      arena.release(before)
    }
  })
})

/** Whether a checksum of 0 says that there is none; a sum that comes to 0 is then not told from it. */
const isUdpWithoutSum = (key: Uint32Array) => key[Word.protocol] === IpProtocol.Udp

describe('the slow twin: the same frame composed anew', () => {
  const ETH = { ethSrc: 0x020000000001n, ethDst: 0x020000000002n }
  const word32 = (word: number, value: number): Write => ({ word, value, mask: 0xffffffff })
  const mac = (word: number, address: bigint): Write[] => [
    { word, value: Number(address >> 32n), mask: 0xffff },
    word32(word + 1, Number(address & 0xffffffffn)),
  ]
  const address6 = (word: number, address: bigint): Write[] =>
    [0, 1, 2, 3].map((part) => word32(word + part, Number((address >> BigInt(96 - 32 * part)) & 0xffffffffn)))
  const random6 = (random: Random) => [0, 1, 2, 3].reduce((address) => (address << 32n) | BigInt(random.uint32()), 0n)

  test.each([tcpFrame, udpFrame, sctpFrame])('%o over IPv4 and IPv6', (compose) => {
    const random = seeded(7)
    for (let round = 0; round < 500; round++) {
      const payload = randomBytes(random, random.below(200))
      const vlan = Array.from({ length: random.below(3) }, () => ({ id: random.below(4096) }))
      const make4 = () => ({ ipSrc: random.uint32(), ipDst: random.uint32() })
      const make6 = () => ({ ipSrc: random6(random), ipDst: random6(random) })
      const is4 = random.below(2) === 0
      const make = () => ({
        ethSrc: randomMac(random),
        ethDst: randomMac(random),
        ...(is4 ? make4() : make6()),
        ttl: random.below(256),
        dscp: random.below(64),
        ecn: random.below(4),
        srcPort: random.below(65536),
        dstPort: random.below(65536),
      })
      const from = make()
      const to = make()
      const addresses = is4
        ? [word32(Word.ipv4Source, Number(to.ipSrc)), word32(Word.ipv4Destination, Number(to.ipDst))]
        : [...address6(Word.ipv6Source, BigInt(to.ipSrc)), ...address6(Word.ipv6Destination, BigInt(to.ipDst))]
      const got = rewritten(
        compose({ ...from, payload, vlan }),
        ...mac(Word.ethernetSource, to.ethSrc),
        ...mac(Word.ethernetDestination, to.ethDst),
        ...addresses,
        { word: Word.ttl, value: to.ttl, mask: 0xff },
        { word: Word.trafficClass, value: to.dscp * 4 + to.ecn, mask: 0xff },
        { word: Word.transportSource, value: to.srcPort, mask: 0xffff },
        { word: Word.transportDestination, value: to.dstPort, mask: 0xffff },
      )
      expect(hex(got)).toBe(hex(compose({ ...to, payload, vlan })))
    }
  })

  test('ICMP type', () => {
    const echo = { ...ETH, identifier: 1, sequence: 2, payload: new Uint8Array([1, 2, 3]) }
    const v4 = { ...echo, ipSrc: 1, ipDst: 2 }
    const v6 = { ...echo, ipSrc: 1n, ipDst: 2n }
    const type = (value: number): Write => ({ word: Word.transportSource, value, mask: 0xff })
    expect(rewritten(icmpEchoFrame(v4), type(0))).toEqual(icmpEchoFrame({ ...v4, reply: true }))
    expect(rewritten(icmpv6EchoFrame(v6), type(129))).toEqual(icmpv6EchoFrame({ ...v6, reply: true }))
  })

  test('ARP: operation, addresses and hardware addresses', () => {
    const from = { ethSrc: 0x020000000001n, ethDst: 0x020000000002n, ipSrc: 0x0a000001, ipDst: 0x0a000002 }
    const to = { ethSrc: 0x020000000003n, ethDst: 0x020000000004n, ipSrc: 0x0a000003, ipDst: 0x0a000004 }
    const got = rewritten(
      arpReply(from),
      ...mac(Word.ethernetSource, to.ethSrc),
      ...mac(Word.ethernetDestination, to.ethDst),
      word32(Word.ipv4Source, to.ipSrc),
      word32(Word.ipv4Destination, to.ipDst),
      ...mac(Word.arpSenderHardware, to.ethSrc),
      ...mac(Word.arpTargetHardware, to.ethDst),
    )
    expect(hex(got)).toBe(hex(arpReply(to)))
  })

  test('neighbour discovery: target and link-layer addresses', () => {
    const advertised = neighbourAdvertisement({ ...ETH, ipSrc: 1n, ipDst: 2n, target: 3n })
    const target = address6(Word.ndTarget, 9n)
    expect(rewritten(advertised, ...target)).toEqual(
      neighbourAdvertisement({ ...ETH, ipSrc: 1n, ipDst: 2n, target: 9n }),
    )
    const got = rewritten(advertised, ...mac(Word.arpTargetHardware, 0x0200000000aan))
    expect(keyOf(got)[Word.arpTargetHardware + 1]).toBe(0xaa)
    expect(wrongChecksums(got)).toEqual([])
    const solicited = neighbourSolicitation({ ethSrc: ETH.ethSrc, ipSrc: 1n, target: 3n })
    expect(wrongChecksums(rewritten(solicited, ...mac(Word.arpSenderHardware, 5n)))).toEqual([])
    // A solicitation carries no target link-layer address: nothing to write.
    expect(rewritten(solicited, ...mac(Word.arpTargetHardware, 5n))).toEqual(solicited)
  })
})

test('a UDP checksum of 0 stays 0', () => {
  const bytes = udpFrame({ ethSrc: 1n, ethDst: 2n, ipSrc: 1, ipDst: 2, srcPort: 1, dstPort: 2 })
  bytes.set([0, 0], 40)
  const got = rewritten(bytes, { word: Word.transportSource, value: 99, mask: 0xffff })
  expect([...got.subarray(34, 42)]).toEqual([0, 99, 0, 2, 0, 8, 0, 0])
})

test('ports are not written to a TCP header of a size that can not be; its checksum is repaired', () => {
  const bytes = tcpFrame({ ethSrc: 1n, ethDst: 2n, ipSrc: 1, ipDst: 2, srcPort: 1, dstPort: 2 })
  bytes[46] = 0x40
  expect(rewritten(bytes, { word: Word.transportSource, value: 99, mask: 0xffff })).toEqual(bytes)
  const address = rewritten(bytes, { word: Word.ipv4Source, value: 99, mask: 0xffffffff })
  const back = rewritten(address.with(46, 0x50), { word: Word.ipv4Source, value: 1, mask: 0xffffffff }).with(46, 0x40)
  expect(hex(address.subarray(50, 52))).not.toBe(hex(bytes.subarray(50, 52)))
  expect(hex(back)).toBe(hex(bytes))
})

test('the payload of a later fragment is not taken for a transport header', () => {
  const bytes = udpFrame({ ethSrc: 1n, ethDst: 2n, ipSrc: 1, ipDst: 2, srcPort: 1, dstPort: 2 })
  bytes.set([0x00, 0x10], 20)
  expect(rewritten(bytes, { word: Word.transportSource, value: 99, mask: 0xffff })).toEqual(bytes)
  const got = rewritten(bytes, { word: Word.ipv4Source, value: 99, mask: 0xffffffff })
  expect(got.subarray(34)).toEqual(bytes.subarray(34))
})

test.each([1, 2, 3])('tags are pushed and popped as a stack (seed %i)', (seed) => {
  const random = seeded(seed)
  const arena = new FrameArena()
  for (let round = 0; round < 200; round++) {
    const bytes = randomFrame(random)
    const frame = arena.allocateFrom(bytes)
    const snapshots: Uint8Array[] = []
    for (let tag = 0; tag < 5; tag++) {
      snapshots.push(arena.read(frame).slice())
      const etherType = oneOf(random, [0x8100, 0x88a8])
      const tci = random.below(0x10000) & 0xefff
      pushVlan(arena, frame, etherType, tci)
      const key = new Uint32Array(KEY_WORDS)
      extractKey(arena, frame, 1, key)
      expect(key[Word.vlan]).toBe(etherType * 0x10000 + (tci | 0x1000))
    }
    for (const snapshot of snapshots.reverse()) {
      popVlan(arena, frame)
      expect(hex(arena.read(frame))).toBe(hex(snapshot))
    }
  }
})

test('an untagged frame and one too short for a tag are left as they are by a pop', () => {
  const arena = new FrameArena()
  for (const bytes of [SAMPLE_FRAMES['tcp6']!, new Uint8Array([1, 2, 3]), new Uint8Array(0)]) {
    const frame = arena.allocateFrom(bytes)
    popVlan(arena, frame)
    expect(arena.read(frame)).toEqual(bytes)
  }
})
