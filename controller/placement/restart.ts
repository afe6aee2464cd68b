// A VM whose host is gone begins anew at another: with its whole policy, and none of its connections. Where the old host is there after
// all, or comes back, it is told first that the VM is not there any more: its vNICs have no port, or a closed one, before others open.

import type { Clock } from '../../runtime/clock.ts'
import { relocated, switchesOf } from '../../topologies/relocation.ts'
import type { Host, Topology, Vm } from '../../topologies/topology.ts'
import { switchName } from '../../topologies/topology.ts'
import { announce } from '../migration/announcement.ts'
import type { Migrations } from '../migration/migrations.ts'
import type { Hypervisor } from '../model.ts'
import { Conflict } from '../model.ts'
import type { Intent, View } from '../network/view.ts'
import { withVm } from '../network/vm-changes.ts'
import type { Fleet } from '../reconcile/fleet.ts'
import type { Writes } from '../writes.ts'

export interface RestartWorld {
  readonly clock: Clock
  readonly writes: Writes
  readonly fleet: Fleet
  readonly intent: () => Intent
  readonly view: () => View
  readonly amend: (change: Partial<Intent>) => void
  readonly migrations: Migrations
  readonly hypervisor: Hypervisor | undefined
  /** Resolves when the host has what the VM's vNICs are joined to there. Rejects where it can not have it. */
  readonly joined: (vm: Vm, host: string) => Promise<void>
}

/**
 * Resolves when the VM's ports are open at `to`, and its guest has been told to begin. False where it is elsewhere by now. One that has
 * its place at `to` already may not have been told yet.
 * @throws Conflict, SwitchRefused, SwitchAway, StateError
 */
export async function restart(world: RestartWorld, name: string, from: string, to: string): Promise<boolean> {
  const { fleet, migrations } = world
  for (const { id, vm } of migrations.open()) if (vm === name) await migrations.abort(id)
  const { topology } = world.intent()
  const vm = topology.vms.find((one) => one.name === name)
  if (vm === undefined || (vm.host !== from && vm.host !== to)) return false
  const [source, target] = [from, to].map((host) => topology.hosts.find((one) => one.name === host))
  if (source === undefined || target === undefined) throw new Conflict(`there is no host '${to}' any more`)
  const moved = vm.host === to ? vm : await settle(world, topology, vm, to)
  const there = source.bridges
    .map((bridge) => switchName(source, bridge))
    .filter((one) => fleet.reconciler(one).connected)
  // Should it be alive, it lets go first.
  await fleet.push(there).catch(() => {})
  await world.joined(moved, to)
  await fleet.push(switchesOf(moved, target, target))
  await fleet.push()
  await world.hypervisor?.restart?.(name, to)
  await announce(world, moved, 'home')
  return true
}

/** Durable, or all is as it was. */
async function settle({ amend, writes, intent }: RestartWorld, topology: Topology, vm: Vm, to: string): Promise<Vm> {
  const moved = relocated(vm, topology, to)
  if (moved === undefined) throw new Conflict(`${to} has no place for ${vm.name}`)
  amend({ topology: withVm(topology, vm, moved) })
  try {
    await writes.save()
  } catch (error) {
    const now = intent().topology
    if (now.vms.includes(moved)) amend({ topology: withVm(now, moved, vm) })
    throw error
  }
  return moved
}

/** Whether any of the host's switches is connected. */
export const isAlive = (host: Host, fleet: Fleet): boolean =>
  host.bridges.some((bridge) => {
    const one = switchName(host, bridge)
    return fleet.has(one) && fleet.reconciler(one).connected
  })
