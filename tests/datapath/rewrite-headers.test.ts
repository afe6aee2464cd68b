// Headers that are put on and taken off: labels, I-TAGs, Ethernet; and the TTL that is copied between them.

import { describe, expect, test } from 'vitest'
import { ETHERNET_HEADER_SIZE, extractKey } from '../../datapath/flow-key.ts'
import { FrameArena, MAX_FRAME_LENGTH } from '../../datapath/frames.ts'
import type { FrameHandle } from '../../datapath/frames.ts'
import * as rewrite from '../../datapath/rewrite.ts'
import { parseIpv6 } from '../../protocols/address.ts'
import { KEY_WORDS, Word } from '../../protocols/fields.ts'
import { EtherType } from '../../protocols/match.ts'
import { ethernetFrame, ipFrame, mplsFrame, pbbFrame, udpFrame } from '../../protocols/packet/compose.ts'
import type { FrameVlan } from '../../protocols/packet/compose.ts'
import type { Layer } from '../../protocols/packet/packet.ts'
import { dissect } from '../../protocols/packet/packet.ts'
import { wrongChecksums } from '../../protocols/packet/verify.ts'
import type { Random } from '../../runtime/random.ts'
import { seeded } from '../../runtime/random.ts'
import { oneOf, randomBytes, randomMac } from '../support/frames.ts'
import { damagedFrame, randomFrame } from '../support/random-frames.ts'

const arena = new FrameArena()

/** The frame after `change`, which may leave it without an Ethernet header. */
function changed(bytes: Uint8Array, change: (arena: FrameArena, frame: FrameHandle) => void): Uint8Array {
  const frame = arena.allocateFrom(bytes)
  change(arena, frame)
  arena.release(frame)
  return arena.read(frame).slice()
}

function keyOf(frame: FrameHandle): Uint32Array {
  const key = new Uint32Array(KEY_WORDS)
  extractKey(arena, frame, 1, key)
  return key
}

