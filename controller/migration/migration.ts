// One VM's move. What must hold at every instant: the policy at the active place is the whole policy, and no frame for the
// guest is lost, doubled or overtaken.
//
//   prepare      the destination has port, policy, flows and what the vNICs are joined to; nobody sends there
//   switch over  the guest stops. Both ports hold. What the vNICs have gathered (connections, levels of meters) is taken over, so
//                that no frame is judged at the new place by less than was known at the old one. First the destination's host sends
//                to the new port, then everybody else; then the old host too. Between the steps frames on their way arrive
//                (`drain`). What the old port held goes ahead of what the new one holds, and what has been gathered there
//                meanwhile is taken over, too. The new port opens, the guest goes on.
//   commit       what comes late to the old place is brought after, until all who may send there know better; the old port goes
//   abort        the way back, from any step before the new port opens. Where the fabric has been told of the destination, it
//                is told of the source again, and what still comes to the new place is brought back
//
// Where nobody can say whether the new port has opened, because a switch went as it was told to, it is taken to have.
//
// Every step is durable before it is done. After a restart of the controller the move goes on to its end where the new port may
// have been opened, and back from wherever it was otherwise. Going back or ending, it does not wait for a disk that fails: a restart
// would go the same way.
//
// Why three drains: (1) a broadcast that the old port let out before it began to hold must have passed the new one before
// that begins to collect; (2) what peers sent to the old place must have come there before the old place lets go; (3) what the
// old port holds of a flood must have come to the new one, so that the two copies can be told to be one.

import { DEFAULT_HOLD, type HoldLimits } from '../../protocols/control/messages.ts'
import { MILLISECOND, type Nanoseconds, SECOND, sleep } from '../../runtime/clock.ts'
import type { Vm } from '../../topologies/topology.ts'
import type { World } from '../learner.ts'
import type { GuestMove, Hypervisor, MigrationStatus, MoveRequest } from '../model.ts'
import type { MigrationRecord } from '../state/image.ts'
import { relocated } from '../../topologies/relocation.ts'
import type { Stage } from '../network/bindings.ts'
import type { Move } from '../network/view.ts'
import { SwitchAway } from '../southbound/remote-switch.ts'
import { Activation } from './activation.ts'
import { Announcement } from './announcement.ts'
import { HeldFrames } from './held-frames.ts'
import { attempt, problemOf } from './problems.ts'
import { keepPatiently, Progress } from './progress.ts'
import { StateTransfer } from './state-transfer.ts'
import { REDIRECT, Stragglers } from './stragglers.ts'
import { TwoPlaces } from './two-places.ts'
import { textOf } from '../../runtime/error-text.ts'
import { waitFor } from '../../runtime/waiting.ts'

export interface MigrationWorld extends World {
  readonly hypervisor: Hypervisor | undefined
  readonly drain: (() => Nanoseconds) | undefined
  /** Resolves when the host has what the VM's vNICs are joined to there. Rejects where it can not have it. */
  readonly joined: (vm: Vm, host: string) => Promise<void>
}

interface Request extends Pick<MoveRequest, 'activation' | 'activationTimeout'> {
  /** As it is before the move, or was found after a restart. */
  vm: Vm
  /** The guest stands still for at least so long. */
  pause: Nanoseconds
  hold?: MoveRequest['hold']
  drain?: Nanoseconds | undefined
  redirect?: Nanoseconds | undefined
}

const DRAIN = 2 * MILLISECOND

/** How long the way back waits for switches that are away. Nothing comes back without the source; the destination may be dead. */
const PATIENCE = { source: 5 * SECOND, destination: 1 * SECOND }
/** The same after a restart, when nobody is connected at first. */
const PATIENCE_AFTER_RESTART = { source: 30 * SECOND, destination: 10 * SECOND }

class AbortAsked extends Error {}

