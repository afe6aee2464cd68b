// The controller's processes, one after the other: each with what its last one has kept, and none does anything once it has been
// killed. Everything that a controller may ask of the world goes through here.

import { Controller, type ControllerOptions } from '../../controller/controller.ts'
import type { Hypervisor } from '../../controller/model.ts'
import type { Image } from '../../controller/state/image.ts'
import type { SharedWork } from '../../controller/shared-work.ts'
import { State } from '../../controller/state/state.ts'
import type { Clock, Nanoseconds, Timer } from '../../runtime/clock.ts'
import { MILLISECOND } from '../../runtime/clock.ts'
import type { Store, StoredEntry } from '../../runtime/store.ts'
import type { Disk } from './disk.ts'
import type { Happenings } from './happenings.ts'

/** Milliseconds since 1970 at which the clocks of all runs begin. */
const EPOCH = 1.7e12

export class ControllerProcess {
  alive = true
  hasStarted = false
  controller!: Controller
  /** Resolves once it has been killed. */
  readonly gone: Promise<undefined>
  #tellGone!: (nothing: undefined) => void
  /** What it will do once it goes on; undefined while it is not frozen. */
  #waiting: (() => void)[] | undefined

  constructor() {
    this.gone = new Promise((resolve) => {
      this.#tellGone = resolve
    })
  }

  get isFrozen(): boolean {
    return this.#waiting !== undefined
  }

  /** It does nothing until it is let go on. */
  freeze(): void {
    this.#waiting ??= []
  }

  goOn(): void {
    const waiting = this.#waiting ?? []
    this.#waiting = undefined
    for (const work of waiting) this.whenAwake(work)
  }

  /** Does it now, once it goes on, or never. */
  whenAwake(work: () => void): void {
    if (!this.alive) return
    if (this.#waiting === undefined) work()
    else this.#waiting.push(work)
  }

  kill(): void {
    this.alive = false
    this.#tellGone(undefined)
  }
}

export interface ControllersOptions {
  clock: Clock
  happenings: Happenings
  disk: Disk
  /** Makes a controller out of what it would have of the world; `new Controller` where absent. */
  make?: ((options: ControllerOptions) => Controller) | undefined
  /** What a process has for a store. */
  storeOf: (store: Store) => Store
  /** What reads what is kept; `imageOf` where absent. */
  read?: ((entries: readonly StoredEntry[], epoch: number) => Image) | undefined
  /** What controllers of all runs have in common. */
  shared?: SharedWork | undefined
}

export class Controllers {
  /** The last one that was started, alive or not. */
  current = new ControllerProcess()
  /** What it is to do at an instant it does so much later. */
  lateness: Nanoseconds = 0
  readonly #options: ControllersOptions
  #awaiting: ((process: ControllerProcess) => void)[] = []

  constructor(options: ControllersOptions) {
    this.#options = options
  }

  /** What has been kept so far, for a process that is about to start. */
  openState(): Promise<State> {
    const { clock, disk, happenings, storeOf, read } = this.#options
    const wallTime = () => EPOCH + Math.floor(clock.now() / MILLISECOND)
    const log = (line: string) => happenings.tell(`controller: ${line}`)
    return State.open(storeOf(disk.open(this.current)), {
      clock: this.#clockOf(this.current),
      wallTime,
      log,
      ...(read && { read }),
    })
  }

  /** The controller of the process that is starting. */
  make(options: ControllerOptions): Controller {
    const process = this.current
    const { make = (all: ControllerOptions) => new Controller(all), happenings, shared } = this.#options
    process.controller = make({
      ...options,
      ...(shared && { shared }),
      clock: this.#clockOf(process),
      log: (line) => happenings.tell(`controller: ${line}`),
      ...(options.hypervisor && { hypervisor: this.#hypervisorOf(process, options.hypervisor) }),
    })
    process.hasStarted = true
    process.controller.onSuperseded = () => this.#superseded(process)
    return process.controller
  }

  /** The process has started: who waits for one may go on. */
  started(): void {
    for (const wake of this.#awaiting.splice(0)) wake(this.current)
  }

  /** The next process, which is about to start. */
  next(): ControllerProcess {
    this.current = new ControllerProcess()
    return this.current
  }

  /** There is a process, and it has started. */
  get isUp(): boolean {
    return this.current.alive && this.current.hasStarted
  }

  /** The one that runs, or the next one. */
  running(): Promise<ControllerProcess> {
    if (this.isUp) return Promise.resolve(this.current)
    return new Promise((resolve) => this.#awaiting.push(resolve))
  }

  /** It says so, and ends. */
  #superseded(process: ControllerProcess): void {
    this.#options.happenings.tell('a controller that another has taken over from ends')
    process.kill()
  }

  #clockOf(process: ControllerProcess): Clock {
    const { clock, happenings } = this.#options
    const doIf = (task: () => void) => () =>
      process.whenAwake(() => {
        happenings.event(() => 'a timer of the controller')
        process.whenAwake(task)
      })
    const later = (at: Nanoseconds): Nanoseconds => (this.lateness > 0 ? Math.max(at, clock.now()) + this.lateness : at)
    return {
      now: () => clock.now(),
      schedule: (at, task): Timer => clock.schedule(later(at), doIf(task)),
      scheduleAsync: (at, task): Timer => clock.scheduleAsync(later(at), doIf(task)),
    }
  }

  #hypervisorOf(process: ControllerProcess, hypervisor: Hypervisor): Hypervisor {
    const act = async (what: string, work: () => Promise<void>): Promise<void> => {
      this.#options.happenings.event(() => what)
      if (process.alive) await work()
      await new Promise<void>((resolve) => process.whenAwake(resolve))
    }
    return {
      pause: (vm, move) => act(`guest ${vm} pauses`, () => hypervisor.pause(vm, move)),
      resume: (vm, host, move) => act(`guest ${vm} goes on at ${host}`, () => hypervisor.resume(vm, host, move)),
      restart: (vm, host) => act(`guest ${vm} begins anew at ${host}`, async () => hypervisor.restart?.(vm, host)),
    }
  }
}
