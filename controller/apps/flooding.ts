// Broadcast, multicast and unknown destinations: one copy for each port of the network here, and one for each way to others.
// Overlays replicate at the head end, to hosts that have the network and to no other. What came from outside stays inside.

import type { Action, FlowSpec } from '../../protocols/control/messages.ts'
import { parseIpv4 } from '../../protocols/address.ts'
import type { Host } from '../../topologies/topology.ts'
import { switchName } from '../../topologies/topology.ts'
import type { Binding, Seat } from '../network/bindings.ts'
import { attachedTo, exitNumber, floodedPlaces } from '../network/bindings.ts'
import type { NetworkView, SwitchView } from '../network/view.ts'
import { TUNNEL_PORT, UPLINK_PORT } from '../network/view.ts'
import { Origin, Register, Table } from '../tables.ts'
import type { App } from './app.ts'
import { clone, CLEAR_CONNECTION, inNetwork, is, output, POP_TAG, pushTag, resubmit, set, writerFor } from './flow.ts'
import { Memory } from './memory.ts'
import { once } from '../../runtime/once.ts'

const flow = writerFor('flooding')
const NOBODY = flow({ table: Table.Flood, priority: 0, match: [] })

export const flooding: App = { always: [NOBODY], ofNetwork: floodsOf }

function floodsOf(at: SwitchView, network: NetworkView): FlowSpec[] {
  const inside = [...acrossPatches(at, network), ...toPortsHere(at, network)]
  const flood = (priority: number, origin: number[], actions: Action[]) =>
    flow({
      table: Table.Flood,
      priority,
      match: [inNetwork(network.number), ...origin.map((value) => is(Register.Origin, value))],
      actions,
    })
  const wayOut = at.integration ? toOthers(at, network) : []
  if (wayOut.length === 0) return [flood(100, [], inside)]
  const outside = network.network.type === 'vxlan' ? Origin.Tunnel : Origin.Uplink
  return [flood(100, [], [...wayOut, ...inside]), flood(200, [outside], inside)]
}

function toOthers(at: SwitchView, { network, onUplink, hosts }: NetworkView): Action[] {
  const { type, segment = 0 } = network
  if (type === 'vxlan') return replicate(at, segment, hosts)
  if (!onUplink) return []
  return type === 'vlan' ? [...pushTag(segment), output(UPLINK_PORT), POP_TAG] : [output(UPLINK_PORT)]
}

function replicate({ host }: SwitchView, identifier: number, hosts: NetworkView['hosts']): Action[] {
  if (host.vtep === undefined) return []
  const { actions, places } = towardsAll(hosts)
  const [from, to] = places.get(host) ?? [0, 0]
  if (to - from === actions.length) return []
  return [set('tun_id', identifier), ...actions.slice(0, from), ...actions.slice(to)]
}

const copies = new Memory<Action[]>()
const EVERYWHERE = '*'

interface Copies {
  readonly actions: readonly Action[]
  /** From where up to where those towards a host stand. */
  readonly places: ReadonlyMap<Host, readonly [from: number, to: number]>
}

/** Towards all hosts of a network: made once, each leaves itself out. */
const towardsAll = once((hosts: NetworkView['hosts']): Copies => {
  const actions: Action[] = []
  const places = new Map<Host, readonly [number, number]>()
  for (const host of hosts) {
    const from = actions.length
    actions.push(...towardsHost(host))
    places.set(host, [from, actions.length])
  }
  return { actions, places }
})

/** The same actions from every other host. */
const towardsHost = (host: Host): Action[] =>
  copies.recall(host, EVERYWHERE, [], () =>
    host.vtep === undefined ? [] : [set('tun_dst', parseIpv4(host.vtep)), output(TUNNEL_PORT)],
  )

/** To bridges behind which the network has a port, and towards the one that has the way out. */
function acrossPatches(at: SwitchView, network: NetworkView): Action[] {
  if (at.patches.length === 0) return []
  const { name } = network.network
  const residents = at.hosted.filter((binding) => attachedTo(binding, name).length > 0)
  const wanted = new Set(residents.flatMap(floodedPlaces).map((place) => place.switch))
  wanted.add(switchName(at.host, at.host.bridges[0]!))
  const patches = [...new Set([...at.towards].filter(([to]) => wanted.has(to)).map(([, patch]) => patch))]
  const tag = at.localTags.get(name)!
  return [...pushTag(tag), ...patches.map(({ number }) => output(number)), POP_TAG]
}

/**
 * Each port has a clone of its own, so that what is done to one copy is done to no other. But for one thing: in Open vSwitch 3.1 a
 * `ct_clear` in the first clone is the last one that does anything, and the next copy still bears what the sender's groups have had
 * found out. So that is forgotten before there are copies.
 */
function toPortsHere(at: SwitchView, network: NetworkView): Action[] {
  const clones = at.bindings.flatMap((binding) =>
    floodedPlaces(binding)
      .filter((place) => place.switch === at.name)
      .flatMap((place) => copiesFor(network, binding, place)),
  )
  return clones.length === 0 ? [] : [CLEAR_CONNECTION, ...clones]
}

const copiesFor = (network: NetworkView, binding: Binding, place: Seat): Action[] =>
  attachedTo(binding, network.network.name).map((attachment) =>
    clone([set(Register.To, exitNumber(place, attachment)), resubmit(Table.TrackToVm)]),
  )
