// START HERE for one run: a scenario under one schedule, from an empty network to the last look at it.

import { basename } from 'node:path'
import type { ControllerOptions } from '../../controller/controller.ts'
import type { Controller } from '../../controller/controller.ts'
import type { Store, StoredEntry } from '../../runtime/store.ts'
import type { Channel } from '../../runtime/transport.ts'
import { MILLISECOND, SECOND, sleep, type Nanoseconds } from '../../runtime/clock.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import type { FailureTarget, TimelineEntry } from '../../topologies/scenario.ts'
import { Lab } from '../lab.ts'
import type { RunLog } from '../run-log.ts'
import { Traffic } from '../traffic.ts'
import type { CaptureFrame } from './capture-frames.ts'
import { ControlNetwork } from './control-network.ts'
import { Controllers } from './controllers.ts'
import { Disk } from './disk.ts'
import { Excuses } from './excuses.ts'
import { checkEnd } from './final-checks.ts'
import { Happenings, type Happening } from './happenings.ts'
import { Injector } from './injector.ts'
import type { Breakage } from './invariants.ts'
import { FormerPlaces } from './places-left.ts'
import { Rates } from './rates.ts'
import type { Schedule, Timed } from './schedule.ts'
import type { Subject } from './subject.ts'
import { User } from './user.ts'
import { Watch } from './watch.ts'

/** In virtual time, counted from the last step. */
const PATIENCE = 300 * SECOND

/** What stands between the parts of a run, for those who want to. */
export interface Interposed {
  /** Makes a controller out of what it would have of the world. */
  makeController?: (options: ControllerOptions) => Controller
  /** Takes the ends of a new connection, the switch's and the controller's, and gives those that they are to have. */
  interpose?: (switchName: string, ends: [Channel, Channel]) => [Channel, Channel]
  /** Takes what the controller's process has for a store, and gives what it is to have. */
  interposeStore?: (store: Store) => Store
}

export interface RunOptions extends Interposed {
  /** Keeps all that happens, for people. */
  keep?: boolean
  /** Shares nothing with other runs of the subject. What comes of it is the same, and takes longer. */
  alone?: boolean
}

export interface Outcome {
  broken: Breakage | undefined
  /** When, in virtual time. */
  at: Nanoseconds
  /** Control events: until the first step could begin, and until the last that a perturbation could begin at. */
  events: { start: number; all: number }
  /** From the first step to the last look. */
  duration: Nanoseconds
  /** Those perturbations that have begun, in order. */
  begun: readonly Timed[]
  /** Of deliveries and drops, as in a verdict. */
  digest: string
  /** What could not be had under this schedule, and nobody promised. */
  refused: readonly string[]
  happenings: readonly Happening[]
}

/** The same schedule gives the same outcome. */
export async function runSchedule(subject: Subject, schedule: Schedule, options: RunOptions = {}): Promise<Outcome> {
  const run = await Run.prepare(subject, schedule, options)
  return run.outcome()
}

class Run {
  readonly #clock: VirtualClock
  readonly #subject: Subject
  readonly #schedule: Schedule
  readonly #happenings: Happenings
  readonly #lab: Lab
  readonly #watch: Watch
  readonly #user: User
  readonly #injector: Injector
  readonly #controllers: Controllers
  readonly #world: Prepared
  readonly #log: RunLog = { pings: [], migrations: [], relocations: [], problems: [], damaged: [], unmapped: new Map() }
  readonly #traffic: Traffic
  #startEvents = 0
  #perturbedEvents: number | undefined
  #start: Nanoseconds = 0

  private constructor(subject: Subject, schedule: Schedule, world: Prepared, lab: Lab) {
    this.#subject = subject
    this.#schedule = schedule
    const { clock, happenings, controllers } = world
    this.#clock = clock
    this.#happenings = happenings
    this.#controllers = controllers
    this.#world = world
    this.#lab = lab
    this.#watch = new Watch({ lab, policiesOf: (topology) => subject.policiesOf(topology) })
    this.#user = new User({ clock, lab, controllers, watch: this.#watch })
    this.#injector = new Injector({ ...world, lab }, schedule)
    world.network.onSwitchTold = (name) => this.#watch.look(name)
    world.network.onRedial = (name) => this.#injector.redial(name)
    this.#traffic = new Traffic({ lab, clock, log: this.#log })
  }

