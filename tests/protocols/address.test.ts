import { expect, test } from 'vitest'
import { formatIpv4, formatIpv6, formatMac, parseIpv4, parseIpv6, parseMac } from '../../protocols/address.ts'
import { InvalidField } from '../../protocols/errors.ts'
import { seeded } from '../../runtime/random.ts'
import { randomBits } from '../support/frames.ts'

test('what is printed reads back as the same address', () => {
  const random = seeded(1)
  for (let round = 0; round < 500; round++) {
    const [mac, ipv4] = [randomBits(random, 48), random.uint32()]
    // Whole groups of zeros are where IPv6 text is interesting.
    let ipv6 = 0n
    for (let group = 0; group < 8; group++) ipv6 = (ipv6 << 16n) | (random.below(2) ? randomBits(random, 16) : 0n)
    expect(parseMac(formatMac(mac))).toBe(mac)
    expect(parseIpv4(formatIpv4(ipv4))).toBe(ipv4)
    expect(parseIpv6(formatIpv6(ipv6))).toBe(ipv6)
  }
})

test.each([
  ['0:0:0:0:0:0:0:0', '::'],
  ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['fe80::0001', 'fe80::1'],
  ['::ffff:192.0.2.1', '::ffff:c000:201'],
  ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
  ['1::', '1::'],
])('%s prints as %s (RFC 5952)', (text, canonical) => {
  expect(formatIpv6(parseIpv6(text))).toBe(canonical)
})

test.each(['', '02:00:00:00:00', '02:00:00:00:00:0g', '020000000001', '02:00:00:00:00:01 '])(
  '%j is no MAC address',
  (text) => {
    expect(() => parseMac(text)).toThrow(InvalidField)
  },
)

test.each(['', '10.0.0', '10.0.0.256', '10.0.0.1.2', '10.0.0.a', '-1.0.0.0'])('%j is no IPv4 address', (text) => {
  expect(() => parseIpv4(text)).toThrow(InvalidField)
})

test.each(['', ':', '1:2:3', '1::2::3', '1:2:3:4:5:6:7:8:9', '12345::', 'g::', '::1.2.3'])(
  '%j is no IPv6 address',
  (text) => {
    expect(() => parseIpv6(text)).toThrow(InvalidField)
  },
)
