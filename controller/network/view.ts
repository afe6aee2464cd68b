// Everything the apps ask about, worked out once for each change and never altered. Parts that a change does not touch are
// the very objects of the view before, so whatever was made of them can be kept.

import { parseIpv4 } from '../../protocols/address.ts'
import type { PortState } from '../../protocols/control/messages.ts'
import type { Bridge, Host, Network, Nic, Topology } from '../../topologies/topology.ts'
import { switchName } from '../../topologies/topology.ts'
import { attachmentsOf } from './attachments.ts'
import type { Binding, Member, Place, Stage } from './bindings.ts'
import { membersOf, placesOf } from './bindings.ts'
import { groupBy } from './grouping.ts'
import type { LearnedAddress, LearnedAddresses } from './learned.ts'
import { assignNumbers, range } from './numbers.ts'
import { switchAt } from '../../topologies/relocation.ts'
import { keepUnchanged } from './sharing.ts'

/** What the controller has to do, in full. `topology` says where VMs are now. */
export interface Intent {
  readonly topology: Topology
  /** VMs that are moving, by name. */
  readonly moves: ReadonlyMap<string, Move>
  readonly learned: LearnedAddresses
}

export interface Move {
  readonly to: string
  readonly stage: Stage
  readonly homeState: PortState
  readonly targetState: PortState
}

export interface NetworkView {
  readonly network: Network
  /** What stands for it in `Register.Network`: dense, and its own for as long as it exists. */
  readonly number: number
  /** True where its frames leave hosts by the uplink: VLAN networks, and the one flat network that has the untagged frames. */
  readonly onUplink: boolean
  readonly members: readonly Member[]
  /** Behind vNICs, addresses that the topology does not know. */
  readonly learnedMembers: readonly Member[]
  /** Outside, beyond the uplinks. */
  readonly learnedOutside: readonly LearnedAddress[]
  /** Hosts that have a port on it, in the topology's order. */
  readonly hosts: readonly Host[]
}

export interface Patch {
  readonly name: string
  readonly number: number
  /** `h1/br-web` */
  readonly peer: string
}

export interface SwitchView {
  readonly name: string
  readonly host: Host
  readonly bridge: Bridge
  /** It has the uplink and the tunnel. */
  readonly integration: boolean
  readonly patches: readonly Patch[]
  /** The patch port on the way to each other switch of the host. */
  readonly towards: ReadonlyMap<string, Patch>
  /** The tag that each network of the host wears between its bridges, and where a user's flow says NORMAL. */
  readonly localTags: ReadonlyMap<string, number>
  /** Networks that the host has. */
  readonly networks: readonly NetworkView[]
  /** vNICs with a port here. */
  readonly bindings: readonly Binding[]
}

export interface View {
  readonly topology: Topology
  readonly networks: ReadonlyMap<string, NetworkView>
  readonly switches: ReadonlyMap<string, SwitchView>
  /** By vNIC. */
  readonly bindings: ReadonlyMap<string, Binding>
  /** By switch, by port name. */
  readonly portNumbers: ReadonlyMap<string, ReadonlyMap<string, number>>
  /** By host, by network. */
  readonly localTags: ReadonlyMap<string, ReadonlyMap<string, number>>
}

/** Numbers that stand for names on switches and in flows: who has one keeps it, also when the controller starts again. */
export interface Assignments {
  /** By switch, by port name. */
  readonly portNumbers: View['portNumbers']
  readonly networkNumbers: ReadonlyMap<string, number>
  /** By host, by network. */
  readonly localTags: View['localTags']
}

export const assignmentsOf = ({ portNumbers, networks, localTags }: View): Assignments => ({
  portNumbers,
  networkNumbers: new Map([...networks].map(([name, { number }]) => [name, number])),
  localTags,
})

export const NO_ASSIGNMENTS: Assignments = { portNumbers: new Map(), networkNumbers: new Map(), localTags: new Map() }

export const UPLINK_PORT = 1
export const TUNNEL_PORT = 2
const FIRST_PATCH_PORT = 3
const FIRST_VNIC_PORT = 100
const LAST_PORT = 0xfeff

const FIRST_LOCAL_TAG = 3000
/** In order of preference. */
const LOCAL_TAGS = [...range(FIRST_LOCAL_TAG, 1), ...range(FIRST_LOCAL_TAG + 1, 4093)]
/** Worn by what may be heard nowhere. */
export const DEAD_VLAN = 4094

