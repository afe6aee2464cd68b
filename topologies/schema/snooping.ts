// Networks that snoop on IGMP and MLD. Names of a querier's settings follow Open Virtual Network's `mcast_…`.

import { Type } from 'typebox'
import { DEFAULT_QUERIER, DEFAULT_SNOOPING } from '../defaults.ts'
import { closed, duration, inCase, integer, mac, optional, text } from './parts.ts'

const MOST_GROUPS = 65_536

/** Of IGMP; the version of MLD is one less. */
export const QUERIER_VERSIONS = [2, 3] as const

const Querier = closed({
  version: optional(
    Type.Enum([...QUERIER_VERSIONS], {
      description: `Of IGMP; with 3 goes MLD version 2, with 2 version 1. Default: ${DEFAULT_QUERIER.version}.`,
    }),
  ),
  mac: optional(mac("MAC address that queries come from, as mcast_eth_src. Default: one made of the network's name.")),
  ipv4: optional(
    text(
      'IPv4 address that queries come from, as mcast_ip4_src. Default: 0.0.0.0, which gives way to any other querier.',
    ),
  ),
  ipv6: optional(
    text('Link-local IPv6 address that queries come from, as mcast_ip6_src. Default: that of the MAC address.'),
  ),
  interval: optional(
    duration('Time between queries, from 1s to 1h, as mcast_query_interval. Default: half of agingTime.'),
  ),
  maxResponse: optional(
    duration('In so much time listeners are to answer, from 1s to 10s, as mcast_query_max_response. Default: 1s.'),
  ),
})

const QuerierOrNot = Type.Unsafe<boolean | Type.Static<typeof Querier>>({
  title: 'true, false or an object of settings',
  description:
    'The network asks its vNICs who listens (RFC 3376, RFC 3810), for as long as no querier with a lower address does, as mcast_querier. Default: false.',
  type: ['boolean', 'object'],
  ...inCase({ type: 'object' }, Querier, { type: 'boolean' }),
})

const IgmpSnooping = closed({
  tableSize: optional(
    integer(
      1,
      MOST_GROUPS,
      `Groups at most; those beyond are as unregistered. Default: ${DEFAULT_SNOOPING.tableSize}.`,
    ),
  ),
  agingTime: optional(
    duration('A listener that has not reported for so long is forgotten, as mcast-snooping-aging-time. Default: 300s.'),
  ),
  floodUnregistered: optional(
    Type.Boolean({
      description:
        'What is for a group without listeners reaches all vNICs of the network, and not multicast routers alone. Default: true.',
    }),
  ),
  fastLeave: optional(
    Type.Boolean({
      description:
        'A vNIC that leaves a group gets no more of it at once; else after 2s in which nobody behind it reports. Default: true.',
    }),
  ),
  querier: optional(QuerierOrNot),
})

export const IgmpSnoopingOrNot = Type.Unsafe<boolean | Type.Static<typeof IgmpSnooping>>({
  title: 'true, false or an object of settings',
  description:
    'IGMP and MLD snooping (RFC 4541): what is for a multicast group reaches only those who have reported that they listen to it, and multicast routers. Default: false, all multicast reaches everybody.',
  type: ['boolean', 'object'],
  ...inCase({ type: 'object' }, IgmpSnooping, { type: 'boolean' }),
})

export type WrittenSnooping = boolean | Type.Static<typeof IgmpSnooping>
export type WrittenQuerier = boolean | Type.Static<typeof Querier>
