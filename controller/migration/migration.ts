// One VM's move. What must hold at every instant: the policy at the active place is the whole policy, and no frame for the
// guest is lost, doubled or overtaken.
//
//   prepare      the destination has port, policy, flows and what the vNICs are joined to; nobody sends there
//   switch over  the guest stops. Both ports hold. What the vNICs have gathered (connections, levels of meters) is taken over, so
//                that no frame is judged at the new place by less than was known at the old one. First the destination's host sends
//                to the new port, then everybody else; then the old host too. Between the steps frames on their way arrive
//                (`drain`). What the old port held goes ahead of what the new one holds, and what has been gathered there
//                meanwhile is taken over, too. The new port opens, the guest goes on.
//   commit       what came late to the old place is brought after; the old port and its flows go
//   abort        the way back, from any step before the new port opens. Where the fabric has been told of the destination, it
//                is told of the source again
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
import type { Nanoseconds } from '../../runtime/clock.ts'
import { createHash } from 'node:crypto'
import { MILLISECOND, SECOND, sleep } from '../../runtime/clock.ts'
import type { Host, Nic, Vm } from '../../topologies/topology.ts'
import type { World } from '../learner.ts'
import type { GuestMove, Hypervisor, MigrationState, MigrationStatus, MoveRequest } from '../model.ts'
import { Conflict } from '../model.ts'
import type { Place } from '../network/bindings.ts'
import type { MigrationRecord } from '../state/image.ts'
import { relocated, switchAt, switchesOf } from '../../topologies/relocation.ts'
import type { Move } from '../network/view.ts'
import { SwitchAway } from '../southbound/remote-switch.ts'
import { announce } from './announcement.ts'
import { HeldFrames } from './held-frames.ts'
import { leftBehind, type FormerPlace } from './left-behind.ts'
import type { RemoteSwitch } from '../southbound/remote-switch.ts'
import { policyOf } from './policy.ts'
import { StateTransfer } from './state-transfer.ts'
import { waitFor } from '../../runtime/waiting.ts'

export interface MigrationWorld extends World {
  readonly hypervisor: Hypervisor | undefined
  readonly drain: (() => Nanoseconds) | undefined
  /** Resolves when the host has what the VM's vNICs are joined to there. Rejects where it can not have it. */
  readonly joined: (vm: Vm, host: string) => Promise<void>
}

interface Request {
  /** As it is before the move, or was found after a restart. */
  vm: Vm
  /** The guest stands still for at least so long. */
  pause: Nanoseconds
  hold?: MoveRequest['hold']
  drain?: Nanoseconds | undefined
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
  readonly #note: (record: MigrationRecord) => void
  readonly #held: HeldFrames
  readonly #states: StateTransfer
  readonly #entry: number | undefined
  #status: MigrationStatus
  /** Where its vNICs were, once it has left. */
  #former: readonly FormerPlace[]
  #patience = PATIENCE
  /** Resolves when a restart would know of the move; rejects where that can not be had. */
  readonly started: Promise<void>
  #tellStarted!: (kept: Promise<void>) => void
  /** From here on nothing stops it: it goes back, or it has arrived. */
  #ending = false
  #abortAsked = false
  readonly #aborted: Promise<void>
  #wake!: () => void
  #paused = false
  /** The fabric may have been told to send to the destination, and not yet otherwise. */
  #announced = false
  /** A digest of the policy at the source, before anything changed. */
  #policyBefore: string

