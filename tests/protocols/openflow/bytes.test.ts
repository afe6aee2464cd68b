import { expect, test } from 'vitest'
import { ByteReader } from '../../../protocols/openflow/byte-reader.ts'
import { seeded } from '../../../runtime/random.ts'
import { codeOf, hex, written } from '../../support/openflow-bytes.ts'
import { randomBits } from '../../support/random-flows.ts'

test.each([1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 16, 30, 128])('a number of %i bytes is written and read', (size) => {
  const random = seeded(size)
  for (let i = 0; i < 50; i++) {
    const value = randomBits(random, 8 * size)
    const bytes = written((writer) => writer.big(value, size))
    expect(Buffer.from(bytes).toString('hex')).toBe(value.toString(16).padStart(2 * size, '0'))
    expect(new ByteReader(bytes).big(size)).toBe(value)
  }
})

test('a reader knows where it is, and leaves behind it what a part of it was given', () => {
  const reader = new ByteReader(hex('00 01 02 03 04 05 06 07'), 1, 7)
  expect(reader.u8()).toBe(1)
  const part = reader.sub(2, 'OFPBAC_BAD_LEN')
  expect([part.u16(), part.remaining, part.position]).toEqual([0x0203, 0, 2])
  expect([reader.position, reader.remaining, reader.u8()]).toEqual([3, 3, 4])
})

test('what is missing is refused as the caller says, and never read from beyond the end', () => {
  const bytes = hex('00 01 02 03 04 05 06 07')
  const short = () => new ByteReader(bytes, 0, 3)
  expect(codeOf(() => short().u32())).toBe('OFPBRC_BAD_LEN')
  expect(codeOf(() => short().sub(4))).toBe('OFPBRC_BAD_LEN')
  expect(codeOf(() => short().bytes(-1))).toBe('OFPBRC_BAD_LEN')
  expect(codeOf(() => short().sub(2, 'OFPBMC_BAD_LEN').u32())).toBe('OFPBMC_BAD_LEN')
  expect(codeOf(() => new ByteReader(bytes, 0, 9))).toBe('OFPBRC_BAD_LEN')
})
