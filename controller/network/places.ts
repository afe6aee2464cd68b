// Where vNICs, bridges and networks stand, and under which numbers: the parts of a view, each worked out by itself.

import { parseIpv4 } from '../../protocols/address.ts'
import { DEFAULT_HOLD, type PortState } from '../../protocols/control/messages.ts'
import { switchAt } from '../../topologies/relocation.ts'
import type { Bridge, Host, Network, Nic, Topology, Vm } from '../../topologies/topology.ts'
import { switchName } from '../../topologies/topology.ts'
import type { Attachment } from './attachments.ts'
import { attachmentsOf } from './attachments.ts'
import type { Binding, Place, Resident } from './bindings.ts'
import { attachedTo, placeOn, residentOf } from './bindings.ts'
import { partOf } from './flood-parts.ts'
import type { LearnedInNetwork } from './learned.ts'
import { assignNumbers, range, reassignNumbers } from './numbers.ts'
import type { Intent, Move } from './intent.ts'
import type { Assignments, NetworkHere, NetworkView, Patch, SwitchView } from './view.ts'
import { DEAD_VLAN, FIRST_PATCH_PORT, FIRST_VNIC_PORT, LAST_PORT, LOCAL_TAGS, patchName } from './view.ts'
import { once } from '../../runtime/once.ts'

/** A vNIC with the host it is on, and where it is going. */
export interface Placed {
  readonly nic: Nic
  readonly host: string
  readonly move: Move | undefined
  /** Its port may let the guest in: it is open nowhere else. */
  readonly mayOpen: boolean
}

export function placedNics({ name, host, nics }: Vm, { moves, formerHosts }: Intent): Placed[] {
  const where = { host, move: moves.get(name), mayOpen: !formerHosts.has(name) }
  return nics.map((nic) => ({ nic, ...where }))
}

type Hosts = ReadonlyMap<string, Host>

/** In the topology's order. */
export const hostsByName = ({ hosts }: Topology): Hosts => byName(hosts)

const byName = once((hosts: Topology['hosts']): Hosts => new Map(hosts.map((host) => [host.name, host])))

const ranksOf = once((hosts: Topology['hosts']) => new Map(hosts.map((host, index) => [host, index])))

/** The hosts in the topology's order. */
export function inOrder(topology: Topology, hosts: Iterable<Host>): Host[] {
  const rank = ranksOf(topology.hosts)
  return [...hosts].sort((a, b) => rank.get(a)! - rank.get(b)!)
}

/** Names of the switches on which it has a port. */
export const switchesFor = ({ nic, host, move }: Placed, hosts: Hosts): string[] =>
  [host, ...(move ? [move.to] : [])].map((at) => switchAt(nic, hosts.get(host)!, hosts.get(at)!))

/** `files`: names of those that mirrors write. @throws RangeError more ports than there are numbers for */
export function numberPortsOf(
  host: Host,
  bridge: Bridge,
  nics: readonly string[],
  files: readonly string[],
  kept: ReadonlyMap<string, number> = new Map(),
): Map<string, number> {
  const patches = neighbours(host, bridge).map(patchName)
  return new Map([
    ...assignNumbers(kept, [...patches, ...files], range(FIRST_PATCH_PORT, FIRST_VNIC_PORT - 1)),
    ...assignNumbers(kept, nics, range(FIRST_VNIC_PORT, LAST_PORT)),
  ])
}

export function bindingOf(
  { nic, host, move, mayOpen }: Placed,
  hosts: Hosts,
  numbers: Assignments['portNumbers'],
): Binding {
  const placeAt = (at: string, state: PortState): Place => {
    const there = hosts.get(at)!
    const name = switchAt(nic, hosts.get(host)!, there)
    const vtep = there.vtep === undefined ? undefined : parseIpv4(there.vtep)
    const wished = move && (move.hold ?? there.hold)
    const hold = wished && { hold: { ...DEFAULT_HOLD, ...there.hold, ...move.hold } }
    return { host: at, switch: name, port: numbers.get(name)?.get(nic.id) ?? 0, vtep, state, ...hold }
  }
  return {
    nic,
    home: placeAt(host, move?.homeState ?? (mayOpen ? 'open' : 'closed')),
    target: move && {
      ...placeAt(move.to, move.targetState),
      ...(move.activation && { activation: move.activation }),
    },
    stage: move?.stage ?? 'settled',
  }
}

