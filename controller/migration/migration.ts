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
//   abort        the way back, from any step before the new port opens (way-back.ts). Where the fabric has been told of the
//                destination, it is told of the source again, and what still comes to the new place is brought back
//
// What switches are told is the stage of the move (network/bindings.ts) and what its two ports let through:
//
//                stage        old port     new port
//   prepare      prepared     open         hold
//   switch over  prepared     hold         hold
//                collecting   hold         hold
//                moved        hold         hold
//                released     hold         hold, keep once the guest is seen where that is awaited, open
//   commit       released     hold         open, keep while a switch that was away is told of the move
//                settled      gone         open
//   abort        collecting   hold         hold
//                returned     hold, open   hold
//                settled      open         gone
//
// An abort goes through `collecting` where others than the destination's host may have been told, and begins with `settled` where
// nobody has. Where nobody can say whether the new port has opened, because a switch went as it was told to, it is taken to have (`arrive`).
//
// Every step is durable before it is done. After a restart of the controller the move goes on to its end where the new port may
// have been opened, and back from wherever it was otherwise. Going back or ending, it does not wait for a disk that fails: a restart
// would go the same way.
//
// Why three drains, and sometimes four: (1) a broadcast that the old port let out before it began to hold must have passed the new one before
// that begins to collect; (2) what peers sent to the old place must have come there before the old place lets go; (3) what the
// old port holds of a flood must have come to the new one, so that the two copies can be told to be one. Where the uplink of the host
// that announces, or its link, has several queues, (4) what waits there for the other place must have left before the announcement, which
// may go ahead of it: the physical network would take it to be where it comes from. And a guest does not go on elsewhere while others, to
// whom it spoke, are just coming to the host that it leaves (`haveCome`).

import type { HoldLimits } from '../../protocols/control/messages.ts'
import type { Nanoseconds, Timer } from '../../runtime/clock.ts'
import type { Vm } from '../../topologies/topology.ts'
import { formatDuration } from '../../topologies/units.ts'
import type { MigrationStatus, MoveRequest } from '../model.ts'
import { textOf } from '../../runtime/error-text.ts'
import { SwitchAway } from '../southbound/remote-switch.ts'
import type { MigrationRecord } from '../state/image.ts'
import { Activation } from './activation.ts'
import { Announcement } from './announcement.ts'
import { HeldFrames } from './held-frames.ts'
import { attempt, problemOf } from './problems.ts'
import { StateTransfer } from './state-transfer.ts'
import { type MigrationWorld, Steps } from './steps.ts'
import { Stragglers } from './stragglers.ts'
import { unknownAt } from './two-places.ts'
import { PATIENCE, PATIENCE_AFTER_RESTART, WayBack } from './way-back.ts'

interface Request extends Pick<MoveRequest, 'activation' | 'activationTimeout'> {
  /** As it is before the move, or was found after a restart. */
  vm: Vm
  /** The guest stands still for at least so long. */
  pause: Nanoseconds
  hold?: MoveRequest['hold']
  drain?: Nanoseconds | undefined
  redirect?: Nanoseconds | undefined
  deadline?: Nanoseconds | undefined
}

/** What is to be done next; nothing where it has ended. */
type Next = 'prepare' | 'switch over' | 'arrive' | 'commit' | 'abort' | undefined

export class Migration {
  readonly activation: Activation
  /** Resolves when a restart would know of the move; rejects where that can not be had. */
  readonly started: Promise<void>
  #tellStarted!: (kept: Promise<void>) => void
  readonly #steps: Steps
  readonly #held: HeldFrames
  readonly #states: StateTransfer
  readonly #stragglers: Stragglers
  readonly #announcement: Announcement
  readonly #pause: Nanoseconds
  readonly #hold: Partial<HoldLimits> | undefined
  readonly #deadline: Nanoseconds | undefined
  #patience = PATIENCE
  #isPaused = false
  /** @throws Conflict where the destination has lost a wire */
  #checkWires = () => {}
  /** Why it goes back. */
  #cause: unknown
  /** What went wrong on the way to its end. */
  readonly #problems: string[] = []

