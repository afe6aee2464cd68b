import { vmNamed } from '../../topologies/lookup.ts'
import type { Topology, Vm } from '../../topologies/topology.ts'
import { groupBy } from '../network/grouping.ts'
import { changedMembers, changedVmsIn } from '../network/vm-changes.ts'
import { areRivals, type Reservation } from './occupancy.ts'

interface Breach {
  /** The host that is too full, or the two that are together there. */
  readonly of: string
  /** By how much: VMs beyond the capacity. */
  readonly by: number
  readonly problem: string
}

/**
 * What is broken in `after`, and was not in `before`, or not as badly; undefined where nothing is. `coming` are VMs on their way. Looks
 * only at hosts of which something has changed: what is broken elsewhere was so before.
 */
export function worseIn(after: Topology, before: Topology, coming: readonly Reservation[]): string | undefined {
  const destinations = groupBy(coming, ({ vm }) => vm)
  const concerned = new Set<string>()
  for (const { was, is } of changedVmsIn(before.vms, after.vms)) {
    if (was !== undefined && is !== undefined && takesTheSame(was, is)) continue
    for (const vm of [was, is]) {
      if (vm === undefined) continue
      concerned.add(vm.host)
      for (const { to } of destinations.get(vm.name) ?? []) concerned.add(to)
    }
  }
  for (const { is } of changedMembers(before.hosts, after.hosts)) if (is !== undefined) concerned.add(is.name)
  if (concerned.size === 0) return undefined
  const known = new Map(breachesOf(before, concerned, coming).map(({ of, by }) => [of, by]))
  return breachesOf(after, concerned, coming).find(({ of, by }) => by > (known.get(of) ?? 0))?.problem
}

const takesTheSame = (a: Vm, b: Vm): boolean =>
  a.host === b.host && a.antiAffinity === b.antiAffinity && a.tenant === b.tenant

/** At these hosts. VMs that are on their way count at both of theirs. */
function breachesOf(
  { hosts, vms }: Topology,
  concerned: ReadonlySet<string>,
  coming: readonly Reservation[],
): Breach[] {
  const at = new Map(Array.from(concerned, (name): [string, Set<Vm>] => [name, new Set()]))
  for (const vm of vms) at.get(vm.host)?.add(vm)
  for (const { vm: name, to } of coming) {
    const vm = vmNamed(vms, name)
    if (vm !== undefined) at.get(to)?.add(vm)
  }
  const looked = hosts.filter(({ name }) => concerned.has(name))
  return looked.flatMap(({ name, capacity = Infinity }) => {
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
