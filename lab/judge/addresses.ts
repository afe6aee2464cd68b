// Sets of addresses, as the judge spells them: IPv4 dotted, IPv6 as 32 hexadecimal digits.

import { parseIpv4, parseIpv6 } from '../../protocols/address.ts'

/** Addresses one by one, and prefixes. */
export interface Addresses {
  readonly single: Set<string>
  readonly prefixes: { family: 4 | 6; bits: bigint; shift: bigint }[]
}

export function addressesOf(texts: readonly string[]): Addresses {
  const addresses: Addresses = { single: new Set(), prefixes: [] }
  for (const text of texts) addTo(addresses, text)
  return addresses
}

export function addTo({ single, prefixes }: Addresses, text: string): void {
  const [address = '', length] = text.split('/')
  const family = address.includes(':') ? 6 : 4
  const width = family === 6 ? 128 : 32
  if (length === undefined || Number(length) === width) {
    single.add(family === 6 ? parseIpv6(address).toString(16).padStart(32, '0') : address)
    return
  }
  const shift = BigInt(width - Number(length))
  prefixes.push({ family, bits: (family === 6 ? parseIpv6(address) : BigInt(parseIpv4(address))) >> shift, shift })
}

export function holds({ single, prefixes }: Addresses, family: 4 | 6, address: string): boolean {
  if (single.has(address)) return true
  if (prefixes.length === 0) return false
  const value = family === 6 ? BigInt(`0x${address}`) : dotted(address)
  return prefixes.some((prefix) => prefix.family === family && value >> prefix.shift === prefix.bits)
}

/** Of an address that the judge has spelled itself, and so need not be checked. */
const dotted = (address: string): bigint =>
  BigInt(address.split('.').reduce((before, octet) => before * 256 + Number(octet), 0))
