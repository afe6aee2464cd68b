// A VM whose host is gone begins anew at another: with its whole policy, and none of its connections. Where the old host is there after
// all, or comes back, it is told first that the VM is not there any more: its vNICs have no port, or a closed one, before others open. So
// it is for each host at which it was to begin, and may have had its ports opened (former-hosts.ts).

import type { Clock } from '../../runtime/clock.ts'
import { MILLISECOND, SECOND, sleep } from '../../runtime/clock.ts'
import { vmNamed } from '../../topologies/lookup.ts'
import { relocated, switchesOf } from '../../topologies/relocation.ts'
import type { Host, Vm } from '../../topologies/topology.ts'
import { switchesAt, switchName } from '../../topologies/topology.ts'
import { announce } from '../migration/announcement.ts'
import type { Hypervisor } from '../model.ts'
import { Conflict } from '../model.ts'
import type { Intent } from '../network/intent.ts'
import type { View } from '../network/view.ts'
import { withVm } from '../network/vm-changes.ts'
import type { Fleet } from '../reconcile/fleet.ts'
import { SwitchAway } from '../southbound/remote-switch.ts'
import type { Writes } from '../writes.ts'
import type { FormerHosts } from './former-hosts.ts'
import { textOf } from '../../runtime/error-text.ts'

/** How long the place that a VM has been given is waited for where its switch goes. */
const PATIENCE = 1 * SECOND

export interface RestartWorld {
  readonly formerHosts: FormerHosts
  readonly clock: Clock
  readonly writes: Writes
  readonly fleet: Fleet
  readonly intent: () => Intent
  readonly view: () => View
  readonly amend: (change: Partial<Intent>) => void
  readonly hypervisor: Hypervisor | undefined
  readonly log: (line: string) => void
  /** Resolves when the host has what the VM's vNICs are joined to there. Rejects where it can not have it. */
  readonly joined: (vm: Vm, host: string) => Promise<unknown>
}

export interface RestartRequest {
  readonly to: string
  /** Where the VM is from now on; called in the turn in which that is asked to be kept, and again where it can not be. */
  readonly given: (host: string) => void
  /** Other hosts may have its ports open still, and are waited for; undefined once they are not any more. */
  readonly waits: (problem: string | undefined) => void
  /** Resolves when it is not to wait for them any more. */
  readonly aborted: Promise<unknown>
}

/**
 * Resolves when the VM's ports are open at `to`, and nowhere else, and its guest has been told to begin. The VM may be at neither host, or at `to` already,
 * where somebody went before its guest could begin. What other switches say does not matter to it, and is logged.
 * @throws Conflict, SwitchRefused, SwitchAway, StateError
 */
export async function restart(world: RestartWorld, name: string, request: RestartRequest): Promise<void> {
  const { fleet, log } = world
  const { to } = request
  const { vm: before } = find(world, name, to)
  if (before.host !== to) {
    await settle(world, before, request)
    // Until that was durable, a switch that came back there was told to open the ports.
    await fleet.pushEach(connectedAt(world, before.host))
  }
  await alone(world, name, request)
  // It may have been changed in all that time.
  const { vm, target } = find(world, name, to)
  await world.joined(vm, to)
  await open(world, switchesOf(vm, target, target))
  await fleet.push().catch((error: unknown) => log(`${name} begins anew at ${to}: ${textOf(error)}`))
  await world.hypervisor?.restart?.(name, to)
  await announce(world, vm, to).catch((error: unknown) => log(`${name} is not announced: ${textOf(error)}`))
}

/** @throws Conflict where it is not there any more */
function find({ intent }: RestartWorld, name: string, to: string): { vm: Vm; target: Host } {
  const { topology } = intent()
  const vm = vmNamed(topology.vms, name)
  const target = topology.hosts.find((one) => one.name === to)
  if (vm === undefined || target === undefined) throw new Conflict(`there is no ${vm ? `host '${to}'` : name} any more`)
  return { vm, target }
}

/** @throws Conflict where it is not there any more, or elsewhere */
function checkPlace(world: RestartWorld, name: string, to: string): void {
  const { host } = find(world, name, to).vm
  if (host !== to) throw new Conflict(`${name} is at ${host} by now`)
}

function connectedAt({ fleet, intent }: RestartWorld, name: string): string[] {
  const hosts = intent().topology.hosts.filter((host) => host.name === name)
  return hosts.flatMap(switchesAt).filter((one) => fleet.has(one) && fleet.reconciler(one).connected)
}

/** Resolves when no other host may have its ports open. @throws Conflict where it goes elsewhere meanwhile, StateError */
async function alone(world: RestartWorld, name: string, { to, waits, aborted }: RestartRequest): Promise<void> {
  const { formerHosts } = world
  for (let former = formerHosts.of(name); former.length > 0; former = formerHosts.of(name)) {
    // Who is not waited for yet does not hear of changes.
    checkPlace(world, name, to)
    waits(`its ports may be open still at ${former.join(' and ')}; signalbox host fail says that a host is dead`)
    const left = formerHosts.left(name).then(() => true)
    const isLeft = await Promise.race([left, aborted.then(() => false)]).finally(() => waits(undefined))
    checkPlace(world, name, to)
    if (!isLeft) throw new Conflict('aborted on request')
  }
}

/**
 * A switch that went as it was told to open the ports may have done so, and come back: no other place is looked for before it has had time to.
 * @throws SwitchRefused, SwitchAway
 */
async function open({ fleet, clock }: RestartWorld, names: readonly string[]): Promise<void> {
  for (const end = clock.now() + PATIENCE; ; await sleep(clock, MILLISECOND))
    try {
      return await fleet.push(names)
    } catch (error) {
      if (!(error instanceof SwitchAway) || clock.now() >= end) throw error
      await fleet.whenConnected(names, { span: end - clock.now(), clock })
    }
}

/** Durable, or all is as it was. */
async function settle(
  { amend, writes, intent, formerHosts }: RestartWorld,
  vm: Vm,
  { to, given }: RestartRequest,
): Promise<void> {
  const { topology } = intent()
  const moved = relocated(vm, topology, to)
  if (moved === undefined) throw new Conflict(`${to} has no place for ${vm.name}`)
  amend({ topology: withVm(topology, vm, moved), formerHosts: formerHosts.with(vm, to) })
  // Where work is shared, what is wanted now may be another object that says the same.
  const taken = vmNamed(intent().topology.vms, vm.name)!
  given(to)
  try {
    await writes.save()
  } catch (error) {
    const now = intent().topology
    if (now.vms.includes(taken)) {
      amend({ topology: withVm(now, taken, vm), formerHosts: formerHosts.with(taken, vm.host) })
      given(vm.host)
      // Nobody else waits for the place that it was to have.
      void formerHosts.left(vm.name)
    }
    throw error
  }
}

/** Whether any of the host's switches is connected. */
export const isAlive = (host: Host, fleet: Fleet): boolean =>
  host.bridges.some((bridge) => {
    const one = switchName(host, bridge)
    return fleet.has(one) && fleet.reconciler(one).connected
  })
