// One VM's move. What must hold at every instant: the policy at the active place is the whole policy, and no frame for the
// guest is lost, doubled or overtaken.
//
//   prepare      the destination has port, policy and flows; nobody sends there
//   switch over  the guest stops. Both ports hold. First the destination's host sends to the new port, then everybody else;
//                then the old host too. Between the steps frames on their way arrive (`drain`). What the old port held goes
//                ahead of what the new one holds. The new port opens, the guest goes on.
//   commit       what came late to the old place is brought after; the old port and its flows go
//   abort        the way back, from any step before the new port opens. Where the fabric has been told of the destination, it
//                is told of the source again
//
// Why three drains: (1) a broadcast that the old port let out before it began to hold must have passed the new one before
// that begins to collect; (2) what peers sent to the old place must have come there before the old place lets go; (3) what the
// old port holds of a flood must have come to the new one, so that the two copies can be told to be one.

import type { Clock, Nanoseconds } from '../../runtime/clock.ts'
import { MILLISECOND, SECOND, sleep } from '../../runtime/clock.ts'
import type { Host, Nic, Vm } from '../../topologies/topology.ts'
import type { World } from '../learner.ts'
import type { Hypervisor, MigrationState, MigrationStatus } from '../model.ts'
import { Conflict } from '../model.ts'
import type { Place } from '../network/bindings.ts'
import { relocated, switchAt, switchesOf } from '../../topologies/relocation.ts'
import type { Move } from '../network/view.ts'
import { announce } from './announcement.ts'
import { HeldFrames } from './held-frames.ts'
import { policyOf } from './policy.ts'
import { waitFor } from './waiting.ts'

export interface MigrationWorld extends World {
  readonly clock: Clock
  readonly hypervisor: Hypervisor | undefined
  readonly drain: (() => Nanoseconds) | undefined
  readonly log: (line: string) => void
}

interface Request {
  id: string
  vm: Vm
  to: string
  /** The guest stands still for at least so long. */
  pause: Nanoseconds
}

const DRAIN = 2 * MILLISECOND

/** How long the way back waits for switches that are away. Nothing comes back without the source; the destination may be dead. */
const PATIENCE = { source: 5 * SECOND, destination: 1 * SECOND }

class AbortAsked extends Error {}

export class Migration {
  readonly #world: MigrationWorld
  readonly #vm: Vm
  readonly #pause: Nanoseconds
  readonly #tell: (status: MigrationStatus) => void
  readonly #held: HeldFrames
  #status: MigrationStatus
  #abortAsked = false
  readonly #aborted: Promise<void>
  #wake!: () => void
  #paused = false
  /** The fabric may have been told to send to the destination, and not yet otherwise. */
  #announced = false
  /** Policy at the source, before anything changed. */
  #policyBefore = ''

