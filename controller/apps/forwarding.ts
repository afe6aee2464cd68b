// The way to every known address: out of a port here, to another bridge of this host, or to another host by the uplink or
// the tunnel. A frame that came from outside never goes out there again: a switch does not send a frame back out of the port
// it came in on (OpenFlow 1.3 §7.2.1), and a network has one way out.

import type { Action, FlowSpec } from '../../protocols/control/messages.ts'
import type { FieldMatch } from '../../protocols/match.ts'
import type { Resident, Seat } from '../network/bindings.ts'
import { exitNumber, placeLeft, placeSeenFrom } from '../network/bindings.ts'
import { residentsOf } from '../network/places.ts'
import type { NetworkFrame, NetworkHere, NetworkView, SwitchView } from '../network/view.ts'
import { TUNNEL_PORT, UPLINK_PORT } from '../network/view.ts'
import { switchName } from '../../topologies/topology.ts'
import { Origin, Register, Table } from '../tables.ts'
import type { App, Many, ManyAt } from './app.ts'
import { many, manyAt, tagAt } from './app.ts'
import { inNetwork, is, output, pushTag, set, writerFor } from './flow.ts'
import { once } from '../../runtime/once.ts'

const flow = writerFor('forwarding')
const UNKNOWN = flow({ table: Table.Forward, priority: 0, match: [], goto: Table.Flood })

/** Tunnel endpoints of hosts have MAC addresses of this prefix; guests on the same wire may not speak to them. */
const TUNNEL_ENDPOINTS: FieldMatch = { field: 'eth_dst', value: 0x025342000000n, mask: 0xffffff000000n }

export const forwarding: App = {
  always: [UNKNOWN],
  ofNetwork: (at, network) => [
    ...(network.network.type === 'flat' ? [guardTunnelEndpoints(network)] : []),
    ...residentsHere(at, network).flatMap((resident) => waysTo(at, network, resident)),
  ],
  ofMany: ({ integration }, network) => (integration ? waysFromHost(network) : waysToIntegration(network)),
}

/** Whose way here is not that of all others: they are on this host, on their way to it, or have just left. */
const residentsHere = ({ hosted }: SwitchView, { network, learned }: NetworkHere): Resident[] => [
  ...hosted.flatMap((binding) => residentsOf(binding, network.name).map(([, resident]) => resident)),
  ...learned,
]

const FAR_AWAY = ''

/** The same for every integration bridge, but for those who are on its host. */
const waysFromHost = once((network: NetworkView): Many[] => {
  const { number, onUplink, residents, learnedBehind, learnedOutside } = network
  const inputs = [network.network, number, onUplink]
  const wayTo = (resident: Resident) => toHost(network, resident, placeSeenFrom(resident, FAR_AWAY))
  const actions = outside(network, undefined)
  return [
    many('ways', residents, inputs, wayTo),
    many('ways to learned', learnedBehind, inputs, (learned) => learned.flatMap(wayTo)),
    many('ways outside', learnedOutside, inputs, ({ mac }) =>
      actions === undefined ? [] : [way(network, { mac, learned: true }, actions)],
    ),
  ]
})

/** From another bridge everything that is not on this host is behind the integration bridge. */
const waysToIntegration = once((network: NetworkView): ManyAt[] => {
  const { residents, learnedBehind, learnedOutside } = network
  const waysAt = (at: SwitchView) => {
    const actions = acrossPatch(at, network, switchName(at.host, at.host.bridges[0]!))
    const inputs = [network.network, network.number, at.host, at.towards, tagAt(at, network)]
    return { inputs, to: (owner: Owner) => way(network, owner, actions) }
  }
  return [
    manyAt((at) => {
      const { inputs, to } = waysAt(at)
      return many('ways', residents, inputs, (resident) => [to(resident)])
    }),
    manyAt((at) => {
      const { inputs, to } = waysAt(at)
      return many('ways to learned', learnedBehind, inputs, (learned) => learned.map(to))
    }),
    manyAt((at) => {
      const { inputs, to } = waysAt(at)
      return many('ways outside', learnedOutside, inputs, ({ mac }) => [to({ mac, learned: true })])
    }),
  ]
})

const guardTunnelEndpoints = ({ number }: NetworkFrame): FlowSpec =>
  flow({ table: Table.Forward, priority: 300, match: [inNetwork(number), TUNNEL_ENDPOINTS] })

type Owner = Pick<Resident, 'mac' | 'learned'>

/** Whose address the topology knows goes before who was seen with it. */
const way = ({ number }: NetworkFrame, { mac, learned }: Owner, actions: Action[], goto?: number): FlowSpec =>
  flow({
    table: Table.Forward,
    priority: learned ? 90 : 100,
    match: [inNetwork(number), is('eth_dst', mac)],
    actions,
    ...(goto === undefined ? {} : { goto }),
  })

function waysTo(at: SwitchView, network: NetworkHere, resident: Resident): FlowSpec[] {
  const place = placeSeenFrom(resident, at.host.name)
  const late = forLateFrames(at, network, resident)
  if (place.switch === at.name) return [way(network, resident, exit(place, resident), Table.TrackToVm), ...late]
  if (place.host !== at.host.name && at.integration) return [...toHost(network, resident, place), ...late]
  return [way(network, resident, acrossPatch(at, network, nextSwitch(at, place))), ...late]
}

const exit = (place: Seat, resident: Resident): Action[] => [set(Register.To, exitNumber(place, resident))]

const nextSwitch = (at: SwitchView, place: Seat): string =>
  place.host === at.host.name ? place.switch : switchName(at.host, at.host.bridges[0]!)

function acrossPatch(at: SwitchView, network: NetworkFrame, to: string): Action[] {
  return [...pushTag(tagAt(at, network)), output(at.towards.get(to)!.number)]
}

function toHost(network: NetworkFrame, resident: Resident, place: Seat): FlowSpec[] {
  const actions = outside(network, place.vtep)
  return actions === undefined ? [] : [way(network, resident, actions)]
}

/** Out of the host; undefined where the network does not go there. */
function outside({ network, onUplink }: NetworkFrame, vtep: number | undefined): Action[] | undefined {
  const { type, segment = 0 } = network
  if (type === 'vxlan')
    return vtep === undefined ? undefined : [set('tun_id', segment), set('tun_dst', vtep), output(TUNNEL_PORT)]
  if (!onUplink) return undefined
  return type === 'vlan' ? [...pushTag(segment), output(UPLINK_PORT)] : [output(UPLINK_PORT)]
}

/**
 * A VM has left: frames that were on their way to its old host when their senders learned of the move, or whose senders have not
 * learned of it, are kept there.
 */
function forLateFrames(at: SwitchView, network: NetworkHere, resident: Resident): FlowSpec[] {
  const left = placeLeft(resident)
  if (left === undefined || left.host !== at.host.name) return []
  const local = left.switch === at.name
  const actions = local ? exit(left, resident) : acrossPatch(at, network, left.switch)
  return (at.integration ? [Origin.Uplink, Origin.Tunnel] : [Origin.Patch]).map((origin) =>
    flow({
      table: Table.Forward,
      priority: 200,
      match: [inNetwork(network.number), is(Register.Origin, origin), is('eth_dst', resident.mac)],
      actions,
      ...(local ? { goto: Table.TrackToVm } : {}),
    }),
  )
}
