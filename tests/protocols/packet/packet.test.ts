import { describe as group, expect, test } from 'vitest'
import { mplsFrame, pbbFrame } from '../../../protocols/packet/compose.ts'
import { describe, dissect, outerLayers } from '../../../protocols/packet/packet.ts'
import { wrongChecksums } from '../../../protocols/packet/verify.ts'
import { seeded } from '../../../runtime/random.ts'
import { oneOf, randomBytes, randomFrame, SAMPLE_FRAMES } from '../../support/frames.ts'

const names = (frame: Uint8Array) => dissect(frame).map((layer) => layer.name)

group('what composers make', () => {
  test.each(Object.entries(SAMPLE_FRAMES))('%s is read to its end', (_, frame) => {
    expect(names(frame)).not.toContain('malformed')
    expect(wrongChecksums(frame)).toEqual([])
  })

  test.each([1, 2, 3])('random frames have right lengths and checksums (seed %i)', (seed) => {
    const random = seeded(seed)
    for (let round = 0; round < 500; round++) {
      const frame = randomFrame(random)
      expect([describe(frame), wrongChecksums(frame)]).toEqual([expect.not.stringContaining('malformed'), []])
    }
  })

  test.each(['udp4', 'udp6', 'tcp4', 'tcp6', 'sctp4', 'sctp6', 'echo4', 'echo6', 'mpls4', 'mpls6', 'pbb'])(
    'a flipped bit in %s is found',
    (name) => {
      const frame = SAMPLE_FRAMES[name]!.slice()
      frame[frame.length - 1]! ^= 0x10
      expect(wrongChecksums(frame)).toHaveLength(1)
    },
  )
})

group('dissect never throws', () => {
  test.each(Object.entries(SAMPLE_FRAMES))('on any truncation of %s', (_, frame) => {
    for (let length = 0; length < frame.length; length++) {
      const cut = frame.slice(0, length)
      expect(() => [dissect(cut), describe(cut), wrongChecksums(cut)]).not.toThrow()
    }
  })

  test('on 20,000 frames with flipped bits', () => {
    const random = seeded(7)
    const samples = Object.values(SAMPLE_FRAMES)
    const read = new Set<string>()
    for (let round = 0; round < 20_000; round++) {
      const frame = oneOf(random, samples).slice()
      for (let flips = 1 + random.below(8); flips > 0; flips--)
        frame[random.below(frame.length)]! ^= 1 << random.below(8)
      read.add(typeof describe(frame)).add(typeof wrongChecksums(frame).length)
    }
    expect(read).toEqual(new Set(['string', 'number']))
  })

  test('on noise, and on a view into the middle of a buffer', () => {
    const random = seeded(8)
    for (let round = 0; round < 2000; round++) {
      const noise = randomBytes(random, random.below(200)).subarray(random.below(5))
      expect(() => describe(noise)).not.toThrow()
    }
  })

  test('on 16,000 stacked tags', () => {
    const frame = new Uint8Array(64014)
    for (let at = 12; at < frame.length - 1; at += 4) frame.set([0x81, 0x00], at)
    expect(names(frame).at(-1)).toBe('malformed')
  })
})

test('frames in frames are followed to a depth, and stacks of labels to the end', () => {
  const link = { ethSrc: 1n, ethDst: 2n }
  let frame = SAMPLE_FRAMES['udp4']!
  for (let depth = 0; depth < 100; depth++) frame = pbbFrame({ ...link, serviceId: depth, inner: frame })
  expect(names(frame).filter((name) => name === 'pbb')).toHaveLength(8)
  const labels = Array.from({ length: 5000 }, () => ({ label: 1, trafficClass: 0, ttl: 1 }))
  const stacked = mplsFrame({ ...link, labels, payload: SAMPLE_FRAMES['udp4']!.slice(14) })
  expect(names(stacked).slice(-4)).toEqual(['mpls', 'ipv4', 'udp', 'payload'])
  expect(outerLayers(dissect(stacked)).map((layer) => layer.name)).toEqual(['ethernet', 'mpls'])
})

test('a cut frame says where it ends too early', () => {
  expect(dissect(SAMPLE_FRAMES['udp4']!.slice(0, 20))).toMatchObject([
    { name: 'ethernet' },
    { name: 'malformed', protocol: 'ipv4', at: 14, problem: 'ipv4: truncated header, 6 of 20 bytes at byte 14' },
  ])
})

test('padding is no payload', () => {
  expect(names(SAMPLE_FRAMES['spanningTree']!)).toEqual(['ethernet', 'llc', 'payload'])
  expect(dissect(SAMPLE_FRAMES['spanningTree']!).at(-1)).toMatchObject({ at: 17, end: 24 })
})

