// What vNICs have gathered at one of a VM's places, taken over by the other: connections with their windows and translations, how
// full meters are, what has been counted and learned. Nothing is taken away: whoever has told goes on with its own until its place
// is given up, so that frames which come there late are judged as before, and a move can be undone.

import type { MeterLevel, VnicState } from '../../protocols/control/messages.ts'
import { letsIn } from '../../protocols/control/messages.ts'
import type { Vm } from '../../topologies/topology.ts'
import { ingressMeter } from '../apps/qos.ts'
import { type Binding, type Place, placeOn } from '../network/bindings.ts'
import type { View } from '../network/view.ts'
import type { Fleet } from '../reconcile/fleet.ts'
import { SwitchAway } from '../southbound/remote-switch.ts'

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
  /** Ports, as `portKey` has them, that have lost what was gathered there or brought: their switches have started anew. */
  readonly #lost: Set<string>
  readonly #noteLost: (lost: readonly string[]) => void

  /** `noteLost` hears of all ports that have lost what they had, whenever that changes; at the start, these. */
  constructor(
    fleet: Fleet,
    vm: Vm,
    view: () => View,
    lost: Iterable<string>,
    noteLost: (lost: readonly string[]) => void,
  ) {
    this.#fleet = fleet
    this.#vm = vm
    this.#view = view
    this.#lost = new Set(lost)
    this.#noteLost = noteLost
  }

  /**
   * What the vNICs have at `home` is joined to what they have at the target, or the other way round. Done again, it brings what has
   * come since. `fragments` that wait there for the rest of their datagram are only brought where no more come there: they would wait in
   * vain for what does. Nothing is counted from, and no bucket is as full as, at a port that has lost what it had gathered.
   * @throws SwitchRefused where there is no room for the connections; SwitchAway, also of one that has started anew, and not been told yet what it is to have
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

  /** A switch is back, and it is known what it has. With a vNIC's port all is gone that was gathered there. Whether that is news. */
  found(name: string): boolean {
    const { ports } = this.#fleet.reconciler(name).confirmed
    const lost = this.#bindings()
      .filter((binding) => placeOn(binding, name) !== undefined && !ports.has(binding.nic.id))
      .map(({ nic }) => portKey(nic.id, name))
      .filter((port) => !this.#lost.has(port))
    for (const port of lost) this.#lost.add(port)
    if (lost.length > 0) this.#noteLost([...this.#lost])
    return lost.length > 0
  }

  /**
   * What the target has lost, and the home has still, is taken over once more, as soon as both are there and the target has been told
   * what it is to have. @throws as `takeOver`
   */
  async bringAgain(): Promise<void> {
    const owed = this.#bindings().filter(
      ({ nic, home, target }) =>
        target !== undefined &&
        this.#hasLost(nic.id, target) &&
        !this.#hasLost(nic.id, home) &&
        this.#fleet.reconciler(home.switch).connected &&
        this.#fleet.reconciler(target.switch).told,
    )
    await Promise.all(owed.map((binding) => this.#takeOverOne(binding, { from: 'home', fragments: 'fragments stay' })))
  }

  async #takeOverOne({ nic, home, target }: Binding, { from, fragments }: Take): Promise<number> {
    if (target === undefined) return 0
    const [source, destination] = from === 'home' ? [home, target] : [target, home]
    // Another connection may be one to a switch that has started anew meanwhile.
    const taker = this.#takerAt(nic.id, destination)
    const isWhole = !this.#hasLost(nic.id, source)
    // Buckets of a place that lets its guest's frames in are in use, and the other's have filled since.
    const hasLevels = isWhole && !letsIn(destination.state)
    const meters = METERS.filter(
      (meter) => hasLevels && this.#hasMeter(source, meter) && this.#hasMeter(destination, meter),
    )
    const { counters, shaping, ...state } = await this.#remote(source).vnicState(
      nic.id,
      meters.map((meter) => meter(source.port)),
      this.#zoneOf(nic.id, source),
    )
    const levels = state.meters.flatMap((level) => renumbered(level, source, destination))
    const taken: VnicState = {
      ...state,
      meters: levels,
      fragments: fragments === 'with fragments' ? state.fragments : [],
      ...(isWhole && counters !== undefined && { counters }),
      ...(hasLevels && shaping !== undefined && { shaping }),
    }
    await taker.installVnicState(taken, this.#zoneOf(nic.id, destination))
    if (isWhole && this.#lost.delete(portKey(nic.id, destination.switch))) this.#noteLost([...this.#lost])
    return state.connections.length
  }

  #hasLost(nic: string, place: Place): boolean {
    return this.#lost.has(portKey(nic, place.switch))
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

  /**
   * One that has started anew has no port before it is told, and its zones are flushed as the port is made. One that has only been
   * away takes what it is brought at once: where it is not told before this is done, nobody waits for the other. @throws SwitchAway
   */
  #takerAt(nic: string, place: Place) {
    const { told, remote } = this.#fleet.reconciler(place.switch)
    const isAnew = () => this.#hasLost(nic, place) || ![...remote.ports].some(({ name }) => name === nic)
    if (!told && isAnew()) throw new SwitchAway(place.switch)
    return remote
  }
}

const portKey = (nic: string, switchName: string): string => `${nic} at ${switchName}`

/** Numbers of meters are made of their port's. */
function renumbered(level: MeterLevel, source: Place, destination: Place): VnicState['meters'] {
  const made = METERS.find((meter) => meter(source.port) === level.meter)
  return made === undefined ? [] : [{ ...level, meter: made(destination.port) }]
}