  /** `note` hears of all that changes, in the turn in which it does. */
  constructor(
    world: MigrationWorld,
    { status, policyBefore, entry, former = [] }: MigrationRecord,
    { vm, pause, hold, drain }: Request,
    note: (record: MigrationRecord) => void,
  ) {
    this.#world = world
    this.#vm = vm
    this.#pause = pause
    this.#hold = hold && { ...DEFAULT_HOLD, ...hold }
    this.#drainAsked = drain
    this.#note = note
    this.#status = status
    this.#former = former
    this.#policyBefore = policyBefore
    this.#entry = entry
    this.#held = new HeldFrames(world.fleet, vm, (nic, host) => this.#switchOf(nic, host))
    this.#states = new StateTransfer(world.fleet, vm, () => world.view())
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
    return { ...this.#status }
  }

  /** Undoes the move, unless the destination is active already. */
  abort(): void {
    this.#abortAsked = true
    this.#world.clock.scheduleAsync(this.#world.clock.now(), this.#wake)
  }

  /** Resolves when the move has ended one way or another; never rejects. */
  async run(): Promise<void> {
    const { from, to } = this.#status
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
    const { to, state } = this.#status
    const move = this.#world.intent().moves.get(this.#vm.name)
    this.#tellStarted(Promise.resolve())
    this.#patience = PATIENCE_AFTER_RESTART
    this.#paused = state !== 'prepare'
    this.#announced = move?.stage === 'moved' || move?.stage === 'released'
    if (state !== 'commit' && move?.targetState !== 'open') return this.#undo(new Error('the controller was restarted'))
    this.#ending = true
    this.#enter('commit')
    await this.#waitForSwitchesAt(to, this.#patience.source)
    await this.#arrive()
  }

  /**
   * Whether the new port is open, for all that anybody knows: somebody went as it was opened, and may have heard of it. A
   * destination that is gone for good has let nothing out that anybody would miss.
   */
  async #hasOpened(error: unknown): Promise<boolean> {
    const { to } = this.#status
    const move = this.#world.intent().moves.get(this.#vm.name)
    if (!(error instanceof SwitchAway) || move?.targetState !== 'open') return false
    await this.#waitForSwitchesAt(to, this.#patience.destination)
    return this.#isAt(to)
  }

  /** The new port opens, if it has not, and the guest goes on there. */
  async #arrive(): Promise<void> {
    const { to } = this.#status
    this.#ending = true
    this.#enter('commit')
    const problems: string[] = []
    await attempt(problems, () => this.#world.fleet.push(this.#switchesAt(to)))
    await attempt(problems, () => this.#resume(to))
    await this.#commit(problems)
  }

  async #prepare(): Promise<void> {
    this.#enter('prepare')
    this.#policyBefore = this.#policyAt(this.#status.from)
    const { to } = this.#status
    const hold = this.#hold === undefined ? {} : { hold: this.#hold }
    await this.#move({ to, stage: 'prepared', homeState: 'open', targetState: 'hold', ...hold })
    await this.#world.joined(this.#vm, this.#status.to)
  }

  async #switchOver(): Promise<void> {
    const { vm, to } = this.#status
    this.#enter('switch-over')
    await this.#keep()
    this.#paused = true
    await this.#world.hypervisor?.pause(vm, this.#guestMove)
    const pausedAt = this.#world.clock.now()
    this.#enter('switch-over', { pausedAt })
    await this.#change({ homeState: 'hold' })
    await this.#states.takeOver('home')
    await this.#drain()
    await this.#change({ stage: 'collecting' })
    await this.#change({ stage: 'moved' })
    this.#announced = true
    await announce(this.#world.fleet, this.#world.view(), this.#vm, 'target')
    await this.#drain()
    await this.#change({ stage: 'released' })
    await this.#drain(pausedAt + this.#pause - this.#world.clock.now())
    await this.#handOver()
    this.#checkWanted()
    await this.#change({ targetState: 'open' })
    await this.#resume(to)
  }

