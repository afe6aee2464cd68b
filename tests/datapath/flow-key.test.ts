import { describe, expect, test } from 'vitest'
import { Ipv6ExtensionBits, extractKey, readField, writeField } from '../../datapath/flow-key.ts'
import { packMatch } from '../../datapath/packed-match.ts'
import { FrameArena } from '../../datapath/frames.ts'
import { InvalidField } from '../../protocols/errors.ts'
import { FIELDS, KEY_WORDS, MAX_LABELS, Word, fieldOf } from '../../protocols/fields.ts'
import type { FieldName } from '../../protocols/fields.ts'
import { parseIpv4, parseIpv6 } from '../../protocols/address.ts'
import {
  arpRequest,
  ethernetFrame,
  ipFrame,
  mplsFrame,
  neighbourSolicitation,
  pbbFrame,
  tcpFrame,
  udpFrame,
} from '../../protocols/packet/compose.ts'
import type { Ipv6Chain } from '../../protocols/packet/ipv6-extensions.ts'
import { dissect } from '../../protocols/packet/packet.ts'
import { seeded } from '../../runtime/random.ts'
import { randomBits } from '../support/random-flows.ts'
import { damagedFrame, extendedFrame, randomBytes } from '../support/random-frames.ts'
import { keyOf } from '../support/random-keys.ts'
import { expectEqual } from '../support/expect-equal.ts'

const link = { ethSrc: 0x020000000001n, ethDst: 0x020000000002n }
const ipv4 = { ...link, ipSrc: parseIpv4('10.0.0.1'), ipDst: parseIpv4('10.0.0.2'), ttl: 63, dscp: 46, ecn: 1 }
const ipv6 = { ...link, ipSrc: parseIpv6('2001:db8::1'), ipDst: parseIpv6('2001:db8::2'), ttl: 63, dscp: 46, ecn: 1 }

/** What the key of `bytes` says of these fields. */
function fieldsOf(bytes: Uint8Array, ...names: FieldName[]): Record<string, bigint> {
  const key = keyOf(bytes)
  return Object.fromEntries(names.map((name) => [name, readField(key, fieldOf(name))]))
}

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'))
const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const ETHERNET = '020000000002 020000000001'

