// Six guests of one network, what they say of multicast groups, and what they send to them.

import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from '../../protocols/address.ts'
import { udpFrame } from '../../protocols/packet/compose.ts'
import { BROADCAST_MAC } from '../../protocols/packet/ethernet.ts'
import type { IgmpMessage } from '../../protocols/packet/igmp.ts'
import { ipv4MulticastMac } from '../../protocols/packet/igmp.ts'
import type { MldMessage } from '../../protocols/packet/mld.ts'
import { ipv6MulticastMac } from '../../protocols/packet/nd.ts'
import { igmpFrameOf, mldFrameOf } from './random-memberships.ts'

export const NAMES = ['a', 'b', 'c', 'd', 'e', 'f'] as const
export type Name = (typeof NAMES)[number]

export const macOf = (name: Name) => 0x02_0000_0000_00n + BigInt(1 + NAMES.indexOf(name))
const ipv4Of = (name: Name) => parseIpv4('10.0.0.1') + NAMES.indexOf(name)
const linkLocalOf = (name: Name) => 0xfe80_0000_0000_0000_0000_00ff_fe00_0000n + macOf(name) - 0x02_0000_0000_00n

export const sender4 = (name: Name) => ({ ethSrc: macOf(name), ipSrc: ipv4Of(name) })
export const sender6 = (name: Name) => ({ ethSrc: macOf(name), ipSrc: linkLocalOf(name) })

export const macText = (name: Name) => `02:00:00:00:00:0${1 + NAMES.indexOf(name)}`
export const addressesOf = (name: Name) => [formatIpv4(ipv4Of(name)), formatIpv6(linkLocalOf(name))]

export const igmpFrom = (name: Name, message: IgmpMessage, ipSrc = ipv4Of(name)) =>
  igmpFrameOf(message, { ethSrc: macOf(name), ipSrc })
export const mldFrom = (name: Name, message: MldMessage, ipSrc = linkLocalOf(name)) =>
  mldFrameOf(message, { ethSrc: macOf(name), ipSrc })

/** A datagram for a group, or for `all` on the network. */
export function dataFrom(name: Name, group: string): Uint8Array {
  const ports = { ethSrc: macOf(name), srcPort: 5000, dstPort: 5000, payload: new Uint8Array(8) }
  if (group === 'all')
    return udpFrame({ ...ports, ethDst: BROADCAST_MAC, ipSrc: ipv4Of(name), ipDst: parseIpv4('255.255.255.255') })
  if (group.includes(':')) {
    const ipDst = parseIpv6(group)
    return udpFrame({ ...ports, ethDst: ipv6MulticastMac(ipDst), ipSrc: linkLocalOf(name), ipDst })
  }
  const ipDst = parseIpv4(group)
  return udpFrame({ ...ports, ethDst: ipv4MulticastMac(ipDst), ipSrc: ipv4Of(name), ipDst })
}
