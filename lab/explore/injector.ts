// Does to a run what its schedule says.

import type { DrivingClock, Nanoseconds } from '../../runtime/clock.ts'
import { MILLISECOND, SECOND, sleep } from '../../runtime/clock.ts'
import { StateError } from '../../runtime/store.ts'
import type { State } from '../../controller/state/state.ts'
import type { ControlNetwork } from './control-network.ts'
import type { Controllers } from './controllers.ts'
import type { Disk } from './disk.ts'
import type { Excuses } from './excuses.ts'
import type { Happenings } from './happenings.ts'
import type { Lab } from '../lab.ts'
import { isTimed, type Perturbation, type Schedule, type Timed } from './schedule.ts'
import { perturbationAsText } from './schedule-text.ts'

export interface Injection {
  clock: DrivingClock
  lab: Lab
  happenings: Happenings
  network: ControlNetwork
  controllers: Controllers
  disk: Disk
  excuses: Excuses
}

/** Whatever keeps what switches tell from a controller that writes it down. */
const losesReports = ({ kind }: Perturbation): boolean => kind !== 'late' && kind !== 'link'

export class Injector {
  /** Those that have begun, in order. */
  readonly begun: Timed[] = []
  readonly #on: Injection
  /** By event, the soonest last. */
  readonly #due: Timed[]
  readonly #byTime: Timed[]
  /** Perturbations that last. */
  readonly #lasting = new Set<Promise<unknown>>()
  #stopped = false

  constructor(on: Injection, schedule: Schedule) {
    this.#on = on
    const timed = schedule.perturbations.filter(isTimed)
    this.#due = timed.filter(({ at }) => 'event' in at).sort((a, b) => eventOf(b) - eventOf(a))
    this.#byTime = timed.filter(({ at }) => 'time' in at)
    on.happenings.onEvent = (event) => this.#reach(event)
  }

  /** The first step of the scenario could begin now. */
  begin(): void {
    const { clock } = this.#on
    const start = clock.now()
    for (const one of this.#byTime) if ('time' in one.at) clock.scheduleAsync(start + one.at.time, () => this.#do(one))
  }

  /** The switch dials, if it is not connected, and there is somebody to dial. */
  redial(name: string): void {
    const { controllers, network, lab } = this.#on
    if (!controllers.isUp || network.has(name, controllers.current)) return
    lab.hangUp(name)
    lab.dial(name)
  }

  /** Resolves when the switches of all hosts are there, and as they should be: an acknowledged topology waits for none that is away. */
  async whole(): Promise<void> {
    for (const { name } of this.#on.lab.controller.topology.hosts) await this.#whole(name)
  }

  /** Nothing new begins. Resolves when all is over that has begun. */
  async stop(): Promise<void> {
    this.#stopped = true
    while (this.#lasting.size > 0) await Promise.all(this.#lasting)
  }

  #reach(event: number): void {
    while (this.#due.length > 0 && eventOf(this.#due.at(-1)!) <= event) this.#do(this.#due.pop()!)
  }

  #do(one: Timed): void {
    if (this.#stopped) return
    const { happenings } = this.#on
    this.begun.push(one)
    happenings.tell(`>>> ${perturbationAsText(one)}`)
    const work = this.#start(one)
    if (work === undefined) return
    if (losesReports(one)) this.#deafenWhile(work)
    this.#lasting.add(work)
    void work.then(() => this.#lasting.delete(work))
  }

  /** Reports may be lost meanwhile; nobody sends them again. */
  #deafenWhile(work: Promise<void>): void {
    const { lab } = this.#on
    lab.judge.deafenController(lab.clock.now())
    void work.then(() => lab.judge.controllerHearsAgain(lab.clock.now()))
  }

  /** What is returned resolves when it is over. */
  #start(one: Timed): Promise<void> | undefined {
    const { network, controllers, disk, lab } = this.#on
    switch (one.kind) {
      case 'slow':
        network.slow(one)
        return undefined
      case 'split':
        network.split(one)
        return undefined
      case 'cut':
        return this.#cut(one)
      case 'late':
        controllers.lateness = one.by
        return this.#after(one.lasts, () => (controllers.lateness = 0))
      case 'disk':
        disk.isFull = true
        return this.#after(one.lasts, () => (disk.isFull = false))
      case 'abort':
        this.#abort()
        return undefined
      case 'kill':
        return this.#kill(one)
      case 'takeover':
        return this.#takeOver(one)
      case 'restart':
        return this.#restartHost(one)
      case 'power':
        return this.#power(one)
      case 'link': {
        const target = { kind: 'link' as const, endpoints: one.endpoints }
        const close = this.#on.excuses.link(this.#now - this.#crossing, one.endpoints)
        lab.fail(target)
        return this.#after(one.away, () => {
          lab.heal(target)
          close(this.#now + this.#crossing)
        })
      }
    }
  }

  async #after(span: Nanoseconds, work: () => void): Promise<void> {
    const { clock } = this.#on
    await sleep(clock, span)
    work()
  }

  async #cut(one: Extract<Perturbation, { kind: 'cut' }>): Promise<void> {
    const host = one.switch.split('/')[0]!
    const reached = this.#on.excuses.unreachable(this.#now, host)
    this.#on.network.cut(one)
    await this.#told(host)
    reached(this.#now)
  }

