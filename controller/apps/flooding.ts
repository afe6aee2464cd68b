// Broadcast, multicast and unknown destinations: one copy for each port of the network here, and one for each way to others.
// Overlays replicate at the head end, to hosts that have the network and to no other. What came from outside stays inside.

import type { Action, FlowSpec } from '../../protocols/control/messages.ts'
import { parseIpv4 } from '../../protocols/address.ts'
import type { Host } from '../../topologies/topology.ts'
import { switchName } from '../../topologies/topology.ts'
import type { Binding, Seat } from '../network/bindings.ts'
import { attachedTo, exitNumber, floodedPlaces } from '../network/bindings.ts'
import { partOf } from '../network/flood-parts.ts'
import type { NetworkHere, NetworkView, SwitchView } from '../network/view.ts'
import { TUNNEL_PORT, UPLINK_PORT } from '../network/view.ts'
import { PersistentMap } from '../persistent-map.ts'
import { Origin, Register, Table } from '../tables.ts'
import type { App, Many } from './app.ts'
import { many, NONE, tagAt } from './app.ts'
import { clone, CLEAR_CONNECTION, inNetwork, is, output, POP_TAG, pushTag, resubmit, set, writerFor } from './flow.ts'
import { once } from '../../runtime/once.ts'

const flow = writerFor('flooding')
const NOBODY = flow({ table: Table.Flood, priority: 0, match: [] })

export const flooding: App = {
  always: [NOBODY],
  ofNetwork: floodsOf,
  ofPart: copiesFromHere,
  ofMany: ({ tunnels }, network) => (tunnels && network.network.type === 'vxlan' ? replication(network) : NONE),
}

function floodsOf(at: SwitchView, network: NetworkHere): FlowSpec[] {
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

function toOthers(at: SwitchView, view: NetworkHere): Action[] {
  const { type, segment = 0 } = view.network
  if (type === 'vxlan') return isTunnelled(at, view) ? [resubmit(Table.Replicate)] : []
  if (!view.onUplink) return []
  return type === 'vlan' ? [...pushTag(segment), output(UPLINK_PORT), POP_TAG] : [output(UPLINK_PORT)]
}

const isTunnelled = ({ integration, host }: SwitchView, { network }: NetworkHere): boolean =>
  integration && network.type === 'vxlan' && host.vtep !== undefined

/**
 * The same on all hosts, so that it is made once, and a host more is one change for all: each host is in one of a few parts, and leaves
 * itself out by a flow of its own in the place of its part's. A flow for each host would be a look-up for each copy.
 */
const replication = once(({ network, number, hosts, parts }: NetworkView): Many[] => [
  many('replication', asEntry(hosts), [network, number], (all) => [
    flow({
      table: Table.Replicate,
      priority: 100,
      match: [inNetwork(number)],
      actions: [set('tun_id', network.segment ?? 0), ...all.flatMap(copyTo)],
    }),
  ]),
  many('copies', parts, [number], (part) => [copies(number, part[0]!, part)]),
])

/** The parts that hosts are in, in the hosts' order. */
const asEntry = once((hosts: NetworkView['hosts']) => {
  const reached = hosts.filter(({ vtep }) => vtep !== undefined)
  return PersistentMap.from([[0, [...new Set(reached.map(partOf))]]])
})

const copyTo = (part: number): Action[] => [set(Register.Scratch, part), resubmit(Table.Tunnel)]

/** In the place of those for the part that `host` is in. */
const copies = (network: number, host: Host, others: readonly Host[]): FlowSpec =>
  flow({
    table: Table.Tunnel,
    priority: 100,
    match: [inNetwork(network), is(Register.Scratch, partOf(host))],
    actions: others.flatMap(towards),
  })

const towards = once(({ vtep }: Host): Action[] => [set('tun_dst', parseIpv4(vtep!)), output(TUNNEL_PORT)])

function copiesFromHere(at: SwitchView, network: NetworkHere): FlowSpec[] {
  if (!isTunnelled(at, network)) return []
  const others = network.part.filter(({ name }) => name !== at.host.name)
  return [copies(network.number, at.host, others)]
}

/** To bridges behind which the network has a port, and towards the one that has the way out. */
function acrossPatches(at: SwitchView, network: NetworkHere): Action[] {
  if (at.patches.length === 0) return []
  const { name } = network.network
  const residents = at.hosted.filter((binding) => attachedTo(binding, name).length > 0)
  const wanted = new Set(residents.flatMap(floodedPlaces).map((place) => place.switch))
  wanted.add(switchName(at.host, at.host.bridges[0]!))
  const patches = [...new Set([...at.towards].filter(([to]) => wanted.has(to)).map(([, patch]) => patch))]
  return [...pushTag(tagAt(at, network)), ...patches.map(({ number }) => output(number)), POP_TAG]
}

/**
 * Each port has a clone of its own, so that what is done to one copy is done to no other. But for one thing: in Open vSwitch 3.1 a
 * `ct_clear` in the first clone is the last one that does anything, and the next copy still bears what the sender's groups have had
 * found out. So that is forgotten before there are copies.
 */
function toPortsHere(at: SwitchView, network: NetworkHere): Action[] {
  const clones = at.bindings.flatMap((binding) =>
    floodedPlaces(binding)
      .filter((place) => place.switch === at.name)
      .flatMap((place) => copiesFor(network, binding, place)),
  )
  return clones.length === 0 ? [] : [CLEAR_CONNECTION, ...clones]
}

const copiesFor = (network: NetworkHere, binding: Binding, place: Seat): Action[] =>
  attachedTo(binding, network.network.name).map((attachment) =>
    clone([set(Register.To, exitNumber(place, attachment)), resubmit(Table.TrackToVm)]),
  )
