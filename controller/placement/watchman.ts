// Gives up hosts that have been away for too long, where somebody has asked for that. From here a dead host looks like one that has only lost
// its way to the controller, so nobody is given up while half of all hosts or more are away: it is the controller then that is cut off.

import type { Clock, Nanoseconds, Timer } from '../../runtime/clock.ts'
import type { Controller } from '../controller.ts'
import { textOf } from '../../runtime/error-text.ts'

const BY = 'failover'

export interface WatchmanOptions {
  clock: Clock
  /** How long a host may be away. */
  after: Nanoseconds
  log: (line: string) => void
}

export class Watchman {
  readonly #controller: Controller
  readonly #options: WatchmanOptions
  /** Of hosts that are away: when they are given up. */
  readonly #timers = new Map<string, Timer>()
  readonly #unsubscribe: () => void

  /** Hosts that have not come in yet count as away from now on. */
  constructor(controller: Controller, options: WatchmanOptions) {
    this.#controller = controller
    this.#options = options
    this.#unsubscribe = controller.subscribe((event) => {
      if (event.type === 'switch') this.#look(event.switch.split('/')[0]!)
      else if (event.type === 'topology') this.#lookAround()
    })
    this.#lookAround()
  }

  stop(): void {
    this.#unsubscribe()
    for (const timer of this.#timers.values()) timer.cancel()
    this.#timers.clear()
  }

  #lookAround(): void {
    for (const { name } of this.#controller.topology.hosts) this.#look(name)
  }

  #look(host: string): void {
    const isAway = this.#hosts().includes(host) && !this.#controller.relocations.isAlive(host)
    if (isAway && !this.#timers.has(host)) this.#wait(host)
    if (isAway) return
    this.#timers.get(host)?.cancel()
    this.#timers.delete(host)
  }

  #wait(host: string): void {
    const { clock, after } = this.#options
    const timer = clock.scheduleAsync(clock.now() + after, () => {
      this.#timers.delete(host)
      void this.#giveUp(host).catch((error: unknown) => this.#options.log(`${host} is not given up: ${textOf(error)}`))
    })
    this.#timers.set(host, timer)
  }

  async #giveUp(host: string): Promise<void> {
    const { relocations, topology } = this.#controller
    const isMissed = topology.vms.some((vm) => vm.host === host) || relocations.formerHosts.mayHave(host)
    if (
      !isMissed ||
      relocations.modeOf(host) === 'failed' ||
      !this.#hosts().includes(host) ||
      relocations.isAlive(host)
    )
      return
    const away = this.#hosts().filter((name) => !relocations.isAlive(name))
    if (away.length * 2 < this.#hosts().length) {
      await relocations.failover(host, false, BY)
      return
    }
    this.#options.log(`${host} is not given up: ${away.length} of ${this.#hosts().length} hosts are away`)
    this.#wait(host)
  }

  #hosts(): string[] {
    return this.#controller.topology.hosts.map(({ name }) => name)
  }
}