export class Migration {
  readonly #world: MigrationWorld
  readonly #vm: Vm
  readonly #pause: Nanoseconds
  readonly #hold: HoldLimits | undefined
  readonly #drainAsked: Nanoseconds | undefined
  readonly #redirectFor: Nanoseconds
  readonly #progress: Progress
  readonly #places: TwoPlaces
  readonly #held: HeldFrames
  readonly #states: StateTransfer
  readonly #stragglers: Stragglers
  readonly #announcement: Announcement
  #patience = PATIENCE
  /** On the way back: how long the source is waited for. */
  #sourceBy: Nanoseconds = 0
  readonly activation: Activation
  /** Resolves when a restart would know of the move; rejects where that can not be had. */
  readonly started: Promise<void>
  #tellStarted!: (kept: Promise<void>) => void
  /** From here on nothing stops it: it goes back, or it has arrived. */
  #ending = false
  #abortAsked = false
  readonly #aborted: Promise<void>
  #wake!: () => void
  #paused = false

  /** `note` hears of all that changes, in the turn in which it does. */
  constructor(
    world: MigrationWorld,
    record: MigrationRecord,
    { vm, pause, hold, drain, redirect = REDIRECT, ...guest }: Request,
    note: (record: MigrationRecord) => void,
  ) {
    this.#world = world
    this.#vm = vm
    this.#pause = pause
    this.#hold = hold && { ...DEFAULT_HOLD, ...hold }
    this.#drainAsked = drain
    this.#redirectFor = redirect
    this.#progress = new Progress(record, world.clock, note)
    this.#places = new TwoPlaces(world, vm, record.status.from)
    this.#held = new HeldFrames(this.#places)
    this.#states = new StateTransfer(world.fleet, vm, () => world.view())
    this.#stragglers = new Stragglers({
      world,
      places: this.#places,
      states: this.#states,
      progress: this.#progress,
      drain: () => this.#drainTime,
      set: (change, required) => this.#set(change, required),
    })
    this.#announcement = new Announcement(world, this.#places)
    this.activation = new Activation(vm, guest)
    this.started = new Promise((resolve) => {
      this.#tellStarted = resolve
    })
    // Whoever asks hears of it.
    this.started.catch(() => {})
    this.#aborted = new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  /** As it is now. */
  get status(): MigrationStatus {
    return { ...this.#progress.status }
  }

  /** Undoes the move, unless the destination is active already. */
  abort(): void {
    this.#abortAsked = true
    this.#world.clock.scheduleAsync(this.#world.clock.now(), this.#wake)
  }

  /** Resolves when the move has ended one way or another; never rejects. */
  async run(): Promise<void> {
    const { from, to } = this.#progress.status
    const started = this.#world.writes.save()
    this.#tellStarted(started)
    try {
      await started
      if (from === to) return await this.#end('done', { policy: 'identical' })
      await this.#prepare()
      await this.#switchOver()
    } catch (error) {
      return (await this.#hasOpened(error)) ? this.#arrive() : this.#undo(error)
    }
    await this.#commit()
  }

  /** Brings a move that was under way when the process ended to its end; never rejects. */
  async recover(): Promise<void> {
    const { from, to, state } = this.#progress.status
    const move = this.#move
    this.#tellStarted(Promise.resolve())
    this.#patience = PATIENCE_AFTER_RESTART
    this.#paused = state !== 'prepare'
    this.#announcement.isMade = move?.stage === 'moved' || move?.stage === 'released' || this.#hasTurned
    const mayHaveOpened = move?.targetState === 'open' || this.#progress.record.goesOn === true
    if (state !== 'commit' && !mayHaveOpened) return this.#undo(new Error('the controller was restarted'))
    this.#ending = true
    this.#progress.enter('commit')
    const { untold = [], handed } = this.#progress.record
    this.#stragglers.expect('released', untold)
    if (handed !== undefined) this.#held.passOver(from, handed)
    await this.#places.waitFor(to, this.#patience.source)
    await this.#arrive()
  }

  /**
   * Whether the new port is open, for all that anybody knows: somebody went as it was opened, and may have heard of it. A
   * destination that is gone for good has let nothing out that anybody would miss.
   */
  async #hasOpened(error: unknown): Promise<boolean> {
    const { to } = this.#progress.status
    const move = this.#move
    if (this.#progress.record.goesOn !== true && (!(error instanceof SwitchAway) || move?.targetState !== 'open'))
      return false
    await this.#places.waitFor(to, this.#patience.destination)
    return this.#places.isThere(to) || this.#progress.record.goesOn === true
  }

  /** The new port opens, if it has not, and the guest goes on there. */
  async #arrive(): Promise<void> {
    const { to } = this.#progress.status
    this.#ending = true
    this.#progress.enter('commit')
    const problems: string[] = []
    if (this.#move !== undefined) {
      const { goesOn, handed } = this.#progress.record
      if (goesOn === true && handed === undefined) await attempt(problems, () => this.#handOver())
      await attempt(problems, () => this.#set({ targetState: 'open' }, [to]))
    }
    await attempt(problems, () => this.#resume(to))
    await this.#commit(problems)
  }

  async #prepare(): Promise<void> {
    this.#progress.enter('prepare')
    this.#progress.remember({ policyBefore: this.#places.policyAt(this.#progress.status.from) })
    const { to } = this.#progress.status
    const hold = this.#hold === undefined ? {} : { hold: this.#hold }
    await this.#carryOut({ to, stage: 'prepared', homeState: 'open', targetState: 'hold', ...hold })
    await this.#world.joined(this.#vm, this.#progress.status.to)
  }

  async #switchOver(): Promise<void> {
    const { vm, to } = this.#progress.status
    this.#progress.enter('switch-over')
    await this.#keep()
    this.#paused = true
    await this.#world.hypervisor?.pause(vm, this.#guestMove)
    const pausedAt = this.#world.clock.now()
    this.#progress.enter('switch-over', { pausedAt })
    await this.#change({ homeState: 'hold' })
    await this.#states.takeOver('home')
    await this.#drain()
    await this.#change({ stage: 'collecting' })
    await this.#change({ stage: 'moved' })
    await this.#announcement.make()
    await this.#drain()
    await this.#change({ stage: 'released' })
    await this.#drain(pausedAt + this.#pause - this.#world.clock.now())
    if (this.activation.isAwaited) await this.#awaitGuest()
    await this.#stragglers.quietly(async () => {
      await this.#handOver()
      this.#checkWanted()
      this.#stragglers.expect('released')
      await this.#change({ targetState: 'open' })
    })
    await this.#resume(to)
  }

  /** The guest is told to go on, and has done so once it is seen. */
  async #awaitGuest(): Promise<void> {
    const { to } = this.#progress.status
    await this.#change({ activation: this.activation.frames })
    this.#ending = true
    this.#progress.remember({ goesOn: true })
    await this.#keep()
    await this.#resume(to)
    const activatedBy = await this.activation.shown(this.#world.clock)
    this.#progress.enter('switch-over', { activatedBy })
    await this.#set({ targetState: 'keep' })
  }

  async #handOver(): Promise<void> {
    const { from, to, state } = this.#progress.status
    await this.#held.takeFrom(from)
    this.#progress.enter(state, { held: this.#held.count })
    await this.#held.takeFrom(to)
    await this.#states.takeOver('home')
    this.#progress.enter(state, { held: this.#held.count, connections: this.#states.connections })
    this.#checkWanted()
    await this.#held.deliverTo(to)
    this.#progress.remember({ handed: this.#held.markAt(from) })
  }

  /** A switch is back. Resolves when it may be told where the VM is. */
  async beforeTold(name: string): Promise<void> {
    if (this.#move !== undefined) await this.#stragglers.beforeTold(name)
  }

  /** The VM is at its destination: from here it goes on, whatever happens to the source. */
  async #commit(problems: string[] = []): Promise<void> {
    const { from, to } = this.#progress.status
    this.#ending = true
    this.#progress.enter('commit')
    await this.#pauseFor(this.#drainTime)
    const policy = this.#comparePolicies()
    if (this.#move !== undefined) {
      this.#progress.remember({ former: this.#places.portsAt('home') })
      await attempt(problems, () => this.#redirect())
      await this.#stragglers.bring(this.#redirectFor)
    }
    await this.#settle(to)
    await attempt(problems, () => this.#world.fleet.push(this.#places.switchesAt(from)))
    await attempt(problems, () => this.#world.fleet.push())
    const found = await this.#places
      .leftBehind(from, this.#progress.record.former ?? [])
      .catch(() => [`what ${from} has still is not known: it can not be asked`])
    const held = Math.max(this.#held.count, this.#progress.status.held)
    const { overflowed } = this.#held
    await this.#end('done', { policy, held, overflowed, leftBehind: found, ...problemOf(problems) })
  }

  /** What came to the old place after the guest had gone on is brought after it; then the old place has nothing more to keep. */
  async #redirect(): Promise<void> {
    const { from, to, redirected } = this.#progress.status
    const before = this.#held.count
    await this.#held.takeLate(from)
    await this.#held.deliverTo(to)
    await this.#held.countAt(to)
    if (before > 0 || this.#progress.status.held === 0)
      this.#progress.enter('commit', { redirected: redirected + this.#held.count - before })
    await this.#held.forgetAt(from)
  }

  async #undo(cause: unknown): Promise<void> {
    const { from, to } = this.#progress.status
    const reason = cause instanceof AbortAsked ? 'aborted on request' : textOf(cause)
    const problems: string[] = []
    this.#ending = true
    this.#progress.enter('abort', { problem: reason })
    this.#stragglers.expectNone()
    this.#sourceBy = this.#world.clock.now() + this.#patience.source
    await this.#places.waitFor(from, this.#patience.source)
    if (this.#paused) await this.#goBack(problems)
    const given = this.#places.portsAt('target')
    await this.#settle(from)
    await attempt(problems, () => this.#world.fleet.push(this.#places.switchesAt(from)))
    await attempt(problems, () => this.#world.fleet.push())
    if (this.#paused) await attempt(problems, () => this.#resume(from))
    if (this.#places.isThere(to)) await attempt(problems, () => this.#places.clear(to, given))
    if (this.#announcement.isMade)
      void this.#announcement.takeBackOnReturn(from).catch((error: unknown) => this.#world.log(textOf(error)))
    await this.#end(problems.length === 0 ? 'aborted' : 'failed', {
      held: this.#held.count,
      overflowed: this.#held.overflowed,
      ...problemOf([reason, ...problems]),
    })
  }

  /**
   * The steps of the switch-over backwards: the old port keeps what comes from now on, the new one what is still on its way
   * to it, and all is delivered in the order in which it was sent. A destination that is away follows when it returns.
   */
  async #goBack(problems: string[]): Promise<void> {
    const { from, to } = this.#progress.status
    const stage = this.#move?.stage
    if (stage === undefined) return
    const hasLeft = stage !== 'prepared' || this.#hasTurned
    if (hasLeft) {
      await this.#turn(problems, stage)
      await attempt(problems, () => this.#withSource(() => this.#announcement.takeBack()))
      await this.#places.waitFor(to, this.#patience.destination)
      await this.#pauseFor(this.#drainTime)
      await attempt(problems, () => this.#set({ stage: 'returned' }, [from]))
      await this.#pauseFor(this.#drainTime)
    }
    await this.#stragglers.quietly(async () => {
      if (hasLeft) await attempt(problems, () => this.#held.takeFrom(to))
      if (hasLeft) await attempt(problems, () => this.#states.takeOver('target'))
      await attempt(problems, () => this.#handBack())
      if (hasLeft) this.#stragglers.expect('returned')
    })
    if (this.#stragglers.areExpected) await this.#goOnAtSource(problems)
  }

  /** The destination lets go of nothing that the source has not got. */
  async #handBack(): Promise<void> {
    const { from, to } = this.#progress.status
    await this.#withSource(async () => {
      await this.#held.takeFrom(from)
      await this.#held.deliverTo(from)
    })
    if (this.#places.isThere(to)) await this.#held.forgetAt(to)
  }

  /** Again where the source goes meanwhile, until nobody waits for it any more. @throws SwitchAway */
  #withSource(work: () => Promise<void>): Promise<void> {
    const { clock } = this.#world
    return this.#places.whileThere(this.#progress.status.from, this.#sourceBy - clock.now(), work)
  }

  /** The guest goes on; not all that may send to the destination have been told. */
  async #goOnAtSource(problems: string[]): Promise<void> {
    const { from } = this.#progress.status
    await attempt(problems, () => this.#set({ homeState: 'open' }, [from]))
    await attempt(problems, () => this.#resume(from))
    this.#paused = false
    await this.#stragglers.bring(this.#redirectFor)
  }

  /**
   * Everybody sends to the source again. What it had kept before stands before all that the destination has kept, what it keeps from
   * now on behind: where the one ends is durable before anybody is told.
   */
  async #turn(problems: string[], stage: Stage): Promise<void> {
    const { from } = this.#progress.status
    const { turned } = this.#progress.record
    if (turned === undefined) {
      await this.#pauseFor(this.#drainTime)
      await attempt(problems, async () => {
        await this.#held.takeFrom(from)
        this.#progress.remember({ turned: this.#held.markAt(from) })
        await keepPatiently(this.#world, this.#patience.destination)
      })
    } else await attempt(problems, () => this.#held.takeFrom(from, turned))
    // After a restart the destination's own host may have been told already.
    if (stage === 'prepared' || stage === 'returned') return
    await attempt(problems, () => this.#set({ stage: 'collecting', targetState: 'hold' }, [from]))
  }

  get #hasTurned(): boolean {
    return this.#progress.record.turned !== undefined
  }

  /** The VM has one place again. */
  async #settle(host: string): Promise<void> {
    const { topology, moves } = this.#world.intent()
    const vms = topology.vms.map((vm) =>
      vm.name === this.#vm.name ? (relocated(vm, topology, host) ?? { ...vm, host }) : vm,
    )
    const others = new Map([...moves].filter(([name]) => name !== this.#vm.name))
    this.#world.amend({ topology: { ...topology, vms }, moves: others })
    await this.#keep()
  }

  get #guestMove(): GuestMove {
    const { from, to } = this.#progress.status
    return { from, to, aborted: this.#aborted }
  }

  async #resume(host: string): Promise<void> {
    await this.#world.hypervisor?.resume(this.#progress.status.vm, host, this.#guestMove)
    const { state, resumedAt = this.#world.clock.now() } = this.#progress.status
    this.#progress.enter(state, { resumedAt })
  }

  async #change(change: Partial<Move>): Promise<void> {
    this.#checkWanted()
    await this.#set(change)
  }

  #set(change: Partial<Move>, required?: readonly string[]): Promise<void> {
    return this.#carryOut({ ...this.#move!, ...change }, required)
  }

  /** Resolves when the switches of the `required` hosts, both places if not said, and all others that are there have confirmed. */
  async #carryOut(
    move: Move,
    required: readonly string[] = [this.#progress.status.from, this.#progress.status.to],
  ): Promise<void> {
    this.#world.amend({ moves: new Map(this.#world.intent().moves).set(this.#vm.name, move) })
    await this.#keep()
    await Promise.all([
      this.#world.fleet.push(required.flatMap((host) => this.#places.switchesAt(host))),
      this.#world.fleet.push(),
    ])
  }

  /** How far it has come; undefined where the VM has one place, before or after. */
  get #move(): Move | undefined {
    return this.#world.intent().moves.get(this.#vm.name)
  }

  /** All so far is durable. @throws StateError, unless it goes on anyway */
  async #keep(): Promise<void> {
    try {
      await this.#world.writes.save()
    } catch (error) {
      if (!this.#ending) throw error
      this.#world.log(textOf(error))
      this.#world.tell(this.#vm.name)
    }
  }

  /** Cut short by an abort. */
  async #drain(atLeast: Nanoseconds = 0): Promise<void> {
    await waitFor(this.#aborted, Math.max(this.#drainTime, atLeast), this.#world.clock)
    this.#checkWanted()
  }

  get #drainTime(): Nanoseconds {
    return this.#drainAsked ?? this.#world.drain?.() ?? DRAIN
  }

  #pauseFor(span: Nanoseconds): Promise<void> {
    return sleep(this.#world.clock, span)
  }

  #checkWanted(): void {
    if (this.#abortAsked && !this.#ending) throw new AbortAsked()
  }

  #comparePolicies(): MigrationStatus['policy'] {
    const { to } = this.#progress.status
    const { policyBefore } = this.#progress.record
    if (!this.#places.isThere(to) || policyBefore === '') return 'unknown'
    return this.#places.policyAt(to) === policyBefore ? 'identical' : 'different'
  }

  #end(state: 'done' | 'aborted' | 'failed', more: Partial<MigrationStatus>): Promise<void> {
    this.#ending = true
    this.#progress.enter(state, { ...more, endedAt: this.#world.clock.now() })
    return this.#keep()
  }
}
