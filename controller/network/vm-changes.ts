// Which VMs differ between two intents, found by looking at which objects are others.

import type { Topology, Vm } from '../../topologies/topology.ts'
import type { Intent } from './view.ts'

export interface VmChange {
  readonly was: Vm | undefined
  readonly is: Vm | undefined
}

const noted = new WeakMap<readonly Vm[], { before: readonly Vm[]; change: VmChange }>()

/** The topology with one VM in the place of another. What has changed is noted, so that nobody need look for it among all. */
export function withVm(topology: Topology, was: Vm, is: Vm): Topology {
  const { vms: before } = topology
  const vms = before.with(before.indexOf(was), is)
  noted.set(vms, { before, change: { was, is } })
  return { ...topology, vms }
}

/** VMs that are another object, or whose move is, in the order in which `after` has them; those that are gone come first. */
export function changedVms(before: Intent, after: Intent): VmChange[] {
  const changes = changesIn(before.topology.vms, after.topology.vms)
  if (before.moves === after.moves) return changes
  const moved = new Set([...before.moves.keys(), ...after.moves.keys()])
  for (const name of moved) {
    const same = before.moves.get(name) === after.moves.get(name)
    if (same || changes.some(({ was, is }) => was?.name === name || is?.name === name)) continue
    const vm = after.topology.vms.find((one) => one.name === name)
    if (vm !== undefined) changes.push({ was: vm, is: vm })
  }
  return changes
}

/** What is alike at both ends is passed over: most changes are to one VM, or put some at the end. */
function changesIn(before: readonly Vm[], after: readonly Vm[]): VmChange[] {
  if (before === after) return []
  const note = noted.get(after)
  if (note?.before === before) return [note.change]
  let start = 0
  while (start < before.length && start < after.length && before[start] === after[start]) start++
  let [endBefore, endAfter] = [before.length, after.length]
  while (endBefore > start && endAfter > start && before[endBefore - 1] === after[endAfter - 1]) {
    endBefore--
    endAfter--
  }
  const old = new Map(before.slice(start, endBefore).map((vm) => [vm.name, vm]))
  const fresh = after.slice(start, endAfter)
  const names = new Set(fresh.map(({ name }) => name))
  return [
    ...[...old.values()].filter(({ name }) => !names.has(name)).map((was): VmChange => ({ was, is: undefined })),
    ...fresh.filter((is) => old.get(is.name) !== is).map((is): VmChange => ({ was: old.get(is.name), is })),
  ]
}
