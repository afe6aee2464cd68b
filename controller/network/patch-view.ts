// The view of what is wanted now, from the one before and what has changed. It looks only at the VMs, networks, hosts and learned
// addresses concerned, and gives what `buildView` would (tests/controller/network/patch-view.test.ts holds the two together).

import type { Host, Mirror } from '../../topologies/topology.ts'
import { switchesAt, switchName } from '../../topologies/topology.ts'
import { PersistentMap } from '../persistent-map.ts'
import { attachmentsOf } from './attachments.ts'
import type { Binding } from './bindings.ts'
import { placesOf } from './bindings.ts'
import { buildView, keepListeners } from './build-view.ts'
import { partsOf } from './flood-parts.ts'
import type { LearnedInNetwork } from './learned.ts'
import type { Groups, Listeners, Members } from './memberships.ts'
import { hasMember, hearsAll, listenersOf, routersOf } from './memberships.ts'
import { range } from './numbers.ts'
import { mirrorFiles, MIRRORS_DEPTH, NO_MIRRORS, viewMirrors } from './mirrors.ts'
import type { Placed } from './places.ts'
import {
  bindingOf,
  HERE_DEPTH,
  hostsByName,
  inOrder,
  inOrderOfName,
  learnedResidents,
  localTagsFor,
  networkOn,
  networksOf,
  numberPortsOf,
  placedNics,
  portsOn,
  reservedTags,
  residentKey,
  residentsOf,
  switchesFor,
} from './places.ts'
import { assignZones, groupsAt, patchGroups, viewGroups } from './security-groups.ts'
import { keepUnchanged, renewed, sameMembers } from './sharing.ts'
import type { VmChange } from './vm-changes.ts'
import { changedVms } from './vm-changes.ts'
import type { Intent } from './intent.ts'
import type { NetworkView, SwitchView, View } from './view.ts'

/**
 * `buildView(intent, view)`, sooner where hosts and networks are those of before.
 * @throws RangeError more ports on a switch or networks on a host than there are numbers for.
 */
export function patchView(view: View, intent: Intent): View {
  const { topology } = intent
  if (!sameMembers(view.topology.hosts, topology.hosts)) return buildView(intent, view)
  if (!sameMembers(view.topology.networks, topology.networks)) return buildView(intent, view)
  if (mirrorFiles(view.topology).join() !== mirrorFiles(topology).join()) return buildView(intent, view)
  return new Patching(view, intent).patched()
}

const sameValues = (a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): boolean =>
  a === b || (a.size === b.size && [...a].every(([key, value]) => b.get(key) === value))

/** Levels of a list of mirrors, as a topology has them. */
const MIRROR_DEPTH = 3

class Patching {
  readonly #before: View
  readonly #intent: Intent
  #bindings: View['bindings']
  #hosted: View['hosted']
  #portNumbers: View['portNumbers']
  #networks: View['networks']
  #localTags: View['localTags']
  #zones: View['zones']
  #groups: View['groups']
  #switches: View['switches']
  /** Names of hosts of which vNICs have changed. */
  readonly #hosts = new Set<string>()
  /** By network: vNICs of which something has changed there, and learned addresses that have. */
  readonly #concerned = new Map<string, Set<string>>()

  constructor(before: View, intent: Intent) {
    this.#before = before
    this.#intent = intent
    this.#bindings = before.bindings
    this.#hosted = before.hosted
    this.#portNumbers = before.portNumbers
    this.#networks = before.networks
    this.#localTags = before.localTags
    this.#zones = before.zones
    this.#groups = before.groups
    this.#switches = before.switches
  }

