// Which QEMU has a VM, or waits for it, at which host: what a migration speaks with. Kept as wires are.

import { parseEndpoint } from '../../runtime/endpoint.ts'
import type { Topology } from '../../topologies/topology.ts'
import { findHost, vmNamed } from '../../topologies/lookup.ts'
import { Conflict, NotFound } from '../model.ts'
import { named } from '../named.ts'
import { forgettingQemu, LOCAL, namingQemu } from '../state/operations.ts'
import type { Writes } from '../writes.ts'
import type { GuestPlace, GuestPlacesByName } from './guest-place.ts'

const key = (vm: string, host: string): string => `${vm}@${host}`

export class GuestPlaces {
  places: GuestPlacesByName
  readonly #writes: Writes
  readonly #topology: () => Topology

  constructor(writes: Writes, topology: () => Topology, places: GuestPlacesByName) {
    this.#writes = writes
    this.#topology = topology
    this.places = places
  }

  all(): GuestPlace[] {
    return [...this.places.values()]
  }

  at(vm: string, host: string): GuestPlace | undefined {
    return this.places.get(key(vm, host))
  }

  /** The host is that where the VM runs where absent. @throws InvalidField, NotFound, StateError */
  set(vm: string, where: Omit<GuestPlace, 'vm' | 'host'>, host?: string, by = LOCAL): Promise<GuestPlace> {
    return this.#writes.run(
      () => namingQemu(by, { vm, host, ...where }),
      async () => {
        parseEndpoint(where.qmp)
        const place = { vm, host: this.#hostOf(vm, host), ...where }
        await this.#keep(new Map(this.places).set(key(vm, place.host), place))
        return place
      },
    )
  }

  /** @throws InvalidField, NotFound where nothing is known, StateError */
  remove(vm: string, host?: string, by = LOCAL): Promise<GuestPlace> {
    return this.#writes.run(
      () => forgettingQemu(by, { vm, host }),
      async () => {
        const place = this.at(vm, this.#hostOf(vm, host))
        if (place === undefined) throw new NotFound('QEMU', key(vm, host ?? this.#hostOf(vm, host)))
        const rest = new Map(this.places)
        rest.delete(key(vm, place.host))
        await this.#keep(rest)
        return place
      },
    )
  }

  /** A guest whose QEMU is known where it is needs one that waits where it goes. @throws Conflict */
  check({ vm, to }: { vm: string; to: string }): void {
    if (this.places.size === 0) return
    const from = vmNamed(this.#topology().vms, vm)?.host
    if (from === undefined || from === to || this.at(vm, from) === undefined) return
    if (this.at(vm, to)?.incoming !== undefined) return
    const first = `signalbox vm hypervisor ${vm} --host ${to} --qmp unix:FILE --incoming tcp:HOST:PORT`
    throw new Conflict(`nobody has said which QEMU waits for ${vm} at ${to}; first: ${first}`)
  }

  async #keep(places: GuestPlacesByName): Promise<void> {
    const before = this.places
    this.places = places
    await this.#writes.save().catch((error: unknown) => {
      this.places = before
      throw error
    })
  }

  #hostOf(name: string, host: string | undefined): string {
    const vm = named('VM', this.#topology().vms, name)
    return host === undefined ? vm.host : findHost(this.#topology(), host).name
  }
}
