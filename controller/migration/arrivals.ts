// VMs that have come to a host other than by a move: the physical network is told where they are. Whom a topology puts somewhere is
// noted with that topology, until all has been said: a controller that ends before says it when it starts again. So it does of those
// that had come to their places otherwise, shortly before: the one before may have ended with announcements of them still to be said, and
// whoever has heard one knows nothing new.

import { SECOND } from '../../runtime/clock.ts'
import { textOf } from '../../runtime/error-text.ts'
import { networksOf, vmNamed } from '../../topologies/lookup.ts'
import { type Topology, type Vm, switchesAt } from '../../topologies/topology.ts'
import type { World } from '../learner.ts'
import type { Intent } from '../network/view.ts'
import { changedVms } from '../network/vm-changes.ts'
import type { Fleet } from '../reconcile/fleet.ts'
import type { Image } from '../state/image.ts'
import { announceToTheEnd } from './announcement.ts'

/** How long ago it may have been: the controller may have been away for some of it. */
const SHORTLY = 60 * SECOND
/** How long a place of which nothing is noted is waited for after a start. */
const PATIENCE = 30 * SECOND

/** How long a host is waited for; for ever where absent. */
type Within = Parameters<Fleet['whenConnected']>[1]

type ArrivalWorld = Pick<World, 'clock' | 'fleet' | 'intent' | 'log' | 'view' | 'writes'>

export class Arrivals {
  /** By VM, the host where a topology has put it, and not all has been said of it. */
  noted: ReadonlyMap<string, string>
  readonly #world: ArrivalWorld

  constructor(world: ArrivalWorld, noted: ReadonlyMap<string, string>) {
    this.#world = world
    this.noted = noted
  }

  /** Those whom a topology puts where they were not, and of whom the physical network has to know: for `announce`, or `forget`. */
  note(before: Intent, after: Intent): string[] {
    const vms = changedVms(before, after)
      .filter(({ was, is }) => was?.host !== is?.host)
      .flatMap(({ is }) => (is !== undefined && isOnFabric(is, after.topology) ? [is] : []))
    if (vms.length > 0) this.noted = new Map([...this.noted, ...vms.map(({ name, host }) => [name, host] as const)])
    return vms.map(({ name }) => name)
  }

  forget(vms: readonly string[]): void {
    if (vms.length > 0) this.noted = new Map([...this.noted].filter(([vm]) => !vms.includes(vm)))
  }

  /** Of those that are noted, however long their hosts are away. */
  announce(vms: Iterable<string>): void {
    for (const vm of vms) {
      const host = this.noted.get(vm)
      if (host !== undefined) void this.#announce(vm, host).then(() => this.#done(vm, host), this.#failed)
    }
  }

  /** After a start: of those that are noted, and of VMs that had come to their places shortly before, once their hosts are there. */
  repeat(kept: Pick<Image, 'migrations' | 'relocations'>): void {
    this.announce(this.noted.keys())
    const { clock } = this.#world
    for (const [vm, { host, at }] of latestArrivals(kept))
      if (at >= clock.now() - SHORTLY) this.#announce(vm, host, { span: PATIENCE, clock }).catch(this.#failed)
  }

  /** @throws SwitchAway, SwitchRefused */
  async #announce(name: string, host: string, within?: Within): Promise<void> {
    const { fleet, intent } = this.#world
    const at = intent().topology.hosts.find((one) => one.name === host)
    if (at === undefined) return
    const switches = switchesAt(at)
    await fleet.whenConnected(switches, within)
    const { topology, moves } = intent()
    const vm = vmNamed(topology.vms, name)
    if (vm?.host !== host || moves.has(name)) return
    await fleet.push(switches)
    await announceToTheEnd(this.#world, vm, host)
  }

  #done(vm: string, host: string): void {
    if (this.noted.get(vm) !== host) return
    this.forget([vm])
    this.#world.writes.saveLater()
  }

  readonly #failed = (error: unknown): void => this.#world.log(textOf(error))
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

const isOnFabric = ({ nics }: Vm, { networks }: Topology): boolean => {
  const names = new Set(nics.flatMap(networksOf))
  return networks.some(({ name, type }) => type !== 'vxlan' && names.has(name))
}
