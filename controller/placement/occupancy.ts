// Who is where, as capacity and anti-affinity count it: a VM that moves is at both of its hosts until it has one again.

import type { Host, Topology, Vm } from '../../topologies/topology.ts'
import { obstacle } from '../migration/preflight.ts'
import { byVnics, type Weigh } from './weights.ts'

export interface Reservation {
  readonly vm: string
  readonly to: string
}

export interface Doors {
  /** Why the host takes nobody in; undefined where it does. Asked once for each. */
  readonly closed?: (host: string) => string | undefined
  /** Why it does not have what this VM needs beside, for which there is room. */
  readonly refuses?: (host: string, vm: Vm) => string | undefined
}

export class Occupancy {
  readonly topology: Topology
  /** What a VM adds to how busy its host is. */
  readonly weigh: Weigh
  readonly #hosts: ReadonlyMap<string, Host>
  readonly #at: ReadonlyMap<string, Set<Vm>>
  readonly #doors: Doors
  readonly #closed = new Map<string, string | undefined>()

  /** `coming` are VMs that are on their way, or are going to be. */
  constructor(topology: Topology, coming: Iterable<Reservation> = [], doors: Doors = {}, weigh: Weigh = byVnics) {
    this.topology = topology
    this.weigh = weigh
    this.#doors = doors
    this.#hosts = new Map(topology.hosts.map((host) => [host.name, host]))
    this.#at = new Map(topology.hosts.map(({ name }) => [name, new Set<Vm>()]))
    for (const vm of topology.vms) this.#at.get(vm.host)?.add(vm)
    const byName = new Map(topology.vms.map((vm) => [vm.name, vm]))
    for (const { vm, to } of coming) {
      const found = byName.get(vm)
      if (found !== undefined) this.arrive(found, to)
    }
  }

  arrive(vm: Vm, host: string): void {
    this.#at.get(host)?.add(vm)
  }

  leave(vm: Vm, host: string): void {
    this.#at.get(host)?.delete(vm)
  }

  at(host: string): ReadonlySet<Vm> {
    return this.#at.get(host) ?? new Set()
  }

  isOpen(host: string): boolean {
    return this.#whyClosed(host) === undefined
  }

  /** How busy a host is. */
  load(host: string): number {
    let load = 0
    for (const vm of this.at(host)) load += this.weigh(vm)
    return load
  }

  /** Why the VM, which is at `from`, can not be at `to` as well; undefined where it can. */
  whyNot(vm: Vm, from: string, to: string): string | undefined {
    const [source, target] = [this.#hosts.get(from), this.#hosts.get(to)]
    if (source === undefined || target === undefined) return `there is no host '${source === undefined ? from : to}'`
    return (
      this.#whyClosed(to) ??
      this.#full(vm, target) ??
      this.#rival(vm, to) ??
      obstacle(this.topology, vm, source, target) ??
      this.#doors.refuses?.(to, vm)
    )
  }

  /** Of the hosts that can take the VM in, but for `except`, the least busy; of equally busy ones the first. */
  leastBusyFor(vm: Vm, from: string, except: readonly string[] = []): string | undefined {
    let best: { host: string; load: number } | undefined
    for (const { name: host } of this.topology.hosts) {
      const load = this.load(host)
      if (host === from || except.includes(host) || (best !== undefined && best.load <= load)) continue
      if (this.whyNot(vm, from, host) === undefined) best = { host, load }
    }
    return best?.host
  }

  #whyClosed(host: string): string | undefined {
    if (!this.#closed.has(host)) this.#closed.set(host, this.#doors.closed?.(host))
    return this.#closed.get(host)
  }

  #full(vm: Vm, { name, capacity }: Host): string | undefined {
    const there = this.at(name)
    if (capacity === undefined || there.has(vm) || there.size < capacity) return undefined
    return `${name} has room for ${capacity} VMs, and no more`
  }

  #rival(vm: Vm, host: string): string | undefined {
    if (vm.antiAffinity === undefined) return undefined
    for (const other of this.at(host))
      if (other.name !== vm.name && areRivals(vm, other))
        return `${host} has ${other.name}, and both are of the anti-affinity group '${vm.antiAffinity}'`
    return undefined
  }
}

export const areRivals = (a: Vm, b: Vm): boolean =>
  a.antiAffinity !== undefined && a.antiAffinity === b.antiAffinity && a.tenant === b.tenant
