// Names that are a tenant's own become names that nobody else has: `blue` of red becomes `red/blue`, wherever it stands. What comes
// after need not know of it.

import type { Draft, TopologyDraft } from './draft.ts'
import type { WrittenMirror } from './schema/mirrors.ts'
import type { WrittenNic } from './schema/topology.ts'

type Name = string | undefined

interface Known {
  networks: ReadonlySet<Name>
  securityGroups: ReadonlySet<Name>
  addressGroups: ReadonlySet<Name>
}

/**
 * The topology with every name in full. A plain name in something that belongs to a tenant means what the tenant itself has by that
 * name, else what belongs to nobody. Everything stays where it is in the file.
 */
export function scopeNames(topology: TopologyDraft): TopologyDraft {
  const named = [topology.networks, topology.addressGroups, topology.securityGroups, topology.vms, topology.mirrors]
  if (!named.some((list) => list?.some(({ tenant }) => tenant !== undefined))) return topology
  const networks = topology.networks?.map(inFull)
  const addressGroups = topology.addressGroups?.map(inFull)
  const groups = topology.securityGroups?.map(inFull)
  const known = { networks: all(networks), securityGroups: all(groups), addressGroups: all(addressGroups) }
  const securityGroups = groups?.map((group) => ({
    ...group,
    rules: group.rules?.map(({ ...rule }) => {
      if ('remoteGroup' in rule) rule.remoteGroup = meant(rule.remoteGroup, group.tenant, known.securityGroups)
      if ('remoteAddressGroup' in rule)
        rule.remoteAddressGroup = meant(rule.remoteAddressGroup, group.tenant, known.addressGroups)
      return rule
    }),
  }))
  const vms = topology.vms?.map((vm) => ({
    ...inFull(vm),
    nics: vm.nics?.map((nic) => scopeNic(nic, vm.tenant, known)),
  }))
  const machines = all(vms)
  const mirrors = topology.mirrors?.map((mirror) => scopeMirror(inFull(mirror), known.networks, machines))
  return {
    ...topology,
    ...(networks && { networks }),
    ...(addressGroups && { addressGroups }),
    ...(securityGroups && { securityGroups }),
    ...(vms && { vms }),
    ...(mirrors && { mirrors }),
  }
}

const all = (named: readonly { name?: Name }[] = []) => new Set(named.map(({ name }) => name))

function inFull<T extends { name?: Name; tenant?: Name }>(one: T): T {
  const { name, tenant } = one
  return name === undefined || tenant === undefined ? one : { ...one, name: `${tenant}/${name}` }
}

function meant(name: Name, tenant: Name, known: ReadonlySet<Name>): Name {
  if (name === undefined || tenant === undefined || name.includes('/')) return name
  const own = `${tenant}/${name}`
  return !known.has(own) && known.has(name) ? name : own
}

function scopeMirror(mirror: Draft<WrittenMirror>, networks: ReadonlySet<Name>, vms: ReadonlySet<Name>) {
  const { tenant } = mirror
  const port = (name: Name) => {
    const [vm, ...nic] = name?.split(':') ?? []
    return vm === undefined ? name : [meant(vm, tenant, vms), ...nic].join(':')
  }
  const [source, target] = [{ ...mirror.source }, { ...mirror.target }]
  if ('port' in source) source.port = port(source.port)
  if ('network' in source) source.network = meant(source.network, tenant, networks)
  if ('port' in target) target.port = port(target.port)
  return { ...mirror, ...(mirror.source && { source }), ...(mirror.target && { target }) }
}

function scopeNic({ ...nic }: Draft<WrittenNic>, tenant: Name, known: Known): Draft<WrittenNic> {
  const networkOf = (name: Name) => meant(name, tenant, known.networks)
  if ('network' in nic) nic.network = networkOf(nic.network)
  nic.trunks &&= nic.trunks.map((subport) => ({ ...subport, network: networkOf(subport.network) }))
  if (nic.policy?.securityGroups !== undefined)
    nic.policy = {
      ...nic.policy,
      securityGroups: nic.policy.securityGroups.map((name) => meant(name, tenant, known.securityGroups)),
    }
  return nic
}
