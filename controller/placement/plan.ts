// Which VM is to go where. A plan is carried out in its order: at each step, with the VM counted at both of its hosts, no host has
// more VMs than its capacity, or two of one anti-affinity group.

import type { Vm } from '../../topologies/topology.ts'
import { Exchange } from './exchange.ts'
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
 * Each of the VMs to the least busy host that can take it in. Those that the fewest hosts can take in choose first; for whom nothing is left
 * then, others make room (exchange.ts). `occupancy` becomes what it is to be.
 */
export function planDrain(occupancy: Occupancy, host: string, vms: readonly Vm[]): MovePlan {
  const choices = new Map(vms.map((vm) => [vm, choicesOf(occupancy, vm, host)]))
  const places = new Map<Vm, string>()
  const leftOver: Vm[] = []
  for (const vm of vms.toSorted((a, b) => choices.get(a)! - choices.get(b)!)) {
    const to = occupancy.leastBusyFor(vm, host)
    if (to === undefined) leftOver.push(vm)
    else {
      places.set(vm, to)
      occupancy.arrive(vm, to)
      occupancy.leave(vm, host)
    }
  }
  const exchange = new Exchange(occupancy, host, places)
  const stuck = leftOver.filter((vm) => !exchange.place(vm))
  return {
    moves: [...places].map(([vm, to]) => ({ vm: vm.name, from: host, to })),
    stuck: stuck.map((vm) => ({ vm: vm.name, from: host, problem: whyNowhere(occupancy, vm, host) })),
  }
}

/**
 * VMs from busier hosts to less busy ones, one after the other, as long as any single move makes the two more alike: the target with
 * the VM is less busy than the source was. Each lowers the sum of the squares of all loads, so that it ends, no worse than it
 * began, and a second plan has nothing to do. Hosts that take nobody in, and VMs of `fixed`, are left alone. `occupancy` becomes what it
 * is to be. The source has to be busier by more than `margin` even so: what changes by less moves nobody to and fro.
 */
export function planRebalance(occupancy: Occupancy, fixed: ReadonlySet<string> = new Set(), margin = 0): MovePlan {
  const hosts = occupancy.topology.hosts.map(({ name }) => name).filter((name) => occupancy.isOpen(name))
  const moves: PlannedMove[] = []
  for (;;) {
    const next = bestMove(occupancy, hosts, fixed, margin)
    if (next === undefined) return { moves, stuck: [] }
    const { vm, from, to } = next
    moves.push({ vm: vm.name, from, to })
    occupancy.arrive(vm, to)
    occupancy.leave(vm, from)
  }
}

/** From the busiest host that can give one away, the largest VM that can be given, to the least busy host that can have it. */
function bestMove(occupancy: Occupancy, hosts: readonly string[], fixed: ReadonlySet<string>, margin: number) {
  const { weigh } = occupancy
  const loads = new Map(hosts.map((host) => [host, occupancy.load(host)]))
  const byLoad = hosts.toSorted((a, b) => loads.get(a)! - loads.get(b)!)
  for (const from of byLoad.toReversed())
    for (const vm of [...occupancy.at(from)].sort((a, b) => weigh(b) - weigh(a))) {
      const weight = weigh(vm)
      if (fixed.has(vm.name) || weight === 0) continue
      const to = byLoad.find((host) => {
        const betters = loads.get(host)! + weight + margin < loads.get(from)!
        return betters && occupancy.whyNot(vm, from, host) === undefined
      })
      if (to !== undefined) return { vm, from, to }
    }
  return undefined
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
