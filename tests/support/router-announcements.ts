// What a multicast router says of itself: hellos of PIM (RFC 7761 §4.9.2) and multicast router discovery (RFC 4286).

import { IpProtocol } from '../../protocols/match.ts'
import { ipFrame } from '../../protocols/packet/compose.ts'
import { ipv4MulticastMac } from '../../protocols/packet/igmp.ts'
import { ipv6MulticastMac } from '../../protocols/packet/nd.ts'

export interface Sender4 {
  ethSrc: bigint
  ipSrc: number
}
export interface Sender6 {
  ethSrc: bigint
  ipSrc: bigint
}

const ALL_PIM_ROUTERS4 = 0xe000000d
const ALL_SNOOPERS4 = 0xe000006a
const ALL_PIM_ROUTERS6 = (0xff02n << 112n) | 0xdn
const ALL_SNOOPERS6 = (0xff02n << 112n) | 0x6an

/** Without a hold time the default one holds; a generation identifier comes first, as from most routers. */
function hello(holdTime: number | undefined): Uint8Array {
  const holds = holdTime === undefined ? [] : [0, 1, 0, 2, holdTime >> 8, holdTime & 0xff]
  return Uint8Array.of(0x20, 0, 0, 0, 0, 20, 0, 4, 1, 2, 3, 4, ...holds)
}

export const hello4 = (from: Sender4, holdTime?: number, segment = hello(holdTime)): Uint8Array =>
  to4(from, ALL_PIM_ROUTERS4, IpProtocol.Pim, segment)
export const hello6 = (from: Sender6, holdTime?: number): Uint8Array =>
  to6(from, ALL_PIM_ROUTERS6, IpProtocol.Pim, hello(holdTime))

/** A join or prune: the router's own, and nothing to who only looks on. */
export const pimJoin4 = (from: Sender4): Uint8Array => hello4(from, undefined, Uint8Array.of(0x23, 0, 0, 0, 1, 0))

export const advertisement4 = (from: Sender4, interval: number): Uint8Array =>
  to4(from, ALL_SNOOPERS4, IpProtocol.Igmp, Uint8Array.of(0x30, interval, 0, 0, 0, 125, 0, 2))
export const advertisement6 = (from: Sender6, interval: number): Uint8Array =>
  to6(from, ALL_SNOOPERS6, IpProtocol.Icmpv6, Uint8Array.of(151, interval, 0, 0, 0, 125, 0, 2))

export const termination4 = (from: Sender4): Uint8Array =>
  to4(from, ALL_SNOOPERS4, IpProtocol.Igmp, Uint8Array.of(0x32, 0, 0, 0))
export const termination6 = (from: Sender6): Uint8Array =>
  to6(from, ALL_SNOOPERS6, IpProtocol.Icmpv6, Uint8Array.of(153, 0, 0, 0))

const to4 = (from: Sender4, ipDst: number, protocol: number, segment: Uint8Array) =>
  ipFrame({ ...from, ethDst: ipv4MulticastMac(ipDst), ipDst, ttl: 1, protocol, segment })
const to6 = (from: Sender6, ipDst: bigint, protocol: number, segment: Uint8Array) =>
  ipFrame({ ...from, ethDst: ipv6MulticastMac(ipDst), ipDst, ttl: 1, protocol, segment })
