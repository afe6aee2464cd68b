// How a move takes a step, on its way there or back: what is to be is durable before anybody is told, and it is done once the
// switches of both places, and all others that are there, have confirmed.

import { MILLISECOND, type Nanoseconds, sleep } from '../../runtime/clock.ts'
import { textOf } from '../../runtime/error-text.ts'
import { waitFor } from '../../runtime/waiting.ts'
import { vmNamed } from '../../topologies/lookup.ts'
import { relocated } from '../../topologies/relocation.ts'
import type { Vm } from '../../topologies/topology.ts'
import type { World } from '../learner.ts'
import type { GuestMove, Hypervisor, MigrationStatus } from '../model.ts'
import { isTurning } from '../network/bindings.ts'
import type { Move } from '../network/intent.ts'
import type { MigrationRecord } from '../state/image.ts'
import { Progress } from './progress.ts'
import { TwoPlaces } from './two-places.ts'

export interface MigrationWorld extends World {
  readonly hypervisor: Hypervisor | undefined
  readonly drain: (() => Nanoseconds) | undefined
  /**
   * Resolves when the host has what the VM's vNICs are joined to there. Rejects where it can not have it. What it resolves with throws
   * where some of that has gone since.
   */
  readonly joined: (vm: Vm, host: string) => Promise<() => void>
}

/** How long frames are on their way, where nobody says. */
const DRAIN = 2 * MILLISECOND
/** How long a guest stands still for the sake of others' moves, beside two drains. */
const OTHERS_PATIENCE = 100 * MILLISECOND

export class AbortAsked extends Error {}

const ON_REQUEST = 'aborted on request'

export class Steps {
  readonly world: MigrationWorld
  /** As it is before the move, or was found after a restart. */
  readonly vm: Vm
  readonly progress: Progress
  readonly places: TwoPlaces
  #isEnding = false
  readonly #drainAsked: Nanoseconds | undefined
  /** Why it is to go back. */
  #abortAsked: string | undefined
  readonly #aborted: Promise<void>
  #wake!: () => void

  /** `note` hears of all that changes, in the turn in which it does. */
  constructor(
    world: MigrationWorld,
    record: MigrationRecord,
    { vm, drain }: { vm: Vm; drain?: Nanoseconds | undefined },
    note: (record: MigrationRecord) => void,
  ) {
    this.world = world
    this.vm = vm
    this.#drainAsked = drain
    this.progress = new Progress(record, world.clock, note)
    this.places = new TwoPlaces(world, vm, record.status.from)
    this.#aborted = new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  get from(): string {
    return this.progress.status.from
  }

  get to(): string {
    return this.progress.status.to
  }

