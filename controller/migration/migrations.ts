// All moves of VMs: those that wait for their turn, those that are going on, and what became of the others.
//
// A VM moves once at a time: another move of it waits for the end of the one before, or has that one undone (`replace`). Beyond the
// limits, of the controller and of each host that is a move's source or destination, moves wait in the order in which they were asked for.

import type { Host, Topology, Vm } from '../../topologies/topology.ts'
import type { MigrationStatus, MoveLimits, MoveRequest } from '../model.ts'
import { named } from '../named.ts'
import { BeingMoved, Conflict, NotFound } from '../model.ts'
import { switchesOf } from '../../topologies/relocation.ts'
import { SECOND } from '../../runtime/clock.ts'
import { waitFor } from '../../runtime/waiting.ts'
import type { MigrationRecord } from '../state/image.ts'
import { withRecord } from '../state/remembered.ts'
import { Migration } from './migration.ts'
import { obstacle } from './preflight.ts'
import type { MigrationWorld } from './steps.ts'
import { textOf } from '../../runtime/error-text.ts'

export interface MovesWorld extends MigrationWorld {
  /** What is to have a say before a move begins. @throws Conflict */
  readonly checkPlace: (request: { vm: string; to: string }) => void
  readonly limits: MoveLimits | undefined
}

/** Of one controller, and of one host of it. */
const DEFAULT_LIMITS: Required<MoveLimits> = { parallel: 16, parallelPerHost: 8 }

/** Ended ones that are remembered. */
const REMEMBERED = 1000

/** How long a move that waited over a restart waits for its switches. */
const PATIENCE_AFTER_RESTART = 30 * SECOND

/** How long a switch that is back waits for moves to be ready for it. */
const READY_WITHIN = 2 * SECOND

/** A move that has not ended. */
interface Open {
  readonly id: string
  readonly request: MoveRequest
  /** While it waits for its turn, undefined. */
  migration?: Migration
  /** Resolves when a restart would know of it. */
  kept: Promise<void>
  /** After a restart nobody is connected at first. */
  ready: boolean
  readonly done: Promise<void>
  readonly end: () => void
}

export class Migrations {
  /** Of all, by id: as it is now, and what a restart needs to bring it to its end. */
  records: ReadonlyMap<string, MigrationRecord>
  /**
   * Resolves when those that were under way at the end of the process before have ended, or wait for a guest: whoever lets it in may
   * have to be let in first.
   */
  readonly recovered: Promise<unknown>
  /** Resolves when any of them waits for its guest. */
  readonly #guestAwaited: Promise<void>
  #tellGuestAwaited!: () => void
  readonly #world: MovesWorld
  readonly #limits: Required<MoveLimits>
  /** In the order in which they were asked for. */
  readonly #open = new Map<string, Open>()
  #last: number