  patched(): View {
    const changes = changedVms(this.#before.intent, this.#intent)
    this.#bind(changes)
    for (const name of this.#hosts) {
      this.#tagNetworksOf(name)
      this.#zoneVnicsOf(name)
    }
    this.#group(changes)
    this.#learn()
    this.#snoop()
    const hosts = new Set(this.#hosts)
    for (const [name, nics] of this.#concerned) for (const host of this.#amendNetwork(name, nics)) hosts.add(host)
    for (const host of hosts) this.#amendSwitchesOf(host)
    this.#regroupSwitches()
    this.#mirror()
    return {
      intent: this.#intent,
      topology: this.#intent.topology,
      networks: this.#networks,
      switches: this.#switches,
      bindings: this.#bindings,
      hosted: this.#hosted,
      portNumbers: this.#portNumbers,
      networkNumbers: this.#before.networkNumbers,
      localTags: this.#localTags,
      zones: this.#zones,
      groups: this.#groups,
    }
  }

  #bind(changes: readonly VmChange[]): void {
    if (changes.length === 0) return
    const hosts = hostsByName(this.#intent.topology)
    const gone = changes.flatMap(({ was }) => was?.nics ?? []).flatMap(({ id }) => this.#before.bindings.get(id) ?? [])
    const come = changes.flatMap(({ is }) => (is === undefined ? [] : placedNics(is, this.#intent)))
    this.#numberPorts(gone, come)
    const made = new Map(come.map((one) => [one.nic.id, bindingOf(one, hosts, this.#portNumbers)]))
    for (const binding of gone) {
      const now = made.get(binding.nic.id)
      if (now === undefined) this.#bindings = this.#bindings.delete(binding.nic.id)
      else made.set(binding.nic.id, keepUnchanged(binding, now, 3))
    }
    for (const [id, binding] of made) this.#bindings = this.#bindings.set(id, binding)
    for (const before of gone) this.#note(before, made.get(before.nic.id))
    for (const now of made.values()) this.#note(now, this.#before.bindings.get(now.nic.id))
    for (const host of this.#hosts) this.#host(host, new Set(gone.map(({ nic }) => nic.id)), [...made.values()])
  }

  /** Those that stay keep their numbers; a switch that has nobody new and misses nobody is not looked at. */
  #numberPorts(gone: readonly Binding[], come: readonly Placed[]): void {
    const hosts = hostsByName(this.#intent.topology)
    const files = mirrorFiles(this.#intent.topology)
    const left = new Map<string, Set<string>>()
    const taken = new Map<string, string[]>()
    for (const { nic, ...places } of gone)
      for (const place of placesOf({ nic, ...places })) addTo(left, place.switch, nic.id)
    for (const one of come)
      for (const name of switchesFor(one, hosts)) taken.set(name, [...(taken.get(name) ?? []), one.nic.id])
    for (const name of new Set([...left.keys(), ...taken.keys()])) {
      const { host, bridge, bindings } = this.#before.switches.get(name)!
      const staying = bindings.map(({ nic }) => nic.id).filter((id) => left.get(name)?.has(id) !== true)
      const kept = this.#before.portNumbers.get(name)
      const numbers = numberPortsOf(host, bridge, [...staying, ...(taken.get(name) ?? [])], files, kept)
      this.#portNumbers = this.#portNumbers.set(name, keepUnchanged(kept, numbers))
    }
  }

  /** Whom a change of a vNIC concerns. */
  #note(binding: Binding, other: Binding | undefined): void {
    if (binding === other) return
    for (const { host } of placesOf(binding)) this.#hosts.add(host)
    for (const { network } of attachmentsOf(binding.nic)) addTo(this.#concerned, network, binding.nic.id)
  }

  #host(name: string, gone: ReadonlySet<string>, made: readonly Binding[]): void {
    const before = this.#hosted.get(name)!
    const staying = before.filter(({ nic }) => !gone.has(nic.id))
    const here = made.filter((binding) => placesOf(binding).some(({ host }) => host === name))
    this.#hosted = this.#hosted.set(name, keepUnchanged(before, inOrderOfName([...staying, ...here])))
  }

  #tagNetworksOf(name: string): void {
    const present = networksOf(this.#hosted.get(name)!)
    const before = this.#before.localTags.get(name)!
    if (before.size === present.size && [...present].every((network) => before.has(network))) return
    const networks = [...present].map((network) => this.#networks.get(network)!.network)
    const tags = localTagsFor(networks, reservedTags(this.#intent.topology), before)
    this.#localTags = this.#localTags.set(name, keepUnchanged(before, tags))
  }

  #zoneVnicsOf(name: string): void {
    const before = this.#zones.get(name)
    this.#zones = this.#zones.set(name, keepUnchanged(before, assignZones(this.#hosted.get(name)!, before)))
  }

  #group(changes: readonly VmChange[]): void {
    const { topology } = this.#intent
    const { topology: was, groups, networkNumbers } = this.#before
    const sameRules =
      sameMembers(was.securityGroups, topology.securityGroups) && sameMembers(was.addressGroups, topology.addressGroups)
    this.#groups = sameRules
      ? patchGroups(groups, changes, topology, networkNumbers)
      : viewGroups(topology, networkNumbers, groups.numbers, groups)
  }

  /** Switches of which no vNIC has changed learn of rules that have. */
  #regroupSwitches(): void {
    const { groups } = this.#before
    if (this.#groups === groups || sameValues(groups.combinations, this.#groups.combinations)) return
    for (const [name, at] of this.#switches) {
      const now = keepUnchanged(at.groups, groupsAt(at.bindings, this.#groups), 2)
      if (now !== at.groups) this.#switches = this.#switches.set(name, { ...at, groups: now })
    }
  }

  /** A vNIC that has changed concerns the hosts where it is; another mirror, and a target that is elsewhere, all. */
  #mirror(): void {
    const { topology } = this.#intent
    const { topology: was, bindings, networkNumbers } = this.#before
    if (!was.mirrors?.length && !topology.mirrors?.length) return
    const { mirrors = [] } = topology
    const hasMoved = ({ target }: Mirror) =>
      target.kind === 'port' && bindings.get(target.port) !== this.#bindings.get(target.port)
    const sameMirrors = keepUnchanged(was.mirrors, mirrors, MIRROR_DEPTH) === was.mirrors
    const among = sameMirrors && !mirrors.some(hasMoved) ? this.#hosts : new Set(hostsByName(topology).keys())
    const world = {
      bindings: this.#bindings,
      hosted: this.#hosted,
      networkNumbers,
      portNumbers: this.#portNumbers,
    }
    const views = viewMirrors(topology, world, among)
    for (const host of among)
      for (const name of switchesAt(hostsByName(topology).get(host)!)) {
        const at = this.#switches.get(name)!
        const now = keepUnchanged(at.mirrors, views.get(name) ?? NO_MIRRORS, MIRRORS_DEPTH)
        if (now !== at.mirrors) this.#switches = this.#switches.set(name, { ...at, mirrors: now })
      }
  }

  /** Addresses that were learned or forgotten concern their networks, and the vNICs that they are behind. */
  #learn(): void {
    const { learned } = this.#intent
    for (const [network, before, after] of learned.byNetwork.changesSince(this.#before.intent.learned.byNetwork)) {
      const view = this.#networks.get(network)
      if (view === undefined) continue
      let outside = view.learnedOutside
      const [was, is] = [before ?? PersistentMap.empty(), after ?? PersistentMap.empty()] as LearnedInNetwork[]
      for (const [mac, old, now] of is!.changesSince(was!)) {
        for (const location of [old?.location, now?.location])
          if (location?.kind === 'vnic') addTo(this.#concerned, network, location.nic)
        outside = now?.location.kind === 'outside' ? outside.set(mac, now) : outside.delete(mac)
      }
      if (outside === view.learnedOutside) continue
      this.#networks = this.#networks.set(network, { ...view, learnedOutside: outside })
      if (!this.#concerned.has(network)) this.#concerned.set(network, new Set())
    }
  }

  /** Groups of which members have come or gone concern their networks. */
  #snoop(): void {
    const { memberships } = this.#intent
    for (const [network] of memberships.byNetwork.changesSince(this.#before.intent.memberships.byNetwork))
      if (!this.#concerned.has(network)) this.#concerned.set(network, new Set())
  }

  /** @returns names of hosts that may have something else of the network for themselves, beside those of which vNICs have changed */
  #amendNetwork(name: string, nics: ReadonlySet<string>): string[] {
    const before = this.#before.networks.get(name)
    const now = this.#networks.get(name)
    if (before === undefined || now === undefined) return []
    let { residents, learnedBehind } = now
    for (const id of nics) {
      residents = this.#residentsOf(id, now, residents)
      learnedBehind = this.#learnedBehind(id, now, learnedBehind)
    }
    const hosts = this.#hostsOf(name, nics, before)
    const groups = this.#groupsOf(now, nics)
    const parts = hosts === before.hosts ? before.parts : renewed(before.parts, partsOf(now.network, hosts), 1)
    const view = keepUnchanged(before, { ...now, residents, learnedBehind, hosts, parts, ...groups })
    this.#networks = this.#networks.set(name, view)
    return view === before ? [] : this.#hostsWithOther(before, view, nics)
  }

  #hostsWithOther(before: NetworkView, now: NetworkView, nics: ReadonlySet<string>): string[] {
    if (before.routers !== now.routers) return now.hosts.map(({ name }) => name)
    const inParts =
      before.parts === now.parts ? [] : now.parts.changesSince(before.parts).flatMap(([, , is = []]) => is)
    const knowing =
      before.learnedBehind === now.learnedBehind ? [] : [...nics].flatMap((id) => this.#bindings.get(id) ?? [])
    return [...inParts.map(({ name }) => name), ...knowing.flatMap(placesOf).map(({ host }) => host)]
  }

  #residentsOf(id: string, { network }: NetworkView, before: NetworkView['residents']): NetworkView['residents'] {
    const [was, is] = [this.#before.bindings.get(id), this.#bindings.get(id)]
    let residents = before
    const now = new Map(is === undefined ? [] : residentsOf(is, network.name))
    for (const attachment of was === undefined ? [] : attachmentsOf(was.nic)) {
      const key = residentKey(id, attachment)
      if (attachment.network === network.name && !now.has(key)) residents = residents.delete(key)
    }
    for (const [key, resident] of now) residents = residents.set(key, keepUnchanged(before.get(key), resident, 3))
    return residents
  }

  #learnedBehind(
    id: string,
    { network: { name } }: NetworkView,
    before: NetworkView['learnedBehind'],
  ): NetworkView['learnedBehind'] {
    const learned = this.#intent.learned.of(name)
    const binding = this.#bindings.get(id)
    const residents = binding === undefined || learned.size === 0 ? [] : learnedResidents(learned, name, binding)
    return residents.length === 0 ? before.delete(id) : before.set(id, keepUnchanged(before.get(id), residents, 4))
  }

  /** Of groups that have other members, or a member of which something has changed. */
  #groupsOf(before: NetworkView, nics: ReadonlySet<string>): Pick<NetworkView, 'groups' | 'routers'> {
    let { groups, routers } = before
    const { name, igmpSnooping } = before.network
    if (igmpSnooping === undefined) return { groups, routers }
    const members = this.#intent.memberships.of(name)
    for (const group of this.#groupsConcerned(name, members, nics)) {
      if (hearsAll(group)) {
        routers = keepListeners(routers, routersOf(members, name, this.#bindings))
        continue
      }
      const now = this.#listenersOf(group, members.get(group), name, groups.get(group))
      groups = now === undefined ? groups.delete(group) : groups.set(group, now)
    }
    return { groups, routers }
  }

  #listenersOf(group: string, members: Members | undefined, network: string, old: Listeners | undefined) {
    const now = members && listenersOf(group, members, network, this.#bindings)
    return now && keepListeners(old, now)
  }

  #groupsConcerned(network: string, members: Groups, nics: ReadonlySet<string>): Set<string> {
    const before = this.#before.intent.memberships.of(network)
    const concerned = new Set(members.changesSince(before).map(([group]) => group))
    for (const id of nics) {
      const bindings = [this.#before.bindings.get(id), this.#bindings.get(id)]
      const most = Math.max(...bindings.map((one) => (one === undefined ? 0 : attachmentsOf(one.nic).length)))
      for (const [group, some] of members) if (hasMember(some, id, range(0, most - 1))) concerned.add(group)
    }
    return concerned
  }

  #hostsOf(name: string, nics: ReadonlySet<string>, before: NetworkView): readonly Host[] {
    const { topology } = this.#intent
    const bindings = [...nics].flatMap((id) =>
      [this.#before.bindings.get(id) ?? [], this.#bindings.get(id) ?? []].flat(),
    )
    const changed = [...new Set(bindings.flatMap(placesOf).map(({ host }) => hostsByName(topology).get(host)!))].filter(
      (host) => networksOf(this.#hosted.get(host.name)!).has(name) !== before.hosts.includes(host),
    )
    if (changed.length === 0) return before.hosts
    const staying = before.hosts.filter((host) => !changed.includes(host))
    return inOrder(topology, [...staying, ...changed.filter((host) => !before.hosts.includes(host))])
  }

  #amendSwitchesOf(name: string): void {
    const host = hostsByName(this.#intent.topology).get(name)!
    const hosted = this.#hosted.get(name)!
    let networks: SwitchView['networks'] | undefined
    for (const bridge of host.bridges) {
      const at = switchName(host, bridge)
      const before = this.#before.switches.get(at)!
      networks ??= this.#networksAt(before, hosted)
      if (hosted !== before.hosted) {
        const now = this.#amended({ ...before, networks, hosted })
        this.#switches = this.#switches.set(at, keepUnchanged(before, now))
      } else if (networks !== before.networks) this.#switches = this.#switches.set(at, { ...before, networks })
    }
  }

  /** Networks of vNICs that have changed are among those concerned. */
  #networksAt({ host, networks }: SwitchView, hosted: readonly Binding[]): SwitchView['networks'] {
    const present = networksOf(hosted)
    let amended = networks
    for (const name of this.#concerned.keys()) {
      if (!present.has(name)) {
        amended = amended.delete(name)
        continue
      }
      const now = networkOn(host, hosted, this.#networks.get(name)!)
      amended = amended.set(name, keepUnchanged(networks.get(name), now, HERE_DEPTH))
    }
    return amended
  }

  /** Other vNICs are on the host now. */
  #amended(before: SwitchView): SwitchView {
    const { hosted, host, name } = before
    const bindings = keepUnchanged(before.bindings, portsOn(hosted, name))
    const groups = keepUnchanged(before.groups, groupsAt(bindings, this.#groups), 2)
    const localTags = this.#localTags.get(host.name)!
    return { ...before, localTags, bindings, groups, zones: this.#zones.get(host.name)! }
  }
}

function addTo(sets: Map<string, Set<string>>, key: string, one: string): void {
  const set = sets.get(key)
  if (set) set.add(one)
  else sets.set(key, new Set([one]))
}