  async #handOver(): Promise<void> {
    const { from, to } = this.#status
    await this.#held.takeFrom(from)
    this.#enter('switch-over', { held: this.#held.count })
    await this.#held.takeFrom(to)
    await this.#states.takeOver('home')
    this.#enter('switch-over', { held: this.#held.count, connections: this.#states.connections })
    this.#checkWanted()
    await this.#held.deliverTo(to)
  }

  /** The VM is at its destination: from here it goes on, whatever happens to the source. */
  async #commit(problems: string[] = []): Promise<void> {
    const { from, to } = this.#status
    this.#ending = true
    this.#enter('commit')
    await this.#pauseFor(this.#drainTime)
    const policy = this.#comparePolicies()
    if (this.#world.intent().moves.has(this.#vm.name)) this.#former = this.#placesOf('home')
    if (this.#world.intent().moves.has(this.#vm.name)) await attempt(problems, () => this.#redirect())
    await this.#settle(to)
    await attempt(problems, () => this.#world.fleet.push(this.#switchesAt(from)))
    await attempt(problems, () => this.#world.fleet.push())
    const found = await this.#leftBehind().catch(() => [`what ${from} has still is not known: it can not be asked`])
    const held = Math.max(this.#held.count, this.#status.held)
    await this.#end('done', { policy, held, leftBehind: found, ...problemOf(problems) })
  }

  /** What came to the old place after the guest had gone on is brought after it; then the old place has nothing more to keep. */
  async #redirect(): Promise<void> {
    const { from, to, redirected } = this.#status
    const before = this.#held.count
    await this.#held.takeFrom(from)
    await this.#held.deliverTo(to)
    if (before > 0 || this.#status.held === 0)
      this.#enter('commit', { redirected: redirected + this.#held.count - before })
    await this.#held.forgetAt(from)
  }

  async #leftBehind(): Promise<string[]> {
    const { from } = this.#status
    const asked = this.#free(from, this.#former).map((place) => leftBehind(this.#remote(place.switch), place))
    return (await Promise.all(asked)).flat()
  }

  #placesOf(which: 'home' | 'target'): FormerPlace[] {
    const { bindings, zones } = this.#world.view()
    return this.#vm.nics.flatMap(({ id }) => {
      const place = bindings.get(id)?.[which]
      if (place === undefined) return []
      const zone = zones.get(place.host)?.get(id)
      return { nic: id, switch: place.switch, port: place.port, ...(zone !== undefined && { zone }) }
    })
  }

  /** A zone that has been given up may be another's already. */
  #free(host: string, places: readonly FormerPlace[]): FormerPlace[] {
    const taken = new Set(this.#world.view().zones.get(host)?.values())
    return places.map(({ zone, ...place }) => (zone === undefined || taken.has(zone) ? place : { ...place, zone }))
  }

  /** Ends the connections in the places' zones. */
  async #clear(places: readonly FormerPlace[]): Promise<void> {
    for (const { switch: name, zone } of places) if (zone !== undefined) await this.#remote(name).flushConnections(zone)
  }

  #remote(name: string): RemoteSwitch {
    return this.#world.fleet.reconciler(name).remote
  }

  async #undo(cause: unknown): Promise<void> {
    const { from, to } = this.#status
    const reason = cause instanceof AbortAsked ? 'aborted on request' : textOf(cause)
    const problems: string[] = []
    this.#ending = true
    this.#enter('abort', { problem: reason })
    await this.#waitForSwitchesAt(from, this.#patience.source)
    if (this.#paused) await this.#goBack(problems)
    const given = this.#placesOf('target')
    await this.#settle(from)
    await attempt(problems, () => this.#world.fleet.push(this.#switchesAt(from)))
    await attempt(problems, () => this.#world.fleet.push())
    if (this.#paused) await attempt(problems, () => this.#resume(from))
    if (this.#isAt(to)) await attempt(problems, () => this.#clear(this.#free(to, given)))
    if (this.#announced) void this.#announceOnReturn().catch((error: unknown) => this.#world.log(textOf(error)))
    await this.#end(problems.length === 0 ? 'aborted' : 'failed', {
      held: this.#held.count,
      ...problemOf([reason, ...problems]),
    })
  }

  /**
   * The steps of the switch-over backwards: the old port keeps what comes from now on, the new one what is still on its way
   * to it, and all is delivered in the order in which it was sent. A destination that is away follows when it returns.
   */
  async #goBack(problems: string[]): Promise<void> {
    const { from, to } = this.#status
    const stage = this.#world.intent().moves.get(this.#vm.name)?.stage
    if (stage !== undefined && stage !== 'prepared') {
      await this.#pauseFor(this.#drainTime)
      await attempt(problems, () => this.#held.takeFrom(from))
      await attempt(problems, () => this.#set({ stage: 'collecting', targetState: 'hold' }, [from]))
      await attempt(problems, () => this.#announceBack())
      await this.#waitForSwitchesAt(to, this.#patience.destination)
      await this.#pauseFor(this.#drainTime)
      await attempt(problems, () => this.#set({ stage: 'prepared' }, [from]))
      await attempt(problems, () => this.#held.takeFrom(to))
      await attempt(problems, () => this.#states.takeOver('target'))
      await this.#pauseFor(this.#drainTime)
    }
    await attempt(problems, async () => {
      await this.#held.takeFrom(from)
      await this.#held.deliverTo(from)
    })
    if (this.#isAt(to)) await attempt(problems, () => this.#held.forgetAt(to))
  }

  async #announceBack(): Promise<void> {
    if (!this.#announced) return
    await announce(this.#world.fleet, this.#world.view(), this.#vm, 'home')
    this.#announced = false
  }

  /** The source was not there to be announced from: it is as soon as it has returned, if the VM is still there. */
  async #announceOnReturn(): Promise<void> {
    const { fleet } = this.#world
    const { from, vm: name } = this.#status
    await Promise.all(this.#switchesAt(from).map((one) => fleet.whenConnected(one)))
    const { topology, moves } = this.#world.intent()
    if (moves.has(name) || topology.vms.find((vm) => vm.name === name)?.host !== from) return
    await fleet.push(this.#switchesAt(from))
    await this.#announceBack()
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
    const { from, to } = this.#status
    return { from, to, aborted: this.#aborted }
  }

  async #resume(host: string): Promise<void> {
    await this.#world.hypervisor?.resume(this.#status.vm, host, this.#guestMove)
    this.#enter(this.#status.state, { resumedAt: this.#world.clock.now() })
  }

  async #change(change: Partial<Move>): Promise<void> {
    this.#checkWanted()
    await this.#set(change)
  }

  #set(change: Partial<Move>, required?: readonly string[]): Promise<void> {
    return this.#move({ ...this.#world.intent().moves.get(this.#vm.name)!, ...change }, required)
  }

  /** Resolves when the switches of the `required` hosts, both places if not said, and all others that are there have confirmed. */
  async #move(move: Move, required: readonly string[] = [this.#status.from, this.#status.to]): Promise<void> {
    this.#world.amend({ moves: new Map(this.#world.intent().moves).set(this.#vm.name, move) })
    await this.#keep()
    await Promise.all([
      this.#world.fleet.push(required.flatMap((host) => this.#switchesAt(host))),
      this.#world.fleet.push(),
    ])
  }

  /** All so far is durable. @throws StateError, unless it goes on anyway */
  async #keep(): Promise<void> {
    try {
      await this.#world.writes.save()
    } catch (error) {
      if (!this.#ending) throw error
      this.#world.log(textOf(error))
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

  async #waitForSwitchesAt(host: string, span: Nanoseconds): Promise<void> {
    const { fleet, clock } = this.#world
    const there = this.#switchesAt(host).map((name) => fleet.whenConnected(name))
    await waitFor(Promise.all(there), span, clock)
  }

  #checkWanted(): void {
    if (this.#abortAsked) throw new AbortAsked()
  }

  #switchesAt(host: string): string[] {
    return switchesOf(this.#vm, this.#host(this.#status.from), this.#host(host))
  }

  #switchOf(nic: Nic, host: string): string {
    return switchAt(nic, this.#host(this.#status.from), this.#host(host))
  }

  #host(name: string): Host {
    return this.#world.intent().topology.hosts.find((host) => host.name === name)!
  }

  /** Whether the VM's ports at the host can be asked. */
  #isAt(host: string): boolean {
    return this.#switchesAt(host).every((name) => this.#world.fleet.reconciler(name).connected)
  }

  #comparePolicies(): MigrationStatus['policy'] {
    const { to } = this.#status
    if (!this.#isAt(to) || this.#policyBefore === '') return 'unknown'
    return this.#policyAt(to) === this.#policyBefore ? 'identical' : 'different'
  }

  #policyAt(host: string): string {
    const bindings = this.#world.view().bindings
    const policies = this.#vm.nics
      .map((nic) => {
        const { home, target } = bindings.get(nic.id)!
        const place: Place | undefined = home.host === host ? home : target
        if (place === undefined) throw new Conflict(`${nic.id} has no place at ${host}`)
        return policyOf(this.#world.fleet.reconciler(place.switch).confirmed, nic.id, place.port)
      })
      .join('\n')
    return createHash('sha256').update(policies).digest('hex')
  }

  #enter(state: MigrationState, more: Partial<MigrationStatus> = {}): void {
    const { steps } = this.#status
    const begun = steps.at(-1)?.state === state ? [] : [{ state, at: this.#world.clock.now() }]
    this.#status = { ...this.#status, ...more, state, steps: [...steps, ...begun] }
    const { status } = this
    const entry = this.#entry === undefined ? {} : { entry: this.#entry }
    const former = this.#former.length === 0 ? {} : { former: this.#former }
    this.#note({ status, policyBefore: this.#policyBefore, ...entry, ...former })
  }

  #end(state: 'done' | 'aborted' | 'failed', more: Partial<MigrationStatus>): Promise<void> {
    this.#ending = true
    this.#enter(state, { ...more, endedAt: this.#world.clock.now() })
    return this.#keep()
  }
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const problemOf = (problems: readonly string[]): { problem?: string } =>
  problems.length === 0 ? {} : { problem: [...new Set(problems)].join('; ') }

/** Goes on where a step fails; what failed is said in the end. */
async function attempt(problems: string[], step: () => Promise<unknown>): Promise<void> {
  try {
    await step()
  } catch (error) {
    problems.push(textOf(error))
  }
}
