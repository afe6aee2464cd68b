// A topology that somebody wrote meets the one that is running.

import type { Topology, Vm } from '../../topologies/topology.ts'
import { relocated } from '../../topologies/relocation.ts'
import { onceSince } from '../../runtime/once.ts'
import { keepUnchanged } from './sharing.ts'

const DEPTH = 8

/**
 * The running topology changed to what `topology` says. A VM stays where a migration took it, unless its host is another than
 * was `asked` before, or its place is gone. What does not change remains the same object. What is planned, checked and done comes by more than once.
 */
export const adopt = onceSince((topology: Topology, asked: Topology, running: Topology): Topology => {
  const askedBefore = new Map(asked.vms.map((vm) => [vm.name, vm]))
  const before = new Map(running.vms.map((vm) => [vm.name, vm]))
  const hosts = reuse(running.hosts, topology.hosts)
  return {
    ...topology,
    hosts,
    networks: reuse(running.networks, topology.networks),
    addressGroups: reuse(running.addressGroups, topology.addressGroups),
    securityGroups: reuse(running.securityGroups, topology.securityGroups),
    vms: topology.vms.map((vm) => adoptVm(vm, askedBefore.get(vm.name), before.get(vm.name), topology)),
  }
})

/** One VM of `topology`: `current` is what runs of it, changed to what `vm` says, and `asked` what was asked of it before. */
export function adoptVm(vm: Vm, asked: Vm | undefined, current: Vm | undefined, topology: Topology): Vm {
  const stays = current !== undefined && asked?.host === vm.host
  const placed = (stays ? relocated(vm, topology, current.host) : undefined) ?? vm
  return keepUnchanged(current, { ...placed, nics: reuseNics(current, placed) }, DEPTH)
}

/** The topology, in which what says the same as before is the same object. */
export const sharing = (before: Topology | undefined, now: Topology): Topology => {
  if (before === undefined) return now
  return {
    ...now,
    hosts: reuse(before.hosts, now.hosts),
    networks: reuse(before.networks, now.networks),
    addressGroups: reuse(before.addressGroups, now.addressGroups),
    securityGroups: reuse(before.securityGroups, now.securityGroups),
    vms: reuse(before.vms, now.vms),
  }
}

function reuse<T extends { name: string }>(before: readonly T[], now: readonly T[]): T[] {
  const byName = new Map(before.map((one) => [one.name, one]))
  return now.map((one) => keepUnchanged(byName.get(one.name), one, DEPTH))
}

const reuseNics = (before: Vm | undefined, { nics }: Vm): Vm['nics'] => reuse(before?.nics ?? [], nics)