test('frames in one line', () => {
  const lines = Object.fromEntries(Object.entries(SAMPLE_FRAMES).map(([name, frame]) => [name, describe(frame)]))
  expect(lines).toMatchInlineSnapshot(`
    {
      "advertisement": "02:00:00:00:00:01 > 02:00:00:00:00:02 IPv6 2001:db8::1 > 2001:db8::2 icmpv6 neighbour advertisement 2001:db8::1",
      "arpReply": "02:00:00:00:00:01 > 02:00:00:00:00:02 vlan 10 ARP reply 10.0.0.1 is-at 02:00:00:00:00:01",
      "arpRequest": "02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff ARP who-has 10.0.0.2 tell 10.0.0.1",
      "dhcp": "02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff IPv4 0.0.0.0 > 255.255.255.255 udp 68 > 67 dhcp discover from 02:00:00:00:00:01",
      "echo4": "02:00:00:00:00:01 > 02:00:00:00:00:02 vlan 10 IPv4 10.0.0.1 > 10.0.0.2 icmp echo request id 1 seq 2",
      "echo6": "02:00:00:00:00:01 > 02:00:00:00:00:02 IPv6 2001:db8::1 > 2001:db8::2 icmpv6 echo reply id 1 seq 2",
      "firstFragment6": "02:00:00:00:00:01 > 02:00:00:00:00:02 IPv6 2001:db8::1 > 2001:db8::2 extension 0 fragment 7@0+ udp 9 > 9 length 16",
      "laterFragment6": "02:00:00:00:00:01 > 02:00:00:00:00:02 IPv6 2001:db8::1 > 2001:db8::2 extension 0 fragment 7@1480+",
      "mpls4": "02:00:00:00:00:01 > 02:00:00:00:00:02 vlan 10 mpls 16 class 5 ttl 64 mpls 17 ttl 63 IPv4 10.0.0.1 > 10.0.0.2 udp 1234 > 80 length 3",
      "mpls6": "02:00:00:00:00:01 > 02:00:00:00:00:02 mpls 2 ttl 1 IPv6 2001:db8::1 > 2001:db8::2 tcp 1234 > 80 [.] seq 0 length 3",
      "pbb": "02:00:00:00:00:01 > 02:00:00:00:00:02 vlan 9 pbb 11259375 priority 3 02:00:00:00:00:01 > 02:00:00:00:00:02 vlan 10 IPv4 10.0.0.1 > 10.0.0.2 udp 1234 > 80 length 3",
      "pseudowire": "02:00:00:00:00:01 > 02:00:00:00:00:02 mpls 1048575 class 7 ttl 255 length 20",
      "rarp": "02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff RARP who-is 02:00:00:00:00:01 tell 02:00:00:00:00:01",
      "routerAdvertisement": "02:00:00:00:00:01 > 02:00:00:00:00:02 IPv6 2001:db8::1 > 2001:db8::2 icmpv6 router advertisement",
      "sctp4": "02:00:00:00:00:01 > 02:00:00:00:00:02 IPv4 10.0.0.1 > 10.0.0.2 sctp 1234 > 80",
      "sctp6": "02:00:00:00:00:01 > 02:00:00:00:00:02 IPv6 2001:db8::1 > 2001:db8::2 sctp 1234 > 80",
      "snap": "02:00:00:00:00:01 > 02:00:00:00:00:02 snap ethertype 0x88b5 length 4",
      "solicitation": "02:00:00:00:00:01 > 33:33:ff:00:00:02 IPv6 2001:db8::1 > ff02::1:ff00:2 icmpv6 neighbour solicitation 2001:db8::2",
      "spanningTree": "02:00:00:00:00:01 > 02:00:00:00:00:02 llc dsap 42 ssap 42 length 7",
      "tcp4": "02:00:00:00:00:01 > 02:00:00:00:00:02 IPv4 10.0.0.1 > 10.0.0.2 tcp 1234 > 80 [S] seq 0 length 3",
      "tcp6": "02:00:00:00:00:01 > 02:00:00:00:00:02 IPv6 2001:db8::1 > 2001:db8::2 tcp 1234 > 80 [.] seq 0 length 3",
      "udp4": "02:00:00:00:00:01 > 02:00:00:00:00:02 IPv4 10.0.0.1 > 10.0.0.2 udp 1234 > 80 length 3",
      "udp6": "02:00:00:00:00:01 > 02:00:00:00:00:02 vlan 5 vlan 6 priority 3 IPv6 2001:db8::1 > 2001:db8::2 udp 1234 > 80 length 3",
      "vxlan": "02:00:00:00:00:01 > 02:00:00:00:00:02 IPv4 10.0.0.1 > 10.0.0.2 udp 50000 > 4789 vxlan 5001 02:00:00:00:00:01 > 02:00:00:00:00:02 IPv6 2001:db8::1 > 2001:db8::2 udp 1234 > 80 length 3",
    }
  `)
})
