// A place for a VM that a plan has left over: one that is planned for a host makes room there and goes to another, where a third may make
// room in turn (augmenting paths, as for matchings in bipartite graphs). Without anti-affinity it finds a place whenever there is one, as long as
// it has questions left.

import type { Vm } from '../../topologies/topology.ts'
import type { Occupancy } from './occupancy.ts'

/** So often is it asked whether a host can take a VM in, for one plan: some tens of milliseconds. */
const QUESTIONS = 100_000

export class Exchange {
  readonly #occupancy: Occupancy
  /** The host that all of them leave. */
  readonly #from: string
  readonly #places: Map<Vm, string>
  #questions = QUESTIONS

  /** `places` are where the VMs are to go, as `occupancy` has them; both become what is found. */
  constructor(occupancy: Occupancy, from: string, places: Map<Vm, string>) {
    this.#occupancy = occupancy
    this.#from = from
    this.#places = places
  }

  /** Whether the VM has a place now; where it has none, all is as it was. */
  place(vm: Vm): boolean {
    return this.#settle(vm, new Set([this.#from]))
  }

  /** Hosts of `tried` have been asked whether somebody can make room. */
  #settle(vm: Vm, tried: Set<string>): boolean {
    const free = this.#hosts().find((host) => host !== this.#from && this.#fits(vm, host))
    if (free !== undefined) {
      this.#give(vm, free)
      return true
    }
    return this.#hosts().some((host) => {
      if (tried.has(host)) return false
      tried.add(host)
      return [...this.#occupancy.at(host)].some((other) => this.#inPlaceOf(other, vm, host, tried))
    })
  }

  /** One who is there already stays. */
  #inPlaceOf(other: Vm, vm: Vm, host: string, tried: Set<string>): boolean {
    if (this.#places.get(other) !== host) return false
    this.#occupancy.leave(other, host)
    if (this.#fits(vm, host)) {
      this.#occupancy.arrive(vm, host)
      if (this.#settle(other, tried)) {
        this.#give(vm, host)
        return true
      }
      this.#occupancy.leave(vm, host)
    }
    this.#occupancy.arrive(other, host)
    return false
  }

  #give(vm: Vm, host: string): void {
    this.#occupancy.arrive(vm, host)
    this.#occupancy.leave(vm, this.#from)
    this.#places.set(vm, host)
  }

  #fits(vm: Vm, host: string): boolean {
    return this.#questions-- > 0 && this.#occupancy.whyNot(vm, this.#from, host) === undefined
  }

  #hosts(): string[] {
    return this.#occupancy.topology.hosts.map(({ name }) => name)
  }
}
