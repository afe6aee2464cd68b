// What security groups come to, worked out from the topology: the combinations in which vNICs have them, and who stands behind
// each name that a rule uses for the far end. All of it is the same on every switch; a switch is given what concerns its vNICs.

import type { Nic, PortPolicy, Remote, SecurityGroupRule, Topology } from '../../topologies/topology.ts'
import { parsePrefix } from '../../topologies/subnets.ts'
import { PersistentMap } from '../persistent-map.ts'
import { attachmentsOf } from './attachments.ts'
import type { Binding } from './bindings.ts'
import { assignNumbers, range } from './numbers.ts'
import { keepUnchanged } from './sharing.ts'
import type { VmChange } from './vm-changes.ts'
import { once } from '../../runtime/once.ts'

/** A rule as its group means it. */
export interface GroupRule {
  readonly rule: SecurityGroupRule
  readonly stateful: boolean
  /** Connections that it has allowed outlive it. */
  readonly keep: boolean
  /** Number of the far end, where the rule says by a name who that is. */
  readonly far: number | undefined
}

/** Security groups that some vNICs have together, and what becomes of what they deny. */
export interface Combination {
  readonly number: number
  readonly rejects: boolean
  /** Some group is stateful. */
  readonly tracks: boolean
  readonly rules: readonly GroupRule[]
}

/** Those with a security group, or the addresses of an address group. */
export interface FarEnd {
  readonly number: number
  readonly addresses: PersistentMap<string, Shared>
}

/** An address, and how many vNICs have it. */
export interface Shared {
  readonly address: FarAddress
  readonly count: number
}

export interface FarAddress {
  /** Number of the network on which the address counts; absent: on all. */
  readonly network: number | undefined
  readonly version: 4 | 6
  readonly first: bigint
  readonly prefix: number
}

/** Numbers that stand for combinations and far ends in flows. */
export interface GroupNumbers {
  readonly combinations: ReadonlyMap<string, number>
  readonly farEnds: ReadonlyMap<string, number>
}

export const NO_GROUP_NUMBERS: GroupNumbers = { combinations: new Map(), farEnds: new Map() }

export interface Groups {
  readonly numbers: GroupNumbers
  /** How many vNICs have each combination, by `combinationOf`. */
  readonly users: ReadonlyMap<string, number>
  readonly combinations: ReadonlyMap<string, Combination>
  /** By `farEndOf`. */
  readonly farEnds: ReadonlyMap<string, FarEnd>
}

/** What is equal for vNICs of the same groups and the same way to deny; undefined for one that is not filtered. */
export function combinationOf({ securityGroups, deny }: PortPolicy): string | undefined {
  if (securityGroups === undefined) return undefined
  const names = [...securityGroups].sort().join(',')
  return deny === 'reject' ? `${names} reject` : names
}

/** Undefined for a prefix and for anybody. */
export function farEndOf(remote: Remote | undefined): string | undefined {
  if (remote === undefined || remote.kind === 'prefix') return undefined
  return `${remote.kind} ${remote.group}`
}

/** @throws RangeError more combinations or names than there are numbers for. */
export function viewGroups(
  topology: Topology,
  networkNumbers: ReadonlyMap<string, number>,
  kept: GroupNumbers,
  previous: Groups | undefined,
): Groups {
  const nics = topology.vms.flatMap((vm) => vm.nics)
  const users = new Map<string, number>()
  for (const { policy } of nics) count(users, combinationOf(policy), 1)
  const remotes = topology.securityGroups.flatMap(({ rules }) => rules.map(({ remote }) => remote))
  const named = new Map(remotes.flatMap((remote) => entryOf(farEndOf(remote), remote!)))
  const numbers = keepUnchanged(
    previous?.numbers,
    {
      combinations: assignNumbers(kept.combinations, [...users.keys()].sort(), range(1, 0xffffff)),
      farEnds: assignNumbers(kept.farEnds, [...named.keys()].sort(), range(1, LAST_FAR_END)),
    },
    2,
  )
  const members = membersByGroup(nics)
  const farEnds = new Map(
    [...named].map(([key, remote]): [string, FarEnd] => {
      const before = previous?.farEnds.get(key)
      const shared = sharedAddresses(addressesOf(remote, topology, members, networkNumbers))
      const farEnd = { number: numbers.farEnds.get(key)!, addresses: retained(before?.addresses, shared) }
      return [key, keepUnchanged(before, farEnd)]
    }),
  )
  const combinations = combine(topology, numbers, previous)
  return keepUnchanged(previous, { numbers, users, combinations, farEnds }, 2)
}

