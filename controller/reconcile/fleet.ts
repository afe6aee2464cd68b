// All switches: who is there, and what each is to be.

import type { PortConfig, PortDescription } from '../../protocols/control/messages.ts'
import type { Clock, Nanoseconds } from '../../runtime/clock.ts'
import { waitFor } from '../../runtime/waiting.ts'
import type { SwitchStatus } from '../model.ts'
import { NotFound, SwitchRefused } from '../model.ts'
import type { View } from '../network/view.ts'
import type { RemoteSwitch } from '../southbound/remote-switch.ts'
import { SwitchAway } from '../southbound/remote-switch.ts'
import type { SwitchCounts } from '../southbound/switch-counts.ts'
import { noCounts } from '../southbound/switch-counts.ts'
import type { FlowsBySwitch } from '../user-flows.ts'
import { changedKeys } from '../persistent-map.ts'
import { COMMON_SLOT, type Compilations, Compiler, NOTHING } from './compile.ts'
import { Reconciler } from './reconciler.ts'
import { type Onlooker, Rollout } from './rollout.ts'
import type { FlowsByKey } from './switch-flows.ts'
import type { SwitchState } from './switch-state.ts'
import { EMPTY_STATE } from './switch-state.ts'

type Standing = Pick<SwitchStatus, 'connected' | 'inSync' | 'problem'>

interface Waiting {
  readonly missing: Set<string>
  wake: () => void
}

export class Fleet {
  /** Called when a switch's standing may have changed. */
  onStatus: (name: string) => void = () => {}
  /** Called with what a switch tells of one of its ports. */
  onPort: (port: PortDescription) => void = () => {}
  /** A switch has come back: resolves when it may be told what is wanted of it now; at once where undefined. */
  beforeTold: (name: string) => Promise<unknown> | undefined = () => undefined
  /** It is known what a switch has that has come back, and it has been told nothing: resolves when it may be; at once where undefined. */
  found: (name: string) => Promise<unknown> | undefined = () => undefined
  readonly #reconcilers = new Map<string, Reconciler>()
  readonly #features = new Map<string, { datapathId: bigint; host: string; ports: Map<string, PortDescription> }>()
  readonly #counts = new Map<string, SwitchCounts>()
  /** Those who wait for switches: nobody who has given up is among them. */
  readonly #waiting = new Set<Waiting>()
  readonly #compilations: Compilations | undefined
  #compiler: Compiler
  /** What was compiled for a switch, and with which flows of users. */
  readonly #desired = new Map<string, { compiled: SwitchState; userFlows: FlowsByKey | undefined }>()
  #view: View | undefined
  #userFlows: FlowsBySwitch = new Map()

  constructor(compiled?: Compilations) {
    this.#compilations = compiled
    this.#compiler = new Compiler(compiled)
  }

