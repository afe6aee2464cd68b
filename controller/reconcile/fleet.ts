// All switches: who is there, and what each is to be.

import type { FlowSpec, PortConfig, PortDescription } from '../../protocols/control/messages.ts'
import type { SwitchStatus } from '../model.ts'
import { NotFound, SwitchRefused } from '../model.ts'
import type { View } from '../network/view.ts'
import type { RemoteSwitch } from '../southbound/remote-switch.ts'
import { SwitchAway } from '../southbound/remote-switch.ts'
import type { SwitchCounts } from '../southbound/switch-counts.ts'
import { noCounts } from '../southbound/switch-counts.ts'
import type { FlowsBySwitch } from '../user-flows.ts'
import { compile } from './compile.ts'
import { Reconciler } from './reconciler.ts'
import type { SwitchState } from './switch-state.ts'
import { EMPTY_STATE } from './switch-state.ts'

interface Desired {
  compiled: SwitchState
  userFlows: ReadonlyMap<string, FlowSpec> | undefined
  state: SwitchState
}

export class Fleet {
  /** Called when a switch's standing may have changed. */
  onStatus: (name: string) => void = () => {}
  readonly #reconcilers = new Map<string, Reconciler>()
  readonly #desired = new Map<string, Desired>()
  readonly #features = new Map<string, { datapathId: bigint; host: string; ports: Map<string, PortDescription> }>()
  readonly #counts = new Map<string, SwitchCounts>()
  /** Called when the switch of this name has connected. */
  readonly #awaited = new Map<string, (() => void)[]>()
  #view: View | undefined

