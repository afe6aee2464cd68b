// One VM by itself, as people write it and as it is, held against the topology that it is to be part of: no other VM is looked at
// further than to know whether it has a say.

import { macOf } from './checks/addresses.ts'
import { checkTopology } from './checks.ts'
import { byName, completeVm } from './complete.ts'
import type { Draft } from './draft.ts'
import { attachmentsOf } from './draft.ts'
import type { Report } from './findings.ts'
import { attempt, Findings } from './findings.ts'
import { JsonSource } from './json-source.ts'
import { pointer } from './problems.ts'
import type { WrittenVm } from './schema/topology.ts'
import { scopeNames } from './scope-names.ts'
import { formatAddress, parseAddress } from './subnets.ts'
import { surroundings } from './surroundings.ts'
import type { Nic, Topology, Vm } from './topology.ts'
import { validate } from './validate.ts'

export { writeVm as vmToJson } from './write.ts'

/** Hosts of a VM: where it has been asked to be, and where moves have brought it. It stays there while the same is asked. */
export interface Home {
  readonly asked: string
  readonly now: string
}

/**
 * The VM of this full name that `text` asks for. It is refused where the whole topology would be, with this VM as its last, at the host
 * where it will be.
 * @throws InvalidInput with all that is wrong with it
 */
export function parseVm(text: string, name: string, topology: Topology, home?: Home): Vm {
  const source = new JsonSource(text, 'VM')
  const findings = new Findings(source)
  const draft: Draft<WrittenVm> | undefined =
    source.value === undefined ? undefined : validate('vm', source.value, findings)
  if (draft !== undefined) checkVm(placed(draft, topology, home), name, topology, findings)
  findings.finish()
  return completeVm(scoped(draft!, topology) as WrittenVm, {
    hosts: byName(topology.hosts),
    networks: byName(topology.networks),
  })
}

function checkVm(draft: Draft<WrittenVm>, name: string, topology: Topology, findings: Findings): void {
  const vm = scoped(draft, topology)
  if (vm.name !== undefined && vm.name !== name) findings.report('/name', `found '${vm.name}'`, `'${name}'`)
  const others = topology.vms.filter(relativesOf({ ...vm, name }, topology))
  const around = scopeNames(surroundings(topology, others, vm))
  const at = pointer('vms', others.length)
  // Where it does not fit what is around it, the whole of it is to blame.
  const report: Report = (where, ...finding) =>
    findings.report(where.startsWith(at) ? where.slice(at.length) : '', ...finding)
  checkTopology({ ...around, fabric: {}, vms: [...around.vms!, vm] }, report)
}

/** At the host where it will be, which has to have the bridges that it names. */
function placed(vm: Draft<WrittenVm>, { hosts }: Topology, home: Home | undefined): Draft<WrittenVm> {
  if (home === undefined || vm.host !== home.asked) return vm
  const bridges = hosts.find(({ name }) => name === home.now)?.bridges ?? []
  const isThere = (bridge: string | undefined) => bridge === undefined || bridges.some(({ name }) => name === bridge)
  return vm.nics?.every(({ bridge }) => isThere(bridge)) === true ? { ...vm, host: home.now } : vm
}

/** With all names in full. */
function scoped(vm: Draft<WrittenVm>, { networks, securityGroups }: Topology): Draft<WrittenVm> {
  const known = { networks: networks.map(nameOf), securityGroups: securityGroups.map(nameOf) }
  return scopeNames({ ...known, vms: [vm] }).vms![0]!
}

const nameOf = ({ name }: { name: string }) => ({ name })

/**
 * Whether another VM has a say in whether this one may be there: by what they have together on a host or of a quota, by an address
 * that both have, or since a mirror copies it.
 */
function relativesOf(vm: Draft<WrittenVm>, topology: Topology): (other: Vm) => boolean {
  const { tenants = [] } = topology
  const quota = tenants.find((tenant) => tenant.name === vm.tenant)?.quota
  const counts = quota?.vms !== undefined || quota?.vnics !== undefined
  const own = addressesOf(vm)
  const sharesAddress = ({ network, mac, addresses }: Pick<Nic, 'network' | 'mac' | 'addresses'>) => {
    const there = own.get(network)
    return there !== undefined && (there.has(mac) || addresses.some((address) => there.has(address)))
  }
  const isCopied = copiedIn(topology)
  return (other) =>
    other.name !== vm.name &&
    (other.host === vm.host ||
      (counts && other.tenant === vm.tenant) ||
      other.nics.some((nic) => sharesAddress(nic) || nic.trunks.some(sharesAddress)) ||
      isCopied(other))
}

/** By network, MAC and IP addresses: those that can be read. */
function addressesOf(vm: Draft<WrittenVm>): Map<string | undefined, Set<string>> {
  const found = new Map<string | undefined, Set<string>>()
  for (const attachment of attachmentsOf({ vms: [vm] })) {
    const there = found.get(attachment.network) ?? new Set()
    found.set(attachment.network, there)
    const mac = macOf(attachment)
    if (mac !== undefined) there.add(mac)
    for (const text of attachment.part.addresses ?? []) {
      const address = text === undefined ? undefined : attempt(ignore, '', () => parseAddress(text))
      if (address !== undefined) there.add(formatAddress(address))
    }
  }
  return found
}

const ignore = () => {}

/** Whether a mirror copies the VM, or brings it copies. */
function copiedIn({ mirrors = [] }: Topology): (vm: Vm) => boolean {
  if (mirrors.length === 0) return () => false
  const ports = new Set(
    mirrors.flatMap(({ source, target }) => [source, target].flatMap((end) => (end.kind === 'port' ? end.port : []))),
  )
  const networks = new Set(mirrors.flatMap(({ source }) => (source.kind === 'network' ? source.network : [])))
  return ({ nics }) =>
    nics.some(
      ({ id, network, trunks }) =>
        ports.has(id) || [network, ...trunks.map((one) => one.network)].some((one) => networks.has(one ?? '')),
    )
}
