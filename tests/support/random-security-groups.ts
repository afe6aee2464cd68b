// Security groups by chance, on the vNICs of a topology: few addresses and few ports, so that rules and frames meet.

import type { Random } from '../../runtime/random.ts'
import type {
  AddressGroup,
  Nic,
  PortPolicy,
  Remote,
  SecurityGroup,
  SecurityGroupRule,
  Topology,
} from '../../topologies/topology.ts'

const chance = (random: Random, probability: number) => random.fraction() < probability
const pick = <T>(random: Random, items: readonly T[]): T => items[random.below(items.length)]!

const GROUPS = ['web', 'db', 'admins'] as const
const ADDRESS_GROUPS = ['offices', 'labs'] as const
const PREFIXES = {
  IPv4: ['10.0.0.0/29', '10.0.0.4/32', '0.0.0.0/0', '198.51.100.0/24'],
  IPv6: ['2001:db8::/125', '2001:db8::4/128', '::/0', '2001:db8:1::/48'],
} as const

/** The topology, with groups whose rules are about its addresses, and most of its vNICs in some of them. */
export function withSecurityGroups(random: Random, topology: Topology): Topology {
  return {
    ...topology,
    addressGroups: ADDRESS_GROUPS.map((name) => randomAddressGroup(random, name)),
    securityGroups: GROUPS.map((name) => randomSecurityGroup(random, name)),
    vms: topology.vms.map((vm) => ({ ...vm, nics: vm.nics.map((nic) => withGroups(random, nic)) })),
  }
}

const randomAddressGroup = (random: Random, name: string): AddressGroup => ({
  name,
  addresses: [...PREFIXES.IPv4, ...PREFIXES.IPv6].filter((prefix) => !prefix.endsWith('/0') && chance(random, 0.4)),
})

const randomSecurityGroup = (random: Random, name: string): SecurityGroup => ({
  name,
  stateful: chance(random, 0.75),
  onRuleRemoval: chance(random, 0.7) ? 'cut' : 'keep',
  rules: Array.from({ length: random.below(9) }, () => randomRule(random)),
})

export function randomRule(random: Random): SecurityGroupRule {
  const ethertype = chance(random, 0.6) ? 'IPv4' : 'IPv6'
  const remote = randomRemote(random, ethertype)
  return {
    direction: chance(random, 0.5) ? 'ingress' : 'egress',
    ethertype,
    ...randomService(random, ethertype),
    ...(remote && { remote }),
  }
}

function randomService(random: Random, ethertype: 'IPv4' | 'IPv6'): Partial<SecurityGroupRule> {
  const kind = random.below(5)
  if (kind === 0) return {}
  if (kind === 1) return { protocol: pick(random, [6, 17, 132, 47]) }
  if (kind === 2) {
    const protocol = ethertype === 'IPv4' ? 1 : 58
    const icmpType = pick(random, ethertype === 'IPv4' ? [8, 13] : [128, 129])
    return { protocol, ...(chance(random, 0.6) && { icmpType, ...(chance(random, 0.5) && { icmpCode: 0 }) }) }
  }
  const first = pick(random, [1, 22, 79, 80, 443])
  return {
    protocol: pick(random, [6, 17, 132]),
    ports: { first, last: Math.min(first + pick(random, [0, 1, 400]), 65_535) },
  }
}

function randomRemote(random: Random, ethertype: 'IPv4' | 'IPv6'): Remote | undefined {
  switch (random.below(4)) {
    case 0:
      return undefined
    case 1:
      return { kind: 'prefix', prefix: pick(random, PREFIXES[ethertype]) }
    case 2:
      return { kind: 'addressGroup', group: pick(random, ADDRESS_GROUPS) }
    default:
      return { kind: 'group', group: pick(random, GROUPS) }
  }
}

/** The vNIC with other groups, or none. */
export function withGroups(random: Random, nic: Nic): Nic {
  const securityGroups = GROUPS.filter(() => chance(random, 0.45))
  const groups: Partial<PortPolicy> = chance(random, 0.85)
    ? { securityGroups, ...(chance(random, 0.2) && { deny: 'reject' as const }) }
    : {}
  const pairs: Partial<PortPolicy> =
    nic.policy.portSecurity && chance(random, 0.3)
      ? { allowedAddressPairs: [{ prefix: '10.0.0.6/32' }, { prefix: '2001:db8:1::/48', mac: '02:00:00:00:01:06' }] }
      : {}
  const { securityGroups: _groups, deny: _deny, allowedAddressPairs: _pairs, ...policy } = nic.policy
  return { ...nic, policy: { ...policy, ...groups, ...pairs } }
}