  get names(): string[] {
    return [...this.#reconcilers.keys()]
  }

  get connected(): Reconciler[] {
    return [...this.#reconcilers.values()].filter((one) => one.connected)
  }

  /** @throws NotFound */
  reconciler(name: string): Reconciler {
    const found = this.#reconcilers.get(name)
    if (found === undefined) throw new NotFound('switch', name, this.names)
    return found
  }

  /** From now on the switches are to be like this; those that the view does not have any more, empty. */
  desire(view: View, userFlows: FlowsBySwitch): void {
    this.#view = view
    for (const name of view.switches.keys()) this.#obtain(name)
    for (const [name, reconciler] of this.#reconcilers) {
      if (!view.switches.has(name) && !reconciler.connected) this.#drop(name)
      else reconciler.desire(this.#desiredOf(view, userFlows, name))
    }
  }

  /** Takes in a switch that has been greeted; resolves when it is known what it has. */
  async connect(remote: RemoteSwitch): Promise<void> {
    const { name, features } = remote
    const reconciler = this.#obtain(name)
    const counts = this.countsOf(name)
    this.#counts.set(name, counts)
    counts.connections++
    remote.counts = counts
    this.#features.set(name, {
      datapathId: features.datapathId,
      host: features.host,
      ports: new Map(features.ports.map((port) => [port.name, port])),
    })
    if (reconciler.connected) reconciler.remote.close()
    await reconciler.connect(remote)
    for (const wake of this.#awaited.get(name) ?? []) wake()
    this.#awaited.delete(name)
  }

  /** Resolves when the switch is connected: at once where it is already. */
  whenConnected(name: string): Promise<void> {
    if (this.#reconcilers.get(name)?.connected) return Promise.resolve()
    return new Promise((resolve) => this.#awaited.set(name, [...(this.#awaited.get(name) ?? []), resolve]))
  }

  disconnect(remote: RemoteSwitch): void {
    remote.counts.disconnections++
    this.#reconcilers.get(remote.name)?.disconnect(remote)
    if (this.#view !== undefined && !this.#view.switches.has(remote.name)) this.#drop(remote.name)
  }

  /**
   * Makes switches what they are to be: those of `names`, or all that are connected. Resolves when every one has answered.
   * @throws SwitchRefused where one refused; else SwitchAway where one of `names` is not there, or went.
   */
  async push(names?: Iterable<string>, again?: ReadonlyMap<string, ReadonlySet<string>>): Promise<void> {
    const concerned = names === undefined ? this.connected.map(({ name }) => name) : names
    const reasons = [...(await this.pushEach(concerned, again)).values()]
    const serious = reasons.filter((reason) => !(reason instanceof SwitchAway))
    const refused = serious.find((reason) => reason instanceof SwitchRefused) ?? serious[0]
    if (refused !== undefined) throw refused
    if (names !== undefined && reasons.length > 0) throw reasons[0]
  }

  /** As `push`. @returns why a switch is not what it is to be, by name; nothing of those that are */
  async pushEach(
    names: Iterable<string>,
    again?: ReadonlyMap<string, ReadonlySet<string>>,
  ): Promise<Map<string, unknown>> {
    const reasons = new Map<string, unknown>()
    const push = async (name: string): Promise<void> => {
      try {
        await this.reconciler(name).reconcile(again?.get(name))
      } catch (error) {
        reasons.set(name, error)
      }
    }
    await Promise.all(Array.from(names, push))
    return reasons
  }

  portChanged(name: string, reason: 'add' | 'delete' | 'modify', port: PortDescription): void {
    const ports = this.#features.get(name)?.ports
    if (reason === 'delete') ports?.delete(port.name)
    else ports?.set(port.name, port)
  }

  countsOf(name: string): SwitchCounts {
    return this.#counts.get(name) ?? noCounts()
  }

  status(name: string): SwitchStatus {
    const reconciler = this.reconciler(name)
    const { connected, inSync } = reconciler
    const features = this.#features.get(name)
    const problem = reconciler.problem ?? (connected ? undefined : 'not connected')
    return {
      name,
      host: features?.host ?? name.split('/')[0]!,
      datapathId: features?.datapathId ?? 0n,
      connected,
      inSync,
      ...(problem === undefined ? {} : { problem }),
      flows: reconciler.confirmed.flows.size,
      ports: this.#portsOf(name),
    }
  }

  #portsOf(name: string): PortDescription[] {
    const told = this.#features.get(name)?.ports ?? new Map<string, PortDescription>()
    const confirmed = [...this.#reconcilers.get(name)!.confirmed.ports.values()]
    const ours = confirmed.map((port) => described(port, told.get(port.name)))
    const others = [...told.values()].filter(({ type }) => type === 'uplink' || type === 'local')
    return [...others, ...ours].sort((a, b) => a.number - b.number)
  }

  #obtain(name: string): Reconciler {
    const before = this.#reconcilers.get(name)
    if (before) return before
    const made = new Reconciler(name)
    made.onStatus = () => this.onStatus(name)
    if (this.#view !== undefined) made.desire(EMPTY_STATE)
    this.#reconcilers.set(name, made)
    return made
  }

  #drop(name: string): void {
    this.#counts.delete(name)
    this.#reconcilers.delete(name)
    this.#features.delete(name)
    this.#desired.delete(name)
  }

  /** The same object for as long as nothing changes. */
  #desiredOf(view: View, all: FlowsBySwitch, name: string): SwitchState {
    const at = view.switches.get(name)
    const compiled = at === undefined ? EMPTY_STATE : compile(view, at)
    const userFlows = all.get(name)
    const before = this.#desired.get(name)
    if (before?.compiled === compiled && before.userFlows === userFlows) return before.state
    const state = userFlows?.size ? { ...compiled, flows: new Map([...compiled.flows, ...userFlows]) } : compiled
    this.#desired.set(name, { compiled, userFlows, state })
    return state
  }
}

/** The switch chooses an address, reports links and keeps the flags; until it has told, the port is as it was asked for. */
const described = (port: PortConfig, told: PortDescription | undefined): PortDescription => ({
  ...port,
  mac: told?.mac ?? port.mac ?? 0n,
  linkUp: told?.linkUp ?? true,
  flags: told?.flags ?? {},
})
