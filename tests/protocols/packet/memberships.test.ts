// IGMP and MLD, as they are written and read.

import { describe, expect, test } from 'vitest'
import { viewOf } from '../../../protocols/bytes.ts'
import { Malformed } from '../../../protocols/errors.ts'
import { decodeIgmp, encodeIgmp, igmpSize, ipv4MulticastMac } from '../../../protocols/packet/igmp.ts'
import { decodeMld, encodeMld, mldSize } from '../../../protocols/packet/mld.ts'
import { describe as inWords, dissect } from '../../../protocols/packet/packet.ts'
import { wrongChecksums } from '../../../protocols/packet/verify.ts'
import { seeded } from '../../../runtime/random.ts'
import { randomBytes } from '../../support/frames.ts'
import { igmpFrameOf, mldFrameOf, randomIgmp, randomMld } from '../../support/random-memberships.ts'

const seeds = [1, 2, 3]

describe.each(seeds)('seed %i', (seed) => {
  const random = seeded(seed)

  test('what was written is read', () => {
    for (let round = 0; round < 200; round++) {
      const [igmp, mld] = [randomIgmp(random), randomMld(random)]
      const view = viewOf(randomBytes(random, 2000))
      expect(encodeIgmp(igmp, view, 3)).toBe(3 + igmpSize(igmp))
      expect(decodeIgmp(view, 3, 3 + igmpSize(igmp))).toEqual(igmp)
      expect(encodeMld(mld, view, 5)).toBe(5 + mldSize(mld))
      expect(decodeMld(view, 5, 5 + mldSize(mld))).toEqual(mld)
    }
  })

  test('what is cut short is malformed, but for a query cut to one of an older version', () => {
    for (let round = 0; round < 50; round++) {
      const [igmp, mld] = [randomIgmp(random), randomMld(random)]
      const view = viewOf(new Uint8Array(2000))
      const ends = (size: number, message: object, older: number) =>
        Array.from({ length: size }, (_, end) => end).filter((end) => !('extension' in message && end === older))
      encodeIgmp(igmp, view, 0)
      for (const end of ends(igmpSize(igmp), igmp, 8)) expect(() => decodeIgmp(view, 0, end)).toThrow(Malformed)
      encodeMld(mld, view, 0)
      for (const end of ends(mldSize(mld), mld, 24)) expect(() => decodeMld(view, 0, end)).toThrow(Malformed)
    }
  })

  test('whole frames have right checksums, and are read through their router alerts', () => {
    for (let round = 0; round < 50; round++) {
      const [igmp, mld] = [randomIgmp(random), randomMld(random)]
      for (const [frame, name, header] of [
        [igmpFrameOf(igmp), 'igmp', igmp],
        [mldFrameOf(mld), 'mld', mld],
      ] as const) {
        expect(wrongChecksums(frame)).toEqual([])
        expect(dissect(frame).at(-1)).toMatchObject({ name, header })
      }
    }
  })
})

test('in words', () => {
  const record = { type: 4, group: 0xef010203, sources: [], auxiliary: new Uint8Array(0) }
  const said = [
    igmpFrameOf({ type: 'query', group: 0, maxResponseCode: 100 }),
    igmpFrameOf({ type: 'report', version: 3, records: [record, { ...record, type: 6, sources: [0x0a000001] }] }),
    mldFrameOf({ type: 'done', group: 0xff3e_0000_0000_0000_0000_0000_0000_0001n }),
  ].map((frame) => inWords(frame).replace(/^.*? (igmp|icmpv6)/, '$1'))
  expect(said).toEqual([
    'igmp general query',
    'igmp report v3 239.1.2.3 to_ex {} 239.1.2.3 block {10.0.0.1}',
    'icmpv6 mld done ff3e::1',
  ])
})

test('the MAC address of a group (RFC 1112 §6.4)', () => {
  expect(ipv4MulticastMac(0xe0800101)).toBe(0x01005e000101n)
  expect(ipv4MulticastMac(0xefffffff)).toBe(0x01005e7fffffn)
})
