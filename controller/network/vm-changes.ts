// Which VMs differ between two intents, found by looking at which objects are others.

import { appendVm, findNic, removeVm, replaceVm, vmNamed } from '../../topologies/lookup.ts'
import type { PortPolicy, Topology, Vm } from '../../topologies/topology.ts'
import type { Intent } from './intent.ts'

export interface Named {
  readonly name: string
}

export interface MemberChange<T> {
  readonly was: T | undefined
  readonly is: T | undefined
}

export type VmChange = MemberChange<Vm>

/** By list. It does not keep the one before, which would keep all that were there. */
const noted = new WeakMap<readonly Vm[], { before: WeakRef<readonly Vm[]>; change: VmChange }>()

/**
 * The topology with one VM in the place of another of its name, one more, or one less. What has changed is noted, so that nobody need
 * look for it among all.
 */
export function withVm(topology: Topology, was: Vm | undefined, is: Vm | undefined): Topology {
  const { vms: before } = topology
  const vms = changedList(before, was, is)
  noted.set(vms, { before: new WeakRef(before), change: { was, is } })
  return { ...topology, vms }
}

function changedList(vms: readonly Vm[], was: Vm | undefined, is: Vm | undefined): Vm[] {
  if (was === undefined) return is === undefined ? [...vms] : appendVm(vms, is)
  return is === undefined ? removeVm(vms, was) : replaceVm(vms, was, is)
}

/** The topology with another policy for one vNIC, by its full name. @throws InvalidField no such vNIC */
export function withPolicy(topology: Topology, name: string, policy: PortPolicy): Topology {
  const { id, vm: vmName } = findNic(topology, name)
  const vm = vmNamed(topology.vms, vmName)!
  const nics = vm.nics.map((nic) => (nic.id === id ? { ...nic, policy } : nic))
  return withVm(topology, vm, { ...vm, nics })
}

/**
 * VMs that are another object, or whose move is, or of whose former hosts others are known; in the order in which `after` has them, those
 * that are gone first.
 */
export function changedVms(before: Intent, after: Intent): VmChange[] {
  const changes = changedVmsIn(before.topology.vms, after.topology.vms)
  const others = new Set([
    ...changedNames(before.moves, after.moves),
    ...changedNames(before.formerHosts, after.formerHosts),
  ])
  for (const name of others) {
    if (changes.some(({ was, is }) => was?.name === name || is?.name === name)) continue
    const vm = vmNamed(after.topology.vms, name)
    if (vm !== undefined) changes.push({ was: vm, is: vm })
  }
  return changes
}

function changedNames<T>(before: ReadonlyMap<string, T>, after: ReadonlyMap<string, T>): string[] {
  if (before === after) return []
  return [...new Set([...before.keys(), ...after.keys()])].filter((name) => before.get(name) !== after.get(name))
}

/** VMs that are another object, as `changedMembers` has them. */
export function changedVmsIn(before: readonly Vm[], after: readonly Vm[]): VmChange[] {
  const note = noted.get(after)
  return note?.before.deref() === before ? [note.change] : changedMembers(before, after)
}

/**
 * Objects that are others, by name; in the order in which `after` has them, those that are gone first. What is alike at both ends is
 * passed over: most changes are to one object, or put some at the end.
 */
export function changedMembers<T extends Named>(before: readonly T[], after: readonly T[]): MemberChange<T>[] {
  if (before === after) return []
  let start = 0
  while (start < before.length && start < after.length && before[start] === after[start]) start++
  let [endBefore, endAfter] = [before.length, after.length]
  while (endBefore > start && endAfter > start && before[endBefore - 1] === after[endAfter - 1]) {
    endBefore--
    endAfter--
  }
  const old = new Map(before.slice(start, endBefore).map((one) => [one.name, one]))
  const fresh = after.slice(start, endAfter)
  const names = new Set(fresh.map(({ name }) => name))
  return [
    ...[...old.values()].filter(({ name }) => !names.has(name)).map((was): MemberChange<T> => ({ was, is: undefined })),
    ...fresh.filter((is) => old.get(is.name) !== is).map((is): MemberChange<T> => ({ was: old.get(is.name), is })),
  ]
}

/** Those among `vms` of these names, by name. */
export function vmsNamed(vms: readonly Vm[], names: ReadonlySet<string>): Map<string, Vm> {
  if (names.size > FEW) return new Map(vms.filter(({ name }) => names.has(name)).map((vm) => [vm.name, vm]))
  const found = new Map<string, Vm>()
  for (const name of names) {
    const vm = vmNamed(vms, name)
    if (vm !== undefined) found.set(name, vm)
  }
  return found
}

/** To look for so many one by one is sooner done. */
const FEW = 4