  constructor(world: MigrationWorld, { id, vm, to, pause }: Request, tell: (status: MigrationStatus) => void) {
    this.#world = world
    this.#vm = vm
    this.#pause = pause
    this.#tell = tell
    this.#held = new HeldFrames(world.fleet, vm, (nic, host) => this.#switchOf(nic, host))
    this.#aborted = new Promise((resolve) => {
      this.#wake = resolve
    })
    const startedAt = world.clock.now()
    this.#status = { id, vm: vm.name, from: vm.host, to, state: 'prepare', startedAt, held: 0, policy: 'unknown' }
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
    if (from === to) return this.#end('done', { policy: 'identical' })
    try {
      await this.#prepare()
      await this.#switchOver()
    } catch (error) {
      return this.#undo(error)
    }
    await this.#commit()
  }

  async #prepare(): Promise<void> {
    this.#enter('prepare')
    this.#policyBefore = this.#policyAt(this.#status.from)
    await this.#move({ to: this.#status.to, stage: 'prepared', homeState: 'open', targetState: 'hold' })
  }

  async #switchOver(): Promise<void> {
    const { vm, to } = this.#status
    this.#enter('switch-over')
    this.#paused = true
    await this.#world.hypervisor?.pause(vm)
    const pausedAt = this.#world.clock.now()
    this.#enter('switch-over', { pausedAt })
    await this.#change({ homeState: 'hold' })
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
    this.#checkWanted()
    await this.#held.deliverTo(to)
  }

  /** The VM is at its destination: from here it goes on, whatever happens to the source. */
  async #commit(): Promise<void> {
    const { from, to } = this.#status
    this.#enter('commit')
    await this.#pauseFor(this.#drainTime)
    const policy = this.#policyAt(to) === this.#policyBefore ? 'identical' : 'different'
    const problems: string[] = []
    await attempt(problems, async () => {
      await this.#held.takeFrom(from)
      await this.#held.deliverTo(to)
    })
    this.#settle(to)
    await attempt(problems, () => this.#world.fleet.push(this.#switchesAt(from)))
    await attempt(problems, () => this.#world.fleet.push())
    this.#end('done', { policy, held: this.#held.count, ...problemOf(problems) })
  }

  async #undo(cause: unknown): Promise<void> {
    const { from } = this.#status
    const reason = cause instanceof AbortAsked ? 'aborted on request' : textOf(cause)
    const problems: string[] = []
    this.#enter('abort', { problem: reason })
    await this.#waitForSwitchesAt(from, PATIENCE.source)
    if (this.#paused) await this.#goBack(problems)
    this.#settle(from)
    await attempt(problems, () => this.#world.fleet.push(this.#switchesAt(from)))
    await attempt(problems, () => this.#world.fleet.push())
    if (this.#paused) await attempt(problems, () => this.#resume(from))
    if (this.#announced) void this.#announceOnReturn().catch((error: unknown) => this.#world.log(textOf(error)))
    this.#end(problems.length === 0 ? 'aborted' : 'failed', {
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
      await this.#waitForSwitchesAt(to, PATIENCE.destination)
      await this.#pauseFor(this.#drainTime)
      await attempt(problems, () => this.#set({ stage: 'prepared' }, [from]))
      await attempt(problems, () => this.#held.takeFrom(to))
      await this.#pauseFor(this.#drainTime)
    }
    await attempt(problems, async () => {
      await this.#held.takeFrom(from)
      await this.#held.deliverTo(from)
    })
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
  #settle(host: string): void {
    const { topology, moves } = this.#world.intent()
    const vms = topology.vms.map((vm) =>
      vm.name === this.#vm.name ? (relocated(vm, topology, host) ?? { ...vm, host }) : vm,
    )
    const others = new Map([...moves].filter(([name]) => name !== this.#vm.name))
    this.#world.amend({ topology: { ...topology, vms }, moves: others })
  }

  async #resume(host: string): Promise<void> {
    await this.#world.hypervisor?.resume(this.#status.vm, host)
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
    await Promise.all([
      this.#world.fleet.push(required.flatMap((host) => this.#switchesAt(host))),
      this.#world.fleet.push(),
    ])
  }

  /** Cut short by an abort. */
  async #drain(atLeast: Nanoseconds = 0): Promise<void> {
    await waitFor(this.#aborted, Math.max(this.#drainTime, atLeast), this.#world.clock)
    this.#checkWanted()
  }

  get #drainTime(): Nanoseconds {
    return this.#world.drain?.() ?? DRAIN
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

  #policyAt(host: string): string {
    const bindings = this.#world.view().bindings
    return this.#vm.nics
      .map((nic) => {
        const { home, target } = bindings.get(nic.id)!
        const place: Place | undefined = home.host === host ? home : target
        if (place === undefined) throw new Conflict(`${nic.id} has no place at ${host}`)
        return policyOf(this.#world.fleet.reconciler(place.switch).confirmed, nic.id, place.port)
      })
      .join('\n')
  }

  #enter(state: MigrationState, more: Partial<MigrationStatus> = {}): void {
    this.#status = { ...this.#status, ...more, state }
    this.#tell(this.status)
  }

  #end(state: 'done' | 'aborted' | 'failed', more: Partial<MigrationStatus>): void {
    this.#enter(state, { ...more, endedAt: this.#world.clock.now() })
  }
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const problemOf = (problems: readonly string[]): { problem?: string } =>
  problems.length === 0 ? {} : { problem: [...new Set(problems)].join('; ') }

/** Goes on where a step fails; what failed is said in the end. */
async function attempt(problems: string[], step: () => Promise<void>): Promise<void> {
  try {
    await step()
  } catch (error) {
    problems.push(textOf(error))
  }
}
