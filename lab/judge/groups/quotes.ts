// What an ICMP error that a denied packet calls for has to quote of it, octet by octet: all that fits, and nothing that came behind the packet.

import { internetChecksum } from '../../../protocols/checksum.ts'
import { ICMP_ERROR_HEADER, packetIn, type PacketPlace } from './talk.ts'

/** Of the packet, at most: an error has 576 octets (RFC 1812 §4.3.2.3), or the least MTU of IPv6 (RFC 4443 §2.4 (c)). */
const MOST = { 4: 576 - 20 - ICMP_ERROR_HEADER, 6: 1280 - 40 - ICMP_ERROR_HEADER } as const
/** The octets before it say nothing in these errors (RFC 792, RFC 4443 §3.1). */
const UNUSED = '00000000'

/** What there must be of the packet in the frame; undefined where it holds none. */
export function owedQuote(bytes: Uint8Array, start: number, end: number): string | undefined {
  const place = packetIn(bytes, start, end)
  if (place === undefined) return undefined
  const { family, at } = place
  return UNUSED + comparable(bytes.slice(at, Math.min(endOf(bytes, place), at + MOST[family])), family)
}

/** What there is in the frame, an ICMP error whose own IP header has no options; undefined where it holds no packet. */
export function quoteIn(bytes: Uint8Array, start: number, end: number): string | undefined {
  const place = packetIn(bytes, start, end)
  if (place === undefined) return undefined
  const { family, at } = place
  const quoted = at + (family === 4 ? 20 : 40) + ICMP_ERROR_HEADER
  return hex(bytes.subarray(quoted - 4, quoted)) + comparable(bytes.slice(quoted, endOf(bytes, place)), family)
}

/** Where the packet ends, as it says itself: behind it there may be padding. */
function endOf(bytes: Uint8Array, { family, at, end }: PacketPlace): number {
  const length = (place: number) => (bytes[at + place]! << 8) | bytes[at + place + 1]!
  return Math.min(end, at + (family === 4 ? length(2) : 40 + length(4)))
}

/** Its octets without what a network may write into an IP header on the way (RFC 1812 §4.3.2.3): DSCP and ECN, and how far it may still go. */
function comparable(quote: Uint8Array, family: 4 | 6): string {
  if (quote.length < (family === 4 ? 20 : 40)) return 'cut short'
  if (family === 6) {
    quote[0]! &= 0xf0
    quote[1]! &= 0x0f
    quote[7] = 0
    return hex(quote)
  }
  const isSound = internetChecksum(quote, 0, Math.min(quote.length, (quote[0]! & 0x0f) * 4)) === 0
  quote[1] = quote[8] = quote[10] = quote[11] = 0
  return `${hex(quote)} ${isSound ? 'sound' : 'wrong'}`
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