  /** `note` hears of all that changes, in the turn in which it does. */
  constructor(
    world: MigrationWorld,
    record: MigrationRecord,
    { vm, pause, hold, drain, redirect, deadline, ...guest }: Request,
    note: (record: MigrationRecord) => void,
  ) {
    this.#steps = new Steps(world, record, { vm, drain }, note)
    this.#held = new HeldFrames(this.#steps.places)
    const view = () => world.view()
    const { lost = [] } = record
    this.#states = new StateTransfer(world.fleet, vm, view, lost, (ports) =>
      this.#steps.progress.remember({ lost: ports }),
    )
    this.#stragglers = new Stragglers(this.#steps, this.#states, redirect)
    this.#announcement = new Announcement(world, this.#steps.places)
    this.#pause = pause
    this.#hold = hold
    this.#deadline = deadline
    this.activation = new Activation(vm, guest)
    this.started = new Promise((resolve) => {
      this.#tellStarted = resolve
    })
    // Whoever asks hears of it.
    this.started.catch(() => {})
  }

  /** As it is now. */
  get status(): MigrationStatus {
    return { ...this.#steps.progress.status }
  }

  /** Undoes the move, unless the destination is active already. */
  abort(): void {
    this.#steps.abort()
  }

  /** Somebody says that the guest goes on; false where nobody waits for it. @throws StateError where a restart would not know: it is awaited as before then */
  async activate(): Promise<boolean> {
    if (!this.activation.isWaiting) return false
    this.#steps.progress.enter('switch-over', { activatedBy: 'explicit' })
    await this.#steps.world.writes.save({ lost: () => this.#stillAwaited() })
    this.activation.byHand()
    return true
  }

  /** Unless it has shown itself meanwhile. */
  #stillAwaited(): void {
    const { progress } = this.#steps
    const { activatedBy: _lost, ...status } = progress.status
    if (this.activation.isWaiting) progress.remember({ status })
  }

  /** A switch is back. Resolves when it may be told where the VM is. */
  async beforeTold(name: string): Promise<void> {
    if (this.#steps.move !== undefined) await this.#stragglers.beforeTold(name)
  }

  /**
   * A switch is back, and it is known what it has. Resolves when it may be told more, at once where undefined: whoever is in charge
   * after a restart finds the port that was made by then, and has to know that nothing has been brought to it.
   */
  found(name: string): Promise<void> | undefined {
    // Before the guest stands still, the source has all that there is.
    if (this.#steps.move?.homeState !== 'hold' || !this.#states.found(name)) return undefined
    this.#stragglers.foundAnew(name)
    return this.#steps.keep().catch((error: unknown) => this.#steps.world.log(textOf(error)))
  }

  /** The switch has been told. What the destination had been brought is gone where it started anew, and the source may have it still. */
  async afterTold(): Promise<void> {
    if (this.#steps.move?.homeState === 'hold') await this.#states.bringAgain()
  }

  /** Resolves when the move has ended one way or another. @throws Conflict where another controller is in charge, and brings it to its end */
  async run(): Promise<void> {
    const { from, to, world } = this.#steps
    const started = world.writes.save()
    this.#tellStarted(started)
    if (!(await this.#succeeds(() => started))) return this.#goOn('abort')
    if (from === to) return this.#steps.end('done', { policy: 'identical' })
    const late = this.#goBackWhenLate()
    return this.#goOn('prepare').finally(() => late?.cancel())
  }

  #goBackWhenLate(): Timer | undefined {
    const { world, to } = this.#steps
    if (this.#deadline === undefined) return undefined
    const why = `it was not at ${to} within ${formatDuration(this.#deadline)}`
    return world.clock.scheduleAsync(world.clock.now() + this.#deadline, () => this.#steps.abort(why))
  }

  /** Brings a move that was under way when the process ended to its end. */
  recover(): Promise<void> {
    const { move, progress } = this.#steps
    const { status, ...record } = progress.record
    this.#tellStarted(Promise.resolve())
    this.#patience = PATIENCE_AFTER_RESTART
    this.#isPaused = status.state !== 'prepare'
    this.#announcement.isMade = move?.stage === 'moved' || move?.stage === 'released' || record.turned !== undefined
    this.#cause = new Error('the controller was restarted')
    const mayHaveOpened = status.state === 'commit' || move?.targetState === 'open' || record.goesOn === true
    return mayHaveOpened ? this.#goOnAfterRestart() : this.#goOn('abort')
  }

  async #goOnAfterRestart(): Promise<void> {
    const { from, to, progress, places } = this.#steps
    await this.#awaitGuestAgain()
    this.#enterCommit()
    const { untold = [], handed } = progress.record
    this.#stragglers.expect('released', untold)
    if (handed !== undefined) this.#held.passOver(from, handed)
    await places.waitFor(to, this.#patience.source)
    // Not all may have been said by the controller before.
    if (this.#steps.isWantedAt(to)) await this.#try(() => this.#announcement.make(to))
    await this.#goOn('arrive')
  }

  async #goOn(first: Next): Promise<void> {
    for (let next = first; next !== undefined;) next = await this.#do(next)
  }

  /** All ways through a move. */
  async #do(next: NonNullable<Next>): Promise<Next> {
    switch (next) {
      case 'prepare':
        return (await this.#succeeds(() => this.#prepare())) ? 'switch over' : 'abort'
      case 'switch over':
        if (await this.#succeeds(() => this.#switchOver())) return 'commit'
        return (await this.#mayHaveOpened()) ? 'arrive' : 'abort'
      case 'arrive':
        await this.#arrive()
        return 'commit'
      case 'commit':
        await this.#commit()
        return undefined
      case 'abort':
        await this.#goBack()
        return undefined
    }
  }

  /** Whether it does; what fails is why the move goes back. @throws Conflict where another controller is in charge */
  async #succeeds(step: () => Promise<void>): Promise<boolean> {
    try {
      await step()
      return true
    } catch (error) {
      this.#steps.world.writes.check()
      this.#cause = error
      return false
    }
  }

  async #prepare(): Promise<void> {
    const { from, to, vm, world, progress, places } = this.#steps
    progress.enter('prepare')
    progress.remember({ policyBefore: places.policyAt(from) })
    const hold = this.#hold === undefined ? {} : { hold: this.#hold }
    await this.#steps.carryOut({ to, stage: 'prepared', homeState: 'open', targetState: 'hold', ...hold })
    this.#checkWires = await world.joined(vm, to)
  }

  async #switchOver(): Promise<void> {
    const { to, progress, world } = this.#steps
    progress.enter('switch-over')
    await this.#steps.keep()
    this.#isPaused = true
    await this.#steps.pause()
    const pausedAt = world.clock.now()
    const coming = this.#steps.comingHere()
    progress.enter('switch-over', { pausedAt })
    await this.#steps.change({ homeState: 'hold' })
    await this.#states.takeOver('home', 'fragments stay')
    await this.#steps.drain()
    await this.#steps.change({ stage: 'collecting' })
    if (this.#announcement.mayOvertake(to)) await this.#steps.drain()
    await this.#steps.change({ stage: 'moved' })
    await this.#announcement.make(to)
    await this.#steps.drain()
    await this.#steps.change({ stage: 'released' })
    await this.#steps.drain(pausedAt + this.#pause - world.clock.now())
    await this.#steps.haveCome(coming)
    this.#checkWires()
    if (this.activation.isAwaited) await this.#awaitGuest()
    await this.#stragglers.quietly(async () => {
      await this.#handOver()
      this.#steps.checkWanted()
      if (!this.activation.isAwaited) this.#checkWires()
      this.#stragglers.expect('released')
      await this.#steps.change({ targetState: 'open' })
    })
    await this.#steps.resume(to)
  }

  /** The guest is told to go on, and has done so once it is seen. */
  async #awaitGuest(): Promise<void> {
    const { progress } = this.#steps
    await this.#steps.change({ activation: this.activation.frames })
    progress.remember({ goesOn: true, awaited: this.activation.awaited })
    await this.#steps.keep(() => progress.remember({ goesOn: false }))
    this.#steps.ending()
    await this.#steps.resume(this.#steps.to)
    await this.#letInOnceSeen([this.#steps.from, this.#steps.to])
  }

  async #letInOnceSeen(required: readonly string[]): Promise<void> {
    const { progress, world } = this.#steps
    const activatedBy = await this.activation.shown(world.clock)
    progress.enter('switch-over', { activatedBy })
    await this.#steps.set({ targetState: 'keep' }, required)
  }

  /** The same after a restart; a span of time for which it is waited begins anew. */
  async #awaitGuestAgain(): Promise<void> {
    const { to, move, progress, places } = this.#steps
    const { goesOn, handed, status } = progress.record
    // Where it went on without having been seen, its port may be open by now, and shows nobody.
    if (move === undefined || status.state === 'commit') return
    if (goesOn !== true || handed !== undefined || status.activatedBy !== undefined) return
    this.#steps.ending()
    await places.waitFor(to, this.#patience.destination)
    await this.#try(() => this.#steps.resume(to))
    if (this.activation.isAwaited) await this.#try(() => this.#letInOnceSeen([to]))
  }

  async #handOver(): Promise<void> {
    const { from, to, progress } = this.#steps
    const { state } = progress.status
    await this.#held.takeFrom(from)
    progress.enter(state, { held: this.#held.count })
    // A datagram that this makes whole stands among what the new port holds.
    await this.#states.takeOver('home', 'with fragments')
    await this.#held.takeFrom(to)
    progress.enter(state, { held: this.#held.count, connections: this.#states.connections })
    this.#steps.checkWanted()
    await this.#held.deliverTo(to)
    progress.remember({ handed: this.#held.markAt(from) })
  }

  /**
   * Whether the new port is open, for all that anybody knows: somebody went as it was opened, and may have heard of it. A
   * destination that is gone for good has let nothing out that anybody would miss.
   */
  async #mayHaveOpened(): Promise<boolean> {
    const { to, move, places, progress } = this.#steps
    const goesOn = progress.record.goesOn === true
    if (!goesOn && (!(this.#cause instanceof SwitchAway) || move?.targetState !== 'open')) return false
    await places.waitFor(to, this.#patience.destination)
    return places.isThere(to) || goesOn
  }

  /** The new port opens, if it has not, and the guest goes on there. */
  async #arrive(): Promise<void> {
    const { to, move, progress } = this.#steps
    this.#enterCommit()
    if (move !== undefined) {
      const { goesOn, handed } = progress.record
      if (goesOn === true && handed === undefined) {
        // A destination that is just back has no ports before it is told.
        await this.#try(() => this.#steps.set({ targetState: 'keep' }, [to]))
        await this.#try(() => this.#handOver())
      }
      await this.#try(() => this.#steps.set({ targetState: 'open' }, [to]))
    }
    await this.#try(() => this.#steps.resume(to))
  }

  /** The VM is at its destination: from here it goes on, whatever happens to the source. */
  async #commit(): Promise<void> {
    const { from, to, move, progress, places, world } = this.#steps
    this.#enterCommit()
    // What it keeps is to be brought after the guest, and in the end it is asked what it has still.
    await places.waitFor(from, this.#patience.left)
    await this.#steps.drained()
    const policy = this.#comparePolicies()
    if (move !== undefined) {
      progress.remember({ former: places.portsAt('home') })
      await this.#try(() => this.#bringAgain())
      await this.#try(() => this.#redirect())
      await this.#stragglers.bring()
    }
    await this.#steps.settle(to)
    await this.#try(() => world.fleet.push(places.switchesAt(from)))
    await this.#try(() => world.fleet.push())
    // There is no way back any more.
    await this.#try(async () => this.#checkWires())
    const found = (await places.lookBehind(from, progress.record.former ?? [], 0)) ?? { leftBehind: [unknownAt(from)] }
    const held = Math.max(this.#held.count, progress.status.held)
    const { overflowed } = this.#held
    await this.#steps.end('done', { policy, held, overflowed, ...found, ...problemOf(this.#problems) })
  }

  /** A destination that has been away may have started anew, and the source has still what connections it was brought. @throws SwitchAway */
  async #bringAgain(): Promise<void> {
    const { to, places, progress, world } = this.#steps
    if (progress.status.connections === 0) return
    await places.waitFor(to, this.#patience.destination)
    await world.fleet.push(places.switchesAt(to))
    await this.#states.bringAgain()
  }

  /** What came to the old place after the guest had gone on is brought after it; then the old place has nothing more to keep. */
  async #redirect(): Promise<void> {
    const { from, to, progress } = this.#steps
    const { redirected } = progress.status
    const before = this.#held.count
    await this.#held.takeLate(from)
    await this.#stragglers.handOver(this.#held, { left: from, at: to })
    await this.#held.countAt(to)
    if (before > 0 || progress.status.held === 0)
      progress.enter('commit', { redirected: redirected + this.#held.count - before })
    await this.#held.forgetAt(from)
  }

  #goBack(): Promise<void> {
    const parts = {
      steps: this.#steps,
      held: this.#held,
      states: this.#states,
      stragglers: this.#stragglers,
      announcement: this.#announcement,
    }
    return new WayBack(parts, this.#patience, this.#isPaused).go(this.#cause)
  }

  #comparePolicies(): MigrationStatus['policy'] {
    const { to, places, progress } = this.#steps
    const { policyBefore } = progress.record
    if (!places.isThere(to) || !this.#steps.isWantedAt(to) || policyBefore === '') return 'unknown'
    return places.policyAt(to) === policyBefore ? 'identical' : 'different'
  }

  /** From here on nothing stops it. */
  #enterCommit(): void {
    this.#steps.ending()
    this.#steps.progress.enter('commit')
  }

  /** Goes on where it fails. */
  #try(step: () => Promise<unknown>): Promise<void> {
    return attempt(this.#steps.world.writes, this.#problems, step)
  }
}