  /** Has it stop at the next step, unless it is ending. */
  abort(why = ON_REQUEST): void {
    if (this.#isEnding) return
    this.#abortAsked ??= why
    this.world.clock.scheduleAsync(this.world.clock.now(), this.#wake)
  }

  /** @throws AbortAsked */
  checkWanted(): void {
    if (this.#abortAsked !== undefined && !this.#isEnding) throw new AbortAsked(this.#abortAsked)
  }

  /** How far it has come; undefined where the VM has one place, before or after. */
  get move(): Move | undefined {
    return this.world.intent().moves.get(this.vm.name)
  }

  /** @throws AbortAsked */
  async change(change: Partial<Move>): Promise<void> {
    this.checkWanted()
    await this.set(change)
  }

  set(change: Partial<Move>, required?: readonly string[]): Promise<void> {
    return this.carryOut({ ...this.move!, ...change }, required)
  }

  /** Resolves when the switches of the `required` hosts, both places if not said, and all others that are there have confirmed. */
  async carryOut(move: Move, required: readonly string[] = [this.from, this.to]): Promise<void> {
    const before = this.move
    this.#amend(move)
    const taken = this.move
    await this.keep(() => this.#takeBack(taken, before))
    await this.#push(required)
  }

  /** What is to be, of which nobody but those who come back is told before it is `set`. */
  intend(change: Partial<Move>): void {
    this.#amend({ ...this.move!, ...change })
  }

  #amend(move: Move): void {
    this.world.amend({ moves: new Map(this.world.intent().moves).set(this.vm.name, move) })
  }

  /** A step that could not be kept is not taken: the next that somebody else keeps would have it told all the same. */
  #takeBack(taken: Move | undefined, before: Move | undefined): void {
    if (this.#isEnding || this.move !== taken) return
    if (before === undefined) this.world.amend({ moves: this.#otherMoves })
    else this.#amend(before)
  }

  /** The VM has one place again. Where it had before a restart already, it may have been put elsewhere since, and stays there. */
  async settle(host: string): Promise<void> {
    if (this.move === undefined) return
    const { topology } = this.world.intent()
    const vms = topology.vms.map((vm) =>
      vm.name === this.vm.name ? (relocated(vm, topology, host) ?? { ...vm, host }) : vm,
    )
    this.world.amend({ topology: { ...topology, vms }, moves: this.#otherMoves })
    await this.keep()
  }

  get #otherMoves(): Map<string, Move> {
    return new Map([...this.world.intent().moves].filter(([name]) => name !== this.vm.name))
  }

  #push(hosts: readonly string[]): Promise<unknown> {
    const { fleet } = this.world
    return Promise.all([fleet.push(hosts.flatMap((host) => this.places.switchesAt(host))), fleet.push()])
  }

  /** All so far is durable; `lost` is called in the turn in which it can not be. @throws StateError, unless it goes on anyway */
  async keep(lost = () => {}): Promise<void> {
    try {
      await this.world.writes.save({ lost })
    } catch (error) {
      if (!this.#isEnding || this.world.writes.isClosed) throw error
      this.world.log(textOf(error))
      this.world.tell(this.vm.name)
    }
  }

  /** @throws AbortAsked, and what the hypervisor throws */
  async pause(): Promise<void> {
    try {
      await this.world.hypervisor?.pause(this.vm.name, this.#guestMove)
    } catch (error) {
      this.checkWanted()
      throw error
    }
  }

  /** One that has been put elsewhere since it had one place again is others' business. */
  async resume(host: string): Promise<void> {
    if (!this.isWantedAt(host)) return
    await this.world.hypervisor?.resume(this.vm.name, host, this.#guestMove)
    const { state, resumedAt = this.world.clock.now() } = this.progress.status
    this.progress.enter(state, { resumedAt })
  }

  /** Whether the VM may go on there: it moves, or that is the place that it has. */
  isWantedAt(host: string): boolean {
    return this.move !== undefined || vmNamed(this.world.intent().topology.vms, this.vm.name)?.host === host
  }

  get #guestMove(): GuestMove {
    return { from: this.from, to: this.to, aborted: this.#aborted }
  }

  /** Other VMs that are just coming to the host that this one leaves: some send to their new places, some to the old ones. */
  comingHere(): string[] {
    const { moves } = this.world.intent()
    return [...moves.keys()].filter((name) => name !== this.vm.name && this.#isComing(name))
  }

  #isComing(name: string): boolean {
    const move = this.world.intent().moves.get(name)
    return move !== undefined && move.to === this.from && isTurning(move.stage)
  }

  /**
   * These have come. The guests of the host that this one leaves sent to them before all others did, and those others' frames go ahead:
   * what it said there would be overtaken by what it says next from elsewhere. One that fails may need seconds, and is not waited for so
   * long. @throws AbortAsked
   */
  async haveCome(others: readonly string[]): Promise<void> {
    const end = this.world.clock.now() + 2 * this.drainTime + OTHERS_PATIENCE
    while (this.world.clock.now() < end && others.some((name) => this.#isComing(name))) {
      await waitFor(this.#aborted, MILLISECOND, this.world.clock)
      this.checkWanted()
    }
  }

  /** What has been sent has arrived. An abort cuts it short. @throws AbortAsked */
  async drain(atLeast: Nanoseconds = 0): Promise<void> {
    await waitFor(this.#aborted, Math.max(this.drainTime, atLeast), this.world.clock)
    this.checkWanted()
  }

  /** The same where nothing stops it any more. */
  drained(): Promise<void> {
    return sleep(this.world.clock, this.drainTime)
  }

  /** From here on nothing stops it: it goes back, or it has arrived. */
  ending(): void {
    this.#isEnding = true
  }

  get drainTime(): Nanoseconds {
    return this.#drainAsked ?? this.world.drain?.() ?? DRAIN
  }

  end(state: 'done' | 'aborted' | 'failed', more: Partial<MigrationStatus>): Promise<void> {
    this.ending()
    this.progress.enter(state, { ...more, endedAt: this.world.clock.now() })
    return this.keep()
  }
}
