// Who joins vNICs to wires: durable before the host is told.

import { findHost, findNic, vmNamed } from '../../topologies/lookup.ts'
import type { Topology } from '../../topologies/topology.ts'
import { Conflict, NotFound } from '../model.ts'
import { attaching, detaching } from '../state/operations.ts'
import type { Writes } from '../writes.ts'
import type { Hosts } from './hosts.ts'
import type { Wire, Wires } from './wires.ts'
import { wireAt, withoutWire, withWire } from './wires.ts'

export interface WiringWorld {
  readonly writes: Writes
  readonly hosts: Hosts
  readonly topology: () => Topology
}

export class Wiring {
  wires: Wires
  readonly #world: WiringWorld

  constructor(world: WiringWorld, wires: Wires) {
    this.#world = world
    this.wires = wires
  }

  /** @throws InvalidField, Conflict where the host can not have such a wire; all is as before then; StateError */
  attach(name: string, wire: string, host: string | undefined, by: string): Promise<Wire> {
    const { writes, hosts } = this.#world
    return writes.run(
      () => attaching(by, { vnic: name, wire, host }),
      async () => {
        const at = { ...this.#place(name, host), wire }
        const before = this.wires
        await this.#set(withWire(before, at), at.host)
        try {
          await hosts.joined(at.host, new Set([at.nic]))
          return at
        } catch (error) {
          await this.#set(before, at.host)
          throw error
        }
      },
    )
  }

  /** @throws InvalidField, NotFound where there is no wire, StateError */
  detach(name: string, host: string | undefined, by: string): Promise<Wire> {
    return this.#world.writes.run(
      () => detaching(by, { vnic: name, host }),
      async () => {
        const at = this.#place(name, host)
        const wire = wireAt(this.wires, at.nic, at.host)
        if (wire === undefined) throw new NotFound('wire', `${at.nic} at ${at.host}`)
        await this.#set(withoutWire(this.wires, at.nic, at.host), at.host)
        return wire
      },
    )
  }

  /** A guest that is joined to something where it is wants to be where it goes, too. @throws Conflict */
  check({ vm: name, to }: { vm: string; to: string }): void {
    if (this.wires.size === 0 || this.#world.hosts.process(to) === undefined) return
    const vm = vmNamed(this.#world.topology().vms, name)
    const isStranded = (id: string) =>
      vm?.host !== to && wireAt(this.wires, id, vm!.host) && !wireAt(this.wires, id, to)
    const stranded = vm?.nics.find(({ id }) => isStranded(id))
    if (stranded === undefined) return
    const { id } = stranded
    throw new Conflict(`${id} is joined to nothing at ${to}; first: signalbox vm attach ${id} WIRE --host ${to}`)
  }

  #place(name: string, host: string | undefined): { nic: string; host: string } {
    const topology = this.#world.topology()
    const { id, vm } = findNic(topology, name)
    const running = topology.vms.find((one) => one.name === vm)!.host
    return { nic: id, host: host === undefined ? running : findHost(topology, host).name }
  }

  /** The host is told once it is durable. */
  async #set(wires: Wires, host: string): Promise<void> {
    const { writes, hosts } = this.#world
    const before = this.wires
    this.wires = wires
    await writes.save().catch((error: unknown) => {
      this.wires = before
      throw error
    })
    await hosts.settled(host)
  }
}
