// Frames that are said again in the same words: of two that look alike nobody knows whether they are one.

import { viewOf } from '../../protocols/bytes.ts'
import { EtherType, IpProtocol } from '../../protocols/match.ts'
import { ETHERNET_HEADER_SIZE } from '../../protocols/packet/ethernet.ts'
import { newIpv6Walk, walkIpv6Chain } from '../../protocols/packet/ipv6-extensions.ts'
import { IPV6_HEADER_SIZE } from '../../protocols/packet/ipv6.ts'
import { isMld } from '../../protocols/packet/mld.ts'
import { isMrd } from '../../protocols/packet/mrd.ts'
import { isNd } from '../../protocols/packet/nd.ts'
import { announcesVlan, VLAN_TAG_SIZE } from '../../protocols/packet/vlan.ts'

const ETHER_TYPE_SIZE = 2
const IPV4_PROTOCOL = 9
const NEXT_HEADER = 6
/** Of a fragment: nothing but the first begins with a header of ICMPv6. */
const OFFSET_MASK = 0xfff8

/** ARP and RARP, what hosts and routers say of multicast groups, and neighbour discovery; under any tags. */
export function isSaidAgain(bytes: Uint8Array): boolean {
  if (bytes.length < ETHERNET_HEADER_SIZE) return false
  const view = viewOf(bytes)
  let at = ETHERNET_HEADER_SIZE
  while (announcesVlan(view.getUint16(at - ETHER_TYPE_SIZE))) {
    at += VLAN_TAG_SIZE
    if (at > bytes.length) return false
  }
  switch (view.getUint16(at - ETHER_TYPE_SIZE)) {
    case EtherType.Arp:
    case EtherType.Rarp:
      return true
    case EtherType.Ipv4:
      return at + IPV4_PROTOCOL < bytes.length && view.getUint8(at + IPV4_PROTOCOL) === IpProtocol.Igmp
    case EtherType.Ipv6:
      return at + IPV6_HEADER_SIZE <= bytes.length && isSaidOfLink(view, at)
    default:
      return false
  }
}

/** The IPv6 packet here is neighbour discovery, or of multicast groups or routers. */
function isSaidOfLink(view: DataView, at: number): boolean {
  const walk = newIpv6Walk()
  const next = view.getUint8(at + NEXT_HEADER)
  if (!walkIpv6Chain(view, at + IPV6_HEADER_SIZE, view.byteLength, next, walk)) return false
  const isFirst = walk.protocol === IpProtocol.Icmpv6 && (walk.fragment & OFFSET_MASK) === 0
  if (!isFirst || walk.at >= view.byteLength) return false
  const type = view.getUint8(walk.at)
  return isNd(type) || isMld(type) || isMrd(type)
}