describe('the key of', () => {
  test('a TCP segment in two tags', () => {
    const vlan = [{ id: 7, priority: 5, etherType: 0x88a8 }, { id: 8 }]
    const bytes = tcpFrame({ ...ipv4, vlan, srcPort: 1000, dstPort: 80, flags: 0x12 })
    const key = keyOf(bytes)
    expect(key[Word.vlan]).toBe(0x88a8b007)
    expect(key[Word.innerVlan]).toBe(0x81001008)
    expect(fieldsOf(bytes, 'eth_src', 'eth_dst', 'eth_type', 'vlan_vid', 'vlan_pcp', 'nw_src', 'nw_proto')).toEqual({
      eth_src: link.ethSrc,
      eth_dst: link.ethDst,
      eth_type: 0x0800n,
      vlan_vid: 0x1007n,
      vlan_pcp: 5n,
      nw_src: 0x0a000001n,
      nw_proto: 6n,
    })
    expect(fieldsOf(bytes, 'ip_dscp', 'nw_ecn', 'nw_ttl', 'ip_frag', 'tcp_src', 'tcp_dst', 'tcp_flags')).toEqual({
      ip_dscp: 46n,
      nw_ecn: 1n,
      nw_ttl: 63n,
      ip_frag: 0n,
      tcp_src: 1000n,
      tcp_dst: 80n,
      tcp_flags: 0x12n,
    })
  })

  test('a TCP header of a size that can not be: no ports', () => {
    const bytes = tcpFrame({ ...ipv4, srcPort: 1000, dstPort: 80, payload: new Uint8Array(8) })
    const sized = (words: number) => fieldsOf(bytes.with(14 + 20 + 12, words << 4), 'nw_proto', 'tcp_src')
    expect([4, 5, 7, 8].map(sized)).toEqual([0n, 1000n, 1000n, 0n].map((tcp_src) => ({ nw_proto: 6n, tcp_src })))
  })

  test('a frame with three tags: the third is its type', () => {
    const bytes = udpFrame({ ...ipv4, vlan: [{ id: 1 }, { id: 2 }, { id: 3 }], srcPort: 1, dstPort: 2 })
    expect(fieldsOf(bytes, 'eth_type', 'nw_src')).toEqual({ eth_type: 0x8100n, nw_src: 0n })
  })

  test('an IPv6 packet', () => {
    const bytes = udpFrame({ ...ipv6, srcPort: 5, dstPort: 6, payload: randomBytes(seeded(1), 9) })
    expect(fieldsOf(bytes, 'ipv6_src', 'ipv6_dst', 'nw_proto', 'ip_dscp', 'nw_ttl', 'udp_src', 'udp_dst')).toEqual({
      ipv6_src: ipv6.ipSrc,
      ipv6_dst: ipv6.ipDst,
      nw_proto: 17n,
      ip_dscp: 46n,
      nw_ttl: 63n,
      udp_src: 5n,
      udp_dst: 6n,
    })
  })

  test('an ARP request', () => {
    const bytes = arpRequest({ ...link, ipSrc: 1, ipDst: 2 })
    expect(fieldsOf(bytes, 'arp_op', 'arp_sha', 'arp_tpa')).toEqual({ arp_op: 1n, arp_sha: link.ethSrc, arp_tpa: 2n })
    const token = hex(`${ETHERNET} 0806 0006 0800 06 04 0001 ${'01'.repeat(20)}`)
    expect(fieldsOf(token, 'arp_op', 'arp_sha', 'arp_spa')).toEqual({ arp_op: 0n, arp_sha: 0n, arp_spa: 0n })
  })

  test('a neighbour solicitation', () => {
    const target = parseIpv6('fe80::2')
    const bytes = neighbourSolicitation({ ethSrc: link.ethSrc, ipSrc: parseIpv6('fe80::1'), target })
    expect(fieldsOf(bytes, 'icmpv6_type', 'nd_target', 'nd_sll', 'nd_tll', 'nd_options_type')).toEqual({
      icmpv6_type: 135n,
      nd_target: target,
      nd_sll: link.ethSrc,
      nd_tll: 0n,
      nd_options_type: 1n,
    })
  })

  test('fragments: the first has ports, later ones have none', () => {
    const bytes = udpFrame({ ...ipv4, srcPort: 5, dstPort: 6, payload: new Uint8Array(8) })
    const fragment = (flagsAndOffset: number) => {
      const changed = bytes.slice()
      new DataView(changed.buffer).setUint16(14 + 6, flagsAndOffset)
      return fieldsOf(changed, 'ip_frag', 'udp_src')
    }
    expect(fragment(0x4000)).toEqual({ ip_frag: 0n, udp_src: 5n })
    expect(fragment(0x2000)).toEqual({ ip_frag: 1n, udp_src: 5n })
    expect(fragment(0x2001)).toEqual({ ip_frag: 3n, udp_src: 0n })
    expect(fragment(0x0001)).toEqual({ ip_frag: 3n, udp_src: 0n })
  })

  test('extension headers: the chain is followed to its end', () => {
    const udp = '0005 0006 0008 0000'
    const through = (chain: string) => {
      const [first, ...rest] = chain.split(' ')
      const segment = hex(rest.join('') + udp)
      return fieldsOf(ipFrame({ ...ipv6, protocol: parseInt(first!, 16), segment }), 'nw_proto', 'ip_frag', 'udp_src')
    }
    const found = { nw_proto: 17n, ip_frag: 0n, udp_src: 5n }
    expect(through('00 11 00 000000000000')).toEqual(found)
    expect(through('00 3c 00 000000000000 11 01 0000000000000000000000000000')).toEqual(found)
    expect(through('33 11 01 00000000000000000000')).toEqual(found)
    expect(through('2c 11 00 0001 00000000')).toEqual({ ...found, ip_frag: 1n })
    expect(through('2c 11 00 0009 00000000')).toEqual({ nw_proto: 44n, ip_frag: 3n, udp_src: 0n })
    expect(through('00 11 09 000000000000')).toEqual({ nw_proto: 0n, ip_frag: 0n, udp_src: 0n })
  })

  test('a label stack: three entries, and nothing behind them', () => {
    const labels = [1, 2, 3, 4].map((label) => ({ label, trafficClass: label, ttl: 10 * label }))
    const payload = udpFrame({ ...ipv4, srcPort: 5, dstPort: 6 }).slice(14)
    const entry = (label: number, bottom: number) => (label * 0x1200 + bottom * 0x100 + 10 * label) >>> 0
    const stack = (count: number) => {
      const bytes = mplsFrame({ ...link, vlan: [{ id: 7 }], labels: labels.slice(0, count), payload })
      return Array.from(keyOf(bytes).subarray(Word.mpls, Word.mpls + MAX_LABELS))
    }
    expect(stack(1)).toEqual([entry(1, 1), 0, 0])
    expect(stack(2)).toEqual([entry(1, 0), entry(2, 1), 0])
    expect(stack(3)).toEqual([entry(1, 0), entry(2, 0), entry(3, 1)])
    expect(stack(4)).toEqual([entry(1, 0), entry(2, 0), entry(3, 0)])
    const bytes = mplsFrame({ ...link, etherType: 0x8848, labels: labels.slice(1, 2), payload })
    const seen = fieldsOf(bytes, 'eth_type', 'mpls_label', 'mpls_tc', 'mpls_bos', 'mpls_ttl', 'nw_src', 'udp_src')
    expect(Object.values(seen)).toEqual([0x8848n, 2n, 2n, 1n, 20n, 0n, 0n])
    expect(fieldsOf(bytes.slice(0, 17), 'eth_type', 'mpls_ttl')).toEqual({ eth_type: 0x8848n, mpls_ttl: 0n })
  })

  test('a frame in a backbone: its service, and nothing behind it', () => {
    const inner = udpFrame({ ...ipv4, vlan: [{ id: 3 }], srcPort: 5, dstPort: 6 })
    const bytes = pbbFrame({ ethSrc: 5n, ethDst: 6n, vlan: [{ id: 9 }], serviceId: 0xabcdef, priority: 7, inner })
    expect(fieldsOf(bytes, 'eth_src', 'vlan_vid', 'eth_type', 'pbb_isid', 'nw_src')).toEqual({
      eth_src: 5n,
      vlan_vid: 0x1009n,
      eth_type: 0x88e7n,
      pbb_isid: 0xabcdefn,
      nw_src: 0n,
    })
    expect(fieldsOf(bytes.slice(0, 35), 'eth_type', 'pbb_isid')).toEqual({ eth_type: 0x88e7n, pbb_isid: 0n })
  })

  test('802.3: the type of SNAP counts, anything else has none', () => {
    const snap = ethernetFrame({
      ...link,
      etherType: 28,
      payload: hex(`aaaa03 000000 0806 0001 0800 06 04 0002 ${'01'.repeat(20)}`),
    })
    expect(fieldsOf(snap, 'eth_type', 'arp_op')).toEqual({ eth_type: 0x0806n, arp_op: 2n })
    const stp = ethernetFrame({ ...link, etherType: 38, payload: hex('424203' + '00'.repeat(35)) })
    expect(fieldsOf(stp, 'eth_type')).toEqual({ eth_type: 0x05ffn })
  })

  test('IPv4 headers that contradict themselves: nothing of them', () => {
    const good = udpFrame({ ...ipv4, srcPort: 5, dstPort: 6 })
    const broken = (at: number, value: number) => fieldsOf(good.with(14 + at, value), 'eth_type', 'nw_src', 'nw_proto')
    const nothing = { eth_type: 0x0800n, nw_src: 0n, nw_proto: 0n }
    expect(broken(0, 0x44)).toEqual(nothing)
    expect(broken(0, 0x4f)).toEqual(nothing)
    expect(broken(3, 0xff)).toEqual(nothing)
    expect(broken(3, 19)).toEqual(nothing)
  })
})

