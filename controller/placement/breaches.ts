import type { Topology, Vm } from '../../topologies/topology.ts'
import { areRivals } from './occupancy.ts'

/** Sentences: hosts with more VMs than they have room for, and VMs of one anti-affinity group on one host. */
export function breachesOf({ hosts, vms }: Topology): string[] {
  const at = new Map(hosts.map(({ name }): [string, Vm[]] => [name, []]))
  for (const vm of vms) at.get(vm.host)?.push(vm)
  return hosts.flatMap(({ name, capacity }) => {
    const there = at.get(name) ?? []
    const full = capacity !== undefined && there.length > capacity
    return [
      ...(full ? [`${name} has room for ${capacity} VMs, and would have ${there.length}`] : []),
      ...rivalsAmong(there).map(
        ([a, b]) => `${a.name} and ${b.name}, both of '${a.antiAffinity}', would be at ${name}`,
      ),
    ]
  })
}

function rivalsAmong(vms: readonly Vm[]): [Vm, Vm][] {
  const grouped = vms.filter(({ antiAffinity }) => antiAffinity !== undefined)
  return grouped.flatMap((vm, index) =>
    grouped.slice(0, index).flatMap((other): [Vm, Vm][] => (areRivals(other, vm) ? [[other, vm]] : [])),
  )
}
