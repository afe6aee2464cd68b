// A controller that is killed and started again, with fake switches that stay, on a virtual clock.

import { Controller } from '../../controller/controller.ts'
import type { Hypervisor } from '../../controller/model.ts'
import { State } from '../../controller/state/state.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import type { Topology } from '../../topologies/topology.ts'
import { switchName } from '../../topologies/topology.ts'
import { FakeSwitch } from './fake-switch.ts'
import { MemoryStore } from './memory-store.ts'

const DRAIN = 10_000

export class RestartingFleet {
  readonly clock = new VirtualClock()
  /** By name, as `h1/br-int`. */
  readonly switches: Map<string, FakeSwitch>
  /** Where each guest runs; undefined while it is paused. */
  readonly guests: Map<string, string | undefined>
  readonly log: string[] = []
  /** Called when the process is gone. */
  onKilled: () => void = () => {}
  store = new MemoryStore()
  controller!: Controller
  state!: State
  /** Milliseconds since 1970. */
  #time = 1.7e12

  private constructor(topology: Topology) {
    const names = topology.hosts.flatMap((host) => host.bridges.map((bridge) => switchName(host, bridge)))
    this.switches = new Map(names.map((name) => [name, new FakeSwitch(name, this.clock)]))
    this.guests = new Map(topology.vms.map(({ name, host }) => [name, host]))
  }

  /** All switches of the topology, connected and in sync with it. */
  static async start(topology: Topology): Promise<RestartingFleet> {
    const fleet = new RestartingFleet(topology)
    await fleet.#begin()
    await fleet.settle(fleet.controller.apply(topology))
    return fleet
  }

  settle<T>(work: Promise<T>): Promise<T> {
    return this.clock.runUntil(work)
  }

  /** The process is gone: whatever its controller would still do has no effect. */
  kill(): void {
    if (!this.store.killed) return this.store.kill()
    this.onKilled()
    for (const device of this.switches.values()) device.hangUp()
  }

  /** Starts again with what was kept; `dial` where switches connect at once. */
  async restart(dial = true): Promise<void> {
    this.kill()
    await this.clock.run(this.clock.now() + 1_000_000)
    this.store = new MemoryStore(this.store)
    await this.#begin(dial)
  }

  dial(): void {
    for (const device of this.switches.values()) device.dial(this.controller)
  }

  /** What was under way has ended, and all switches have what they are to have. */
  async settled(): Promise<void> {
    await this.settle(this.controller.resumed())
    await this.settle(this.controller.inSync())
  }

  /** What all switches have: ports, meters and flows. */
  contents(): Record<string, unknown> {
    return Object.fromEntries(
      [...this.switches].map(([name, { ports, meters, flows }]) => [
        name,
        { ports: Object.fromEntries(ports), meters: Object.fromEntries(meters), flows: [...flows.keys()].sort() },
      ]),
    )
  }

  /** Hosts at which the vNIC's port lets frames through. */
  openAt(nic: string): string[] {
    return [...this.switches.values()]
      .filter(({ ports }) => ports.get(nic)?.state === 'open')
      .map(({ name }) => name.split('/')[0]!)
  }

  async #begin(dial = true): Promise<void> {
    const { clock, store } = this
    const log = (line: string) => void this.log.push(line)
    this.state = await State.open(store, { clock, log, wallTime: () => (this.#time += 1) })
    const hypervisor: Hypervisor = {
      pause: async (vm) => this.#act(store, () => this.guests.set(vm, undefined)),
      resume: async (vm, host) => this.#act(store, () => this.guests.set(vm, host)),
      restart: async (vm, host) => this.#act(store, () => this.guests.set(vm, host)),
    }
    this.controller = new Controller({ clock, hypervisor, drain: () => DRAIN, state: this.state, log })
    store.onKilled = () => this.kill()
    if (dial) this.dial()
  }

  async #act(store: MemoryStore, act: () => void): Promise<void> {
    if (store.killed) return new Promise<void>(() => {})
    act()
  }
}
