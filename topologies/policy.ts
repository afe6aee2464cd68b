// The policy of one vNIC by itself, as people write it and as it is, held against the topology that it is to be part of.

import { findNic, vmNamed } from './lookup.ts'
import { parseTopology } from './load-topology.ts'
import { pointer, withinPart } from './problems.ts'
import type { WrittenPolicy } from './schema/topology.ts'
import { surroundings } from './surroundings.ts'
import type { PortPolicy, Topology, Vm } from './topology.ts'
import { writePolicy } from './write.ts'

/** The vNIC's policy as it would be written into a file. @throws InvalidField no such vNIC */
export const policyToJson = (topology: Topology, nicName: string): WrittenPolicy =>
  writePolicy(findNic(topology, nicName).policy)

/**
 * What `value`, which is anything, says of the vNIC's policy; what it does not say is as in a file that does not.
 * @throws InvalidField no such vNIC; InvalidInput with all that is wrong with it
 */
export function parsePolicy(value: unknown, topology: Topology, nicName: string): PortPolicy {
  const { id, vm: vmName } = findNic(topology, nicName)
  const vm = vmNamed(topology.vms, vmName)!
  const place = vm.nics.findIndex((nic) => nic.id === id)
  const { mirrors: _, ...plain } = topology
  const around = surroundings(plain, concerned(topology, vm, hasMinimum(value)))
  // What is not there at all is no policy, and none that is as ever.
  around.vms![0]!.nics![place]!.policy = (value ?? null) as WrittenPolicy
  const read = () => parseTopology(JSON.stringify(around), 'policy')
  const parsed = withinPart(pointer('vms', 0, 'nics', place, 'policy'), read)
  return parsed.vms[0]!.nics[place]!.policy
}

/** Anything may be asked, also what is no policy. */
const hasMinimum = (policy: unknown): boolean =>
  typeof policy === 'object' && policy !== null && ('ingressMinimum' in policy || 'egressMinimum' in policy)

/** The VMs that have a say in it, that of the vNIC first: minima are a sum, with those of the other VMs of the host. */
function concerned({ vms }: Topology, vm: Vm, withMinima: boolean): Vm[] {
  const counts = (one: Vm) => one !== vm && one.host === vm.host && one.nics.some(({ policy }) => hasMinimum(policy))
  return [vm, ...(withMinima ? vms.filter(counts) : [])]
}
