// What the apps are asked about: everything that is wanted, worked out for each network and switch, and never altered. Parts that a
// change does not touch are the very objects of the view before, so whatever was made of them can be kept. `build-view.ts` makes a view
// of all there is, `patch-view.ts` one of the view before and what has changed: the same, sooner.

import type { Bridge, Host, Network, Topology } from '../../topologies/topology.ts'
import type { PersistentMap } from '../persistent-map.ts'
import type { Binding, Resident } from './bindings.ts'
import type { Intent } from './intent.ts'
import type { LearnedInNetwork } from './learned.ts'
import type { Listeners } from './memberships.ts'
import type { SwitchMirrors } from './mirrors.ts'
import { range } from './numbers.ts'
import type { GroupNumbers, Groups, SwitchGroups } from './security-groups.ts'
import { NO_GROUP_NUMBERS } from './security-groups.ts'

/** What of a network hardly ever changes. */
export interface NetworkFrame {
  readonly network: Network
  /** What stands for it in `Register.Network`: dense, and its own for as long as it exists. */
  readonly number: number
  /** True where its frames leave hosts by the uplink: VLAN networks, and the one flat network that has the untagged frames. */
  readonly onUplink: boolean
}

/** A network as a whole. The flows that follow from it are the same on many switches, so that who is on it is no part of a switch's view. */
export interface NetworkView extends NetworkFrame {
  /** By `residentKey`. */
  readonly residents: PersistentMap<string, Resident>
  /** Behind vNICs, addresses that the topology does not know; by vNIC. */
  readonly learnedBehind: PersistentMap<string, readonly Resident[]>
  /** Outside, beyond the uplinks. */
  readonly learnedOutside: LearnedInNetwork
  /** Multicast groups that somebody listens to, by address; none where the network does not snoop. */
  readonly groups: PersistentMap<string, Listeners>
  /** Behind which multicast routers are. */
  readonly routers: Listeners
  /** Hosts that have a port on it, in the topology's order. */
  readonly hosts: readonly Host[]
  /** Those that a flood reaches through tunnels, in parts (flood-parts.ts). */
  readonly parts: PersistentMap<number, readonly Host[]>
}

/** What of a network the switches of one host have for themselves. */
export interface NetworkHere extends NetworkFrame {
  /** Addresses learned behind vNICs of the host. */
  readonly learned: readonly Resident[]
  /** Behind which multicast routers are. */
  readonly routers: Listeners
  /** Of the network's parts, that of the host. */
  readonly part: readonly Host[]
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
  /** Networks that the host has, by name. */
  readonly networks: PersistentMap<string, NetworkHere>
  /** vNICs with a port here, in the order of its numbers. */
  readonly bindings: readonly Binding[]
  /** vNICs with a port on any switch of the host. */
  readonly hosted: readonly Binding[]
  /** Of the security groups, what concerns the vNICs here. */
  readonly groups: SwitchGroups
  /** Of the mirrors, what concerns the vNICs here. */
  readonly mirrors: SwitchMirrors
  /** Connection-tracking zones of the host, by vNIC. */
  readonly zones: ReadonlyMap<string, number>
  /** What the host sends to others at most, in bits a second, where that is known. */
  readonly uplinkRate: number | undefined
  /** The physical network has queues for DSCPs, so that tunnels bear those of what they carry. */
  readonly showsDscp: boolean
}

export interface View {
  readonly intent: Intent
  readonly topology: Topology
  readonly networks: PersistentMap<string, NetworkView>
  readonly switches: PersistentMap<string, SwitchView>
  /** By vNIC. */
  readonly bindings: PersistentMap<string, Binding>
  /** Those with a place on a host, by its name. */
  readonly hosted: PersistentMap<string, readonly Binding[]>
  /** By switch, by port name. */
  readonly portNumbers: PersistentMap<string, ReadonlyMap<string, number>>
  readonly networkNumbers: ReadonlyMap<string, number>
  /** By host, by network. */
  readonly localTags: PersistentMap<string, ReadonlyMap<string, number>>
  /** Connection-tracking zones: by host, by vNIC. */
  readonly zones: PersistentMap<string, ReadonlyMap<string, number>>
  readonly groups: Groups
}

/** Numbers that stand for names on switches and in flows: who has one keeps it, also when the controller starts again. */
export interface Assignments {
  /** By switch, by port name. */
  readonly portNumbers: ReadonlyMap<string, ReadonlyMap<string, number>>
  readonly networkNumbers: ReadonlyMap<string, number>
  /** By host, by network. */
  readonly localTags: ReadonlyMap<string, ReadonlyMap<string, number>>
  /** By host, by vNIC. */
  readonly zones: ReadonlyMap<string, ReadonlyMap<string, number>>
  readonly groupNumbers: GroupNumbers
}

export const assignmentsOf = ({ portNumbers, networkNumbers, localTags, zones, groups }: View): Assignments => ({
  portNumbers,
  networkNumbers,
  localTags,
  zones,
  groupNumbers: groups.numbers,
})

export const NO_ASSIGNMENTS: Assignments = {
  portNumbers: new Map(),
  networkNumbers: new Map(),
  localTags: new Map(),
  zones: new Map(),
  groupNumbers: NO_GROUP_NUMBERS,
}

export const UPLINK_PORT = 1
export const TUNNEL_PORT = 2
export const FIRST_PATCH_PORT = 3
export const FIRST_VNIC_PORT = 100
export const LAST_PORT = 0xfeff

const FIRST_LOCAL_TAG = 3000
/** In order of preference. */
export const LOCAL_TAGS = [...range(FIRST_LOCAL_TAG, 1), ...range(FIRST_LOCAL_TAG + 1, 4093)]
/** Worn by what may be heard nowhere. */
export const DEAD_VLAN = 4094

export const patchName = (peer: Bridge): string => `patch-${peer.name}`
