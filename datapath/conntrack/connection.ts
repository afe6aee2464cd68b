// What is known of a connection: plain data, and the short strings by which it is found.

import { IpProtocol } from '../../protocols/match.ts'
import type { Nanoseconds } from '../../runtime/clock.ts'
import type { TcpPeer } from './tcp.ts'

/** Where frames of one direction come from and go to. */
export interface Tuple {
  family: 4 | 6
  protocol: number
  /** One word for IPv4 and four for IPv6, most significant first; what comes after them means nothing. */
  source: ArrayLike<number>
  destination: ArrayLike<number>
  /** Ports of TCP and UDP; of ICMP the identifier, in both places; 0 for any other protocol. */
  sourcePort: number
  destinationPort: number
  /** Of ICMP; its code is always 0. */
  icmpType: number
}

export type ConnectionState =
  | { kind: 'tcp'; /** Who opened it, and the other. */ peers: readonly [TcpPeer, TcpPeer] }
  | { kind: 'icmp'; replied: boolean }
  | { kind: 'other'; seen: 'first' | 'multiple' | 'bidirectional' }

/** A committed connection. Plain data: it may be copied, kept and moved. */
export interface Connection {
  zone: number
  original: Tuple
  /** What replies look like before they are translated back: the reverse of `original` where there is no NAT. */
  reply: Tuple
  mark: number
  /** Four words, most significant first. */
  label: number[]
  /** What of frames in the original direction is translated. */
  nat?: 'src' | 'dst'
  state: ConnectionState
  expires: Nanoseconds
}

export const wordsOf = (family: 4 | 6): number => (family === 4 ? 1 : 4)

/** Whether the protocol, of either IP version, has identifiers in the place of ports. */
export const isIcmp = (protocol: number): boolean => protocol === IpProtocol.Icmp || protocol === IpProtocol.Icmpv6

/** The first `count` words as one number. */
export function numberOf(words: ArrayLike<number>, count: number): bigint {
  let value = 0n
  for (let word = 0; word < count; word++) value = (value << 32n) | BigInt(words[word])
  return value
}

export const reversed = (tuple: Tuple): Tuple => ({
  family: tuple.family,
  protocol: tuple.protocol,
  source: tuple.destination,
  destination: tuple.source,
  sourcePort: tuple.destinationPort,
  destinationPort: tuple.sourcePort,
  icmpType: reversedIcmpType(tuple.protocol, tuple.icmpType),
})

/** A tuple of its own, with no word shared. */
export const copyTuple = (tuple: Tuple): Tuple => ({
  family: tuple.family,
  protocol: tuple.protocol,
  source: Array.from(tuple.source).slice(0, wordsOf(tuple.family)),
  destination: Array.from(tuple.destination).slice(0, wordsOf(tuple.family)),
  sourcePort: tuple.sourcePort,
  destinationPort: tuple.destinationPort,
  icmpType: tuple.icmpType,
})

const ICMP_PAIRS = [
  [0, 8],
  [13, 14],
  [15, 16],
] as const
const OTHER_TYPE = new Map<number, number>(
  ICMP_PAIRS.flatMap(([one, other]) => [[one, other] as const, [other, one] as const]),
)

/** The type that answers an ICMP type, and that which it answers: RFC 792, RFC 4443 §4. 0 for other protocols. */
export function reversedIcmpType(protocol: number, type: number): number {
  if (protocol === IpProtocol.Icmp) return OTHER_TYPE.get(type) ?? 0
  return protocol === IpProtocol.Icmpv6 && type !== 0 ? type ^ 1 : 0
}

/**
 * The string under which a direction of a connection is found: 16 bits a character, so that it is short to make and to
 * compare. Tuples of the two families differ in length.
 */
export function keyOf(tuple: Tuple, zone: number): string {
  const { source: s, destination: d } = tuple
  const kind = (tuple.protocol << 8) | tuple.icmpType
  if (tuple.family === 4) {
    const from = s[0]
    const to = d[0]
    const { sourcePort, destinationPort } = tuple
    // prettier-ignore
    return String.fromCharCode(from >>> 16, from & 0xffff, to >>> 16, to & 0xffff, sourcePort, destinationPort, kind, zone)
  }
  const ends = String.fromCharCode(tuple.sourcePort, tuple.destinationPort, kind, zone)
  return addressKey(s) + addressKey(d) + ends
}

const addressKey = (words: ArrayLike<number>): string =>
  // prettier-ignore
  String.fromCharCode(
    words[0] >>> 16, words[0] & 0xffff, words[1] >>> 16, words[1] & 0xffff,
    words[2] >>> 16, words[2] & 0xffff, words[3] >>> 16, words[3] & 0xffff,
  )
