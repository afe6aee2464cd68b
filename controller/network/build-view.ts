// A view of all there is. What has not changed since the view before is taken over from there.

import type { Fabric, Host, Network, Topology } from '../../topologies/topology.ts'
import { showsDscp, uplinkRate } from '../../topologies/qos.ts'
import { switchName } from '../../topologies/topology.ts'
import { PersistentMap } from '../persistent-map.ts'
import { attachmentsOf } from './attachments.ts'
import type { Binding } from './bindings.ts'
import { placesOf } from './bindings.ts'
import { partsOf } from './flood-parts.ts'
import { groupBy } from './grouping.ts'
import type { LearnedInNetwork } from './learned.ts'
import type { Groups, Listeners } from './memberships.ts'
import { hearsAll, listenersOf, routersOf } from './memberships.ts'
import type { SwitchMirrors } from './mirrors.ts'
import { mirrorFiles, MIRRORS_DEPTH, NO_MIRRORS, viewMirrors } from './mirrors.ts'
import { range, reassignNumbers } from './numbers.ts'
import type { Placed } from './places.ts'
import {
  bindingOf,
  frameOf,
  HERE_DEPTH,
  hostsByName,
  inOrderOfName,
  learnedResidents,
  localTagsFor,
  networkOn,
  networksOf,
  numberPortsOf,
  placedNics,
  portsOn,
  reservedTags,
  residentsOf,
  switchesFor,
  untaggedNetwork,
} from './places.ts'
import { assignZones, groupsAt, viewGroups as viewSecurityGroups } from './security-groups.ts'
import { keepUnchanged, renewed } from './sharing.ts'
import type { Intent } from './intent.ts'
import type { Assignments, NetworkHere, NetworkView, SwitchView, View } from './view.ts'
import { assignmentsOf, NO_ASSIGNMENTS } from './view.ts'

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
  const placed = topology.vms.flatMap((vm) => placedNics(vm, intent))
  const portNumbers = numberPorts(topology, placed, kept, previous)
  const bindings = renewed(
    previous?.bindings,
    placed.map((one) => [one.nic.id, bindingOf(one, hostsByName(topology), portNumbers)]),
    3,
  )
  const hosted = hostedBy(topology, bindings, previous)
  const names = topology.networks.map(({ name }) => name).sort()
  const networkNumbers = keepUnchanged(
    previous?.networkNumbers,
    reassignNumbers(kept.networkNumbers, names, range(1, 0xffffff)),
  )
  const networks = viewNetworks(intent, { bindings, hosted, networkNumbers }, previous)
  const localTags = assignLocalTags(topology, hosted, kept, previous)
  const zones = renewed(
    previous?.zones,
    topology.hosts.map(({ name }) => [name, assignZones(hosted.get(name)!, kept.zones.get(name))]),
    1,
  )
  const groups = viewSecurityGroups(topology, networkNumbers, kept.groupNumbers, previous?.groups)
  const parts = { networks, bindings, hosted, portNumbers, networkNumbers, localTags, zones, groups }
  return { intent, topology, ...parts, switches: viewSwitches(topology, parts, previous) }
}

function numberPorts(
  topology: Topology,
  placed: readonly Placed[],
  kept: Assignments,
  previous: View | undefined,
): View['portNumbers'] {
  const hosts = hostsByName(topology)
  const here = groupBy(
    placed.flatMap((one) => switchesFor(one, hosts).map((at) => ({ id: one.nic.id, at }))),
    ({ at }) => at,
  )
  const numbers = topology.hosts.flatMap((host) =>
    host.bridges.map((bridge): [string, ReadonlyMap<string, number>] => {
      const name = switchName(host, bridge)
      const nics = (here.get(name) ?? []).map(({ id }) => id)
      return [name, numberPortsOf(host, bridge, nics, mirrorFiles(topology), kept.portNumbers.get(name))]
    }),
  )
  return renewed(previous?.portNumbers, numbers, 1)
}

function hostedBy(topology: Topology, bindings: View['bindings'], previous: View | undefined): View['hosted'] {
  const places = [...bindings.values()].flatMap((binding) =>
    [...new Set(placesOf(binding).map(({ host }) => host))].map((host) => ({ host, binding })),
  )
  const byHost = groupBy(places, ({ host }) => host)
  const entries = topology.hosts.map(({ name }): [string, Binding[]] => [
    name,
    inOrderOfName((byHost.get(name) ?? []).map(({ binding }) => binding)),
  ])
  return renewed(previous?.hosted, entries, 1)
}

function viewNetworks(
  { topology, learned, memberships }: Intent,
  { bindings, hosted, networkNumbers }: Pick<View, 'bindings' | 'hosted' | 'networkNumbers'>,
  previous: View | undefined,
): View['networks'] {
  const attached = groupBy(
    [...bindings.values()].flatMap((binding) =>
      [...new Set(attachmentsOf(binding.nic).map(({ network }) => network))].map((network) => ({ network, binding })),
    ),
    ({ network }) => network,
  )
  const present = new Map(topology.hosts.map((host) => [host, networksOf(hosted.get(host.name)!)]))
  const untagged = untaggedNetwork(topology)
  const viewOf = (network: Network): [string, NetworkView] => {
    const { name } = network
    const before = previous?.networks.get(name)
    const own = (attached.get(name) ?? []).map(({ binding }) => binding)
    const residents = own.flatMap((binding) => residentsOf(binding, name))
    const hosts = topology.hosts.filter((host) => present.get(host)!.has(name))
    const view: NetworkView = {
      network,
      number: networkNumbers.get(name)!,
      onUplink: network.type === 'vlan' || name === untagged,
      residents: renewed(before?.residents, residents, 3),
      ...viewLearned(learned.of(name), name, own, before),
      ...viewGroups(network.igmpSnooping === undefined ? undefined : memberships.of(name), name, bindings, before),
      hosts,
      parts: renewed(before?.parts, partsOf(network, hosts), 1),
    }
    return [name, view]
  }
  return renewed(previous?.networks, topology.networks.map(viewOf), 2)
}