  #abort(): void {
    const { controllers, lab } = this.#on
    if (!controllers.isUp) return
    const { controller } = lab
    for (const { id, endedAt } of controller.migrations())
      if (endedAt === undefined) controller.abortMigration(id).catch(() => {})
  }

  async #kill({ share, away }: Extract<Perturbation, { kind: 'kill' }>): Promise<void> {
    const { controllers, network } = this.#on
    if (!controllers.current.alive) return
    controllers.current.kill()
    network.controllerGone(controllers.current, share)
    const hosts = this.#on.lab.controller.topology.hosts.map(({ name }) => name)
    const told = hosts.map((host) => this.#told(host))
    await this.#after(away, () => {})
    await this.#startController()
    await Promise.all(told)
  }

  async #takeOver({ frozen }: Extract<Perturbation, { kind: 'takeover' }>): Promise<void> {
    const { controllers, network, lab } = this.#on
    if (!controllers.isUp) return
    const before = controllers.current
    before.freeze()
    network.freeze(before)
    const told = lab.controller.topology.hosts.map(({ name }) => this.#told(name))
    const wakes = this.#after(frozen, () => {
      before.goOn()
      network.goOn(before)
    })
    await this.#startController((name) => lab.dialBeside(name))
    await wakes
    await Promise.all(told)
    // Where nobody has told it, somebody ends it.
    if (before.alive) {
      before.kill()
      network.controllerGone(before, 1)
    }
  }

  /** `dial` is what switches do once there is somebody to dial. */
  async #startController(dial = (name: string) => this.redial(name)): Promise<void> {
    const { controllers, lab, happenings } = this.#on
    const process = controllers.next()
    happenings.tell('the controller starts')
    const state = await Promise.race([this.#openState(), process.gone])
    // Killed again: whoever did it starts the next.
    if (state === undefined || !process.alive) return
    lab.restartController(state)
    controllers.started()
    for (const name of lab.network.switches().keys()) dial(name)
  }

  /** Whoever starts the process does so again until there is room on its disk. */
  async #openState(): Promise<State> {
    for (;;)
      try {
        return await this.#on.controllers.openState()
      } catch (error) {
        if (!(error instanceof StateError)) throw error
        await this.#after(MILLISECOND, () => {})
      }
  }

  async #restartHost({ host, away }: Extract<Perturbation, { kind: 'restart' }>): Promise<void> {
    const { lab, network } = this.#on
    const close = this.#excuseHost(host)
    network.hostGone(this.#switchesOf(host), away)
    lab.restartHost(host)
    await this.#after(away + MILLISECOND, () => {})
    await this.#whole(host)
    close()
  }

  async #power({ host, away }: Extract<Perturbation, { kind: 'power' }>): Promise<void> {
    const { lab, network } = this.#on
    const target = { kind: 'host' as const, host }
    if (lab.network.isDown(host)) return
    const close = this.#excuseHost(host)
    network.hostGone(this.#switchesOf(host), away)
    lab.fail(target)
    await this.#after(away, () => {
      lab.restartHost(host)
      lab.heal(target)
    })
    // Until then the controller takes the host's switches for those that it knows.
    await this.#after(MILLISECOND, () => {})
    await this.#whole(host)
    close()
  }

  #switchesOf(host: string): string[] {
    return [...this.#on.lab.network.switches().keys()].filter((name) => name.startsWith(`${host}/`))
  }

  /** What its guests say and hear is lost, also what was on its way; until what is returned is called. */
  #excuseHost(host: string): () => void {
    const { excuses } = this.#on
    const close = excuses.host(this.#now - this.#crossing, host, this.#vmsAt(host))
    return () => close(this.#now + this.#crossing, this.#vmsAt(host))
  }

  /** Resolves when a host's switches, which can be told nothing now, are as they should be again. */
  async #told(host: string): Promise<void> {
    // By then those are gone from the switches' point of view that are.
    await sleep(this.#on.clock, MILLISECOND)
    await this.#whole(host)
  }

  #vmsAt(host: string): Set<string> {
    const { lab } = this.#on
    const there = lab.controller.topology.vms.filter(({ name }) => lab.network.hostOf(name) === host)
    return new Set(there.map(({ name }) => name))
  }

  get #now(): Nanoseconds {
    return this.#on.clock.now()
  }

  /** Within so long what is on its way has arrived. */
  get #crossing(): Nanoseconds {
    return 2 * this.#on.lab.network.crossingTime + MILLISECOND
  }

  /** Resolves when the controller has all as it should be at the host's switches. */
  async #whole(host: string): Promise<void> {
    const { lab, clock, controllers, network } = this.#on
    const names = this.#switchesOf(host)
    const isWhole = () =>
      controllers.isUp &&
      !lab.network.isDown(host) &&
      names.every((name) => network.has(name, controllers.current)) &&
      lab.controller.switches().every(({ name, inSync }) => !names.includes(name) || inSync)
    for (let pause = MILLISECOND; pause < PATIENCE && !isWhole(); pause = Math.ceil(1.2 * pause))
      await sleep(clock, pause)
  }
}

/** The longest pause between two looks. */
const PATIENCE = 10 * SECOND

const eventOf = ({ at }: Timed): number => ('event' in at ? at.event : Infinity)
