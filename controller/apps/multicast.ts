// IGMP and MLD snooping (RFC 4541): what is for a multicast group reaches those who have reported that they listen to it, and multicast
// routers; of reports, routers alone hear, so that no guest holds its own back for having heard another's. Switches tell the controller of
// reports and queries where they enter (snooping/snooper.ts). Groups of this link alone, and queries, reach everybody.
//
// OpenFlow has no field for the type of IGMP. Queries are known by where they go, or, those for one group, by the querier's address.

import { parseIpv4, parseIpv6 } from '../../protocols/address.ts'
import type { Action, FlowSpec, MeterBand } from '../../protocols/control/messages.ts'
import type { FieldMatch } from '../../protocols/match.ts'
import { IpProtocol } from '../../protocols/match.ts'
import { Icmpv6Type } from '../../protocols/packet/icmpv6.ts'
import { switchName } from '../../topologies/topology.ts'
import type { Seat } from '../network/bindings.ts'
import { attachedTo, exitNumber, floodedPlaces, placeOn } from '../network/bindings.ts'
import type { Listeners } from '../network/memberships.ts'
import type { NetworkFrame, NetworkHere, NetworkView, SwitchView } from '../network/view.ts'
import { TUNNEL_PORT, UPLINK_PORT } from '../network/view.ts'
import { Origin, Register, Table } from '../tables.ts'
import type { App } from './app.ts'
import { many, manyAt, NONE, tagAt } from './app.ts'
import {
  clone,
  CLEAR_CONNECTION,
  fromPort,
  icmpv6,
  inNetwork,
  IPV4,
  IPV6,
  is,
  output,
  POP_TAG,
  pushTag,
  resubmit,
  set,
  writerFor,
} from './flow.ts'
import { once } from '../../runtime/once.ts'

const flow = writerFor('multicast')

/** Group addresses, with the MAC addresses that go with them (RFC 1112 §6.4, RFC 2464 §7). */
const GROUPS4: FieldMatch[] = [
  { field: 'eth_dst', value: 0x01005e000000n, mask: 0xffffff800000n },
  IPV4,
  { field: 'nw_dst', value: 0xe0000000n, mask: 0xf0000000n },
]
const GROUPS6: FieldMatch[] = [
  { field: 'eth_dst', value: 0x333300000000n, mask: 0xffff00000000n },
  IPV6,
  { field: 'ipv6_dst', value: 0xffn << 120n, mask: 0xffn << 120n },
]

const IGMP = [IPV4, is('nw_proto', IpProtocol.Igmp)]
/** Queries go to 224.0.0.1, multicast router discovery to 224.0.0.106, and what is of unknown types, to be flooded (RFC 4541 §2.1.1), to others of these. */
const THIS_LINK: FieldMatch = { field: 'nw_dst', value: 0xe0000000n, mask: 0xffffff00n }
/** Where leaves and reports of version 3 go. */
const ROUTERS4 = [is('nw_dst', 0xe0000002), is('nw_dst', 0xe0000016)]
/** PIM's hellos (RFC 7761 §4.9, ALL-PIM-ROUTERS): routers are to hear of each other before anybody else knows them. */
const PIM = [
  [IPV4, is('nw_proto', IpProtocol.Pim), is('nw_dst', 0xe000000d)],
  [IPV6, is('nw_proto', IpProtocol.Pim), is('ipv6_dst', (0xff02n << 112n) | 0xdn)],
]
/** Multicast router discovery, to all snoopers (RFC 4286); a termination is too short for its type to be matched. */
const DISCOVERY6 = [IPV6, is('nw_proto', IpProtocol.Icmpv6), is('ipv6_dst', (0xff02n << 112n) | 0x6an)]
const REPORTS6 = [Icmpv6Type.ListenerReport, Icmpv6Type.ListenerDone, Icmpv6Type.ListenerReportV2]

/** For which nobody reports: 224.0.0.0/24 (RFC 4541 §2.1.2), all nodes, and the scopes below the link (RFC 3810 §6). */
const ALWAYS_FLOODED: FieldMatch[][] = [
  [IPV4, THIS_LINK],
  [IPV6, is('ipv6_dst', (0xff02n << 112n) | 1n)],
  ...[0xff00n, 0xff01n].map((scope): FieldMatch[] => [
    IPV6,
    { field: 'ipv6_dst', value: scope << 112n, mask: 0xff0fn << 112n },
  ]),
]

const PRIORITY = {
  reportToAll: 520,
  query: 510,
  querier: 510,
  announcement: 490,
  report: 480,
  flooded: 400,
  group: 300,
  other: 100,
}
/** What came from outside stays inside. Reports are below queries, from wherever these come. */
const FROM_OUTSIDE = 10

