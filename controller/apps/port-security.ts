// A vNIC says only what its own addresses allow: Ethernet and ARP addresses, IPv4 and IPv6 sources, the targets and link-layer
// addresses inside neighbour discovery; and what its allowed address pairs do. One without any address is held to its MAC alone.

import type { FlowSpec } from '../../protocols/control/messages.ts'
import { linkLocalOf, parseMac } from '../../protocols/address.ts'
import type { FieldName } from '../../protocols/fields.ts'
import type { FieldMatch } from '../../protocols/match.ts'
import type { Subnet } from '../../topologies/subnets.ts'
import { parsePrefix } from '../../topologies/subnets.ts'
import type { Attachment } from '../network/attachments.ts'
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
  return identitiesOf(attachment).flatMap(({ mac, ipv4, ipv6 }) => {
    const own = [...here, is('eth_src', mac)]
    const anyAddress = ipv4.length + ipv6.length === 0
    return [
      pass(20, own),
      pass(100, [...own, RARP, is('arp_sha', mac)]),
      ...(anyAddress ? anyInternetAddress(own, mac) : [...onlyIpv4(own, mac, ipv4), ...onlyIpv6(own, ipv6)]),
      ...neighbourSecurity(here, mac, anyAddress ? 'any' : ipv6),
    ]
  })
}

/** A MAC address, and the addresses that may go with it. */
interface Identity {
  readonly mac: bigint
  readonly ipv4: readonly Range[]
  /** With the link-local one of the MAC address, where there are any. */
  readonly ipv6: readonly Range[]
}

/** Addresses under a mask; of one alone there is none. */
interface Range {
  readonly value: bigint
  readonly mask?: bigint
}

const single = (value: bigint): Range => ({ value })

/** The vNIC's own, and those of its allowed address pairs. Without any address its own MAC may go with all. */
function identitiesOf({ mac, ipv4, ipv6, nic }: Attachment): Identity[] {
  const pairs = (nic.policy.allowedAddressPairs ?? []).map((pair) => ({
    mac: pair.mac === undefined ? mac : parseMac(pair.mac),
    ...parsePrefix(pair.prefix),
  }))
  const macs = [...new Set([mac, ...pairs.map((pair) => pair.mac)])]
  const isFree = ipv4.length + ipv6.length === 0
  return macs.map((one) => {
    const own = one === mac
    if (own && isFree) return { mac, ipv4: [], ipv6: [] }
    const paired = pairs.filter((pair) => pair.mac === one)
    const ranges = (version: 4 | 6) => paired.filter((pair) => pair.version === version).map(rangeOf)
    return {
      mac: one,
      ipv4: [...(own ? ipv4.map(single) : []), ...ranges(4)],
      ipv6: [...(own ? ipv6.map(single) : []), ...ranges(6), single(linkLocalOf(one))],
    }
  })
}

const WIDTH = { 4: 32n, 6: 128n } as const

function rangeOf({ version, first, prefix }: Subnet): Range {
  const free = WIDTH[version] - BigInt(prefix)
  return free === 0n ? single(first) : { value: first, mask: ((1n << BigInt(prefix)) - 1n) << free }
}

const isIn = (field: FieldName, range: Range): FieldMatch => ({ field, ...range })

const pass = (priority: number, match: FieldMatch[]): FlowSpec =>
  flow({ table: Table.PortSecurity, priority, match, goto: Table.TrackFromVm })

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
const onlyIpv4 = (own: FieldMatch[], mac: bigint, addresses: readonly Range[]): FlowSpec[] => [
  pass(100, [...own, ARP, is('arp_sha', mac), is('arp_spa', ANYBODY)]),
  pass(100, [...own, ...UDP, is('nw_src', ANYBODY), is('nw_dst', EVERYBODY), is('udp_src', 68), is('udp_dst', 67)]),
  ...addresses.flatMap((address) => [
    pass(100, [...own, ARP, is('arp_sha', mac), isIn('arp_spa', address)]),
    pass(100, [...own, IPV4, isIn('nw_src', address)]),
  ]),
]

const ROUTER_SOLICITATION = 133
/** Sent from the unspecified address by an interface whose own is still tentative (RFC 3810 §5.2.13). */
const LISTENER_REPORT = 143

const onlyIpv6 = (own: FieldMatch[], addresses: readonly Range[]): FlowSpec[] => [
  pass(110, [...own, ...icmpv6(ROUTER_SOLICITATION), is('ipv6_src', ANYBODY)]),
  pass(110, [...own, ...icmpv6(LISTENER_REPORT), is('ipv6_src', ANYBODY)]),
  inspect(110, [...own, ...SOLICITATION, is('ipv6_src', ANYBODY)]),
  ...addresses.flatMap((address) => [
    pass(100, [...own, IPV6, isIn('ipv6_src', address)]),
    inspect(110, [...own, ...SOLICITATION, isIn('ipv6_src', address)]),
    inspect(110, [...own, ...ADVERTISEMENT, isIn('ipv6_src', address)]),
  ]),
]

const ABSENT = 0

function neighbourSecurity(here: FieldMatch[], mac: bigint, targets: readonly Range[] | 'any'): FlowSpec[] {
  const owned = targets === 'any' ? [[]] : targets.map((target) => [isIn('nd_target', target)])
  const honest = (match: FieldMatch[]) =>
    flow({ table: Table.NeighbourSecurity, priority: 100, match: [...here, ...match], goto: Table.TrackFromVm })
  return [mac, ABSENT].flatMap((address) => [
    honest([...SOLICITATION, is('nd_sll', address)]),
    ...owned.map((target) => honest([...ADVERTISEMENT, ...target, is('nd_tll', address)])),
  ])
}
