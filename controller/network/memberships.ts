// Who listens to which multicast groups, and behind which ports multicast routers are, as IGMP and MLD have told. Immutable: every change
// gives another table, or the same where nothing changed.

import { PersistentMap } from '../persistent-map.ts'
import { attachmentsOf } from './attachments.ts'
import type { Binding, Resident } from './bindings.ts'
import { residentOf } from './bindings.ts'

/** A vNIC, or outside: whoever is beyond the uplinks. */
export type Spot =
  { readonly kind: 'vnic'; readonly nic: string; readonly attachment: number } | { readonly kind: 'outside' }

export interface Membership {
  readonly network: string
  /** Its address, as people write it; or `QUERIERS`, or `ROUTERS`. */
  readonly group: string
  readonly spot: Spot
  /** Of a querier or router: the address that it speaks from. */
  readonly source?: string
}

// In the place of a group's address: multicast routers, which hear what is for any group.
/** Those that ask who listens, by the name that files of state have had for them from the start. */
export const QUERIERS = 'routers'
/** Those that say by PIM or multicast router discovery that they are there, whether they ask or not. */
export const ROUTERS = 'announced routers'

/** Whether members of it hear what is for any group. */
export const hearsAll = (group: string): boolean => group === QUERIERS || group === ROUTERS

/** By `spotKey`. */
export type Members = PersistentMap<string, Membership>
/** By group. */
export type Groups = PersistentMap<string, Members>

export const spotKey = (spot: Spot): string => (spot.kind === 'outside' ? OUTSIDE : nicKey(spot.nic, spot.attachment))

const OUTSIDE = 'outside'
const nicKey = (nic: string, attachment: number): string => `${nic}/${attachment}`

export class Memberships {
  readonly byNetwork: PersistentMap<string, Groups>

  constructor(byNetwork: PersistentMap<string, Groups> = PersistentMap.empty()) {
    this.byNetwork = byNetwork
  }

  of(network: string): Groups {
    return this.byNetwork.get(network) ?? PersistentMap.empty()
  }

  *[Symbol.iterator](): Generator<Membership, undefined> {
    for (const groups of this.byNetwork.values()) for (const members of groups.values()) yield* members.values()
  }

  at({ network, group, spot }: Membership): Membership | undefined {
    return this.of(network).get(group)?.get(spotKey(spot))
  }

  with(membership: Membership): Memberships {
    const { network, group, spot, source } = membership
    const before = this.at(membership)
    // Which of several routers at one spot has announced itself last is nothing that anybody need be told.
    if (before !== undefined && (before.source === source || group === ROUTERS)) return this
    const groups = this.of(network)
    const members = groups.get(group) ?? PersistentMap.empty<string, Membership>()
    return new Memberships(this.byNetwork.set(network, groups.set(group, members.set(spotKey(spot), membership))))
  }

  without({ network, group, spot }: Membership): Memberships {
    const groups = this.of(network)
    const members = groups.get(group)
    if (members?.has(spotKey(spot)) !== true) return this
    const left = members.delete(spotKey(spot))
    return new Memberships(
      this.byNetwork.set(network, left.size === 0 ? groups.delete(group) : groups.set(group, left)),
    )
  }
}

/** Groups of the network that have members, without routers. */
export const groupCount = (groups: Groups): number =>
  groups.size - [QUERIERS, ROUTERS].filter((one) => groups.has(one)).length

/** Whom what is for a group is to reach, as a network knows it. */
export interface Listeners {
  /** Its address; or `QUERIERS`, where it is of all multicast routers. */
  readonly group: string
  readonly residents: readonly Resident[]
  readonly outside: boolean
  /** Addresses that queries come from. */
  readonly sources: readonly string[]
}

export const NO_ROUTERS: Listeners = { group: QUERIERS, residents: [], outside: false, sources: [] }

type Bindings = ReadonlyMap<string, Binding>

/** Those of the members that are on the network still; undefined where there are none. */
export function listenersOf(
  group: string,
  members: Members,
  network: string,
  bindings: Bindings,
): Listeners | undefined {
  const residents: Resident[] = []
  const sources = new Set<string>()
  for (const { spot, source } of members.values()) {
    if (spot.kind === 'vnic') {
      const binding = bindings.get(spot.nic)
      const attachment = binding && attachmentsOf(binding.nic)[spot.attachment]
      if (binding === undefined || attachment?.network !== network) continue
      residents.push(residentOf(binding, attachment))
    }
    if (source !== undefined) sources.add(source)
  }
  const outside = members.has(OUTSIDE)
  if (residents.length === 0 && !outside) return undefined
  return { group, residents: residents.sort(byName), outside, sources: [...sources].sort() }
}

/** Who hears what is for any group: queriers, and those that are routers without asking. */
export function routersOf(groups: Groups, network: string, bindings: Bindings): Listeners {
  let members: Members = groups.get(QUERIERS) ?? PersistentMap.empty()
  for (const [key, { network: name, group, spot }] of groups.get(ROUTERS) ?? [])
    if (!members.has(key)) members = members.set(key, { network: name, group, spot })
  return listenersOf(QUERIERS, members, network, bindings) ?? NO_ROUTERS
}

const byName = (a: Resident, b: Resident): number => (a.nic === b.nic ? a.index - b.index : a.nic < b.nic ? -1 : 1)

/** Whether one of these attachments of a vNIC is among the members. */
export const hasMember = (members: Members, nic: string, attachments: Iterable<number>): boolean =>
  [...attachments].some((attachment) => members.has(nicKey(nic, attachment)))
