// VMs that have come to a host other than by a move: the physical network is told where they are. So it is of those that had come
// to theirs shortly before the controller started. The one before may have ended with announcements of them still to be said; nobody
// wrote down which, so all are said again: whoever has heard one knows nothing new.

import { SECOND } from '../../runtime/clock.ts'
import { textOf } from '../../runtime/error-text.ts'
import { vmNamed } from '../../topologies/lookup.ts'
import { switchesAt } from '../../topologies/topology.ts'
import type { World } from '../learner.ts'
import type { Intent } from '../network/view.ts'
import { changedVms } from '../network/vm-changes.ts'
import type { Fleet } from '../reconcile/fleet.ts'
import type { Image } from '../state/image.ts'
import { announce } from './announcement.ts'

/** How long ago it may have been: the controller may have been away for some of it. */
const SHORTLY = 60 * SECOND
/** How long a place that is not there is waited for after a start. */
const PATIENCE = 30 * SECOND

/** How long a host is waited for; for ever where absent. */
type Within = Parameters<Fleet['whenConnected']>[1]

type ArrivalWorld = Pick<World, 'clock' | 'fleet' | 'intent' | 'log' | 'view' | 'writes'>

/** Of VMs that a topology puts where they were not, however long their hosts are away. */
export function announceArrived(world: ArrivalWorld, before: Intent, after: Intent): void {
  for (const { was, is } of changedVms(before, after))
    if (is !== undefined && was?.host !== is.host) announceArrival(world, is.name, is.host)
}

/** After a start: of VMs that had come to their places shortly before, once their hosts are there. */
export function repeatAnnouncements(world: ArrivalWorld, kept: Pick<Image, 'migrations' | 'relocations'>): void {
  const since = world.clock.now() - SHORTLY
  for (const [vm, { host, at }] of latestArrivals(kept))
    if (at >= since) announceArrival(world, vm, host, { span: PATIENCE, clock: world.clock })
}

interface Arrival {
  host: string
  at: number
}

/** By VM. */
function latestArrivals({ migrations, relocations }: Pick<Image, 'migrations' | 'relocations'>): Map<string, Arrival> {
  const latest = new Map<string, Arrival>()
  const note = (vm: string, arrival: Arrival) => {
    if (arrival.at >= (latest.get(vm)?.at ?? -Infinity)) latest.set(vm, arrival)
  }
  for (const { status } of migrations.values()) {
    const { vm, state, from, to, endedAt, steps } = status
    // Before the switch-over nobody was told anything.
    if (endedAt !== undefined && steps.some((step) => step.state === 'switch-over'))
      note(vm, { host: state === 'done' ? to : from, at: endedAt })
  }
  for (const { status } of relocations.values())
    for (const { vm, to, restartedAt } of status.moves)
      if (to !== undefined && restartedAt !== undefined) note(vm, { host: to, at: restartedAt })
  return latest
}

function announceArrival(world: ArrivalWorld, vm: string, host: string, within?: Within): void {
  void announceAt(world, vm, host, within).catch((error: unknown) => world.log(textOf(error)))
}

/** @throws SwitchAway, SwitchRefused */
async function announceAt(world: ArrivalWorld, name: string, host: string, within?: Within): Promise<void> {
  const { fleet, intent } = world
  const at = intent().topology.hosts.find((one) => one.name === host)
  if (at === undefined) return
  const switches = switchesAt(at)
  await fleet.whenConnected(switches, within)
  const { topology, moves } = intent()
  const vm = vmNamed(topology.vms, name)
  if (vm?.host !== host || moves.has(name)) return
  await fleet.push(switches)
  await announce(world, vm, host)
}
