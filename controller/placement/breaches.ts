import type { Topology, Vm } from '../../topologies/topology.ts'
import { groupBy } from '../network/grouping.ts'
import { areRivals, type Reservation } from './occupancy.ts'

interface Breach {
  /** The host that is too full, or the two that are together there. */
  readonly of: string
  /** By how much: VMs beyond the capacity. */
  readonly by: number
  readonly problem: string
}

/** What is broken in `after`, and was not in `before`, or not as badly; undefined where nothing is. `coming` are VMs on their way. */
export function worseIn(after: Topology, before: Topology, coming: readonly Reservation[]): string | undefined {
  const known = new Map(breachesOf(before, coming).map(({ of, by }) => [of, by]))
  return breachesOf(after, coming).find(({ of, by }) => by > (known.get(of) ?? 0))?.problem
}

/** VMs that are `coming` count at both of their hosts. */
function breachesOf({ hosts, vms }: Topology, coming: readonly Reservation[]): Breach[] {
  const at = new Map(hosts.map(({ name }): [string, Set<Vm>] => [name, new Set()]))
  const destinations = groupBy(coming, ({ vm }) => vm)
  for (const vm of vms)
    for (const host of [vm.host, ...(destinations.get(vm.name) ?? []).map(({ to }) => to)]) at.get(host)?.add(vm)
  return hosts.flatMap(({ name, capacity = Infinity }) => {
    const there = [...at.get(name)!]
    const by = there.length - capacity
    const problem = `${name} has room for ${capacity} VMs, and would have ${there.length}`
    return [
      ...(by > 0 ? [{ of: name, by, problem }] : []),
      ...rivalsAmong(there).map(([a, b]) => ({
        of: [name, ...[a.name, b.name].sort()].join(' '),
        by: 1,
        problem: `${a.name} and ${b.name}, both of '${a.antiAffinity}', would be at ${name}`,
      })),
    ]
  })
}

function rivalsAmong(vms: readonly Vm[]): [Vm, Vm][] {
  const grouped = vms.filter(({ antiAffinity }) => antiAffinity !== undefined)
  return grouped.flatMap((vm, index) =>
    grouped.slice(0, index).flatMap((other): [Vm, Vm][] => (areRivals(other, vm) ? [[other, vm]] : [])),
  )
}
