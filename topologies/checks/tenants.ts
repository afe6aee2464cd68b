import type { TopologyDraft } from '../draft.ts'
import { attachmentsOf, nicsOf } from '../draft.ts'
import type { Report } from '../findings.ts'
import { checkKnown } from '../findings.ts'
import { pointer } from '../problems.ts'
import { mayUse } from '../tenants.ts'
import { namesOf } from './names.ts'

const KINDS = ['networks', 'addressGroups', 'securityGroups', 'vms', 'mirrors'] as const

/** What belongs to somebody belongs to a tenant that is there, and is used by nobody else, but for networks that are shared. */
export function checkTenants(topology: TopologyDraft, report: Report): void {
  const tenants = namesOf(topology.tenants)
  for (const kind of KINDS)
    for (const [index, { tenant }] of (topology[kind] ?? []).entries())
      checkKnown(report, pointer(kind, index, 'tenant'), 'tenant', tenant, tenants)
  for (const [index, { shared }] of (topology.networks ?? []).entries())
    for (const [place, tenant] of (Array.isArray(shared) ? shared : []).entries())
      checkKnown(report, pointer('networks', index, 'shared', place), 'tenant', tenant, tenants)
  checkNetworksUsed(topology, report)
  checkGroupsUsed(topology, report)
}

function checkNetworksUsed(topology: TopologyDraft, report: Report): void {
  const networks = new Map((topology.networks ?? []).map((network) => [network.name, network]))
  for (const { network: name, placed, at } of attachmentsOf(topology)) {
    const network = name === undefined ? undefined : networks.get(name)
    const { tenant } = placed.vm
    if (network === undefined || mayUse(tenant, network)) continue
    const user = tenant ?? 'what belongs to no tenant'
    report(
      `${at}/network`,
      `${name} ${ownership(network.tenant)}, and is not shared with ${user}`,
      `a network of its own, or one that is 'shared' with ${tenant ?? 'all'}`,
    )
  }
}

/** Groups of rules and of addresses are a tenant's own, or everybody's where they belong to nobody. */
function checkGroupsUsed(topology: TopologyDraft, report: Report): void {
  const { addressGroups = [], securityGroups = [] } = topology
  const owners = new Map(securityGroups.map(({ name, tenant }) => [name, tenant]))
  const ownersOfAddresses = new Map(addressGroups.map(({ name, tenant }) => [name, tenant]))
  const check = (at: string, group: string | undefined, tenant: string | undefined, known: typeof owners) => {
    const owner = known.get(group)
    if (owner !== undefined && owner !== tenant)
      report(
        at,
        `${group} ${ownership(owner)}`,
        tenant === undefined ? 'a group of no tenant' : `a group of ${tenant}, or of no tenant`,
      )
  }
  for (const [index, { tenant, rules = [] }] of securityGroups.entries())
    for (const [place, { remoteGroup, remoteAddressGroup }] of rules.entries()) {
      const at = pointer('securityGroups', index, 'rules', place)
      check(`${at}/remoteGroup`, remoteGroup, tenant, owners)
      check(`${at}/remoteAddressGroup`, remoteAddressGroup, tenant, ownersOfAddresses)
    }
  for (const { vm, nic, at } of nicsOf(topology))
    for (const [place, group] of (nic.policy?.securityGroups ?? []).entries())
      check(`${at}${pointer('policy', 'securityGroups', place)}`, group, vm.tenant, owners)
}

const ownership = (tenant: string | undefined) =>
  `belongs to ${tenant === undefined ? 'no tenant' : `tenant ${tenant}`}`
