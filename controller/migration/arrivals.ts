// VMs that have come to a host other than by a move: the physical network is told where they are. Whom a topology puts somewhere is
// noted with that topology, until all has been said: a controller that ends before says it when it starts again. So it does of those
// that had come to their places otherwise, shortly before: the one before may have ended with announcements of them still to be said, and
// whoever has heard one knows nothing new.

import { SECOND, sleep } from '../../runtime/clock.ts'
import { textOf } from '../../runtime/error-text.ts'
import { networksOf, vmNamed } from '../../topologies/lookup.ts'
import { type Topology, type Vm, switchesAt } from '../../topologies/topology.ts'
import type { World } from '../learner.ts'
import { type MigrationStatus, SwitchRefused } from '../model.ts'
import type { Intent } from '../network/intent.ts'
import { changedVms } from '../network/vm-changes.ts'
import type { Fleet } from '../reconcile/fleet.ts'
import { SwitchAway } from '../southbound/remote-switch.ts'
import type { Image } from '../state/image.ts'
import { announceToTheEnd } from './announcement.ts'

/** How long ago it may have been: the controller may have been away for some of it. */
const SHORTLY = 60 * SECOND
/** How long a place of which nothing is noted is waited for after a start. */
const PATIENCE = 30 * SECOND
/** From one attempt to the next; where a switch refuses, twice as long each time, up to so long. */
const BETWEEN = SECOND
const AT_MOST = 60 * SECOND

/** How long a host is waited for; for ever where absent. */
type Within = Parameters<Fleet['whenConnected']>[1]

type ArrivalWorld = Pick<World, 'clock' | 'fleet' | 'intent' | 'log' | 'view' | 'writes'>

/** Not all has been said of a VM that has come to this host. */
interface Note {
  readonly vm: string
  readonly host: string
}

/** What a topology has noted, and what stood there before of the same VMs. */
interface Noted {
  readonly notes: readonly Note[]
  readonly before: ReadonlyMap<string, Note>
}

export class Arrivals {
  /** By VM, the host where a topology has put it, and not all has been said of it. */
  noted!: ReadonlyMap<string, string>
  /** The same; of two for one place, each is what another topology has noted. */
  #notes!: ReadonlyMap<string, Note>
  /** Of VMs that were moving as their hosts were there. */
  readonly #whileMoving = new Set<Note>()
  readonly #world: ArrivalWorld

  constructor(world: ArrivalWorld, noted: ReadonlyMap<string, string>) {
    this.#world = world
    this.#become(new Map([...noted].map(([vm, host]) => [vm, { vm, host }])))
  }

  /** Those whom a topology puts where they were not, and of whom the physical network has to know: for `announce`, or `takeBack`. */
  note(before: Intent, after: Intent): Noted {
    const notes = changedVms(before, after)
      .filter(({ was, is }) => was?.host !== is?.host)
      .flatMap(({ is }) => (is !== undefined && isOnFabric(is, after.topology) ? [is] : []))
      .map(({ name, host }) => ({ vm: name, host }))
    const noted = { notes, before: this.#notes }
    if (notes.length > 0) this.#become(new Map([...this.#notes, ...notes.map((note) => [note.vm, note] as const)]))
    return noted
  }

  /** Of a topology that could not be kept: who was to be announced before it still is. */
  takeBack({ notes, before }: Noted): void {
    const now = new Map(this.#notes)
    const again: Note[] = []
    for (const note of notes.filter((one) => now.get(one.vm) === one)) {
      now.delete(note.vm)
      const old = before.get(note.vm)
      // Whoever waited to announce it may have found it elsewhere, and given up.
      if (old !== undefined) again.push({ ...old })
    }
    for (const note of again) now.set(note.vm, note)
    this.#become(now)
    this.announce(again)
  }

  /** However long their hosts are away. */
  announce(notes: Iterable<Note>): void {
    for (const note of notes) this.#announceAnyhow(note).catch(this.#failed)
  }

  /** As often as its host goes away again before all has been said, or its switch refuses to say it. */
  async #announceAnyhow(note: Note): Promise<void> {
    const { clock, writes } = this.#world
    let pause = BETWEEN
    while (!writes.isClosed && this.#notes.get(note.vm) === note)
      try {
        if (await this.#announce(note)) this.#done(note)
        else this.#whileMoving.add(note)
        return
      } catch (error) {
        const isRefused = error instanceof SwitchRefused
        if (!isRefused && !(error instanceof SwitchAway)) throw error
        if (isRefused) this.#failed(error)
        // One that has just dialled in anew is away until it is known what it has.
        await sleep(clock, isRefused ? pause : BETWEEN)
        if (isRefused) pause = Math.min(2 * pause, AT_MOST)
      }
  }

  /** After a start: of those that are noted, and of VMs that had come to their places shortly before, once their hosts are there. */
  repeat(kept: Pick<Image, 'migrations' | 'relocations'>): void {
    this.announce(this.#notes.values())
    const { clock } = this.#world
    for (const [vm, { host, at }] of latestArrivals(kept))
      if (at >= clock.now() - SHORTLY) this.#announce({ vm, host }, { span: PATIENCE, clock }).catch(this.#failed)
  }

  /** Once a VM has one place again, that may be the one that is noted: of it the move has told nobody. */
  moved({ vm, endedAt }: Pick<MigrationStatus, 'vm' | 'endedAt'>): void {
    if (endedAt === undefined) return
    const notes = [...this.#whileMoving].filter((note) => note.vm === vm)
    for (const note of notes) this.#whileMoving.delete(note)
    this.announce(notes)
  }

  /** False where the VM is moving: then it is not known yet whether it is there. @throws SwitchAway, SwitchRefused */
  async #announce({ vm: name, host }: Note, within?: Within): Promise<boolean> {
    const { fleet, intent } = this.#world
    const at = intent().topology.hosts.find((one) => one.name === host)
    if (at === undefined) return true
    const switches = switchesAt(at)
    await fleet.whenConnected(switches, within)
    const { topology, moves } = intent()
    const vm = vmNamed(topology.vms, name)
    if (moves.has(name)) return false
    if (vm?.host !== host) return true
    // One that refuses something may have its ports all the same.
    await fleet.push(switches).catch((error: unknown) => {
      if (!(error instanceof SwitchRefused)) throw error
    })
    await announceToTheEnd(this.#world, vm, host)
    return true
  }

  #done(note: Note): void {
    if (this.#notes.get(note.vm) !== note) return
    this.#become(new Map([...this.#notes].filter(([vm]) => vm !== note.vm)))
    this.#world.writes.saveLater()
  }

  #become(notes: ReadonlyMap<string, Note>): void {
    this.#notes = notes
    this.noted = new Map([...notes].map(([vm, { host }]) => [vm, host]))
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
