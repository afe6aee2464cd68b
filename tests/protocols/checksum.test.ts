import { describe, expect, test } from 'vitest'
import {
  crc32c,
  foldSum,
  internetChecksum,
  onesSum,
  udpChecksum,
  updateChecksum,
  updateChecksum32,
} from '../../protocols/checksum.ts'
import { seeded } from '../../runtime/random.ts'
import { randomBytes } from '../support/frames.ts'

describe('sums of the Internet', () => {
  test('RFC 1071 §3: 00 01 f2 03 f4 f5 f6 f7 sum to ddf2', () => {
    const bytes = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7)
    expect(foldSum(onesSum(bytes, 0, 8))).toBe(0xddf2)
    expect(internetChecksum(bytes, 0, 8)).toBe(0x220d)
  })

  test('RFC 1624 §4: 5555 becoming 3285 turns dd2f into 0000', () => {
    expect(updateChecksum(0xdd2f, 0x5555, 0x3285)).toBe(0x0000)
  })

  test('an IPv4 header that Wikipedia and many others print', () => {
    const header = Uint8Array.from(Buffer.from('450000730000400040110000c0a80001c0a800c7', 'hex'))
    expect(internetChecksum(header, 0, 20)).toBe(0xb861)
  })

  test('an odd last byte counts as the high half of a word', () => {
    expect(internetChecksum(Uint8Array.of(0xff, 0x12, 0x34, 0x56), 1, 3)).toBe(~(0x1234 + 0x5600) & 0xffff)
  })

  test('a UDP checksum is never zero', () => {
    expect(udpChecksum(Uint8Array.of(0xff, 0xff), 0, 2, 0)).toBe(0xffff)
  })

  test('a sum of 64 KiB of ones does not overflow', () => {
    expect(internetChecksum(new Uint8Array(131070).fill(0xff), 0, 131070)).toBe(0)
  })

  test.each([1, 2, 3])('an update gives what summing anew gives (seed %i)', (seed) => {
    const random = seeded(seed)
    for (let round = 0; round < 500; round++) {
      const bytes = randomBytes(random, 40)
      const view = new DataView(bytes.buffer)
      const before = internetChecksum(bytes, 0, 40)
      const [at16, at32] = [2 * random.below(10), 20 + 2 * random.below(9)]
      const [old16, old32] = [view.getUint16(at16), view.getUint32(at32)]
      view.setUint16(at16, random.below(65536))
      view.setUint32(at32, random.uint32())
      const updated = updateChecksum(before, old16, view.getUint16(at16))
      expect(updateChecksum32(updated, old32, view.getUint32(at32))).toBe(internetChecksum(bytes, 0, 40))
    }
  })
})

describe('CRC-32C', () => {
  test.each([
    ['32 zeros (RFC 3720 B.4)', new Uint8Array(32), 0x8a9136aa],
    ['32 ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ['0 to 31', Uint8Array.from({ length: 32 }, (_, at) => at), 0x46dd794e],
    ['31 to 0', Uint8Array.from({ length: 32 }, (_, at) => 31 - at), 0x113fdb5c],
    ['123456789', new Uint8Array(Buffer.from('123456789')), 0xe3069283],
  ])('%s', (_, bytes, crc) => {
    expect(crc32c(bytes, 0, bytes.length)).toBe(crc)
  })

  test('goes on from where it stopped', () => {
    const bytes = randomBytes(seeded(1), 100)
    expect(crc32c(bytes, 30, 70, crc32c(bytes, 0, 30))).toBe(crc32c(bytes, 0, 100))
  })
})
