import type { TopologyDraft } from '../draft.ts'
import { attachmentsOf } from '../draft.ts'
import type { Report } from '../findings.ts'
import { checkKnown } from '../findings.ts'
import { pointer } from '../problems.ts'

/** No name twice, and every reference leads somewhere. */
export function checkNames(topology: TopologyDraft, report: Report): void {
  checkDoubledNames(topology, report)
  if (topology.hosts !== undefined) checkHostsOfVms(topology, report)
  const networks = namesOf(topology.networks)
  for (const { network, at } of attachmentsOf(topology))
    checkKnown(report, `${at}/network`, 'network', network, networks)
}

export const namesOf = (named: readonly { name?: string | undefined }[] = []): Set<string> =>
  new Set(named.flatMap(({ name }) => name ?? []))

function checkDoubledNames(topology: TopologyDraft, report: Report): void {
  const {
    hosts = [],
    fabric,
    tenants = [],
    networks = [],
    addressGroups = [],
    securityGroups = [],
    vms = [],
    mirrors = [],
  } = topology
  const nodes = fabric === undefined ? new Set(['fabric']) : new Set<string>()
  checkDoubled(hosts, '/hosts', 'a host or switch', report, nodes)
  checkDoubled(fabric?.switches ?? [], '/fabric/switches', 'a host or switch', report, nodes)
  checkDoubled(tenants, '/tenants', 'a tenant', report)
  checkDoubled(networks, '/networks', 'a network', report)
  checkDoubled(addressGroups, '/addressGroups', 'an address group', report)
  checkDoubled(securityGroups, '/securityGroups', 'a security group', report)
  checkDoubled(vms, '/vms', 'a VM', report)
  checkDoubled(mirrors, '/mirrors', 'a mirror', report)
  for (const [index, vm] of vms.entries()) checkDoubled(vm.nics ?? [], pointer('vms', index, 'nics'), 'a vNIC', report)
}

function checkDoubled(
  named: readonly { name?: string | undefined }[],
  at: string,
  kind: string,
  report: Report,
  taken = new Set<string>(),
): void {
  for (const [index, { name }] of named.entries()) {
    if (name === undefined) continue
    if (taken.has(name)) report(`${at}/${index}/name`, `'${name}' is already ${kind}`, 'a name of its own')
    taken.add(name)
  }
}

function checkHostsOfVms({ hosts, vms = [] }: TopologyDraft, report: Report): void {
  const known = namesOf(hosts)
  for (const [index, { host }] of vms.entries()) checkKnown(report, pointer('vms', index, 'host'), 'host', host, known)
}
