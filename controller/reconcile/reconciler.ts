// Keeps one switch what it is to be: compares, pushes, and takes nothing for done before the switch has confirmed it.

import type { FlowSpec, PortConfig, PortDescription } from '../../protocols/control/messages.ts'
import { flowOf, letsIn } from '../../protocols/control/messages.ts'
import { SwitchRefused } from '../model.ts'
import type { RemoteSwitch } from '../southbound/remote-switch.ts'
import { SwitchAway } from '../southbound/remote-switch.ts'
import { byKey } from './compile.ts'
import { diff, messagesOf } from './diff.ts'
import { freshZones } from './fresh-zones.ts'
import type { Rollout } from './rollout.ts'
import { switched, widened } from './steps.ts'
import { SwitchFlows } from './switch-flows.ts'
import type { SwitchState } from './switch-state.ts'
import { EMPTY_STATE, flowKey } from './switch-state.ts'

export class Reconciler {
  readonly name: string
  /** Called whenever `inSync`, `connected` or `problem` may have changed. */
  onStatus: () => void = () => {}
  /** What the switch refused last, until it is in order again. */
  problem: string | undefined
  #desired: SwitchState | undefined
  #confirmed: SwitchState = EMPTY_STATE
  /** What it has been told last, whether it has confirmed that or not. */
  #sent: SwitchState = EMPTY_STATE
  /** The object of desired state that is confirmed. */
  #confirmedFor: SwitchState | undefined
  #remote: RemoteSwitch | undefined
  #waits = false
  /** The connection on which `#confirmed` was read, or confirmed since. */
  #readFrom: RemoteSwitch | undefined
  /** The last of the pieces of work that this switch was given; one is done after the other. */
  #work: Promise<unknown> = Promise.resolve()

  constructor(name: string) {
    this.name = name
  }

  /** Whether it is there, and may be told things. */
  get admitted(): boolean {
    return this.connected && !this.#waits
  }

  get connected(): boolean {
    return this.#remote !== undefined
  }