/** `viewGroups`, sooner where nothing but VMs has changed. */
export function patchGroups(
  before: Groups,
  changes: readonly VmChange[],
  topology: Topology,
  networkNumbers: ReadonlyMap<string, number>,
): Groups {
  const users = new Map(before.users)
  const farEnds = new Map(before.farEnds)
  const touch = (nic: Nic, by: 1 | -1) => {
    count(users, combinationOf(nic.policy), by)
    for (const group of nic.policy.securityGroups ?? []) {
      const key = farEndOf({ kind: 'group', group })!
      const farEnd = farEnds.get(key)
      if (farEnd !== undefined) farEnds.set(key, withMember(farEnd, addressesOfNic(nic, networkNumbers), by))
    }
  }
  for (const { was, is } of changes) {
    for (const nic of was?.nics ?? []) if (!is?.nics.includes(nic)) touch(nic, -1)
    for (const nic of is?.nics ?? []) if (!was?.nics.includes(nic)) touch(nic, 1)
  }
  const same = users.size === before.users.size && [...users.keys()].every((key) => before.users.has(key))
  if (!same) return viewGroups(topology, networkNumbers, before.numbers, { ...before, farEnds })
  return keepUnchanged(before, { ...before, users, farEnds }, 2)
}

/** Priorities of flows are made of these numbers. */
const LAST_FAR_END = 30_000

const entryOf = <T>(key: string | undefined, value: T): [string, T][] => (key === undefined ? [] : [[key, value]])

function count(counts: Map<string, number>, key: string | undefined, by: number): void {
  if (key === undefined) return
  const now = (counts.get(key) ?? 0) + by
  if (now === 0) counts.delete(key)
  else counts.set(key, now)
}

function combine(
  { securityGroups }: Topology,
  numbers: GroupNumbers,
  previous: Groups | undefined,
): Map<string, Combination> {
  const groups = new Map(securityGroups.map((group) => [group.name, group]))
  return new Map(
    [...numbers.combinations].map(([key, number]): [string, Combination] => {
      const [names = '', rejects] = key.split(' ')
      const together = names.split(',').flatMap((name) => groups.get(name) ?? [])
      const combination = {
        number,
        rejects: rejects !== undefined,
        tracks: together.some(({ stateful }) => stateful),
        rules: together.flatMap(({ stateful, onRuleRemoval, rules }) =>
          rules.map((rule) => {
            const far = numbers.farEnds.get(farEndOf(rule.remote) ?? '')
            return { rule, stateful, keep: stateful && onRuleRemoval === 'keep', far }
          }),
        ),
      }
      return [key, keepUnchanged(previous?.combinations.get(key), combination, 3)]
    }),
  )
}

// ---- Who stands behind a name ------------------------------------------------------------------------------------

function membersByGroup(nics: readonly Nic[]): Map<string, Nic[]> {
  const members = new Map<string, Nic[]>()
  for (const nic of nics)
    for (const group of nic.policy.securityGroups ?? []) {
      const before = members.get(group)
      if (before) before.push(nic)
      else members.set(group, [nic])
    }
  return members
}

function addressesOf(
  remote: Remote,
  { addressGroups }: Topology,
  members: ReadonlyMap<string, readonly Nic[]>,
  networkNumbers: ReadonlyMap<string, number>,
): FarAddress[] {
  if (remote.kind === 'group')
    return (members.get(remote.group) ?? []).flatMap((nic) => addressesOfNic(nic, networkNumbers))
  if (remote.kind === 'prefix') return []
  const group = addressGroups.find(({ name }) => name === remote.group)
  return (group?.addresses ?? []).map((text) => farAddress(text, undefined))
}

