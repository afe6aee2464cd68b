// IPv4 and IPv6 addresses and the prefixes that hold them.

import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from '../protocols/address.ts'
import { InvalidField } from '../protocols/errors.ts'

export interface Address {
  version: 4 | 6
  value: bigint
}

export interface Subnet {
  cidr: string
  version: 4 | 6
  first: bigint
  last: bigint
  prefix: number
}

const BITS = { 4: 32, 6: 128 } as const
const EXPECTED = 'a prefix, as 10.0.10.0/24 or 2001:db8::/64'

/** @throws InvalidField */
export function parseAddress(text: string): Address {
  if (text.includes(':')) return { version: 6, value: parseIpv6(text) }
  return { version: 4, value: BigInt(parseIpv4(text)) }
}

export const formatAddress = ({ version, value }: Address): string =>
  version === 4 ? formatIpv4(Number(value)) : formatIpv6(value)

/** @throws InvalidField no prefix, or one with bits set behind its length. */
export function parseSubnet(cidr: string): Subnet {
  const parts = /^([^/]+)\/(\d{1,3})$/.exec(cidr)
  if (parts === null) throw new InvalidField('cidr', `'${cidr}' is not a prefix`, EXPECTED)
  const { version, value } = parseAddress(parts[1]!)
  const prefix = Number(parts[2])
  if (prefix > BITS[version]) throw new InvalidField('cidr', `/${prefix} is too long`, `at most /${BITS[version]}`)
  const hostBits = (1n << BigInt(BITS[version] - prefix)) - 1n
  const first = value & ~hostBits
  const proper = `${formatAddress({ version, value: first })}/${prefix}`
  if (first !== value) throw new InvalidField('cidr', `'${cidr}' has bits set behind its prefix`, proper)
  return { cidr, version, first, last: first | hostBits, prefix }
}

/** A prefix, or a single address as one of full length. @throws InvalidField */
export function parsePrefix(text: string): Subnet {
  if (text.includes('/')) return parseSubnet(text)
  const { version } = parseAddress(text)
  return parseSubnet(`${text}/${BITS[version]}`)
}

/** Canonical text. */
export const formatPrefix = ({ version, first, prefix }: Subnet): string =>
  `${formatAddress({ version, value: first })}/${prefix}`

export const holds = (subnet: Subnet, { version, value }: Address): boolean =>
  subnet.version === version && value >= subnet.first && value <= subnet.last

export const overlap = (a: Subnet, b: Subnet): boolean =>
  a.version === b.version && a.first <= b.last && b.first <= a.last

/** The subnet's own address or its broadcast address: no vNIC may have it. */
export const isReserved = (subnet: Subnet, { version, value }: Address): boolean =>
  version === 4 && subnet.prefix < 31 && (value === subnet.first || value === subnet.last)

/** fe80::/10 (RFC 4291 §2.5.6) */
export const isLinkLocal = ({ version, value }: Address): boolean => version === 6 && value >> 118n === 0x3fan

/** An address that one vNIC can have: neither unspecified, multicast, broadcast nor loopback. */
export function isUnicast({ version, value }: Address): boolean {
  if (version === 6) return value > 1n && value >> 120n !== 0xffn
  const top = Number(value >> 24n)
  return top !== 0 && top !== 127 && top < 224
}