  get inSync(): boolean {
    return this.connected && (this.#desired === undefined || this.#confirmedFor === this.#desired)
  }

  /** Whether it has been what it was to be at some time since it connected. */
  get told(): boolean {
    return this.connected && this.#confirmedFor !== undefined
  }

  /** What it is to be. */
  get desired(): SwitchState {
    return this.#desired ?? EMPTY_STATE
  }

  get confirmed(): SwitchState {
    return this.#confirmed
  }

  /** Whether a port of the VM may let it in, for all that is known: of a switch that has not been there yet, nothing is. */
  mayLetIn(vm: string): boolean {
    const isOpen = ({ name, state }: PortConfig) => name.startsWith(`${vm}:`) && letsIn(state)
    return (
      this.#readFrom === undefined ||
      [this.#confirmed, this.#sent].some(({ ports }) => [...ports.values()].some(isOpen))
    )
  }

  /** @throws SwitchAway */
  get remote(): RemoteSwitch {
    if (this.#remote === undefined) throw new SwitchAway(this.name)
    return this.#remote
  }

  /** From now on the switch is to be like this. Nothing is sent before `reconcile`. */
  desire(state: SwitchState): void {
    this.#desired = state
  }

  /**
   * The switch is there (again): learns all that it has, once it may be told things. Whatever was asked before comes first, and what is
   * asked meanwhile waits for whoever has `found` something in it.
   */
  connect(
    remote: RemoteSwitch,
    mayBeTold?: Promise<unknown>,
    found?: () => Promise<unknown> | undefined,
  ): Promise<void> {
    this.#remote = remote
    this.#confirmedFor = undefined
    this.#waits = mayBeTold !== undefined
    return this.#inTurn(async () => {
      if (mayBeTold !== undefined) await mayBeTold
      if (this.#remote === remote) this.#waits = false
      // Groups are nobody's here: the controller makes none, and leaves alone those that others have made for users' flows.
      const [flows, meters] = await Promise.all([remote.flows(), remote.meters()])
      this.#confirmed = {
        ports: new Map([...remote.ports].filter(isOurs).map((port) => [port.name, configOf(port)])),
        meters: new Map(meters.map(({ meter, bands }) => [meter, bands])),
        flows: byKey(flows.map(flowOf)),
      }
      this.#sent = this.#confirmed
      this.#readFrom = remote
      await found?.()
    })
  }

  disconnect(remote: RemoteSwitch): void {
    if (this.#remote !== remote) return
    this.#remote = undefined
    this.#confirmedFor = undefined
    this.onStatus()
  }

  /**
   * Makes the switch what it is to be now: what is desired later is for those to send who ask then. Flows among `again` are added even
   * where they are there already.
   * @throws SwitchRefused, SwitchAway
   */
  reconcile(again: ReadonlySet<string> = new Set()): Promise<void> {
    const wanted = this.#desired
    return this.#inTurn(() => this.#telling(() => this.#push(wanted, again)))
  }

  /** As `reconcile`, together with others, in steps. @throws SwitchRefused, SwitchAway */
  roll(together: Rollout): Promise<void> {
    const wanted = this.desired
    return this.#inTurn(() =>
      this.#telling(async () => {
        const from = this.#confirmed
        await together.step(0, () => this.#become(widened(from, wanted)))
        await together.step(1, () => this.#become(switched(from, wanted)))
        if (this.#confirmed !== wanted) await together.drained()
        await together.step(2, () => this.#push(wanted, new Set()))
      }),
    )
  }

  async #telling(work: () => Promise<void>): Promise<void> {
    try {
      await work()
      this.problem = undefined
    } catch (error) {
      if (error instanceof SwitchRefused) this.problem = error.message
      throw error
    } finally {
      this.onStatus()
    }
  }

  /** The switch has said that this flow is gone. */
  forget(flow: FlowSpec): void {
    const { flows } = this.#confirmed
    const key = flowKey(flow)
    if (flows.has(key)) this.#confirmed = without(this.#confirmed, new Set([key]))
  }

  async #push(wanted: SwitchState | undefined, again: ReadonlySet<string>): Promise<void> {
    if (wanted === undefined || (this.#confirmedFor === wanted && again.size === 0)) return
    const remote = this.remote
    await this.#become(wanted, again)
    this.#confirmedFor = remote === this.#remote ? wanted : undefined
  }

  async #become(wanted: SwitchState, again: ReadonlySet<string> = new Set()): Promise<void> {
    const remote = this.remote
    // It has dialled again since this was asked for, and what it has is not known yet: a push follows once it is.
    if (remote !== this.#readFrom) throw new SwitchAway(this.name)
    const ports = unopened(wanted.ports, this.#confirmed.ports)
    const prepared = ports === wanted.ports ? wanted : { ...wanted, ports }
    const change = diff(without(this.#confirmed, again), prepared)
    // Whoever had a zone before may have left connections, and may leave more until its flows are gone.
    const zones = freshZones(change, this.#confirmed, prepared)
    await remote.flushConnections(...zones.all)
    this.#sent = prepared
    await remote.commit(messagesOf(change))
    this.#confirmed = prepared
    await remote.flushConnections(...zones.unopened)
    this.#sent = wanted
    await remote.commit(messagesOf(diff(prepared, wanted)))
    this.#confirmed = wanted
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#work.then(work, work)
    this.#work = done.catch(() => {})
    return done
  }
}

/** A vNIC opens only once its policy is confirmed; until then it stays as it is, or closed. */
function unopened(wanted: SwitchState['ports'], confirmed: SwitchState['ports']): SwitchState['ports'] {
  if (wanted === confirmed) return wanted
  return new Map(
    [...wanted].map(([name, port]) => {
      const before = confirmed.get(name)
      const kept = before?.type === port.type && before.number === port.number ? before.state : 'closed'
      return [name, port.type === 'vnic' && letsIn(port.state) ? { ...port, state: kept } : port]
    }),
  )
}

function without(state: SwitchState, keys: ReadonlySet<string>): SwitchState {
  if (keys.size === 0) return state
  const { flows } = state
  if (flows instanceof SwitchFlows) return { ...state, flows: flows.without(keys) }
  return { ...state, flows: new Map([...flows].filter(([key]) => !keys.has(key))) }
}

/** The host makes the others; of its uplink the queues are ours. */
const isOurs = ({ type, queues, maxRate }: PortConfig): boolean =>
  type === 'vnic' ||
  type === 'patch' ||
  type === 'tunnel' ||
  type === 'capture' ||
  (type === 'uplink' && (queues !== undefined || maxRate !== undefined))

/** What the switch added of its own is not configuration. */
function configOf({ linkUp: _linkUp, mac: _mac, flags: _flags, ...config }: PortDescription): PortConfig {
  return config
}
