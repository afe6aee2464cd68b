// The policy of one vNIC by itself, as people write it and as it is, held against the topology that it is to be part of.

import { findNic } from './lookup.ts'
import { parseTopology } from './load-topology.ts'
import { pointer, withinPart } from './problems.ts'
import { uplinkRate } from './qos.ts'
import type { WrittenPolicy, WrittenTopology } from './schema/topology.ts'
import type { PortPolicy, Topology } from './topology.ts'
import { formatRate } from './units.ts'
import { topologyToJson } from './write.ts'

/** The vNIC's policy as it would be written into a file. @throws InvalidField no such vNIC */
export function policyToJson(topology: Topology, nicName: string): WrittenPolicy {
  const [, written] = surroundings(topology, nicName)
  return written.policy!
}

/**
 * What `value`, which is anything, says of the vNIC's policy; what it does not say is as in a file that does not.
 * @throws InvalidField no such vNIC; InvalidInput with all that is wrong with it
 */
export function parsePolicy(value: unknown, topology: Topology, nicName: string): PortPolicy {
  const [around, written, at] = surroundings(topology, nicName)
  // What is not there at all is no policy, and none that is as ever.
  written.policy = (value ?? null) as WrittenPolicy
  const { id, vm } = findNic(topology, nicName)
  const parsed = withinPart(at, () => parseTopology(JSON.stringify(around), 'policy'))
  return parsed.vms.find(({ name }) => name === vm)!.nics.find((nic) => nic.id === id)!.policy
}

type Written = NonNullable<Extract<WrittenTopology, { hosts: unknown }>['vms']>[number]['nics'][number]

/** As much of the topology as has a say in it, written; the vNIC in it, and where its policy stands. */
function surroundings(topology: Topology, nicName: string): [WrittenTopology, Written, string] {
  const { id, vm: vmName } = findNic(topology, nicName)
  const vm = topology.vms.find(({ name }) => name === vmName)!
  const host = topology.hosts.find(({ name }) => name === vm.host)!
  const vms = topology.vms.filter((one) => one.host === host.name)
  const networks = new Set(
    vms.flatMap(({ nics }) => nics.flatMap(({ network, trunks }) => [network, ...trunks.map((one) => one.network)])),
  )
  const rate = uplinkRate(host, topology.fabric)
  const { mirrors: _, ...plain } = topology
  const { fabric: __, ...around } = topologyToJson({
    ...plain,
    hosts: [host],
    networks: topology.networks.filter(({ name }) => networks.has(name)),
    vms,
  })
  const [written] = around.hosts
  if (rate !== undefined) written!.uplink = { ...written!.uplink, rate: formatRate(rate) }
  const place = [vms.indexOf(vm), vm.nics.findIndex((nic) => nic.id === id)] as const
  const nic = around.vms![place[0]]!.nics[place[1]]!
  return [around, nic, pointer('vms', place[0], 'nics', place[1], 'policy')]
}