function viewLearned(
  learned: LearnedInNetwork,
  network: string,
  own: readonly Binding[],
  before: NetworkView | undefined,
): Pick<NetworkView, 'learnedBehind' | 'learnedOutside'> {
  const outside = [...learned].filter(([, { location }]) => location.kind === 'outside')
  const behind = own.flatMap((binding) => {
    const residents = learnedResidents(learned, network, binding)
    return residents.length === 0 ? [] : [[binding.nic.id, residents] as const]
  })
  return {
    learnedOutside: renewed(before?.learnedOutside, outside, 0),
    learnedBehind: renewed(before?.learnedBehind, learned.size === 0 ? [] : behind, 4),
  }
}

/** Levels of listeners of which something may be the same as before. */
const LISTENER_DEPTH = 5

/** As `keepUnchanged`; where nothing but the addresses of queriers is new, the residents are still the same list. */
export const keepListeners = (before: Listeners | undefined, now: Listeners): Listeners =>
  keepUnchanged(
    before,
    { ...now, residents: keepUnchanged(before?.residents, now.residents, LISTENER_DEPTH - 1) },
    LISTENER_DEPTH,
  )

function viewGroups(
  memberships: Groups = PersistentMap.empty(),
  network: string,
  bindings: View['bindings'],
  before: NetworkView | undefined,
): Pick<NetworkView, 'groups' | 'routers'> {
  const groups = [...memberships].flatMap(([group, members]): [string, Listeners][] => {
    const listeners = hearsAll(group) ? undefined : listenersOf(group, members, network, bindings)
    return listeners === undefined ? [] : [[group, listeners]]
  })
  return {
    groups: renewed(before?.groups, groups, LISTENER_DEPTH),
    routers: keepListeners(before?.routers, routersOf(memberships, network, bindings)),
  }
}

function assignLocalTags(
  topology: Topology,
  hosted: View['hosted'],
  kept: Assignments,
  previous: View | undefined,
): View['localTags'] {
  const reserved = reservedTags(topology)
  const byName = new Map(topology.networks.map((network) => [network.name, network]))
  const tags = topology.hosts.map(({ name }): [string, ReadonlyMap<string, number>] => {
    const present = [...networksOf(hosted.get(name)!)].map((network) => byName.get(network)!)
    return [name, localTagsFor(present, reserved, kept.localTags.get(name))]
  })
  return renewed(previous?.localTags, tags, 1)
}

type SwitchParts = Omit<View, 'intent' | 'topology' | 'switches'>

function viewSwitches(topology: Topology, parts: SwitchParts, previous: View | undefined): View['switches'] {
  const mirrors = viewMirrors(topology, parts)
  const views = topology.hosts.flatMap((host) => viewSwitchesOf(host, topology.fabric, parts, mirrors, previous))
  return renewed(
    previous?.switches,
    views.map((view) => [view.name, view]),
    1,
  )
}

function viewSwitchesOf(
  host: Host,
  fabric: Fabric,
  { networks, hosted, portNumbers, localTags, zones, groups }: SwitchParts,
  mirrors: ReadonlyMap<string, SwitchMirrors>,
  previous: View | undefined,
): SwitchView[] {
  const here = hosted.get(host.name)!
  const own = Array.from(networksOf(here), (name): [string, NetworkHere] => [
    name,
    networkOn(host, here, networks.get(name)!),
  ])
  const beforeOf = (bridge: Host['bridges'][number]) => previous?.switches.get(switchName(host, bridge))
  const known = host.bridges.map(beforeOf).find((one) => one !== undefined)?.networks
  const ownNetworks = renewed(known, own, HERE_DEPTH)
  return host.bridges.map((bridge) => {
    const name = switchName(host, bridge)
    const before = beforeOf(bridge)
    const frame = frameOf(host, bridge, portNumbers.get(name)!)
    const bindings = keepUnchanged(before?.bindings, portsOn(here, name))
    return {
      ...frame,
      patches: keepUnchanged(before?.patches, frame.patches, 2),
      towards: keepUnchanged(before?.towards, frame.towards, 2),
      localTags: localTags.get(host.name)!,
      networks: ownNetworks,
      bindings,
      hosted: here,
      groups: keepUnchanged(before?.groups, groupsAt(bindings, groups), 2),
      mirrors: keepUnchanged(before?.mirrors, mirrors.get(name) ?? NO_MIRRORS, MIRRORS_DEPTH),
      zones: zones.get(host.name)!,
      uplinkRate: uplinkRate(host, fabric),
      showsDscp: showsDscp(host, fabric),
    }
  })
}
