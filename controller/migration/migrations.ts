// All moves of VMs: those that are going on, and what became of the others.

import type { Nanoseconds } from '../../runtime/clock.ts'
import type { Host, Topology, Vm } from '../../topologies/topology.ts'
import type { MigrationStatus } from '../model.ts'
import { Conflict, NotFound } from '../model.ts'
import { attachmentsOf } from '../network/attachments.ts'
import { hasBridgeFor, switchesOf } from '../../topologies/relocation.ts'
import type { MigrationWorld } from './migration.ts'
import { Migration } from './migration.ts'

export class Migrations {
  readonly #world: MigrationWorld
  readonly #tell: (status: MigrationStatus) => void
  readonly #all = new Map<string, { migration: Migration; done: Promise<void> }>()

  constructor(world: MigrationWorld, tell: (status: MigrationStatus) => void) {
    this.#world = world
    this.#tell = tell
  }

  /**
   * Starts one. To the host where the VM is already, it is done at once.
   * @throws NotFound, Conflict
   */
  start({ vm: name, to, pause = 0 }: { vm: string; to: string; pause?: Nanoseconds }): MigrationStatus {
    const { topology } = this.#world.intent()
    const vm = named('VM', topology.vms, name)
    const host = named('host', topology.hosts, to)
    if (this.#world.intent().moves.has(name)) throw new Conflict(`${name} is being moved already`)
    if (vm.host !== to) this.#checkPossible(topology, vm, host)
    const id = `m${this.#all.size + 1}`
    const migration = new Migration(this.#world, { id, vm, to, pause }, this.#tell)
    this.#all.set(id, { migration, done: migration.run() })
    return migration.status
  }

  /** @throws NotFound */
  async done(id: string): Promise<MigrationStatus> {
    const { migration, done } = this.#find(id)
    await done
    return migration.status
  }

  /** @throws NotFound */
  async abort(id: string): Promise<MigrationStatus> {
    this.#find(id).migration.abort()
    return this.done(id)
  }

  all(): MigrationStatus[] {
    return [...this.#all.values()].map(({ migration }) => migration.status)
  }

  /** @throws Conflict where `topology` changes a VM that is moving, or takes away one of its hosts. */
  checkStillPossible(topology: Topology): void {
    const { moves, topology: running } = this.#world.intent()
    for (const [name, { to }] of moves) {
      const vm = running.vms.find((one) => one.name === name)!
      const hosts = [vm.host, to]
      const unchanged =
        topology.vms.includes(vm) && hosts.every((host) => topology.hosts.some((one) => one.name === host))
      if (!unchanged)
        throw new Conflict(`${name} is being moved from ${vm.host} to ${to}; wait for its end, or abort it`)
    }
  }

  #find(id: string): { migration: Migration; done: Promise<void> } {
    const found = this.#all.get(id)
    if (found === undefined) throw new NotFound('migration', id, [...this.#all.keys()])
    return found
  }

  #checkPossible(topology: Topology, vm: Vm, host: Host): void {
    const from = named('host', topology.hosts, vm.host)
    for (const nic of vm.nics) {
      if (!hasBridgeFor(nic, from, host))
        throw new Conflict(`${host.name} has no bridge '${nic.bridge}', on which ${nic.id} is`)
      for (const { network: name } of attachmentsOf(nic)) {
        const network = topology.networks.find((one) => one.name === name)
        if (network?.type === 'vxlan' && host.vtep === undefined)
          throw new Conflict(`${host.name} has no tunnel endpoint, and ${nic.id} is on the overlay '${name}'`)
      }
    }
    for (const name of [...switchesOf(vm, from, from), ...switchesOf(vm, from, host)])
      if (!this.#world.fleet.reconciler(name).connected) throw new Conflict(`${name} is not connected`)
  }
}

function named<T extends { name: string }>(kind: string, among: readonly T[], name: string): T {
  const found = among.find((one) => one.name === name)
  if (found === undefined)
    throw new NotFound(
      kind,
      name,
      among.map((one) => one.name),
    )
  return found
}