export const patchName = (peer: Bridge): string => `patch-${peer.name}`

/**
 * What is `kept` of assignments stays; that of the view before, if not said.
 * @throws RangeError more ports on a switch or networks on a host than there are numbers for.
 */
export function buildView(
  intent: Intent,
  previous?: View,
  kept: Assignments = previous ? assignmentsOf(previous) : NO_ASSIGNMENTS,
): View {
  const { topology } = intent
  const nics = topology.vms.flatMap((vm) =>
    vm.nics.map((nic) => ({ nic, host: vm.host, move: intent.moves.get(vm.name) })),
  )
  const hosts = new Map(topology.hosts.map((host) => [host.name, host]))
  const portNumbers = numberPorts(topology, hosts, nics, kept)
  const bindings = new Map<string, Binding>()
  for (const { nic, host, move } of nics) {
    const placeAt = (at: string, state: PortState) => {
      const there = hosts.get(at)!
      return makePlace(there, switchAt(nic, hosts.get(host)!, there), nic, state, portNumbers)
    }
    const binding: Binding = {
      nic,
      home: placeAt(host, move?.homeState ?? 'open'),
      target: move && placeAt(move.to, move.targetState),
      stage: move?.stage ?? 'settled',
    }
    bindings.set(nic.id, keepUnchanged(previous?.bindings.get(nic.id), binding, 3))
  }
  const networks = viewNetworks(intent, bindings, kept, previous)
  const localTags = assignLocalTags(topology, networks, kept)
  const parts = { networks, bindings, portNumbers, localTags }
  return { topology, ...parts, switches: viewSwitches(topology, parts, previous) }
}

interface Placed {
  nic: Nic
  host: string
  move: Move | undefined
}

function numberPorts(
  topology: Topology,
  hosts: ReadonlyMap<string, Host>,
  nics: readonly Placed[],
  kept: Assignments,
): View['portNumbers'] {
  const placed = nics.flatMap(({ nic, host, move }) =>
    [host, ...(move ? [move.to] : [])].map((at) => ({
      id: nic.id,
      at: switchAt(nic, hosts.get(host)!, hosts.get(at)!),
    })),
  )
  const here = groupBy(placed, ({ at }) => at)
  const numbers = new Map<string, ReadonlyMap<string, number>>()
  for (const host of topology.hosts) {
    for (const bridge of host.bridges) {
      const name = switchName(host, bridge)
      const before = kept.portNumbers.get(name) ?? new Map<string, number>()
      const patches = assignNumbers(
        before,
        neighbours(host, bridge).map(patchName),
        range(FIRST_PATCH_PORT, FIRST_VNIC_PORT - 1),
      )
      const vnics = assignNumbers(
        before,
        (here.get(name) ?? []).map(({ id }) => id),
        range(FIRST_VNIC_PORT, LAST_PORT),
      )
      numbers.set(name, keepUnchanged(before, new Map([...patches, ...vnics])))
    }
  }
  return numbers
}

const neighbours = (host: Host, bridge: Bridge): Bridge[] =>
  host.bridges.filter((other) => other.peer === bridge.name || bridge.peer === other.name)

function makePlace(host: Host, name: string, nic: Nic, state: PortState, numbers: View['portNumbers']): Place {
  const vtep = host.vtep === undefined ? undefined : parseIpv4(host.vtep)
  return { host: host.name, switch: name, port: numbers.get(name)?.get(nic.id) ?? 0, vtep, state }
}

function viewNetworks(
  { topology, learned }: Intent,
  bindings: View['bindings'],
  kept: Assignments,
  previous: View | undefined,
): Map<string, NetworkView> {
  const members = groupBy([...bindings.values()].flatMap(membersOf), ({ attachment }) => attachment.network)
  const names = topology.networks.map(({ name }) => name).sort()
  const numbers = assignNumbers(kept.networkNumbers, names, range(1, 0xffffff))
  const untagged = topology.networks
    .filter(({ type }) => type === 'flat')
    .map(({ name }) => name)
    .sort()[0]
  return new Map(
    topology.networks.map((network) => {
      const own = members.get(network.name) ?? []
      const addresses = learned.of(network.name)
      const present = new Set(own.flatMap(({ binding }) => placesOf(binding).map(({ host }) => host)))
      const view: NetworkView = {
        network,
        number: numbers.get(network.name)!,
        onUplink: network.type === 'vlan' || network.name === untagged,
        members: own,
        learnedMembers: addresses.flatMap((address) => learnedMember(address, bindings)),
        learnedOutside: addresses.filter(({ location }) => location.kind === 'outside'),
        hosts: topology.hosts.filter(({ name }) => present.has(name)),
      }
      return [network.name, keepUnchanged(previous?.networks.get(network.name), view, 2)]
    }),
  )
}

