// What vNICs have gathered at one of a VM's places, taken over by the other: connections with their windows and translations, how
// full meters are, what has been counted and learned. Nothing is taken away: whoever has told goes on with its own until its place
// is given up, so that frames which come there late are judged as before, and a move can be undone.

import type { MeterLevel, VnicState } from '../../protocols/control/messages.ts'
import type { Vm } from '../../topologies/topology.ts'
import { ingressMeter } from '../apps/qos.ts'
import type { Binding, Place } from '../network/bindings.ts'
import type { View } from '../network/view.ts'
import type { Fleet } from '../reconcile/fleet.ts'

const METERS = [ingressMeter]

interface Take {
  readonly from: 'home' | 'target'
  readonly fragments: 'fragments stay' | 'with fragments'
}

export class StateTransfer {
  /** Connections that the last take-over brought. */
  connections = 0
  readonly #fleet: Fleet
  readonly #vm: Vm
  readonly #view: () => View

  constructor(fleet: Fleet, vm: Vm, view: () => View) {
    this.#fleet = fleet
    this.#vm = vm
    this.#view = view
  }

  /**
   * What the vNICs have at `home` is joined to what they have at the target, or the other way round. Done again, it brings what has
   * come since. `fragments` that wait there for the rest of their datagram are only brought where no more come there: they would wait in
   * vain for what does.
   * @throws SwitchRefused where there is no room for the connections; SwitchAway
   */
  async takeOver(from: Take['from'], fragments: Take['fragments']): Promise<void> {
    const take = { from, fragments }
    const brought = await Promise.all(this.#bindings().map((binding) => this.#takeOverOne(binding, take)))
    this.connections = brought.reduce((sum, count) => sum + count, 0)
  }

  /** The same with fragments, where connections are tracked; it is not counted. */
  async tell(from: Take['from']): Promise<void> {
    const tracked = this.#bindings().filter(({ nic, home }) => this.#zoneOf(nic.id, home) !== undefined)
    await Promise.all(tracked.map((binding) => this.#takeOverOne(binding, { from, fragments: 'with fragments' })))
  }

  async #takeOverOne({ nic, home, target }: Binding, { from, fragments }: Take): Promise<number> {
    if (target === undefined) return 0
    const [source, destination] = from === 'home' ? [home, target] : [target, home]
    const meters = METERS.filter((meter) => this.#hasMeter(source, meter) && this.#hasMeter(destination, meter))
    const state = await this.#remote(source).vnicState(
      nic.id,
      meters.map((meter) => meter(source.port)),
      this.#zoneOf(nic.id, source),
    )
    const levels = state.meters.flatMap((level) => renumbered(level, source, destination))
    const taken = { ...state, meters: levels, fragments: fragments === 'with fragments' ? state.fragments : [] }
    await this.#remote(destination).installVnicState(taken, this.#zoneOf(nic.id, destination))
    return state.connections.length
  }

  /** Of its connections there; undefined where nothing is filtered. */
  #zoneOf(nic: string, { host }: Place): number | undefined {
    return this.#view().zones.get(host)?.get(nic)
  }

  #bindings(): Binding[] {
    const { bindings } = this.#view()
    return this.#vm.nics.flatMap(({ id }) => bindings.get(id) ?? [])
  }

  #hasMeter({ switch: name, port }: Place, meter: (port: number) => number): boolean {
    return this.#fleet.reconciler(name).confirmed.meters.has(meter(port))
  }

  #remote(place: Place) {
    return this.#fleet.reconciler(place.switch).remote
  }
}

/** Numbers of meters are made of their port's. */
function renumbered(level: MeterLevel, source: Place, destination: Place): VnicState['meters'] {
  const made = METERS.find((meter) => meter(source.port) === level.meter)
  return made === undefined ? [] : [{ ...level, meter: made(destination.port) }]
}