  static async prepare(subject: Subject, schedule: Schedule, options: RunOptions): Promise<Run> {
    const clock = new VirtualClock()
    const happenings = new Happenings(clock, options.keep ?? false)
    const disk = new Disk(clock, happenings)
    const places = new FormerPlaces()
    disk.onKept = (changes) => places.note(changes)
    const network = new ControlNetwork({ clock, happenings })
    const { makeController: make, interposeStore: storeOf = (store: Store) => store } = options
    const shared = options.alone
      ? {}
      : {
          shared: subject.work,
          read: (entries: readonly StoredEntry[], epoch: number) => subject.images.of(entries, epoch),
        }
    const controllers = new Controllers({ clock, happenings, disk, make, storeOf, ...shared })
    const rates = new Rates(subject.scenario.topology)
    const excuses = new Excuses()
    const world: Prepared = { clock, happenings, disk, places, network, controllers, excuses, rates }
    const state = await clock.runUntil(controllers.openState())
    const interpose = options.interpose ?? ((_name: string, ends: [Channel, Channel]) => ends)
    const lab = Lab.bare(subject.topologyFor(schedule), {
      clock,
      seed: schedule.seed,
      state,
      observer: rates,
      ...(!options.alone && { decode: subject.decode }),
      makeController: (all) => controllers.make(all),
      join: (name) => {
        const ends = network.join(name, controllers.current)
        if (!controllers.isUp) network.refuse(name)
        return interpose(name, ends)
      },
    })
    controllers.started()
    return new Run(subject, schedule, world, lab)
  }

  async outcome(): Promise<Outcome> {
    const stopped = new Promise<void>((resolve) => {
      this.#watch.onBroken = resolve
    })
    try {
      await this.#clock.runUntil(Promise.race([this.#play(), stopped]))
    } catch (error) {
      this.#watch.break('no-crash', error instanceof Error ? (error.stack ?? error.message) : String(error))
    }
    return {
      broken: this.#watch.broken,
      at: this.#clock.now(),
      events: { start: this.#startEvents, all: this.#perturbedEvents ?? this.#happenings.count },
      duration: this.#clock.now() - this.#start,
      begun: this.#injector.begun,
      digest: this.#lab.digest.value(),
      refused: this.#user.refused,
      happenings: this.#happenings.told ?? [],
    }
  }

  async #play(): Promise<void> {
    const { scenario } = this.#subject
    await this.#user.apply(scenario.topology)
    await this.#injector.whole()
    this.#startEvents = this.#happenings.count
    this.#start = this.#clock.now()
    this.#injector.begin()
    const last = Math.max(0, ...scenario.timeline.map(({ at }) => at))
    this.#clock.scheduleAsync(this.#start + last + PATIENCE, () => this.#watch.break('comes-to-rest', 'it has not'))
    await Promise.all(scenario.timeline.map((entry, index) => this.#at(entry, index)))
    await this.#injector.stop()
    this.#perturbedEvents = this.#happenings.count
    await this.#settle()
    this.#probe()
    await this.#quiesce()
    this.#watch.lookAtFrames()
    const { excuses, disk, places, rates } = this.#world
    checkEnd({
      lab: this.#lab,
      watch: this.#watch,
      user: this.#user,
      excuses,
      disk,
      places,
      rates: this.#areLimitsKept() ? rates : undefined,
      log: this.#log,
      subject: this.#subject,
    })
  }

  async #at({ at, step }: TimelineEntry, index: number): Promise<void> {
    const late = this.#schedule.perturbations.reduce(
      (sum, one) => (one.kind === 'shift' && one.step === index ? sum + one.by : sum),
      0,
    )
    const start = this.#start + at + late
    if (step.type === 'replay') {
      const frames = this.#subject.framesFor({ at: at + late, step }, this.#instants())
      return frames.length === 0 ? undefined : this.#feed(frames, start, basename(step.capture))
    }
    await sleep(this.#clock, start - this.#clock.now())
    this.#happenings.tell(`step ${index + 1}: ${step.type}`)
    switch (step.type) {
      case 'ping':
        return this.#traffic.ping(step)
      case 'pingall':
        return this.#traffic.pingAll()
      case 'send':
        return this.#traffic.send(step)
      case 'migrate':
        return this.#user.migrate(step)
      case 'drain':
      case 'rebalance':
        return this.#user.relocate(step)
      case 'failover':
        this.#fail({ kind: 'host', host: step.host })
        return this.#user.relocate(step)
      case 'flow':
        return this.#user.flow(step)
      case 'apply':
        return this.#user.apply(step.topology)
      case 'fail':
        return this.#fail(step.target)
      case 'heal':
        if (step.target.kind === 'host') this.#world.excuses.healedByStep(step.target.host, this.#clock.now())
        this.#lab.heal(step.target)
    }
  }

  #fail(target: FailureTarget): void {
    if (target.kind === 'host') this.#world.excuses.brokenByStep(target.host, this.#clock.now())
    this.#lab.fail(target)
  }