const FLOOD = resubmit(Table.Flood)
const TELL = resubmit(Table.Reports)

export const multicast: App = {
  always: [
    flow({ table: Table.Multicast, priority: 0, match: [], actions: [FLOOD] }),
    flow({ table: Table.Reports, priority: 0, match: [] }),
  ],
  ofNetwork: (at, network) =>
    network.network.igmpSnooping === undefined
      ? []
      : [...entrances(network), ...talk(at, network), ...others(at, network), ...told(at, network)],
  ofMany: (_standing, network) => (network.groups.size === 0 ? NONE : groupsOf(network)),
}

const groupsOf = once((network: NetworkView) => {
  const { network: same, number, onUplink, routers, groups } = network
  return [
    manyAt((at) => {
      // Where queries come from is nothing to a group.
      const ofNetwork = [same, number, onUplink, routers.residents, routers.outside]
      const inputs = [...ofNetwork, at.host, at.towards, tagAt(at, network)]
      return many('groups', groups, inputs, (group) => toGroup(at, network, group))
    }),
  ]
})

const entrances = ({ number }: NetworkFrame): FlowSpec[] =>
  [GROUPS4, GROUPS6].map((match) =>
    flow({ table: Table.Forward, priority: 150, match: [inNetwork(number), ...match], goto: Table.Multicast }),
  )

/** Queries reach all, and so does what routers say of themselves; reports reach the routers. */
function talk(at: SwitchView, network: NetworkHere): FlowSpec[] {
  const queriers = network.routers.sources.filter((source) => !source.includes(':'))
  const toAll = (priority: number, match: FieldMatch[]) =>
    flow({
      table: Table.Multicast,
      priority,
      match: [inNetwork(network.number), ...match],
      actions: [TELL, FLOOD],
    })
  const toRouters = (priority: number, match: FieldMatch[]) =>
    copies(at, network, { priority, match }, [network.routers], [TELL])
  return [
    ...ROUTERS4.flatMap((destination) => toRouters(PRIORITY.reportToAll, [...IGMP, destination])),
    toAll(PRIORITY.query, [...IGMP, THIS_LINK]),
    toAll(PRIORITY.query, icmpv6(Icmpv6Type.ListenerQuery)),
    ...[...PIM, DISCOVERY6].map((match) => toAll(PRIORITY.announcement, match)),
    ...queriers.map((source) => toAll(PRIORITY.querier, [...IGMP, is('nw_src', parseIpv4(source))])),
    ...toRouters(PRIORITY.report, IGMP),
    ...REPORTS6.flatMap((type) => toRouters(PRIORITY.report, icmpv6(type))),
  ]
}

/** Groups that need no report, and those that nobody has reported. */
function others(at: SwitchView, network: NetworkHere): FlowSpec[] {
  const flooded = (priority: number, match: FieldMatch[]) =>
    flow({ table: Table.Multicast, priority, match: [inNetwork(network.number), ...match], actions: [FLOOD] })
  return [
    ...ALWAYS_FLOODED.map((match) => flooded(PRIORITY.flooded, match)),
    ...(network.network.igmpSnooping?.floodUnregistered
      ? [flooded(PRIORITY.other, [])]
      : copies(at, network, { priority: PRIORITY.other, match: [] }, [network.routers])),
  ]
}

function toGroup(at: SwitchView, network: NetworkView, listeners: Listeners): FlowSpec[] {
  const { group } = listeners
  const match = group.includes(':') ? [IPV6, is('ipv6_dst', parseIpv6(group))] : [IPV4, is('nw_dst', parseIpv4(group))]
  return copies(at, network, { priority: PRIORITY.group, match }, [listeners, network.routers])
}

interface Copy extends Seat {
  /** What `Register.To` says for it. */
  readonly exit: number
}

/** A copy for each of the audience: those on this switch, and one for each way to others. */
function copies(
  at: SwitchView,
  network: NetworkFrame,
  { priority, match }: { priority: number; match: FieldMatch[] },
  audience: readonly Listeners[],
  first: Action[] = [],
): FlowSpec[] {
  const wanted = placesOf(audience)
  const isOutside = audience.some(({ outside }) => outside)
  const inside = [...acrossPatches(at, network, wanted, isOutside), ...toPortsHere(at, wanted)]
  const wayOut = at.integration ? toOthers(at, network, wanted, isOutside) : []
  const copy = (above: number, origin: FieldMatch[], actions: Action[]) =>
    flow({
      table: Table.Multicast,
      priority: priority + above,
      match: [inNetwork(network.number), ...origin, ...match],
      actions: [...first, ...actions],
    })
  if (wayOut.length === 0) return [copy(0, [], inside)]
  const outside = network.network.type === 'vxlan' ? Origin.Tunnel : Origin.Uplink
  return [copy(0, [], [...wayOut, ...inside]), copy(FROM_OUTSIDE, [is(Register.Origin, outside)], inside)]
}

