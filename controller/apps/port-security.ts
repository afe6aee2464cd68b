// A vNIC says only what its own addresses allow: Ethernet and ARP addresses, IPv4 and IPv6 sources, the targets and link-layer
// addresses inside neighbour discovery. One without any address is held to its MAC alone.

import type { FlowSpec } from '../../protocols/control/messages.ts'
import type { FieldMatch } from '../../protocols/match.ts'
import type { Attachment } from '../network/attachments.ts'
import { linkLocalOf } from '../network/attachments.ts'
import { attachmentsOf } from '../network/attachments.ts'
import { placeOn } from '../network/bindings.ts'
import { Table } from '../tables.ts'
import type { App } from './app.ts'
import { numberAt } from './app.ts'
import {
  ADVERTISEMENT,
  ARP,
  fromPort,
  icmpv6,
  inNetwork,
  IPV4,
  IPV6,
  is,
  RARP,
  SOLICITATION,
  UDP,
  writerFor,
} from './flow.ts'

const flow = writerFor('port_security')

const SPOOFED: readonly FlowSpec[] = [
  flow({ table: Table.PortSecurity, priority: 0, match: [] }),
  ...[ARP, RARP, IPV4, IPV6].map((type) => flow({ table: Table.PortSecurity, priority: 50, match: [type] })),
  flow({ table: Table.NeighbourSecurity, priority: 0, match: [] }),
]

export const portSecurity: App = {
  always: SPOOFED,
  ofVnic: (at, binding) => {
    const port = fromPort(placeOn(binding, at.name)!.port)
    return attachmentsOf(binding.nic).flatMap((one) => holding([port, inNetwork(numberAt(at, one.network))], one))
  },
}

function holding(here: FieldMatch[], attachment: Attachment): FlowSpec[] {
  if (!attachment.nic.policy.portSecurity) return [pass(200, here)]
  const own = [...here, is('eth_src', attachment.mac)]
  const { ipv4, ipv6, mac } = attachment
  const anyAddress = ipv4.length + ipv6.length === 0
  return [
    pass(20, own),
    pass(100, [...own, RARP, is('arp_sha', mac)]),
    ...(anyAddress ? anyInternetAddress(own, mac) : [...onlyIpv4(own, mac, ipv4), ...onlyIpv6(own, mac, ipv6)]),
    ...neighbourSecurity(here, mac, anyAddress ? 'any' : [...ipv6, linkLocalOf(mac)]),
  ]
}

const pass = (priority: number, match: FieldMatch[]): FlowSpec =>
  flow({ table: Table.PortSecurity, priority, match, goto: Table.Qos })

const inspect = (priority: number, match: FieldMatch[]): FlowSpec =>
  flow({ table: Table.PortSecurity, priority, match, goto: Table.NeighbourSecurity })

const anyInternetAddress = (own: FieldMatch[], mac: bigint): FlowSpec[] => [
  pass(100, [...own, ARP, is('arp_sha', mac)]),
  pass(100, [...own, IPV4]),
  pass(100, [...own, IPV6]),
  inspect(110, [...own, ...SOLICITATION]),
  inspect(110, [...own, ...ADVERTISEMENT]),
]

const ANYBODY = 0
const EVERYBODY = 0xffffffff

/** Its own addresses, and none at all while it looks for one: an ARP probe (RFC 5227), a DHCP client (RFC 2131). */
const onlyIpv4 = (own: FieldMatch[], mac: bigint, addresses: readonly bigint[]): FlowSpec[] => [
  pass(100, [...own, ARP, is('arp_sha', mac), is('arp_spa', ANYBODY)]),
  pass(100, [...own, ...UDP, is('nw_src', ANYBODY), is('nw_dst', EVERYBODY), is('udp_src', 68), is('udp_dst', 67)]),
  ...addresses.flatMap((address) => [
    pass(100, [...own, ARP, is('arp_sha', mac), is('arp_spa', address)]),
    pass(100, [...own, IPV4, is('nw_src', address)]),
  ]),
]

const ROUTER_SOLICITATION = 133
/** Sent from the unspecified address by an interface whose own is still tentative (RFC 3810 §5.2.13). */
const LISTENER_REPORT = 143

const onlyIpv6 = (own: FieldMatch[], mac: bigint, addresses: readonly bigint[]): FlowSpec[] => [
  pass(110, [...own, ...icmpv6(ROUTER_SOLICITATION), is('ipv6_src', ANYBODY)]),
  pass(110, [...own, ...icmpv6(LISTENER_REPORT), is('ipv6_src', ANYBODY)]),
  inspect(110, [...own, ...SOLICITATION, is('ipv6_src', ANYBODY)]),
  ...[...addresses, linkLocalOf(mac)].flatMap((address) => [
    pass(100, [...own, IPV6, is('ipv6_src', address)]),
    inspect(110, [...own, ...SOLICITATION, is('ipv6_src', address)]),
    inspect(110, [...own, ...ADVERTISEMENT, is('ipv6_src', address)]),
  ]),
]

const ABSENT = 0

function neighbourSecurity(here: FieldMatch[], mac: bigint, targets: readonly bigint[] | 'any'): FlowSpec[] {
  const owned = targets === 'any' ? [[]] : targets.map((target) => [is('nd_target', target)])
  const honest = (match: FieldMatch[]) =>
    flow({ table: Table.NeighbourSecurity, priority: 100, match: [...here, ...match], goto: Table.Qos })
  return [mac, ABSENT].flatMap((address) => [
    honest([...SOLICITATION, is('nd_sll', address)]),
    ...owned.map((target) => honest([...ADVERTISEMENT, ...target, is('nd_tll', address)])),
  ])
}