const learnedMembersOf = new WeakMap<LearnedAddress, Member>()

function learnedMember(address: LearnedAddress, bindings: View['bindings']): Member[] {
  const { location, mac } = address
  if (location.kind !== 'vnic') return []
  const binding = bindings.get(location.nic)
  const attachment = binding && attachmentsOf(binding.nic)[location.attachment]
  if (binding === undefined || attachment?.network !== address.network) return []
  const member = keepUnchanged(learnedMembersOf.get(address), { binding, attachment, mac })
  learnedMembersOf.set(address, member)
  return [member]
}

function assignLocalTags(topology: Topology, networks: View['networks'], kept: Assignments): View['localTags'] {
  const inUse = new Set(topology.networks.flatMap(({ type, segment }) => (type === 'vlan' && segment ? [segment] : [])))
  const reserved = new Set([...inUse, DEAD_VLAN])
  const all = [...networks.values()]
  return new Map(
    topology.hosts.map((host) => {
      const present = all.filter(({ hosts }) => hosts.includes(host)).map(({ network }) => network)
      const before = kept.localTags.get(host.name) ?? new Map<string, number>()
      const others = present.filter(({ type }) => type !== 'vlan').map(({ name }) => name)
      const tags = assignNumbers(before, others.sort(), LOCAL_TAGS, reserved)
      for (const { name, type, segment } of present) if (type === 'vlan' && segment) tags.set(name, segment)
      return [host.name, keepUnchanged(before, tags)]
    }),
  )
}

type Parts = Pick<View, 'networks' | 'bindings' | 'portNumbers' | 'localTags'>

function viewSwitches(topology: Topology, parts: Parts, previous: View | undefined): Map<string, SwitchView> {
  const placed = [...parts.bindings.values()].flatMap((binding) =>
    placesOf(binding).map((place) => ({ binding, place })),
  )
  const here = groupBy(placed, ({ place }) => place.switch)
  const networksByHost = new Map<Host, NetworkView[]>(topology.hosts.map((host) => [host, []]))
  for (const network of parts.networks.values())
    for (const host of network.hosts) networksByHost.get(host)!.push(network)
  const switches = new Map<string, SwitchView>()
  for (const host of topology.hosts)
    for (const bridge of host.bridges) {
      const name = switchName(host, bridge)
      const before = previous?.switches.get(name)
      const patches = patchesOf(host, bridge, parts.portNumbers.get(name)!)
      const view: SwitchView = {
        name,
        host,
        bridge,
        integration: bridge === host.bridges[0],
        patches,
        towards: keepUnchanged(before?.towards, waysWithin(host, bridge, patches), 2),
        localTags: parts.localTags.get(host.name)!,
        networks: networksByHost.get(host)!,
        bindings: keepUnchanged(
          before?.bindings,
          (here.get(name) ?? []).map(({ binding }) => binding),
        ),
      }
      switches.set(name, keepUnchanged(before, view, 3))
    }
  return switches
}

const patchesOf = (host: Host, bridge: Bridge, numbers: ReadonlyMap<string, number>): Patch[] =>
  neighbours(host, bridge).map((peer) => ({
    name: patchName(peer),
    number: numbers.get(patchName(peer))!,
    peer: switchName(host, peer),
  }))

/** Bridges form a tree: the first step towards each is the first step towards the neighbour it lies behind. */
function waysWithin(host: Host, from: Bridge, patches: readonly Patch[]): Map<string, Patch> {
  const ways = new Map<string, Patch>()
  const follow = (bridge: Bridge, comingFrom: Bridge, patch: Patch) => {
    ways.set(switchName(host, bridge), patch)
    for (const next of neighbours(host, bridge)) if (next !== comingFrom) follow(next, bridge, patch)
  }
  neighbours(host, from).forEach((peer, index) => follow(peer, from, patches[index]!))
  return ways
}