  get names(): string[] {
    return [...this.#reconcilers.keys()]
  }

  get connected(): Reconciler[] {
    return [...this.#reconcilers.values()].filter((one) => one.connected)
  }

  /** Those that are there, may be told things, and are not what they are to be. */
  get outOfSync(): Reconciler[] {
    return [...this.#reconcilers.values()].filter((one) => one.admitted && !one.inSync)
  }

  has(name: string): boolean {
    return this.#reconcilers.has(name)
  }

  /** @throws NotFound */
  reconciler(name: string): Reconciler {
    const found = this.#reconcilers.get(name)
    if (found === undefined) throw new NotFound('switch', name, this.names)
    return found
  }

  /** From now on the switches are to be like this; those that the view does not have any more, empty. */
  desire(view: View, userFlows: FlowsBySwitch): void {
    const isFirst = this.#view === undefined
    const others = changedKeys(this.#userFlows, userFlows)
    const compiled = this.#follow(view)
    this.#view = view
    this.#userFlows = userFlows
    for (const [name, state] of compiled) this.#desire(name, state)
    for (const [name] of others) if (!compiled.has(name)) this.#desire(name, this.#compiler.stateOf(name))
    if (isFirst) for (const name of this.#reconcilers.keys()) if (!compiled.has(name)) this.#desire(name, NOTHING)
  }

  /** Where it can not be followed, as an app fails, the next view is the first. */
  #follow(view: View): ReturnType<Compiler['follow']> {
    try {
      return this.#compiler.follow(view)
    } catch (error) {
      this.#compiler = new Compiler(this.#compilations)
      this.#view = undefined
      throw error
    }
  }

  #desire(name: string, compiled: ReturnType<Compiler['stateOf']>): void {
    const isGone = compiled === NOTHING && this.#view?.switches.has(name) !== true
    if (isGone && this.#reconcilers.get(name)?.connected !== true) return this.#drop(name)
    const userFlows = this.#userFlows.get(name)
    const before = this.#desired.get(name)
    if (before?.compiled === compiled && before.userFlows === userFlows) return
    this.#desired.set(name, { compiled, userFlows })
    const flows = userFlows?.size ? compiled.flows.withOwn(COMMON_SLOT, userFlows) : compiled.flows
    this.#obtain(name).desire(flows === compiled.flows ? compiled : { ...compiled, flows })
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
    for (const port of features.ports) this.onPort(port)
    if (reconciler.connected) reconciler.remote.close()
    await reconciler.connect(remote, this.beforeTold(name), () => this.found(name))
    for (const { missing, wake } of this.#waiting) if (missing.delete(name) && missing.size === 0) wake()
  }

  /** Resolves when all of these switches have connected: at once where they are there; `within` a span at the latest, where given. */
  async whenConnected(names: Iterable<string>, within?: { span: Nanoseconds; clock: Clock }): Promise<void> {
    const missing = new Set([...names].filter((name) => this.#reconcilers.get(name)?.connected !== true))
    if (missing.size === 0) return
    const waiting: Waiting = { missing, wake: () => {} }
    const there = new Promise<void>((resolve) => (waiting.wake = resolve))
    this.#waiting.add(waiting)
    await (within === undefined ? there : waitFor(there, within.span, within.clock))
    this.#waiting.delete(waiting)
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
    const concerned = names ?? this.outOfSync.map(({ name }) => name)
    const reasons = [...(await this.pushEach(concerned, again)).values()]
    const serious = reasons.filter((reason) => !(reason instanceof SwitchAway))
    const refused = serious.find((reason) => reason instanceof SwitchRefused) ?? serious[0]
    if (refused !== undefined) throw refused
    if (names !== undefined && reasons.length > 0) throw reasons[0]
  }

  /**
   * Makes all that are connected what they are to be, in steps that they take together: no frame meets both what is wanted and what
   * was. `freesSegments`: what is on its way has arrived when this resolves, though one switch alone be concerned.
   * @throws SwitchRefused where one refused: the others have gone on without it
   */
  async roll(clock: Clock, drain: Nanoseconds, onlooker: Onlooker, freesSegments: boolean): Promise<void> {
    const concerned = this.outOfSync
    const count = concerned.length
    if (count < 2 && !freesSegments) {
      onlooker(2, 0, count)
      await this.push()
      return onlooker(2, count, count)
    }
    const together = new Rollout(count, clock, drain, onlooker)
    const results = await Promise.allSettled(concerned.map((one) => one.roll(together)))
    const reasons = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
    const serious = reasons.filter((reason) => !(reason instanceof SwitchAway))
    const refused = serious.find((reason) => reason instanceof SwitchRefused) ?? serious[0]
    if (refused !== undefined) throw refused
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
    this.onPort(port)
    const ports = this.#features.get(name)?.ports
    if (reason === 'delete') ports?.delete(port.name)
    else ports?.set(port.name, port)
  }

  countsOf(name: string): SwitchCounts {
    return this.#counts.get(name) ?? noCounts()
  }

  standing(name: string): Standing {
    const { connected, inSync, problem = connected ? undefined : 'not connected' } = this.reconciler(name)
    return { connected, inSync, ...(problem === undefined ? {} : { problem }) }
  }

  status(name: string): SwitchStatus {
    const reconciler = this.reconciler(name)
    const features = this.#features.get(name)
    return {
      name,
      host: features?.host ?? name.split('/')[0]!,
      datapathId: features?.datapathId ?? 0n,
      ...this.standing(name),
      flows: reconciler.confirmed.flows.size,
      ports: this.#portsOf(name),
    }
  }

  #portsOf(name: string): PortDescription[] {
    const told = this.#features.get(name)?.ports ?? new Map<string, PortDescription>()
    const confirmed = [...this.#reconcilers.get(name)!.confirmed.ports.values()]
    const ours = confirmed.map((port) => described(port, told.get(port.name)))
    const others = [...told.values()].filter(
      ({ type, name: port }) => type === 'local' || (type === 'uplink' && !ours.some((one) => one.name === port)),
    )
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
}

/** The switch chooses an address, reports links and keeps the flags; until it has told, the port is as it was asked for. */
const described = (port: PortConfig, told: PortDescription | undefined): PortDescription => ({
  ...port,
  mac: told?.mac ?? port.mac ?? 0n,
  linkUp: told?.linkUp ?? true,
  flags: told?.flags ?? {},
})
