import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatDuration, formatRate, formatSize, parseDuration, parseRate, parseSize } from '../../topologies/units.ts'

describe('what people write', () => {
  test.each([
    ['10us', 10_000],
    ['1.5s', 1_500_000_000],
    ['1.123456789s', 1_123_456_789],
    ['0us', 0],
    ['5ns', 5],
  ])('%s is a time', (text, nanoseconds) => expect(parseDuration(text)).toBe(nanoseconds))

  test.each([
    ['100Mbps', 1e8],
    ['64kbps', 64_000],
    ['2.5Gbps', 2_500_000_000],
  ])('%s is a rate', (text, bits) => expect(parseRate(text)).toBe(bits))

  test.each([
    ['1500B', 12_000],
    ['10kB', 80_000],
    ['12144b', 12_144],
    ['1.5kb', 1500],
  ])('%s is a size in bits', (text, bits) => expect(parseSize(text)).toBe(bits))

  test.each(['', '10', '10 us', '-1s', '1.5ns', '1.0000000001s', '1e3s', '10m', 'us', '.5s'])('%j is no time', (text) =>
    expect(() => parseDuration(text)).toThrow("expected a time in ns, us, ms or s, as '10us' or '1.5s'"),
  )
})

test.each([
  ['durations', formatDuration, parseDuration],
  ['rates', formatRate, parseRate],
  ['sizes', formatSize, parseSize],
])('%s survive being written and read', (_, format, parse) => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1e14 }), (value) => {
      expect(parse(format(value))).toBe(value)
    }),
    { seed: 1 },
  )
})