  /** Those of `records` that have not ended go on, or back, once the switches concerned are there. */
  constructor(world: MovesWorld, records: ReadonlyMap<string, MigrationRecord>) {
    this.#world = world
    this.#limits = { ...DEFAULT_LIMITS, ...world.limits }
    world.fleet.onPort = (port) => {
      for (const { migration } of this.#running()) migration!.activation.heard(port)
    }
    world.fleet.beforeTold = (name) => this.#beforeTold(name)
    world.fleet.found = (name) => this.#found(name)
    this.records = records
    this.#last = Math.max(0, ...[...records.keys()].map((id) => Number(id.slice(1))))
    const interrupted = [...records.values()].filter(({ status }) => status.endedAt === undefined)
    const open = interrupted.map((record) => [record, this.#add(record.status.id, requestOf(record))] as const)
    this.#guestAwaited = new Promise((resolve) => {
      this.#tellGuestAwaited = resolve
    })
    this.recovered = Promise.all(open.map(([record, one]) => this.#recovered(record, one)))
  }

  /**
   * Starts one, or has it wait for its turn; `entry` is its number in the journal. To the host where the VM is already, it is done
   * at once.
   * @throws NotFound, Conflict
   */
  start(request: MoveRequest, entry: number | undefined): MigrationStatus {
    const { vm: name, to, replace = false } = request
    const vm = this.#check(request)
    const id = `m${++this.#last}`
    const status: MigrationStatus = {
      id,
      vm: name,
      from: vm.host,
      to,
      state: 'queued',
      startedAt: this.#world.clock.now(),
      held: 0,
      redirected: 0,
      overflowed: 0,
      unconfirmed: [],
      connections: 0,
      steps: [],
      leftBehind: [],
      policy: 'unknown',
    }
    const before = this.#movesOf(name)
    const open = this.#add(id, request)
    const record = { status, policyBefore: '', ...(entry !== undefined && { entry }) }
    this.records = new Map(this.records).set(id, record)
    if (this.#mayBegin(open)) this.#begin(open)
    else this.#queue(open, record)
    if (replace) for (const one of before) this.#withdraw(one, `replaced by ${id}`)
    return this.#find(id).status
  }

  /** Resolves when the migration will be known after a restart. @throws NotFound, StateError */
  started(id: string): Promise<void> {
    this.#find(id)
    return this.#open.get(id)?.kept ?? Promise.resolve()
  }

  /** @throws NotFound; Conflict where another controller is in charge before it has ended */
  async done(id: string): Promise<MigrationStatus> {
    this.#find(id)
    await this.#open.get(id)?.done
    if (this.#open.has(id)) this.#world.writes.check()
    return this.#find(id).status
  }

  /** @throws NotFound */
  async abort(id: string): Promise<MigrationStatus> {
    this.#find(id)
    const open = this.#open.get(id)
    if (open !== undefined) this.#withdraw(open, 'aborted on request')
    return this.done(id)
  }

  /** Another controller is in charge: whoever waits for one that waits, for its turn or its guest, hears so as well. */
  stepDown(): void {
    for (const open of this.#open.values()) open.end()
  }

  /** The guest of the VM goes on at its destination, somebody says. @throws NotFound, Conflict where it is not awaited, StateError */
  async activate(id: string): Promise<void> {
    const { vm, state } = this.#find(id).status
    if (!(await this.#open.get(id)?.migration?.activate()))
      throw new Conflict(`${id} (${vm}, ${state}) does not wait for its guest to go on`)
  }

  /** A switch is back: resolves when moves under way are ready for it to be told of them; undefined where none is. */
  #beforeTold(name: string): Promise<unknown> | undefined {
    const running = this.#running()
    if (running.length === 0) return undefined
    const ready = Promise.all(running.map(({ migration }) => migration!.beforeTold(name)))
    return waitFor(ready, READY_WITHIN, this.#world.clock)
  }

  /** A switch is back: it is known what it has, and it has been told nothing yet. Resolves when it may be; at once where undefined. */
  #found(name: string): Promise<unknown> | undefined {
    const noting = this.#running().flatMap(({ migration }) => migration!.found(name) ?? [])
    return noting.length === 0 ? undefined : Promise.all(noting)
  }

  /** A switch is back, and has been told what is wanted of it. @throws SwitchAway */
  async afterTold(): Promise<void> {
    await Promise.all(this.#running().map(({ migration }) => migration!.afterTold()))
  }

  all(): MigrationStatus[] {
    return [...this.records.values()].map(({ status }) => ({ ...status }))
  }

  /** Those that have not ended, in the order in which they were asked for; `isMoving` where it is their turn. */
  open(): { id: string; vm: string; to: string; isMoving: boolean }[] {
    return [...this.#open.values()].map(({ id, request: { vm, to }, migration }) => ({
      id,
      vm,
      to,
      isMoving: migration !== undefined,
    }))
  }

  /** Whether an entry of the journal is of a migration that will end it. */
  owns(entry: number): boolean {
    return [...this.records.values()].some((record) => record.entry === entry && record.status.endedAt === undefined)
  }

  /** @throws BeingMoved where `topology` changes a VM that is moving, or takes away it or one of its hosts. */
  checkStillPossible(topology: Topology): void {
    const { moves, topology: running } = this.#world.intent()
    for (const { id } of this.#running()) {
      const { vm: name, from, to, resumedAt } = this.#find(id).status
      const vm = running.vms.find((one) => one.name === name)!
      // Settled at one place, where its guest goes on, it only tidies up.
      const mayChange = !moves.has(name) && resumedAt !== undefined
      const isThere = topology.vms.some((one) => (mayChange ? one.name === name : one === vm))
      if (!isThere || ![from, to].every((host) => topology.hosts.some((one) => one.name === host)))
        throw new BeingMoved(`${name} is being moved from ${from} to ${to}; wait for its end, or abort it`, id)
    }
  }

  #add(id: string, request: MoveRequest): Open {
    let end = () => {}
    const done = new Promise<void>((resolve) => {
      end = resolve
    })
    const open: Open = { id, request, kept: Promise.resolve(), ready: true, done, end }
    this.#open.set(id, open)
    return open
  }

  #running(): Open[] {
    return [...this.#open.values()].filter(({ migration }) => migration !== undefined)
  }

  #movesOf(vm: string): Open[] {
    return [...this.#open.values()].filter(({ request }) => request.vm === vm)
  }

  #find(id: string): MigrationRecord {
    const found = this.records.get(id)
    if (found === undefined) throw new NotFound('migration', id, [...this.records.keys()])
    return found
  }

  /** What can be said of it now: where the VM is going to be, and what is connected by then, is not known while it moves. */
  #check(request: MoveRequest): Vm {
    const { topology } = this.#world.intent()
    const vm = named('VM', topology.vms, request.vm)
    const host = named('host', topology.hosts, request.to)
    if (this.#movesOf(vm.name).length === 0) this.#checkPossible(topology, vm, host)
    else checkFit(topology, vm, host)
    return vm
  }

  #mayBegin({ id, request: { vm: name, to } }: Open): boolean {
    if (this.#movesOf(name)[0]!.id !== id) return false
    const vm = this.#world.intent().topology.vms.find((one) => one.name === name)
    // A VM that has gone meanwhile has nothing to wait for.
    if (vm === undefined || vm.host === to) return true
    const running = this.#running()
      .map((one) => this.#find(one.id).status)
      .filter((one) => one.from !== one.to)
    const at = (host: string) => running.filter((one) => one.from === host || one.to === host).length
    const { parallel, parallelPerHost } = this.#limits
    return running.length < parallel && [vm.host, to].every((host) => at(host) < parallelPerHost)
  }

  /** Those whose turn it is; nobody writes any more once another controller is in charge. */
  #beginNext(): void {
    if (this.#world.writes.isClosed) return
    for (const open of this.#open.values())
      if (open.migration === undefined && open.ready && this.#mayBegin(open)) this.#beginLate(open)
  }

  #beginLate(open: Open): void {
    try {
      const { vm, to } = open.request
      const { topology } = this.#world.intent()
      this.#checkPossible(topology, named('VM', topology.vms, vm), named('host', topology.hosts, to))
    } catch (error) {
      if (!(error instanceof Conflict || error instanceof NotFound)) throw error
      return this.#withdraw(open, error.message)
    }
    this.#begin(open)
  }

  #begin(open: Open): void {
    const { id, request } = open
    const { pause = 0 } = request
    const vm = this.#world.intent().topology.vms.find((one) => one.name === request.vm)!
    const { request: _asked, ...record } = this.#find(id)
    const startedAt = this.#world.clock.now()
    this.#note({ ...record, status: { ...record.status, from: vm.host, state: 'prepare', startedAt } })
    const note = (changed: MigrationRecord) => this.#note(changed)
    open.migration = new Migration(this.#world, this.#find(id), { ...request, vm, pause }, note)
    void open.migration.activation.begun.then(this.#tellGuestAwaited)
    void this.#carry(open, open.migration.run())
    open.kept = open.migration.started
  }

  #queue(open: Open, record: MigrationRecord): void {
    const { clock, writes } = this.#world
    const steps = [{ state: 'queued' as const, at: clock.now() }]
    this.#note({ ...record, status: { ...record.status, steps }, request: open.request })
    open.kept = writes.save()
    open.kept.catch((error: unknown) => this.#withdraw(open, textOf(error)))
  }

  /** One that waits ends at once; one that is going on goes back, if it still can. */
  #withdraw(open: Open, why: string): void {
    if (open.migration !== undefined) return open.migration.abort()
    this.#close(open, 'aborted', why)
    open.end()
  }

  #close({ id }: Open, state: 'aborted' | 'failed', problem: string): void {
    if (!this.#open.has(id)) return
    const { request: _asked, ...record } = this.#find(id)
    const at = this.#world.clock.now()
    const steps = [...record.status.steps, { state, at }]
    this.#note({ ...record, status: { ...record.status, state, steps, problem, endedAt: at } })
  }

  /** One that waits for its turn may have to wait for another whose guest is awaited. */
  #recovered(record: MigrationRecord, open: Open): Promise<void> {
    const ended = this.#carry(open, this.#recover(record, open))
    return Promise.race([ended, open.migration?.activation.begun ?? this.#guestAwaited])
  }

  async #recover(record: MigrationRecord, open: Open): Promise<void> {
    if (record.status.state === 'queued') return this.#takeUp(open)
    const { vm: name } = record.status
    const vm = named('VM', this.#world.intent().topology.vms, name)
    const request = { vm, pause: 0, ...record.awaited }
    open.migration = new Migration(this.#world, record, request, (changed) => this.#note(changed))
    void open.migration.activation.begun.then(this.#tellGuestAwaited)
    await open.migration.recover()
  }

  /** To its end, even should `work` fail in a way that nobody has thought of. */
  async #carry(open: Open, work: Promise<void>): Promise<void> {
    try {
      await work
    } catch (error) {
      const why = textOf(error)
      this.#world.log(`${open.id}: ${why}`)
      this.#close(open, 'failed', why)
    }
    open.end()
  }

  /** It waited when the process ended, and has its turn once its switches are there. */
  async #takeUp(open: Open): Promise<void> {
    const { fleet, clock } = this.#world
    const { hosts, vms } = this.#world.intent().topology
    const vm = vms.find(({ name }) => name === open.request.vm)
    const [from, to] = [vm?.host, open.request.to].map((name) => hosts.find((host) => host.name === name))
    open.ready = false
    // Nothing begins before the controller is whole, and knows which moves were under way.
    await Promise.resolve()
    if (vm !== undefined && from !== undefined && to !== undefined) {
      const needed = [...switchesOf(vm, from, from), ...switchesOf(vm, from, to)]
      await fleet.whenConnected(needed, { span: PATIENCE_AFTER_RESTART, clock })
    }
    open.ready = true
    this.#beginNext()
    await open.done
  }

  /** Of a controller that another has taken over from nobody hears any more what becomes of its moves: that one brings them to their end. */
  #note(record: MigrationRecord): void {
    if (this.#world.writes.isClosed) return
    const { status, entry } = record
    const hasEnded = status.endedAt !== undefined
    if (hasEnded) this.#open.delete(status.id)
    this.records = withRecord(this.records, record, REMEMBERED)
    if (hasEnded) this.#world.writes.end(entry, failureOf(status))
    this.#world.emit({ type: 'migration', migration: status })
    if (hasEnded) this.#beginNext()
  }

  #checkPossible(topology: Topology, vm: Vm, host: Host): void {
    if (vm.host === host.name) return
    this.#world.checkPlace({ vm: vm.name, to: host.name })
    checkFit(topology, vm, host)
    const from = named('host', topology.hosts, vm.host)
    for (const name of [...switchesOf(vm, from, from), ...switchesOf(vm, from, host)])
      if (!this.#world.fleet.reconciler(name).connected) throw new Conflict(`${name} is not connected`)
  }
}

/** @throws Conflict where the host lacks what the VM needs */
function checkFit(topology: Topology, vm: Vm, host: Host): void {
  const reason = obstacle(topology, vm, named('host', topology.hosts, vm.host), host)
  if (reason !== undefined) throw new Conflict(reason)
}

const requestOf = ({ request, status: { vm, to } }: MigrationRecord): MoveRequest => request ?? { vm, to }

/** What the journal says of a move that did not come to its destination. */
const failureOf = ({ state, problem }: MigrationStatus): string | undefined =>
  state === 'done' ? undefined : `${state}: ${problem ?? 'no reason is known'}`
