// RFC 4443 §2.1: the header is ICMP's (icmp.ts), the numbers are not. Neighbour discovery is in nd.ts, multicast listeners in mld.ts,
// multicast routers in mrd.ts.

import type { IcmpHeader } from './icmp.ts'
import { decodeIcmp } from './icmp.ts'

export const Icmpv6Type = {
  Unreachable: 1,
  PacketTooBig: 2,
  TimeExceeded: 3,
  EchoRequest: 128,
  EchoReply: 129,
  ListenerQuery: 130,
  ListenerReport: 131,
  ListenerDone: 132,
  RouterSolicitation: 133,
  RouterAdvertisement: 134,
  NeighbourSolicitation: 135,
  NeighbourAdvertisement: 136,
  ListenerReportV2: 143,
  MulticastRouterAdvertisement: 151,
  MulticastRouterSolicitation: 152,
  MulticastRouterTermination: 153,
} as const

/** @throws Malformed fewer than eight bytes. */
export const decodeIcmpv6 = (view: DataView, at: number, end = view.byteLength): IcmpHeader =>
  decodeIcmp(view, at, end, 'icmpv6')
