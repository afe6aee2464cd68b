// Whose frames mirrors copy to whom, from the topology alone.

import { networksOf } from '../../topologies/lookup.ts'
import { onlookerOf } from '../../topologies/mirrors.ts'
import type { Topology } from '../../topologies/topology.ts'

/** That a vNIC's frames are copied to a target: on one of its networks, or whatever it is on. */
interface Tap {
  target: string
  network: string | undefined
  said: boolean
  heard: boolean
}

export class Taps {
  /** By vNIC that is copied. */
  readonly #taps = new Map<string, Tap[]>()
  readonly #targets: ReadonlySet<string>

  constructor({ mirrors = [], vms }: Topology) {
    this.#targets = new Set(mirrors.flatMap(({ target }) => onlookerOf(target) ?? []))
    const nics = vms.flatMap((vm) => vm.nics)
    for (const { source, direction, target } of mirrors) {
      const onlooker = onlookerOf(target)
      if (onlooker === undefined) continue
      const [said, heard] = [direction !== 'to-lport', direction !== 'from-lport']
      const network = source.kind === 'network' ? source.network : undefined
      for (const nic of nics) {
        const isSource = source.kind === 'port' ? nic.id === source.port : networksOf(nic).includes(source.network)
        if (!isSource) continue
        const taps = this.#taps.get(nic.id)
        const tap = { target: onlooker, network, said, heard }
        if (taps === undefined) this.#taps.set(nic.id, [tap])
        else taps.push(tap)
      }
    }
  }

  /** vNICs that hear copies, and files. */
  targets(): Iterable<string> {
    return this.#targets
  }

  /** vNICs that are copied. */
  sources(): Iterable<string> {
    return this.#taps.keys()
  }

  isTarget(nic: string): boolean {
    return this.#targets.has(nic)
  }

  /** Whether what the vNIC says, or hears, on the network is copied to `target`. */
  isTapped(nic: string, way: 'said' | 'heard', network: string | undefined, target: string): boolean {
    const taps = this.#taps.get(nic)
    return (
      taps !== undefined &&
      taps.some((tap) => tap.target === target && tap[way] && (tap.network === undefined || tap.network === network))
    )
  }

  /** The same for any network that it is on. */
  isTappedSomewhere(nic: string, way: 'said' | 'heard', target: string): boolean {
    return this.#taps.get(nic)?.some((tap) => tap.target === target && tap[way]) === true
  }
}
