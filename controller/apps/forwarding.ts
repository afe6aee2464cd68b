// The way to every known address: out of a port here, to another bridge of this host, or to another host by the uplink or
// the tunnel. A frame that came from outside never goes out there again: a switch does not send a frame back out of the port
// it came in on (OpenFlow 1.3 §7.2.1), and a network has one way out.

import type { Action, FlowSpec } from '../../protocols/control/messages.ts'
import type { FieldMatch } from '../../protocols/match.ts'
import type { Member, Place } from '../network/bindings.ts'
import { exitNumber, placeSeenFrom } from '../network/bindings.ts'
import type { NetworkView, SwitchView, View } from '../network/view.ts'
import { TUNNEL_PORT, UPLINK_PORT } from '../network/view.ts'
import { switchName } from '../../topologies/topology.ts'
import { Origin, Register, Table } from '../tables.ts'
import { inNetwork, is, output, pushTag, set, writerFor } from './flow.ts'
import { Memory } from './memory.ts'

const flow = writerFor('forwarding')
const UNKNOWN = flow({ table: Table.Forward, priority: 0, match: [], goto: Table.Flood })

/** Tunnel endpoints of hosts have MAC addresses of this prefix; guests on the same wire may not speak to them. */
const TUNNEL_ENDPOINTS: FieldMatch = { field: 'eth_dst', value: 0x025342000000n, mask: 0xffffff000000n }

export function forwarding(_view: View, at: SwitchView): FlowSpec[] {
  const flows = [UNKNOWN]
  for (const network of at.networks) {
    if (network.network.type === 'flat') flows.push(guardTunnelEndpoints(network))
    for (const member of network.members) flows.push(...waysTo(at, network, member))
    for (const member of network.learnedMembers) flows.push(...waysTo(at, network, member))
    for (const { mac } of network.learnedOutside) flows.push(...wayOutside(at, network, mac))
  }
  return flows
}

const guardTunnelEndpoints = ({ number }: NetworkView): FlowSpec =>
  flow({ table: Table.Forward, priority: 300, match: [inNetwork(number), TUNNEL_ENDPOINTS] })

const way = ({ number }: NetworkView, mac: bigint, actions: Action[], goto?: number): FlowSpec =>
  flow({
    table: Table.Forward,
    priority: 100,
    match: [inNetwork(number), is('eth_dst', mac)],
    actions,
    ...(goto === undefined ? {} : { goto }),
  })

const known = new Memory<FlowSpec[]>()
const EVERYWHERE = '*'

function waysTo(at: SwitchView, network: NetworkView, member: Member): FlowSpec[] {
  const place = placeSeenFrom(member.binding, at.host.name)
  const { number } = network
  if (at.integration && place.host !== at.host.name && member.binding.stage !== 'released')
    return known.recall(member, EVERYWHERE, [network.network, number, place], () => toHost(network, member, place))
  const inputs = [network.network, number, place, at.towards, at.localTags]
  return known.recall(member, at.name, inputs, () => waysWithin(at, network, member, place))
}

function waysWithin(at: SwitchView, network: NetworkView, member: Member, place: Place): FlowSpec[] {
  const late = member.binding.stage === 'released' ? forLateFrames(at, network, member) : []
  if (place.switch === at.name) return [way(network, member.mac, exit(place, member), Table.Egress), ...late]
  if (place.host !== at.host.name && at.integration) return [...toHost(network, member, place), ...late]
  return [way(network, member.mac, acrossPatch(at, network, nextSwitch(at, place))), ...late]
}

const exit = (place: Place, { attachment }: Member): Action[] => [set(Register.To, exitNumber(place, attachment))]

const nextSwitch = (at: SwitchView, place: Place): string =>
  place.host === at.host.name ? place.switch : switchName(at.host, at.host.bridges[0]!)

function acrossPatch(at: SwitchView, { network }: NetworkView, to: string): Action[] {
  return [...pushTag(at.localTags.get(network.name)!), output(at.towards.get(to)!.number)]
}

function toHost(network: NetworkView, member: Member, place: Place): FlowSpec[] {
  const actions = outside(network, place.vtep)
  return actions === undefined ? [] : [way(network, member.mac, actions)]
}

/** Out of the host; undefined where the network does not go there. */
function outside({ network, onUplink }: NetworkView, vtep: number | undefined): Action[] | undefined {
  const { type, segment = 0 } = network
  if (type === 'vxlan')
    return vtep === undefined ? undefined : [set('tun_id', segment), set('tun_dst', vtep), output(TUNNEL_PORT)]
  if (!onUplink) return undefined
  return type === 'vlan' ? [...pushTag(segment), output(UPLINK_PORT)] : [output(UPLINK_PORT)]
}

function wayOutside(at: SwitchView, network: NetworkView, mac: bigint): FlowSpec[] {
  const actions = at.integration
    ? outside(network, undefined)
    : acrossPatch(at, network, switchName(at.host, at.host.bridges[0]!))
  return actions === undefined ? [] : [way(network, mac, actions)]
}

/** A VM has left: frames that were on their way to its old host when their senders learned of the move are kept there. */
function forLateFrames(at: SwitchView, network: NetworkView, member: Member): FlowSpec[] {
  const { home } = member.binding
  if (home.host !== at.host.name) return []
  const local = home.switch === at.name
  const actions = local ? exit(home, member) : acrossPatch(at, network, home.switch)
  return (at.integration ? [Origin.Uplink, Origin.Tunnel] : [Origin.Patch]).map((origin) =>
    flow({
      table: Table.Forward,
      priority: 200,
      match: [inNetwork(network.number), is(Register.Origin, origin), is('eth_dst', member.mac)],
      actions,
      ...(local ? { goto: Table.Egress } : {}),
    }),
  )
}
