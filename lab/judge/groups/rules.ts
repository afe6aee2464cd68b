// What security groups allow, worked out from the topology alone: for each vNIC the rules of its groups, with names of groups and address
// groups turned into the addresses that they stand for.

import type { AddressGroup, Nic, SecurityGroup, SecurityGroupRule, Topology } from '../../../topologies/topology.ts'
import { addressesOf, addTo, holds, type Addresses } from '../addresses.ts'
import type { Direction } from './connections.ts'
import type { Talk } from './talk.ts'

interface Rule {
  readonly group: SecurityGroup
  readonly terms: SecurityGroupRule
  /** By network, where the far end is a group; those of all networks under the empty name; anybody where absent. */
  readonly remote: ReadonlyMap<string, Addresses> | undefined
}

/** `perhaps`: a rule fits as far as can be told of a fragment without ports. */
export type Match = 'yes' | 'perhaps' | 'no'

export interface Permission {
  stateful: Match
  stateless: Match
  /** The groups of the stateful rules that fit. */
  groups: SecurityGroup[]
}

interface Filter {
  rejects: boolean
  groups: readonly SecurityGroup[]
  ingress: readonly Rule[]
  egress: readonly Rule[]
}

const EVERYWHERE = ''

export class GroupRules {
  readonly #groups: ReadonlyMap<string, SecurityGroup>
  readonly #byNic = new Map<string, Filter>()

  constructor({ securityGroups, addressGroups, vms }: Topology) {
    this.#groups = new Map(securityGroups.map((group) => [group.name, group]))
    const nics = vms.flatMap((vm) => vm.nics)
    const remotes = new Remotes(addressGroups, nics)
    const compiled = new Map(
      securityGroups.map((group) => [
        group.name,
        group.rules.map((terms): Rule => ({ group, terms, remote: remotes.of(terms) })),
      ]),
    )
    for (const { id, policy } of nics) {
      if (policy.securityGroups === undefined) continue
      const rules = policy.securityGroups.flatMap((name) => compiled.get(name) ?? [])
      const towards = (direction: Direction) => rules.filter(({ terms }) => terms.direction === direction)
      const groups = policy.securityGroups.flatMap((name) => this.#groups.get(name) ?? [])
      this.#byNic.set(id, {
        groups,
        rejects: policy.deny === 'reject',
        ingress: towards('ingress'),
        egress: towards('egress'),
      })
    }
  }

  get isEmpty(): boolean {
    return this.#byNic.size === 0
  }

  group(name: string): SecurityGroup | undefined {
    return this.#groups.get(name)
  }

  /** The groups of a vNIC that is filtered; undefined where it is not. */
  groupsOf(nic: string): readonly SecurityGroup[] | undefined {
    return this.#byNic.get(nic)?.groups
  }

  /** Whether who sends what the vNIC's groups deny is told so. */
  rejects(nic: string): boolean {
    return this.#byNic.get(nic)?.rejects === true
  }

  permission(nic: string, network: string, talk: Talk, direction: Direction): Permission {
    const found: Permission = { stateful: 'no', stateless: 'no', groups: [] }
    const remote = direction === 'ingress' ? talk.source : talk.destination
    for (const rule of this.#byNic.get(nic)?.[direction] ?? []) {
      const match = matches(rule, network, talk, remote)
      if (match === 'no') continue
      const { group } = rule
      const kind = group.stateful ? 'stateful' : 'stateless'
      if (found[kind] !== 'yes') found[kind] = match
      if (group.stateful) found.groups.push(group)
    }
    return found
  }
}

/** Who the far ends are that rules name. */
class Remotes {
  readonly #members = new Map<string, Map<string, Addresses>>()
  readonly #addressGroups: ReadonlyMap<string, Addresses>

  constructor(addressGroups: readonly AddressGroup[], nics: readonly Nic[]) {
    this.#addressGroups = new Map(addressGroups.map(({ name, addresses }) => [name, addressesOf(addresses)]))
    for (const nic of nics) for (const name of nic.policy.securityGroups ?? []) this.#enrol(name, nic)
  }

  of({ remote }: SecurityGroupRule): ReadonlyMap<string, Addresses> | undefined {
    switch (remote?.kind) {
      case undefined:
        return undefined
      case 'group':
        return this.#members.get(remote.group) ?? new Map<string, Addresses>()
      case 'prefix':
        return new Map([[EVERYWHERE, addressesOf([remote.prefix])]])
      case 'addressGroup':
        return new Map([[EVERYWHERE, this.#addressGroups.get(remote.group) ?? addressesOf([])]])
    }
  }

  /** Its addresses count on the network where it has them, its pairs on all that it is in. */
  #enrol(group: string, { network, addresses, trunks, policy }: Nic): void {
    const pairs = (policy.allowedAddressPairs ?? []).map(({ prefix }) => prefix)
    const places = [...(network === undefined ? [] : [{ network, addresses }]), ...trunks]
    let byNetwork = this.#members.get(group)
    if (byNetwork === undefined) this.#members.set(group, (byNetwork = new Map()))
    for (const place of places) {
      let known = byNetwork.get(place.network)
      if (known === undefined) byNetwork.set(place.network, (known = addressesOf([])))
      for (const text of [...place.addresses, ...pairs]) addTo(known, text)
    }
  }
}

function matches({ terms, remote }: Rule, network: string, talk: Talk, address: string): Match {
  const { family, protocol, wholeness } = talk
  if ((terms.ethertype === 'IPv4' ? 4 : 6) !== family) return 'no'
  if (terms.protocol !== undefined && terms.protocol !== protocol) return 'no'
  if (remote !== undefined) {
    const addresses = remote.get(EVERYWHERE) ?? remote.get(network)
    if (addresses === undefined || !holds(addresses, family, address)) return 'no'
  }
  if (terms.ports === undefined && terms.icmpType === undefined) return 'yes'
  if (wholeness === 'later fragment') return 'perhaps'
  return fitsPorts(terms, talk) ? 'yes' : 'no'
}

function fitsPorts({ ports, icmpType, icmpCode }: SecurityGroupRule, talk: Talk): boolean {
  if (icmpType !== undefined && icmpType !== talk.icmpType) return false
  if (icmpCode !== undefined && icmpCode !== talk.icmpCode) return false
  return ports === undefined || (talk.destinationPort >= ports.first && talk.destinationPort <= ports.last)
}
