// Addresses between text and numbers. MAC and IPv6 addresses are bigints, IPv4 addresses 32-bit numbers.

import { IPv4, IPv6 } from 'ip-num'
import { InvalidField } from './errors.ts'

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i

/** @throws InvalidField anything but six colon-separated octets. */
export function parseMac(text: string, path = 'mac'): bigint {
  if (!MAC.test(text))
    throw new InvalidField(path, `'${text}' is not a MAC address`, 'six octets, as 02:00:00:00:00:01')
  return BigInt('0x' + text.replaceAll(':', ''))
}

export function formatMac(mac: bigint): string {
  return mac
    .toString(16)
    .padStart(12, '0')
    .replace(/..(?!$)/g, '$&:')
}

/** @throws InvalidField anything but four decimal octets. */
export function parseIpv4(text: string, path = 'address'): number {
  try {
    return Number(new IPv4(text).value)
  } catch {
    throw new InvalidField(path, `'${text}' is not an IPv4 address`, 'four decimal octets, as 192.0.2.1')
  }
}

export const formatIpv4 = (address: number): string =>
  `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`

/** @throws InvalidField anything RFC 4291 §2.2 does not allow; a dotted IPv4 tail is allowed. */
export function parseIpv6(text: string, path = 'address'): bigint {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text)
  const plain = dotted ? dotted[1]! + hexadecimalPair(parseIpv4(dotted[2]!, path)) : text
  try {
    return new IPv6(plain).value
  } catch {
    throw new InvalidField(path, `'${text}' is not an IPv6 address`, 'colon-separated groups, as 2001:db8::1')
  }
}

const hexadecimalPair = (address: number) => `${(address >>> 16).toString(16)}:${(address & 0xffff).toString(16)}`

/** RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups as `::`. */
export function formatIpv6(address: bigint): string {
  const groups = Array.from({ length: 8 }, (_, group) => Number((address >> BigInt(112 - 16 * group)) & 0xffffn))
  const { start, length } = longestZeroRun(groups)
  const text = (from: number, to: number) =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':')
  return length < 2 ? text(0, 8) : `${text(0, start)}::${text(start + length, 8)}`
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  for (let start = 0; start < groups.length; start++) {
    let end = start
    while (groups[end] === 0) end++
    if (end - start > best.length) best = { start, length: end - start }
  }
  return best
}

/** The address that an interface with this MAC gives itself: fe80::/64 and the modified EUI-64 (RFC 4291 appendix A). */
export function linkLocalOf(mac: bigint): bigint {
  const high = (mac >> 24n) ^ 0x020000n
  return (0xfe80n << 112n) | (high << 40n) | (0xfffen << 24n) | (mac & 0xffffffn)
}