export const residentKey = (nic: string, { index }: { readonly index: number }): string => `${nic}/${index}`

export const residentsOf = (binding: Binding, network: string): [string, Resident][] =>
  attachedTo(binding, network).map((attachment) => [
    residentKey(binding.nic.id, attachment),
    residentOf(binding, attachment),
  ])

/** Addresses that were learned behind a vNIC, in their order. */
export function learnedResidents(learned: LearnedInNetwork, network: string, binding: Binding): Resident[] {
  const found: Resident[] = []
  for (const { mac, location } of learned.values()) {
    if (location.kind !== 'vnic' || location.nic !== binding.nic.id) continue
    const attachment: Attachment | undefined = attachmentsOf(binding.nic)[location.attachment]
    if (attachment?.network === network) found.push(residentOf(binding, attachment, mac))
  }
  return found.sort((a, b) => Number(a.mac - b.mac))
}

/** The networks that a host with these vNICs has. */
export const networksOf = once((hosted: readonly Binding[]): ReadonlySet<string> => {
  const names = new Set<string>()
  for (const { nic } of hosted) for (const { network } of attachmentsOf(nic)) names.add(network)
  return names
})

/** What the switches of a host with these vNICs have of a network for themselves. */
export const networkOn = (host: Host, hosted: readonly Binding[], view: NetworkView): NetworkHere => ({
  network: view.network,
  number: view.number,
  onUplink: view.onUplink,
  learned: learnedAt(hosted, view),
  routers: view.routers,
  part: (host.vtep === undefined ? undefined : view.parts.get(partOf(host))) ?? NO_HOSTS,
})

/** Levels of it of which something may be the same as before. */
export const HERE_DEPTH = 2

const NO_HOSTS: readonly Host[] = []
const NOBODY: readonly Resident[] = []

const learnedAt = (hosted: readonly Binding[], { learnedBehind }: NetworkView): readonly Resident[] =>
  learnedBehind.size === 0 ? NOBODY : hosted.flatMap(({ nic }) => learnedBehind.get(nic.id) ?? NOBODY)

/** Tags that VLAN networks have of their own, and the one that is nobody's. */
export const reservedTags = ({ networks }: Topology): Set<number> =>
  new Set([...networks.flatMap(({ type, segment }) => (type === 'vlan' && segment ? [segment] : [])), DEAD_VLAN])

export function localTagsFor(
  present: readonly Network[],
  reserved: ReadonlySet<number>,
  kept: ReadonlyMap<string, number> = new Map(),
): Map<string, number> {
  const others = present.filter(({ type }) => type !== 'vlan').map(({ name }) => name)
  const tags = reassignNumbers(kept, others.sort(), LOCAL_TAGS, reserved)
  for (const { name, type, segment } of present) if (type === 'vlan' && segment) tags.set(name, segment)
  return tags
}

/** Those with a port on the switch, in the order of its numbers. */
export const portsOn = (hosted: readonly Binding[], name: string): Binding[] =>
  hosted
    .filter((binding) => placeOn(binding, name) !== undefined)
    .sort((a, b) => placeOn(a, name)!.port - placeOn(b, name)!.port)

export const inOrderOfName = (bindings: readonly Binding[]): Binding[] =>
  [...bindings].sort((a, b) => (a.nic.id < b.nic.id ? -1 : 1))

const neighbours = (host: Host, bridge: Bridge): Bridge[] =>
  host.bridges.filter((other) => other.peer === bridge.name || bridge.peer === other.name)

/** What of a switch's view follows from its host and its numbers alone. */
export function frameOf(
  host: Host,
  bridge: Bridge,
  numbers: ReadonlyMap<string, number>,
): Pick<SwitchView, 'name' | 'host' | 'bridge' | 'integration' | 'patches' | 'towards'> {
  const patches = neighbours(host, bridge).map((peer): Patch => ({
    name: patchName(peer),
    number: numbers.get(patchName(peer))!,
    peer: switchName(host, peer),
  }))
  const integration = bridge === host.bridges[0]
  const name = switchName(host, bridge)
  return { name, host, bridge, integration, patches, towards: waysWithin(host, bridge, patches) }
}

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

/** The flat network that has the uplinks' untagged frames. */
export const untaggedNetwork = ({ networks }: Topology): string | undefined =>
  networks
    .filter(({ type }) => type === 'flat')
    .map(({ name }) => name)
    .sort()[0]
