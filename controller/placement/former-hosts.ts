// Hosts at which ports of a VM may be open still that has been given another place without a move. Its ports there stay closed until each of
// these is known to have none open: it has confirmed that, never was told to open any, or is held to be dead, since somebody has said that it
// has failed and it is not there. However long that takes: a host that is away may have lost no more than the controller.

import { type Clock, MILLISECOND, type Nanoseconds, SECOND, sleep } from '../../runtime/clock.ts'
import { textOf } from '../../runtime/error-text.ts'
import type { Vm } from '../../topologies/topology.ts'
import { switchesAt } from '../../topologies/topology.ts'
import type { Intent } from '../network/intent.ts'
import type { Fleet } from '../reconcile/fleet.ts'
import type { Writes } from '../writes.ts'

/** For so long is a host waited for at a time, and one that has failed in all. */
const PATIENCE = 1 * SECOND
/** When nobody is connected at first. */
const PATIENCE_AFTER_RESTART = 10 * SECOND

interface FormerWorld {
  readonly clock: Clock
  readonly writes: Writes
  readonly fleet: Fleet
  readonly intent: () => Intent
  readonly amend: (change: Partial<Intent>) => void
  readonly log: (line: string) => void
  /** Whether somebody has said that the host is gone. */
  readonly hasFailed: (host: string) => boolean
}

export class FormerHosts {
  readonly #world: FormerWorld
  readonly #left = new Map<string, Promise<void>>()

  constructor(world: FormerWorld) {
    this.#world = world
  }

  /** Those that were kept by the process before. */
  resume(): void {
    for (const vm of this.#world.intent().formerHosts.keys()) void this.#follow(vm, PATIENCE_AFTER_RESTART)
  }

  /** Whether ports may be open at the host of VMs that have been given other places. */
  mayHave(host: string): boolean {
    return [...this.#world.intent().formerHosts.values()].some((hosts) => hosts.includes(host))
  }

  of(vm: string): readonly string[] {
    return this.#world.intent().formerHosts.get(vm) ?? []
  }

  /** Of all VMs, once this one has been given its place at `to`. */
  with({ name, host }: Vm, to: string): Intent['formerHosts'] {
    const others = new Map([...this.#world.intent().formerHosts].filter(([vm]) => vm !== name))
    const hosts = [...new Set([...this.of(name), host])].filter((one) => one !== to && this.#mayBeOpenAt(one, name))
    return hosts.length === 0 ? others : others.set(name, hosts)
  }

  /** Resolves when all of them have let go of the VM, and that is durable. @throws StateError; Conflict where another controller is in charge */
  left(vm: string): Promise<void> {
    return this.#left.get(vm) ?? this.#follow(vm, PATIENCE)
  }

  #follow(vm: string, patience: Nanoseconds): Promise<void> {
    const left = this.#leave(vm, patience).finally(() => this.#left.delete(vm))
    // Whoever waits for it hears of it.
    left.catch((error: unknown) => this.#world.log(`ports of ${vm}: ${textOf(error)}`))
    this.#left.set(vm, left)
    return left
  }

  async #leave(vm: string, patience: Nanoseconds): Promise<void> {
    const { writes, amend, fleet, log, intent } = this.#world
    for (let host = this.of(vm)[0]; host !== undefined; host = this.of(vm)[0]) {
      await this.#leaveHost(vm, host, patience)
      const others = new Map([...intent().formerHosts].filter(([name]) => name !== vm))
      const hosts = this.of(vm).filter((one) => one !== host)
      amend({ formerHosts: hosts.length === 0 ? others : others.set(vm, hosts) })
    }
    await writes.save()
    void fleet.push().catch((error: unknown) => log(textOf(error)))
  }

  async #leaveHost(vm: string, host: string, patience: Nanoseconds): Promise<void> {
    const { clock, fleet, writes } = this.#world
    for (let pause = MILLISECOND; ; pause = Math.min(2 * pause, PATIENCE)) {
      await fleet.whenConnected(this.#switchesAt(host), { span: patience, clock })
      writes.check()
      // The host may have been taken out of the topology meanwhile.
      await fleet.pushEach(this.#switchesAt(host).filter((name) => fleet.reconciler(name).connected))
      if (!this.of(vm).includes(host) || !this.#mayBeOpenAt(host, vm)) return
      await sleep(clock, pause)
    }
  }

  #mayBeOpenAt(host: string, vm: string): boolean {
    const { fleet, hasFailed } = this.#world
    const open = this.#switchesAt(host).filter((name) => fleet.reconciler(name).mayLetIn(vm))
    return open.some((name) => !hasFailed(host) || fleet.reconciler(name).connected)
  }

  /** None of a host that is not there any more. */
  #switchesAt(name: string): string[] {
    const host = this.#world.intent().topology.hosts.find((one) => one.name === name)
    return host === undefined ? [] : switchesAt(host).filter((one) => this.#world.fleet.has(one))
  }
}