describe('ipv6_exthdr', () => {
  const { NoNext, EncapsulatingSecurity, Authentication, Destination, Fragment } = Ipv6ExtensionBits
  const { Routing, HopByHop, UnexpectedRepeat, UnexpectedSequence } = Ipv6ExtensionBits
  const address = { ...link, ipSrc: ipv6.ipSrc, ipDst: ipv6.ipDst }

  /** The bits of a packet with these next headers; the last one ends the chain. */
  function seen(...protocols: number[]): bigint {
    const chain = protocols.slice(1).map((next) => `${next.toString(16).padStart(2, '0')}00000000000000`)
    const segment = hex(`${chain.join('')}${'00'.repeat(20)}`)
    return fieldsOf(ipFrame({ ...address, protocol: protocols[0]!, segment }), 'ipv6_exthdr')['ipv6_exthdr']!
  }

  test.each([
    [[17], 0],
    [[59], NoNext],
    [[50], EncapsulatingSecurity],
    [[0, 60, 43, 44, 51, 60, 17], HopByHop | Destination | Routing | Fragment | Authentication],
    [[0, 60, 43, 44, 51, 50], HopByHop | Destination | Routing | Fragment | Authentication | EncapsulatingSecurity],
    [[60, 60, 59], Destination | NoNext],
    [[60, 60, 60, 17], Destination | UnexpectedRepeat],
    [[43, 43, 17], Routing | UnexpectedRepeat],
    [[44, 43, 17], Fragment | Routing | UnexpectedSequence],
    [[43, 60, 17], Routing | Destination],
    [[60, 0, 17], Destination | UnexpectedSequence],
    [[0, 51, 0, 17], HopByHop | Authentication | UnexpectedRepeat | UnexpectedSequence],
    [[51, 60, 50], Authentication | Destination | EncapsulatingSecurity | UnexpectedSequence],
    [[51, 60, 43, 17], Authentication | Destination | Routing | UnexpectedSequence],
  ])('of %j', (protocols, bits) => {
    expect(seen(...protocols)).toBe(BigInt(bits))
  })

  test('nothing of a chain that is cut short, nor of what follows in a later fragment', () => {
    const cut = ipFrame({ ...address, protocol: 0, segment: hex('2b 00 000000000000 11 01') })
    expect(fieldsOf(cut, 'ipv6_exthdr')).toEqual({ ipv6_exthdr: 0n })
    const later = ipFrame({ ...address, protocol: 44, segment: hex('3b 00 0008 00000000 0000000000000000') })
    expect(fieldsOf(later, 'ipv6_exthdr')).toEqual({ ipv6_exthdr: BigInt(Fragment) })
  })

  test.each([1, 2, 3])('headers in any order (seed %i)', (seed) => {
    const random = seeded(seed)
    for (let round = 0; round < 300; round++) {
      const bytes = extendedFrame(random, address)
      const layer = dissect(bytes).find(({ name }) => name === 'ipv6-extensions')
      if (layer?.name !== 'ipv6-extensions') throw new Error('no chain')
      const found = fieldsOf(bytes, 'ipv6_exthdr')['ipv6_exthdr']
      expect([hexOf(bytes), found]).toEqual([hexOf(bytes), BigInt(bitsOf(layer.header))])
    }
  })

  /** The slow twin: sorted by the order of RFC 8200, is it the same? */
  function bitsOf({ extensions, protocol }: Ipv6Chain): number {
    const isLater = extensions.some((extension) => extension.type === 'fragment' && extension.offset > 0)
    const protocols = extensions.map((extension) => (extension.type === 'fragment' ? 44 : extension.protocol))
    if (!isLater && (protocol === 50 || protocol === 59)) protocols.push(protocol)
    const named = protocols.map((each, at) => {
      if (each !== 60) return String(each)
      const isFirst = protocols.slice(0, at).every((before) => before === 0)
      return isFirst ? 'on the way' : 'at the end'
    })
    const order = ['0', 'on the way', '43', '44', '51', '50', 'at the end', '59']
    const sorted = named.toSorted((a, b) => order.indexOf(a) - order.indexOf(b))
    const bits: Record<number, number> = {
      0: protocols[0] === 0 ? HopByHop : 0,
      43: Routing,
      44: Fragment,
      50: EncapsulatingSecurity,
      51: Authentication,
      59: NoNext,
      60: Destination,
    }
    const repeat = new Set(named).size < named.length ? UnexpectedRepeat : 0
    const sequence = named.join() === sorted.join() ? 0 : UnexpectedSequence
    return protocols.reduce((sum, each) => sum | bits[each]!, repeat | sequence)
  }
})