function shown(bytes: Uint8Array): Uint32Array {
  const frame = arena.allocateFrom(bytes)
  const key = keyOf(frame)
  arena.release(frame)
  return key
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

const LINK = { ethSrc: 0x020000000001n, ethDst: 0x020000000002n }

const randomTags = (random: Random): FrameVlan[] =>
  Array.from({ length: random.below(3) }, () => ({
    id: random.below(4096),
    priority: random.below(8),
    etherType: oneOf(random, [0x8100, 0x88a8]),
  }))

/** An IP packet without a frame. */
function randomPacket(random: Random, ttl: number): Uint8Array {
  const isIpv6 = random.below(2) === 0
  const ip = isIpv6 ? { ipSrc: parseIpv6('fe80::1'), ipDst: parseIpv6('fe80::2') } : { ipSrc: 1, ipDst: 2 }
  const payload = randomBytes(random, random.below(50))
  return udpFrame({ ...LINK, ...ip, ttl, srcPort: 1, dstPort: 2, payload }).slice(ETHERNET_HEADER_SIZE)
}

describe('labels', () => {
  test.each([1, 2, 3])('a label stack composed anew is the slow twin (seed %i)', (seed) => {
    const random = seeded(seed)
    for (let round = 0; round < 200; round++) {
      const packet = randomPacket(random, 64)
      const is4 = packet[0]! >> 4 === 4
      const vlan = randomTags(random)
      const labels = Array.from({ length: 1 + random.below(6) }, () => ({
        label: random.below(1 << 20),
        trafficClass: random.below(8),
        ttl: random.below(256),
      }))
      const types = labels.map(() => oneOf(random, [EtherType.Mpls, EtherType.MplsMulticast]))
      const ipType = is4 ? EtherType.Ipv4 : EtherType.Ipv6
      const twin = (count: number) =>
        count === 0
          ? ethernetFrame({ ...LINK, vlan, etherType: ipType, payload: packet })
          : mplsFrame({ ...LINK, vlan, etherType: types[count - 1]!, labels: labels.slice(-count), payload: packet })
      const frame = arena.allocateFrom(twin(0))
      const pushed = labels.toReversed()
      pushed.forEach(({ label, trafficClass, ttl }, index) => {
        const entry = ((label << 12) | (trafficClass << 9) | (index === 0 ? 0x100 : 0) | ttl) >>> 0
        rewrite.pushMpls(arena, frame, types[index]!, entry)
        expect(hex(arena.read(frame))).toBe(hex(twin(index + 1)))
        expect(keyOf(frame)[Word.mpls]).toBe(entry)
      })
      for (let left = labels.length - 1; left >= 0; left--) {
        rewrite.popMpls(arena, frame, left === 0 ? ipType : types[left - 1]!)
        expect(hex(arena.read(frame))).toBe(hex(twin(left)))
      }
      arena.release(frame)
    }
  })

  test('behind SNAP, whose length counts them', () => {
    const snap = [0xaa, 0xaa, 3, 0, 0, 0, 0x08, 0x06]
    const frameOf = (etherType: number, ...payload: number[]) =>
      ethernetFrame({ ...LINK, etherType, payload: Uint8Array.from(payload) })
    const bytes = frameOf(10, ...snap, 7, 7)
    const pushed = changed(bytes, (at, frame) => rewrite.pushMpls(at, frame, 0x8847, 0x11122140))
    expect(pushed).toEqual(frameOf(14, ...snap.with(6, 0x88).with(7, 0x47), 0x11, 0x12, 0x21, 0x40, 7, 7))
    expect(changed(pushed, (at, frame) => rewrite.popMpls(at, frame, 0x0806))).toEqual(bytes)
  })

  test('a stack cut short within its first entry can not be popped', () => {
    const bytes = ethernetFrame({ ...LINK, etherType: EtherType.Mpls, payload: new Uint8Array(3) })
    expect(changed(bytes, (at, frame) => rewrite.popMpls(at, frame, 0x0800))).toEqual(bytes)
  })
})

describe('backbone headers', () => {
  test.each([1, 2, 3])('a frame composed anew is the slow twin (seed %i)', (seed) => {
    const random = seeded(seed)
    for (let round = 0; round < 300; round++) {
      const vlan = randomTags(random)
      const customer = { ethSrc: randomMac(random), ethDst: randomMac(random) }
      const etherType = oneOf(random, [0x0800, 0x86dd, 0x88e7, 0x8847, 40])
      const inner = ethernetFrame({ ...customer, vlan, etherType, payload: randomBytes(random, 40) })
      const [serviceId, priority] = [random.below(1 << 24), vlan[0]?.priority ?? 0]
      const pushed = changed(inner, (at, frame) => rewrite.pushPbb(at, frame, serviceId))
      expect(hex(pushed)).toBe(hex(pbbFrame({ ...customer, serviceId, priority, inner })))
      expect(hex(changed(pushed, rewrite.popPbb))).toBe(hex(inner))
      const backbone = randomTags(random)
      const tagged = pbbFrame({ ...LINK, vlan: backbone, serviceId, inner })
      const popped = ethernetFrame({ ...customer, vlan: [...backbone, ...vlan], etherType, payload: inner.slice(-40) })
      expect(hex(changed(tagged, rewrite.popPbb))).toBe(hex(popped))
    }
  })
})

/** Tagged, or with no type to know it by. */
const keepsHeader = (bytes: Uint8Array, key: Uint32Array) =>
  bytes.length < ETHERNET_HEADER_SIZE || key[Word.vlan] !== 0 || key[Word.etherType] === 0x05ff

describe('Ethernet headers', () => {
  const random = seeded(1)
  const frames = Array.from({ length: 1000 }, () => oneOf(random, [randomFrame, damagedFrame])(random))
  const keys = frames.map((bytes) => shown(bytes))

  test('are taken off frames without tags whose type is known', () => {
    frames.forEach((bytes, index) => {
      const frame = arena.allocateFrom(bytes)
      rewrite.popEthernet(arena, frame)
      const before = keys[index]!
      const keeps = keepsHeader(bytes, before)
      expect(arena.packetType[frame]).toBe(keeps ? 0 : before[Word.etherType])
      // Without it a frame shows what it showed, but for addresses.
      if (!keeps) before.fill(0, Word.ethernetDestination, Word.etherType)
      expect(keyOf(frame)).toEqual(before)
      arena.release(frame)
    })
  })

  test('are put on again; what was written in between is the same as with one', () => {
    const bare = frames.filter((bytes) => !keepsHeader(bytes, shown(bytes)))
    expect(bare.length).toBeGreaterThan(100)
    for (const bytes of bare) {
      const etherType = shown(bytes)[Word.etherType]!
      const word = Word.protocol + random.below(KEY_WORDS - Word.protocol)
      const [value, mask] = [random.uint32(), random.uint32()]
      const got = changed(bytes, (at, frame) => {
        rewrite.popEthernet(at, frame)
        rewrite.applySet(at, frame, word, value, mask)
        // Nothing of these is to be seen: there are no addresses, and no place for a tag.
        rewrite.applySet(at, frame, Word.ethernetSource, value, mask)
        rewrite.pushVlan(at, frame, 0x8100, 5)
        rewrite.pushEthernet(at, frame, etherType)
      })
      const set = changed(bytes, (at, frame) => rewrite.applySet(at, frame, word, value, mask))
      const payload = set.slice(set.length - got.length + ETHERNET_HEADER_SIZE)
      expect(hex(got)).toBe(hex(ethernetFrame({ ethSrc: 0n, ethDst: 0n, etherType, payload })))
    }
  })

  test('a frame that has one gets no second', () => {
    const bytes = udpFrame({ ...LINK, ipSrc: 1, ipDst: 2, srcPort: 1, dstPort: 2 })
    expect(changed(bytes, (at, frame) => rewrite.pushEthernet(at, frame, 0x0800))).toEqual(bytes)
  })

  test('labels and a copy are of the bare frame', () => {
    const bytes = udpFrame({ ...LINK, ipSrc: 1, ipDst: 2, srcPort: 1, dstPort: 2 })
    const frame = arena.allocateFrom(bytes)
    rewrite.popEthernet(arena, frame)
    rewrite.pushMpls(arena, frame, EtherType.Mpls, 0x10140)
    const copy = arena.clone(frame)
    expect([keyOf(copy)[Word.etherType], keyOf(copy)[Word.mpls]]).toEqual([EtherType.Mpls, 0x10140])
    rewrite.popMpls(arena, copy, EtherType.Ipv4)
    expect([arena.packetType[copy], hex(arena.read(copy))]).toEqual([EtherType.Ipv4, hex(bytes.slice(14))])
    arena.release(frame)
    arena.release(copy)
    const next = arena.allocateFrom(bytes)
    expect(arena.packetType[next]).toBe(0)
    arena.release(next)
  })
})

type WithTtl = Extract<Layer, { name: 'mpls' | 'ipv4' | 'ipv6' }>

const ttlOf = (layer: WithTtl) => (layer.name === 'ipv6' ? layer.header.hopLimit : layer.header.ttl)
const layersWithTtl = (bytes: Uint8Array) =>
  dissect(bytes).filter((layer): layer is WithTtl => ['mpls', 'ipv4', 'ipv6'].includes(layer.name))
const ttls = (bytes: Uint8Array) => layersWithTtl(bytes).map(ttlOf)

describe('copying TTLs', () => {
  test.each([1, 2, 3])('between labels, and a label and IP: checksums stay right (seed %i)', (seed) => {
    const random = seeded(seed)
    for (let round = 0; round < 300; round++) {
      const labels = Array.from({ length: 1 + random.below(4) }, () => ({
        label: random.below(1 << 20),
        trafficClass: random.below(8),
        ttl: random.below(256),
      }))
      const payload = randomPacket(random, random.below(256))
      const bytes = mplsFrame({ ...LINK, vlan: randomTags(random), labels, payload })
      const [outer, next, ...rest] = ttls(bytes)
      const out = changed(bytes, rewrite.copyTtlOut)
      expect([ttls(out), wrongChecksums(out)]).toEqual([[next, next, ...rest], []])
      const within = changed(bytes, rewrite.copyTtlIn)
      expect([ttls(within), wrongChecksums(within)]).toEqual([[outer, outer, ...rest], []])
      const there = changed(out, (at, frame) => rewrite.applySet(at, frame, Word.mpls, outer!, 0xff))
      expect(hex(there)).toBe(hex(bytes))
    }
  })

  test.each([1, 2, 3])('between IP and the IP that it carries (seed %i)', (seed) => {
    const random = seeded(seed)
    for (let round = 0; round < 300; round++) {
      const [outerTtl, innerTtl] = [random.below(256), random.below(256)]
      const outer = oneOf(random, [
        { ipSrc: 3, ipDst: 4 },
        { ipSrc: parseIpv6('fe80::3'), ipDst: parseIpv6('fe80::4') },
      ])
      const twin = (outside: number, inside: number) => {
        const segment = randomPacket(seeded(round), inside)
        return ipFrame({ ...LINK, ...outer, ttl: outside, protocol: segment[0]! >> 4 === 4 ? 4 : 41, segment })
      }
      const bytes = twin(outerTtl, innerTtl)
      expect(hex(changed(bytes, rewrite.copyTtlOut))).toBe(hex(twin(innerTtl, innerTtl)))
      expect(hex(changed(bytes, rewrite.copyTtlIn))).toBe(hex(twin(outerTtl, outerTtl)))
    }
  })

  test('nothing to copy from or to: the frame stays as it is', () => {
    const labels = [{ label: 1, trafficClass: 0, ttl: 9 }]
    const packet = randomPacket(seeded(1), 5)
    const whole = mplsFrame({ ...LINK, labels, payload: packet })
    const frames = [
      mplsFrame({ ...LINK, labels, payload: new Uint8Array(40) }),
      whole.slice(0, ETHERNET_HEADER_SIZE + 4 + 19),
      whole.slice(0, ETHERNET_HEADER_SIZE + 3),
      udpFrame({ ...LINK, ipSrc: 1, ipDst: 2, srcPort: 1, dstPort: 2 }),
      ipFrame({ ...LINK, ipSrc: 1, ipDst: 2, protocol: 4, segment: new Uint8Array(19) }),
      ethernetFrame({ ...LINK, etherType: EtherType.Arp, payload: new Uint8Array(28) }),
    ]
    for (const bytes of frames) {
      expect(changed(bytes, rewrite.copyTtlOut)).toEqual(bytes)
      expect(changed(bytes, rewrite.copyTtlIn)).toEqual(bytes)
    }
  })
})

const CHANGES: readonly ((arena: FrameArena, frame: FrameHandle, random: Random) => void)[] = [
  (at, frame, random) => rewrite.pushVlan(at, frame, oneOf(random, [0x8100, 0x88a8]), random.below(65536)),
  rewrite.popVlan,
  (at, frame, random) => rewrite.pushMpls(at, frame, oneOf(random, [0x8847, 0x8848]), random.uint32()),
  (at, frame, random) => rewrite.popMpls(at, frame, oneOf(random, [0x0800, 0x86dd, 0x8847, 0x1234])),
  (at, frame, random) => rewrite.pushPbb(at, frame, random.below(1 << 24)),
  rewrite.popPbb,
  (at, frame, random) => rewrite.pushEthernet(at, frame, random.below(65536)),
  rewrite.popEthernet,
  rewrite.copyTtlOut,
  rewrite.copyTtlIn,
  (at, frame, random) => rewrite.applySet(at, frame, random.below(KEY_WORDS), random.uint32(), random.uint32()),
]

test.each([1, 2, 3])('any changes to any bytes throw nothing, and touch no other frame (seed %i)', (seed) => {
  const random = seeded(seed)
  const own = new FrameArena()
  for (let round = 0; round < 500; round++) {
    const [before, bytes, after] = [randomBytes(random, 64), damagedFrame(random), randomBytes(random, 64)]
    const frames = [before, bytes, after].map((each) => own.allocateFrom(each))
    for (let change = 0; change < 30; change++) {
      oneOf(random, CHANGES)(own, frames[1]!, random)
      const key = new Uint32Array(KEY_WORDS)
      extractKey(own, frames[1]!, 1, key)
    }
    expect([own.read(frames[0]!), own.read(frames[2]!)]).toEqual([before, after])
    for (const frame of frames) own.release(frame)
  }
})

test('a frame as long as can be gets no longer', () => {
  const bytes = new Uint8Array(MAX_FRAME_LENGTH)
  bytes.set(udpFrame({ ...LINK, ipSrc: 1, ipDst: 2, srcPort: 1, dstPort: 2 }))
  const whole = changed(bytes, (at, frame) => {
    rewrite.pushVlan(at, frame, 0x8100, 5)
    rewrite.pushMpls(at, frame, 0x8847, 5)
    rewrite.pushPbb(at, frame, 5)
  })
  expect(hex(whole)).toBe(hex(bytes))
})