  /** Limits begin anew where their switch does, or where others are asked for. */
  #areLimitsKept(): boolean {
    const isAnew = this.#injector.begun.some(({ kind }) => kind === 'restart' || kind === 'power')
    return !isAnew && this.#subject.scenario.timeline.every(({ step }) => step.type !== 'apply')
  }

  /** When things happen beside traffic, as far as the schedule says. */
  #instants(): Nanoseconds[] {
    const steps = this.#subject.scenario.timeline.filter(({ step }) => step.type !== 'replay')
    const times = this.#schedule.perturbations.flatMap((one) => ('at' in one && 'time' in one.at ? [one.at.time] : []))
    return [0, ...steps.map(({ at }) => at), ...times]
  }

  /** Resolves when the last frame has gone in. */
  #feed(frames: readonly CaptureFrame[], start: Nanoseconds, source: string): Promise<void> {
    return new Promise((resolve) => {
      const next = (index: number) => {
        const frame = frames[index]
        if (frame === undefined) return void this.#clock.scheduleAsync(this.#clock.now(), resolve)
        this.#clock.schedule(start + frame.at, () => {
          this.#lab.inject(frame.nic, frame.bytes, source, frame.number)
          next(index + 1)
        })
      }
      next(0)
    })
  }

  /** What the scenario has left broken is mended, and what was under way ends. */
  async #settle(): Promise<void> {
    for (const { step } of this.#subject.scenario.timeline) if (step.type === 'fail') this.#lab.heal(step.target)
    for (const name of this.#lab.network.switches().keys()) this.#injector.redial(name)
    const { controller } = await this.#controllers.running()
    await controller.resumed()
    for (const { id } of controller.migrations()) await controller.migrationDone(id)
    await controller.inSync()
    // What may be kept later is kept within a second.
    await sleep(this.#clock, 1.1 * SECOND)
    await controller.inSync()
  }

  /** Everybody says something to everybody on their network. */
  #probe(): void {
    for (const { nic, bytes } of this.#subject.probes(this.#lab.controller.topology))
      this.#lab.inject(nic, bytes, 'probe')
  }

  async #quiesce(): Promise<void> {
    for (let tried = 0; tried < 1000; tried++) {
      await sleep(this.#clock, 10 * MILLISECOND)
      if (this.#lab.inFlight === 0) return
    }
  }
}

interface Prepared {
  clock: VirtualClock
  happenings: Happenings
  disk: Disk
  places: FormerPlaces
  network: ControlNetwork
  controllers: Controllers
  excuses: Excuses
  rates: Rates
}
