// The policy of one vNIC by itself, as people write it and as it is, held against the topology that it is to be part of.

import { findNic, vmNamed } from './lookup.ts'
import { parseTopology } from './load-topology.ts'
import { pointer, withinPart } from './problems.ts'
import { uplinkRate } from './qos.ts'
import type { WrittenPolicy, WrittenTopology } from './schema/topology.ts'
import type { PortPolicy, Topology, Vm } from './topology.ts'
import { formatRate } from './units.ts'
import { topologyToJson, writePolicy } from './write.ts'

/** The vNIC's policy as it would be written into a file. @throws InvalidField no such vNIC */
export const policyToJson = (topology: Topology, nicName: string): WrittenPolicy =>
  writePolicy(findNic(topology, nicName).policy)

/**
 * What `value`, which is anything, says of the vNIC's policy; what it does not say is as in a file that does not.
 * @throws InvalidField no such vNIC; InvalidInput with all that is wrong with it
 */
export function parsePolicy(value: unknown, topology: Topology, nicName: string): PortPolicy {
  const [around, written, at] = surroundings(topology, nicName, hasMinimum(value))
  // What is not there at all is no policy, and none that is as ever.
  written.policy = (value ?? null) as WrittenPolicy
  const { id, vm } = findNic(topology, nicName)
  const parsed = withinPart(at, () => parseTopology(JSON.stringify(around), 'policy'))
  return parsed.vms.find(({ name }) => name === vm)!.nics.find((nic) => nic.id === id)!.policy
}

type Written = NonNullable<Extract<WrittenTopology, { hosts: unknown }>['vms']>[number]['nics'][number]

/** Anything may be asked, also what is no policy. */
const hasMinimum = (policy: unknown): boolean =>
  typeof policy === 'object' && policy !== null && ('ingressMinimum' in policy || 'egressMinimum' in policy)

/**
 * As much of the topology as has a say in it, written; the vNIC in it, and where its policy stands. Minima are a sum, with those of
 * the other VMs of the host.
 */
function surroundings(topology: Topology, nicName: string, withMinima: boolean): [WrittenTopology, Written, string] {
  const { id, vm: vmName } = findNic(topology, nicName)
  const vm = vmNamed(topology.vms, vmName)!
  const host = topology.hosts.find(({ name }) => name === vm.host)!
  const counts = (one: Vm) => one !== vm && one.host === host.name && one.nics.some(({ policy }) => hasMinimum(policy))
  const vms = [vm, ...(withMinima ? topology.vms.filter(counts) : [])]
  const networks = new Set(
    vms.flatMap(({ nics }) => nics.flatMap(({ network, trunks }) => [network, ...trunks.map((one) => one.network)])),
  )
  const rate = uplinkRate(host, topology.fabric)
  const { mirrors: _, ...plain } = topology
  const { fabric: __, ...around } = topologyToJson({
    ...plain,
    hosts: [host],
    fabric: { switches: [], links: [] },
    networks: topology.networks.filter(({ name }) => networks.has(name)),
    addressGroups: [],
    // Policies name them, whatever they say.
    securityGroups: topology.securityGroups.map((group) => ({ ...group, rules: [] })),
    vms,
  })
  const [written] = around.hosts
  if (rate !== undefined) written!.uplink = { ...written!.uplink, rate: formatRate(rate) }
  const place = vm.nics.findIndex((nic) => nic.id === id)
  return [around, around.vms![0]!.nics[place]!, pointer('vms', 0, 'nics', place, 'policy')]
}
