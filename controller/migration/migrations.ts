// All moves of VMs: those that are going on, and what became of the others.

import type { Host, Topology, Vm } from '../../topologies/topology.ts'
import type { MigrationStatus, MoveRequest } from '../model.ts'
import { Conflict, NotFound } from '../model.ts'
import { switchesOf } from '../../topologies/relocation.ts'
import type { MigrationRecord } from '../state/image.ts'
import type { MigrationWorld } from './migration.ts'
import { Migration } from './migration.ts'
import { obstacle } from './preflight.ts'

/** Ended ones that are remembered. */
const REMEMBERED = 1000

interface Running {
  readonly migration: Migration
  readonly done: Promise<void>
}

export class Migrations {
  /** Of all, by id: as it is now, and what a restart needs to bring it to its end. */
  records: ReadonlyMap<string, MigrationRecord>
  /** Resolves when those that were under way at the end of the process before have ended. */
  readonly recovered: Promise<unknown>
  readonly #world: MigrationWorld
  readonly #running = new Map<string, Running>()
  #last: number

  /** Those of `records` that have not ended go on, or back, once the switches concerned are there. */
  constructor(world: MigrationWorld, records: ReadonlyMap<string, MigrationRecord>) {
    this.#world = world
    this.records = records
    this.#last = Math.max(0, ...[...records.keys()].map((id) => Number(id.slice(1))))
    const interrupted = [...records.values()].filter(({ status }) => status.endedAt === undefined)
    this.recovered = Promise.all(interrupted.map((record) => this.#recover(record)))
  }

  /**
   * Starts one; `entry` is its number in the journal. To the host where the VM is already, it is done at once.
   * @throws NotFound, Conflict
   */
  start({ vm: name, to, pause = 0, hold, drain }: MoveRequest, entry: number | undefined): MigrationStatus {
    const { topology } = this.#world.intent()
    const vm = named('VM', topology.vms, name)
    const host = named('host', topology.hosts, to)
    if (this.#isMoving(name)) throw new Conflict(`${name} is being moved already`)
    if (vm.host !== to) this.#checkPossible(topology, vm, host)
    const id = `m${++this.#last}`
    const startedAt = this.#world.clock.now()
    const status: MigrationStatus = {
      id,
      vm: name,
      from: vm.host,
      to,
      state: 'prepare',
      startedAt,
      held: 0,
      redirected: 0,
      connections: 0,
      steps: [],
      leftBehind: [],
      policy: 'unknown',
    }
    this.#note({ status, policyBefore: '', ...(entry !== undefined && { entry }) })
    const migration = new Migration(this.#world, this.records.get(id)!, { vm, pause, hold, drain }, (record) =>
      this.#note(record),
    )
    this.#running.set(id, { migration, done: migration.run() })
    return migration.status
  }

  /** Resolves when the migration will be known after a restart. @throws NotFound, StateError */
  started(id: string): Promise<void> {
    this.#find(id)
    return this.#running.get(id)?.migration.started ?? Promise.resolve()
  }

  /** @throws NotFound */
  async done(id: string): Promise<MigrationStatus> {
    this.#find(id)
    await this.#running.get(id)?.done
    return this.#find(id).status
  }

  /** @throws NotFound */
  async abort(id: string): Promise<MigrationStatus> {
    this.#find(id)
    this.#running.get(id)?.migration.abort()
    return this.done(id)
  }

  all(): MigrationStatus[] {
    return [...this.records.values()].map(({ status }) => ({ ...status }))
  }

  /** Whether an entry of the journal is of a migration that will end it. */
  owns(entry: number): boolean {
    return [...this.records.values()].some((record) => record.entry === entry && record.status.endedAt === undefined)
  }

  /** @throws Conflict where `topology` changes a VM that is moving, or takes away one of its hosts. */
  checkStillPossible(topology: Topology): void {
    const { moves, topology: running } = this.#world.intent()
    for (const id of this.#running.keys()) {
      const { vm: name, to, state } = this.#find(id).status
      // Settled at one place it only tidies up.
      if (!moves.has(name) && state !== 'prepare') continue
      const vm = running.vms.find((one) => one.name === name)!
      const hosts = [vm.host, to]
      const unchanged =
        topology.vms.includes(vm) && hosts.every((host) => topology.hosts.some((one) => one.name === host))
      if (!unchanged)
        throw new Conflict(`${name} is being moved from ${vm.host} to ${to}; wait for its end, or abort it`)
    }
  }

  #isMoving(vm: string): boolean {
    return [...this.#running.keys()].some((id) => this.records.get(id)?.status.vm === vm)
  }

  #find(id: string): MigrationRecord {
    const found = this.records.get(id)
    if (found === undefined) throw new NotFound('migration', id, [...this.records.keys()])
    return found
  }

  async #recover(record: MigrationRecord): Promise<void> {
    const { id, vm: name } = record.status
    const vm = named('VM', this.#world.intent().topology.vms, name)
    const migration = new Migration(this.#world, record, { vm, pause: 0 }, (changed) => this.#note(changed))
    const done = migration.recover()
    this.#running.set(id, { migration, done })
    await done
  }

  #note(record: MigrationRecord): void {
    const { status, entry } = record
    const records = new Map(this.records).set(status.id, record)
    if (status.endedAt !== undefined) {
      this.#running.delete(status.id)
      const ended = [...records.values()].filter((one) => one.status.endedAt !== undefined)
      for (const old of ended.slice(0, -REMEMBERED)) records.delete(old.status.id)
    }
    this.records = records
    if (status.endedAt !== undefined) this.#world.writes.end(entry, failureOf(status))
    this.#world.emit({ type: 'migration', migration: status })
  }

  #checkPossible(topology: Topology, vm: Vm, host: Host): void {
    const from = named('host', topology.hosts, vm.host)
    const reason = obstacle(topology, vm, from, host)
    if (reason !== undefined) throw new Conflict(reason)
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

/** What the journal says of a move that did not come to its destination. */
const failureOf = ({ state, problem }: MigrationStatus): string | undefined =>
  state === 'done' ? undefined : `${state}: ${problem ?? 'no reason is known'}`