test('any bytes have a key, and it does not depend on what lies behind the frame', () => {
  const random = seeded(7)
  const arena = new FrameArena()
  const key = new Uint32Array(KEY_WORDS)
  for (let round = 0; round < 3000; round++) {
    arena.release(arena.allocateFrom(randomBytes(random, 200)))
    const bytes = damagedFrame(random)
    const frame = arena.allocateFrom(bytes)
    extractKey(arena, frame, 1, key)
    expectEqual(key, keyOf(bytes))
    arena.release(frame)
  }
})

test('a field reads as it was written, and leaves the others alone', () => {
  const random = seeded(3)
  for (const field of FIELDS) {
    const key = Uint32Array.from({ length: KEY_WORDS }, () => random.uint32())
    const before = key.slice()
    const [value, mask] = [randomBits(random, field.bits), randomBits(random, field.bits)]
    const old = readField(key, field)
    writeField(key, field, value, mask)
    expect(readField(key, field)).toBe((old & ~mask) | (value & mask))
    writeField(key, field, old)
    expect(key).toEqual(before)
  }
})

test('a match that contradicts itself is refused', () => {
  const match = [
    { field: 'vlan_tci', value: 0x1005n },
    { field: 'vlan_vid', value: 0x1006n },
  ] as const
  expect(() => packMatch(match)).toThrow(InvalidField)
})
