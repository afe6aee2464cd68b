// RFC 4861 §4: the messages of neighbour discovery, from the first byte of their ICMPv6 header. Options are in nd-options.ts.
//
//   | type 8 | code 8 | checksum 16 |
//   router solicitation:     | reserved 32 | options …
//   router advertisement:    | hop limit 8 | managed 1 | other 1 | reserved 6 | lifetime 16 | reachable 32 | retransmit 32 | options …
//   neighbour solicitation:  | reserved 32 | target 128 | options …
//   neighbour advertisement: | router 1 | solicited 1 | override 1 | reserved 29 | target 128 | options …

import { getUint128, requireBytes, setUint128 } from '../bytes.ts'
import { Malformed } from '../errors.ts'
import { ICMP_HEADER_SIZE, encodeIcmp } from './icmp.ts'
import { Icmpv6Type } from './icmpv6.ts'
import type { NdOption } from './nd-options.ts'
import { decodeNdOptions, encodeNdOptions, ndOptionsSize } from './nd-options.ts'

const SECOND_WORD = 4
const TARGET = 8
const NEIGHBOUR_OPTIONS = 24
const LIFETIME = 6
const REACHABLE = 8
const RETRANSMIT = 12
const ADVERTISEMENT_OPTIONS = 16

export type NeighbourDiscovery =
  | { type: 'router-solicitation'; options: NdOption[] }
  | {
      type: 'router-advertisement'
      hopLimit: number
      managed: boolean
      otherConfiguration: boolean
      /** Seconds; 0 is no default router. */
      lifetime: number
      /** Milliseconds; 0 says nothing. */
      reachableTime: number
      retransmitTime: number
      options: NdOption[]
    }
  | { type: 'neighbour-solicitation'; target: bigint; options: NdOption[] }
  | {
      type: 'neighbour-advertisement'
      router: boolean
      solicited: boolean
      override: boolean
      target: bigint
      options: NdOption[]
    }

/** Whether an ICMPv6 type is one that `decodeNd` reads. */
export const isNd = (type: number): boolean =>
  type >= Icmpv6Type.RouterSolicitation && type <= Icmpv6Type.NeighbourAdvertisement

/** @throws Malformed a message cut short, of a type that `isNd` denies, or with an option that does not fit. */
export function decodeNd(view: DataView, at: number, end = view.byteLength): NeighbourDiscovery {
  requireBytes('nd', 'header', at, end, ICMP_HEADER_SIZE)
  const type = view.getUint8(at)
  switch (type) {
    case Icmpv6Type.RouterSolicitation:
      return { type: 'router-solicitation', options: decodeNdOptions(view, at + ICMP_HEADER_SIZE, end) }
    case Icmpv6Type.RouterAdvertisement:
      return decodeRouterAdvertisement(view, at, end)
    case Icmpv6Type.NeighbourSolicitation:
      return { type: 'neighbour-solicitation', ...decodeTarget(view, at, end) }
    case Icmpv6Type.NeighbourAdvertisement:
      return decodeNeighbourAdvertisement(view, at, end)
    default:
      throw new Malformed('nd', `ICMPv6 type ${type} is not neighbour discovery`, at)
  }
}

function decodeRouterAdvertisement(view: DataView, at: number, end: number): NeighbourDiscovery {
  requireBytes('nd', 'router advertisement', at, end, ADVERTISEMENT_OPTIONS)
  const flags = view.getUint8(at + SECOND_WORD + 1)
  return {
    type: 'router-advertisement',
    hopLimit: view.getUint8(at + SECOND_WORD),
    managed: (flags & 0x80) !== 0,
    otherConfiguration: (flags & 0x40) !== 0,
    lifetime: view.getUint16(at + LIFETIME),
    reachableTime: view.getUint32(at + REACHABLE),
    retransmitTime: view.getUint32(at + RETRANSMIT),
    options: decodeNdOptions(view, at + ADVERTISEMENT_OPTIONS, end),
  }
}

function decodeTarget(view: DataView, at: number, end: number) {
  requireBytes('nd', 'target address', at, end, NEIGHBOUR_OPTIONS)
  return { target: getUint128(view, at + TARGET), options: decodeNdOptions(view, at + NEIGHBOUR_OPTIONS, end) }
}

function decodeNeighbourAdvertisement(view: DataView, at: number, end: number): NeighbourDiscovery {
  const flags = view.getUint8(at + SECOND_WORD)
  return {
    type: 'neighbour-advertisement',
    router: (flags & 0x80) !== 0,
    solicited: (flags & 0x40) !== 0,
    override: (flags & 0x20) !== 0,
    ...decodeTarget(view, at, end),
  }
}

const FIXED_SIZE = {
  'router-solicitation': ICMP_HEADER_SIZE,
  'router-advertisement': ADVERTISEMENT_OPTIONS,
  'neighbour-solicitation': NEIGHBOUR_OPTIONS,
  'neighbour-advertisement': NEIGHBOUR_OPTIONS,
} as const

const TYPES = {
  'router-solicitation': Icmpv6Type.RouterSolicitation,
  'router-advertisement': Icmpv6Type.RouterAdvertisement,
  'neighbour-solicitation': Icmpv6Type.NeighbourSolicitation,
  'neighbour-advertisement': Icmpv6Type.NeighbourAdvertisement,
} as const

/** Bytes that the message takes, ICMPv6 header included. */
export const ndSize = (message: NeighbourDiscovery): number => FIXED_SIZE[message.type] + ndOptionsSize(message.options)

/** Writes the message with a checksum of zero, which its sender has to fill in; returns where it ends. */
export function encodeNd(message: NeighbourDiscovery, view: DataView, at: number): number {
  encodeIcmp({ type: TYPES[message.type], code: 0, checksum: 0, rest: secondWord(message) }, view, at)
  if (message.type === 'router-advertisement') {
    view.setUint32(at + REACHABLE, message.reachableTime)
    view.setUint32(at + RETRANSMIT, message.retransmitTime)
  } else if (message.type !== 'router-solicitation') setUint128(view, at + TARGET, message.target)
  return encodeNdOptions(message.options, view, at + FIXED_SIZE[message.type])
}

function secondWord(message: NeighbourDiscovery): number {
  if (message.type === 'neighbour-advertisement')
    return (flag(message.router, 31) | flag(message.solicited, 30) | flag(message.override, 29)) >>> 0
  if (message.type !== 'router-advertisement') return 0
  const flags = flag(message.managed, 23) | flag(message.otherConfiguration, 22)
  return ((message.hopLimit << 24) | flags | message.lifetime) >>> 0
}

const flag = (isSet: boolean, bit: number) => (isSet ? 1 << bit : 0)

/** RFC 4291 §2.7.1: the group that the owner of an address listens to. */
export const solicitedNodeAddress = (address: bigint): bigint =>
  0xff0200000000000000000001ff000000n | (address & 0xffffffn)

/** RFC 2464 §7: the MAC address of an IPv6 multicast group. */
export const ipv6MulticastMac = (group: bigint): bigint => 0x333300000000n | (group & 0xffffffffn)