export const addressKey = ({ network, version, first, prefix }: FarAddress): string =>
  `${network ?? ''} ${version} ${first}/${prefix}`

function sharedAddresses(addresses: readonly FarAddress[]): Map<string, Shared> {
  const shared = new Map<string, Shared>()
  for (const address of addresses) {
    const key = addressKey(address)
    shared.set(key, { address, count: (shared.get(key)?.count ?? 0) + 1 })
  }
  return shared
}

/** The map of these entries; where it says the same as before, it is the same. */
function retained(before: FarEnd['addresses'] | undefined, now: ReadonlyMap<string, Shared>): FarEnd['addresses'] {
  let map = before ?? PersistentMap.empty<string, Shared>()
  for (const [key, value] of now) map = map.set(key, keepUnchanged(map.get(key), value))
  if (map.size > now.size) for (const key of map.keys()) if (!now.has(key)) map = map.delete(key)
  return map
}

function withMember({ number, addresses }: FarEnd, own: readonly FarAddress[], by: 1 | -1): FarEnd {
  let now = addresses
  for (const address of own) {
    const key = addressKey(address)
    const times = (now.get(key)?.count ?? 0) + by
    now = times === 0 ? now.delete(key) : now.set(key, { address, count: times })
  }
  return { number, addresses: now }
}

export function addressesOfNic(nic: Nic, networkNumbers: ReadonlyMap<string, number>): FarAddress[] {
  return textsOf(nic).flatMap(({ network, texts }) =>
    texts.map((text) => farAddress(text, networkNumbers.get(network))),
  )
}

function farAddress(text: string, network: number | undefined): FarAddress {
  const { version, first, prefix } = parsePrefix(text)
  return { network, version, first, prefix }
}

interface Texts {
  network: string
  texts: readonly string[]
}

/** Its own addresses on the network where it has them, its allowed pairs on all that it is in. */
const textsOf = once((nic: Nic): readonly Texts[] => {
  const pairs = (nic.policy.allowedAddressPairs ?? []).map(({ prefix }) => prefix)
  const own = nic.network === undefined ? [] : [{ network: nic.network, addresses: nic.addresses }]
  const places = [...own, ...nic.trunks].filter(({ network }) =>
    attachmentsOf(nic).some((one) => one.network === network),
  )
  return places.map(({ network, addresses }) => ({ network, texts: [...addresses, ...pairs] }))
})

/**
 * What of security groups concerns a switch. Who stands behind the names in its rules is not among it: that is the same on all switches,
 * so a member more is a change of one far end, and of no switch's view.
 */
export interface SwitchGroups {
  /** Of its vNICs, by `combinationOf`. */
  readonly combinations: ReadonlyMap<string, Combination>
}

export function groupsAt(bindings: readonly Binding[], { combinations }: Groups): SwitchGroups {
  const keys = new Set(bindings.map(({ nic }) => combinationOf(nic.policy)))
  return { combinations: new Map([...combinations].filter(([key]) => keys.has(key))) }
}

/** Far ends that are others than before, or new. */
export const changedFarEnds = (before: Groups['farEnds'] | undefined, after: Groups['farEnds']): FarEnd[] =>
  before === after ? [] : [...after].flatMap(([key, farEnd]) => (farEnd === before?.get(key) ? [] : [farEnd]))

/** Whether a rule for the switch names one of these far ends. */
export const namesAny = ({ combinations }: SwitchGroups, farEnds: ReadonlySet<number>): boolean =>
  farEnds.size > 0 &&
  [...combinations.values()].some(({ rules }) => rules.some(({ far }) => far !== undefined && farEnds.has(far)))

/** Zones up to here are the user's. */
const FIRST_ZONE = 0x1000
const LAST_ZONE = 0xffff

/** A connection-tracking zone for each filtered vNIC of a host. @throws RangeError more vNICs than zones */
export function assignZones(
  bindings: readonly Binding[],
  kept: ReadonlyMap<string, number> = new Map(),
): Map<string, number> {
  const filtered = bindings.filter(({ nic }) => nic.policy.securityGroups !== undefined).map(({ nic }) => nic.id)
  return assignNumbers(kept, filtered.sort(), range(FIRST_ZONE, LAST_ZONE))
}
