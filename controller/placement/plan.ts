// Which VM is to go where. A plan is carried out in its order: at each step, with the VM counted at both of its hosts, no host has
// more VMs than its capacity, or two of one anti-affinity group.

import type { Vm } from '../../topologies/topology.ts'
import type { Occupancy } from './occupancy.ts'

export interface PlannedMove {
  readonly vm: string
  readonly from: string
  readonly to: string
}

export interface MovePlan {
  readonly moves: readonly PlannedMove[]
  /** VMs for which there is no place, and why. */
  readonly stuck: readonly { vm: string; from: string; problem: string }[]
}

/** Reasons that are told, of one for each host. */
const REASONS = 3

/**
 * Each of the VMs to the least busy host that can take it in. Those that the fewest hosts can take in choose first. It does not look
 * for a better order where somebody is left over. `occupancy` becomes what it is to be.
 */
export function planDrain(occupancy: Occupancy, host: string, vms: readonly Vm[]): MovePlan {
  const choices = new Map(vms.map((vm) => [vm, choicesOf(occupancy, vm, host)]))
  const moves: PlannedMove[] = []
  const stuck: MovePlan['stuck'][number][] = []
  for (const vm of vms.toSorted((a, b) => choices.get(a)! - choices.get(b)!)) {
    const to = occupancy.leastBusyFor(vm, host)
    if (to === undefined) stuck.push({ vm: vm.name, from: host, problem: whyNowhere(occupancy, vm, host) })
    else {
      moves.push({ vm: vm.name, from: host, to })
      occupancy.arrive(vm, to)
      occupancy.leave(vm, host)
    }
  }
  return { moves, stuck }
}

const choicesOf = (occupancy: Occupancy, vm: Vm, from: string): number =>
  occupancy.topology.hosts.filter(({ name }) => name !== from && occupancy.whyNot(vm, from, name) === undefined).length

/** Why no host can take the VM in. */
export function whyNowhere(occupancy: Occupancy, vm: Vm, from: string): string {
  const reasons = occupancy.topology.hosts.flatMap(({ name }) =>
    name === from ? [] : (occupancy.whyNot(vm, from, name) ?? []),
  )
  if (reasons.length === 0) return 'there is no other host'
  const more = reasons.length > REASONS ? `; and so on, for ${reasons.length} hosts` : ''
  return `${reasons.slice(0, REASONS).join('; ')}${more}`
}