/** Each once, also where a router is a listener. */
function placesOf(audience: readonly Listeners[]): Copy[] {
  const places = new Map<string, Copy>()
  for (const resident of audience.flatMap(({ residents }) => residents))
    for (const seat of floodedPlaces(resident)) {
      const exit = exitNumber(seat, resident)
      places.set(`${seat.switch} ${exit}`, { ...seat, exit })
    }
  return [...places.values()].sort((a, b) => a.exit - b.exit)
}

function toOthers(at: SwitchView, network: NetworkFrame, wanted: readonly Copy[], isOutside: boolean): Action[] {
  const { type, segment = 0 } = network.network
  const elsewhere = wanted.filter(({ host }) => host !== at.host.name)
  if (type === 'vxlan') {
    const vteps = [...new Set(elsewhere.flatMap(({ vtep }) => vtep ?? []))].sort((a, b) => a - b)
    if (at.host.vtep === undefined || vteps.length === 0) return []
    return [set('tun_id', segment), ...vteps.flatMap((vtep) => [set('tun_dst', vtep), output(TUNNEL_PORT)])]
  }
  if (!network.onUplink || (elsewhere.length === 0 && !isOutside)) return []
  return type === 'vlan' ? [...pushTag(segment), output(UPLINK_PORT), POP_TAG] : [output(UPLINK_PORT)]
}

/** To bridges of the host that have one of them, and towards the one that has the way out where there is one beyond it. */
function acrossPatches(at: SwitchView, network: NetworkFrame, wanted: readonly Copy[], isOutside: boolean): Action[] {
  const { host, towards } = at
  const bridges = new Set(wanted.filter((copy) => copy.host === host.name).map((copy) => copy.switch))
  if (isOutside || wanted.some((copy) => copy.host !== host.name)) bridges.add(switchName(host, host.bridges[0]!))
  const ways = new Set([...towards].flatMap(([to, { number }]) => (bridges.has(to) ? [number] : [])))
  if (ways.size === 0) return []
  return [...pushTag(tagAt(at, network)), ...[...ways].map(output), POP_TAG]
}

/** As floods do, copies leave behind what the sender's groups have had found out (flooding.ts). */
function toPortsHere(at: SwitchView, wanted: readonly Copy[]): Action[] {
  const clones = wanted
    .filter((copy) => copy.switch === at.name)
    .map(({ exit }) => clone([set(Register.To, exit), resubmit(Table.TrackToVm)]))
  return clones.length === 0 ? [] : [CLEAR_CONNECTION, ...clones]
}

/** Of reports, the controller hears of so much at most from each port, of each network at an uplink: bits a second, and bits at once. */
const TOLD = { rate: 1_000_000n, burst: 250_000n } as const
const WHOLE = 0xffff

export const reportMeter = (port: number): number => 2 * port + 1
/** Beyond those of ports. */
const UPLINK_METERS = 0x20000

interface Entrance {
  readonly port: number
  readonly meter: number
}

/** Where reports and queries enter: at vNICs, and at the uplink. */
const told = (at: SwitchView, network: NetworkHere): FlowSpec[] =>
  entrancesAt(at, network).map(({ port, meter }) =>
    flow({
      table: Table.Reports,
      priority: 100,
      match: [fromPort(port), inNetwork(network.number)],
      actions: [{ type: 'controller', maxLength: WHOLE, meter }],
    }),
  )

/** Who is beyond an uplink in one network takes nothing of what another may tell. */
function entrancesAt(at: SwitchView, { network, number, onUplink }: NetworkHere): Entrance[] {
  if (network.igmpSnooping === undefined) return []
  const members = at.bindings.filter((binding) => attachedTo(binding, network.name).length > 0)
  const vnics = members.map((binding) => placeOn(binding, at.name)!.port)
  return [
    ...(at.integration && onUplink ? [{ port: UPLINK_PORT, meter: UPLINK_METERS + number }] : []),
    ...vnics.map((port) => ({ port, meter: reportMeter(port) })),
  ]
}

/** By number. */
export const reportMeters = (at: SwitchView): [number, MeterBand][] =>
  [...at.networks.values()]
    .flatMap((network) => entrancesAt(at, network))
    .map(({ meter }) => [meter, { type: 'drop', ...TOLD }])
