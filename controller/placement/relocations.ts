// START HERE: which host takes VMs in, and several VMs that go elsewhere together: a host that is drained, or has failed. What is under way
// goes on after a restart of the controller.

import { SECOND } from '../../runtime/clock.ts'
import { vmNamed } from '../../topologies/lookup.ts'
import type { Host, Topology, Vm } from '../../topologies/topology.ts'
import { switchesAt } from '../../topologies/topology.ts'
import type { Migrations } from '../migration/migrations.ts'
import type { BalancedBy, BalanceOptions } from '../model.ts'
import type { ControllerEvent, DrainOptions, HostMode, MoveRequest, RelocatedVm, RelocationStatus } from '../model.ts'
import { Conflict, NotFound } from '../model.ts'
import { named } from '../named.ts'
import type { Image, RelocationRecord } from '../state/image.ts'
import { withRecord } from '../state/remembered.ts'
import { abortingRelocation, draining, failingOver, LOCAL, rebalancing, undraining } from '../state/operations.ts'
import type { Operation } from '../state/state.ts'
import { worseIn } from './breaches.ts'
import { changedVmsIn } from '../network/vm-changes.ts'
import { Occupancy } from './occupancy.ts'
import { byVnics, weighing } from './weights.ts'
import { FormerHosts } from './former-hosts.ts'
import { type MovePlan, planDrain, planRebalance } from './plan.ts'
import { Relocation } from './relocation.ts'
import { isAlive, restart, type RestartRequest, type RestartWorld } from './restart.ts'
import { textOf } from '../../runtime/error-text.ts'

export interface PlacementWorld extends Omit<RestartWorld, 'formerHosts'> {
  readonly migrations: Migrations
  readonly emit: (event: ControllerEvent) => void
  /** Whether the vNICs have wires at the host, where they have any. @throws Conflict */
  readonly checkWires: (request: { vm: string; to: string }) => void
  /** Whether a QEMU waits for the guest there, where it has one. @throws Conflict */
  readonly checkQemu: (request: { vm: string; to: string }) => void
  /** Starts a move. @returns its id. @throws Conflict, NotFound */
  readonly migrate: (request: MoveRequest, by: string) => string
}

/** As `MovePlan`, with how busy hosts that are open are before and after. */
export interface BalancePlan extends MovePlan {
  readonly by: BalancedBy
  readonly loads: readonly { host: string; before: number; after: number }[]
}

/** By how much of what hosts carry in the mean traffic may differ, and nobody moves. */
const UNMOVED = 0.1

const PARALLEL = 4
/** VMs that begin anew at the same time. */
const RESTARTS = 16
/** Ended ones that are remembered. */
const REMEMBERED = 100
/** After a restart, how long hosts have to come in. */
const PATIENCE_AFTER_RESTART = 30 * SECOND

interface Open {
  relocation: Relocation
  done: Promise<void>
}

export class Relocations {
  /** Of all, by id. */
  records: ReadonlyMap<string, RelocationRecord>
  /** Of hosts that are not open. */
  modes: ReadonlyMap<string, HostMode>
  readonly formerHosts: FormerHosts
  readonly #world: PlacementWorld
  readonly #open = new Map<string, Open>()
  #last: number

  constructor(
    world: PlacementWorld,
    { relocations: records, hostModes: modes }: Pick<Image, 'relocations' | 'hostModes'>,
  ) {
    this.#world = world
    this.formerHosts = new FormerHosts({ ...world, hasFailed: (host) => this.modeOf(host) === 'failed' })
    this.records = records
    this.modes = modes
    this.#last = Math.max(0, ...[...records.keys()].map((id) => Number(id.slice(1))))
  }

  /** Those that were under way at the end of the process before go on once `ready`, and their hosts are there. */
  resume(ready: Promise<unknown>): void {
    this.formerHosts.resume()
    for (const [id, record] of this.records) if (record.status.endedAt === undefined) this.#resume(id, record, ready)
  }

  /** VMs may be gone, or elsewhere. */
  topologyChanged(): void {
    for (const { relocation } of this.#open.values()) relocation.topologyChanged()
  }

  /** Whether any switch of the host is connected. @throws NotFound */
  isAlive(host: string): boolean {
    return isAlive(this.#host(host), this.#world.fleet)
  }

  modeOf(host: string): HostMode {
    return this.modes.get(host) ?? 'open'
  }

  /** What a drain of the host would do now. Changes nothing. @throws NotFound */
  planDrain(name: string): MovePlan {
    this.#host(name)
    const closed = (other: string) => (other === name ? `${name} is to be drained` : this.#whyClosed(other))
    return planDrain(this.#occupancy(closed, 'drain'), name, this.#vmsAt(name))
  }

  /**
   * Closes the host to new VMs, and moves its VMs to others. Resolves when that is durable.
   * @throws NotFound; Conflict where it is being drained already; StateError
   */
  async drain(name: string, options: DrainOptions = {}, by = LOCAL): Promise<RelocationStatus> {
    const running = this.#runningAt(name)
    if (running !== undefined) throw new Conflict(`${name} is being drained already, by ${running}`)
    const { moves, stuck } = this.planDrain(name)
    const { parallel = PARALLEL, ...request } = options
    const vms: RelocatedVm[] = [
      ...moves.map((move): RelocatedVm => ({ ...move, state: 'waiting' })),
      // There may be a place for them once others have gone.
      ...stuck.map(({ problem: _now, ...move }): RelocatedVm => ({ ...move, state: 'waiting' })),
    ]
    const modes = new Map(this.modes).set(name, 'closed')
    return this.#start({ kind: 'drain', host: name, parallel, moves: vms }, request, { modes, by }, () =>
      draining(by, { host: name, ...options }),
    )
  }

  /**
   * The host is taken to be gone: its VMs begin anew at others, without their connections, and have no ports at it, should it return.
   * Resolves when that is durable.
   * @throws NotFound; Conflict where the host is connected, unless `force`; StateError
   */
  async failover(name: string, force = false, by = LOCAL): Promise<RelocationStatus> {
    const host = this.#host(name)
    if (!force && isAlive(host, this.#world.fleet))
      throw new Conflict(`${name} is connected; drain it, or say --force: its VMs are cut off then, and begin anew`)
    const running = this.#runningAt(name)
    if (running !== undefined && this.find(running).kind === 'failover')
      throw new Conflict(`the VMs of ${name} are being restarted already, by ${running}`)
    if (running !== undefined) this.#open.get(running)?.relocation.abort()
    const { moves, stuck } = this.#planFailover(host)
    const vms = [...moves, ...stuck.map(({ vm, from }) => ({ vm, from }))].map((move): RelocatedVm => ({
      ...move,
      state: 'waiting',
    }))
    const modes = new Map(this.modes).set(name, 'failed')
    const what = { kind: 'failover' as const, host: name, parallel: RESTARTS, moves: vms }
    return this.#start(what, {}, { modes, by }, () => failingOver(by, name, force))
  }

  /** What `rebalance` would do now. Changes nothing. */
  async planRebalance({ by = 'vnics', window }: BalanceOptions = {}): Promise<BalancePlan> {
    const { fleet, clock, migrations } = this.#world
    const weigh = await weighing(by, fleet, clock, window)
    const occupancy = this.#occupancy((host) => this.#whyClosed(host), 'rebalance', weigh)
    const hosts = occupancy.topology.hosts.map(({ name }) => name).filter((name) => occupancy.isOpen(name))
    const before = hosts.map((host) => occupancy.load(host))
    const mean = before.reduce((sum, load) => sum + load, 0) / hosts.length
    const moving = new Set(migrations.open().map(({ vm }) => vm))
    const plan = planRebalance(occupancy, moving, by === 'traffic' ? mean * UNMOVED : 0)
    const loads = hosts.map((host, index) => ({ host, before: before[index]!, after: occupancy.load(host) }))
    return { ...plan, by, loads }
  }

  /** VMs of busy hosts move to less busy ones. Resolves when that is durable. @throws Conflict where that is being done, StateError */
  async rebalance(options: DrainOptions & BalanceOptions = {}, by = LOCAL): Promise<RelocationStatus> {
    const { by: balanced, window, parallel = PARALLEL, ...request } = options
    const balance = { ...(balanced && { by: balanced }), ...(window !== undefined && { window }) }
    this.#checkNotRebalancing()
    const plan = await this.planRebalance(balance)
    this.#checkNotRebalancing()
    const moves = plan.moves.map((move): RelocatedVm => ({ ...move, state: 'waiting' }))
    return this.#start({ kind: 'rebalance', parallel, moves }, request, { modes: this.modes, by }, () =>
      rebalancing(by, options),
    )
  }

  #checkNotRebalancing(): void {
    const running = this.all().find(({ kind, endedAt }) => kind === 'rebalance' && endedAt === undefined)
    if (running !== undefined) throw new Conflict(`${running.id} is rebalancing already`)
  }

  /** The host is open to VMs again; a drain of it that is under way is aborted. Resolves when that is durable. @throws NotFound, StateError */
  async undrain(name: string, by = LOCAL): Promise<void> {
    this.#host(name)
    await this.#world.writes.journalled(
      () => undraining(by, name),
      async () => {
        const running = this.#runningAt(name)
        if (running !== undefined) this.#open.get(running)?.relocation.abort()
        const before = this.modes.get(name)
        this.#setMode(name, undefined)
        await this.#world.writes.save().catch((error: unknown) => {
          if (!this.modes.has(name)) this.#setMode(name, before)
          throw error
        })
      },
    )
  }

  /** Asks it to end early; resolves when it has. @throws NotFound */
  abort(id: string, by = LOCAL): Promise<RelocationStatus> {
    this.#find(id)
    return this.#world.writes.journalled(
      () => abortingRelocation(by, id),
      async () => {
        this.#open.get(id)?.relocation.abort()
        return this.done(id)
      },
    )
  }

  /** Resolves when it has ended, well or not. @throws NotFound; Conflict where another controller is in charge before it has */
  async done(id: string): Promise<RelocationStatus> {
    this.#find(id)
    await this.#open.get(id)?.done
    if (this.#open.has(id)) this.#world.writes.check()
    return this.#find(id).status
  }

  all(): RelocationStatus[] {
    return [...this.records.values()].map(({ status }) => status)
  }

  /** @throws NotFound */
  find(id: string): RelocationStatus {
    return this.#find(id).status
  }

  /** Whether an entry of the journal is of one that will end it. */
  owns(entry: number): boolean {
    return [...this.records.values()].some((record) => record.entry === entry && record.status.endedAt === undefined)
  }

  /** Before a VM moves: whether its destination takes it in. @throws Conflict */
  checkMove({ vm: name, to }: { vm: string; to: string }): void {
    const { topology } = this.#world.intent()
    const vm = vmNamed(topology.vms, name)
    if (vm === undefined || vm.host === to) return
    const former = this.formerHosts.of(name)
    if (former.length > 0)
      throw new Conflict(`ports of ${name} may be open still at ${former.join(' and ')}, where it was`)
    this.#world.checkWires({ vm: name, to })
    this.#world.checkQemu({ vm: name, to })
    const coming = this.#world.migrations.open().filter((move) => move.isMoving && move.vm !== name)
    const occupancy = new Occupancy(topology, coming, { closed: (host) => this.#whyClosed(host) })
    const reason = occupancy.whyNot(vm, vm.host, to)
    if (reason !== undefined) throw new Conflict(reason)
  }

  /** @throws Conflict where `topology` puts VMs where there is no room for them by now, or at a host that takes none in */
  checkTopology(topology: Topology): void {
    const running = this.#world.intent().topology
    for (const { was, is } of changedVmsIn(running.vms, topology.vms)) {
      const reason = is === undefined || is.host === was?.host ? undefined : this.#whyClosed(is.host)
      if (reason !== undefined) throw new Conflict(`${is!.name} can not be at ${is!.host}: ${reason}`)
    }
    const coming = this.#world.migrations.open().filter(({ isMoving }) => isMoving)
    const worse = worseIn(topology, running, coming)
    if (worse !== undefined) throw new Conflict(worse)
  }

  #whyClosed(host: string): string | undefined {
    const mode = this.modeOf(host)
    if (mode === 'open') return undefined
    return `${host} ${mode === 'failed' ? 'has failed, and is' : 'is'} closed to new VMs; signalbox host undrain ${host} opens it`
  }

  #occupancy(closed: (host: string) => string | undefined, kind: RelocationStatus['kind'], weigh = byVnics): Occupancy {
    const { topology } = this.#world.intent()
    // Of a guest that begins anew nothing moves in.
    const checks = [this.#world.checkWires, ...(kind === 'failover' ? [] : [this.#world.checkQemu])]
    const byName = new Map(topology.hosts.map((host) => [host.name, host]))
    const doors = {
      closed: (to: string) => closed(to) ?? this.#whyAway(byName.get(to)),
      refuses: (to: string, { name: vm }: Vm) => refusal(() => checks.forEach((check) => check({ vm, to }))),
    }
    return new Occupancy(topology, this.#world.migrations.open(), doors, weigh)
  }

  #planFailover({ name }: Host): MovePlan {
    const closed = (other: string) => (other === name ? `${name} has failed` : this.#whyClosed(other))
    return planDrain(this.#occupancy(closed, 'failover'), name, this.#vmsAt(name))
  }

  #whyAway(host: Host | undefined): string | undefined {
    const away = host === undefined ? undefined : switchesAt(host).find((one) => !this.#isConnected(one))
    return away === undefined ? undefined : `${away} is not connected`
  }

  #isConnected(name: string): boolean {
    const { fleet } = this.#world
    return fleet.has(name) && fleet.reconciler(name).connected
  }

  #vmsAt(name: string): Vm[] {
    const coming = new Set(this.#world.migrations.open().flatMap(({ vm, to }) => (to === name ? vm : [])))
    return this.#world.intent().topology.vms.filter((vm) => vm.host === name || coming.has(vm.name))
  }

  async #start(
    what: Pick<RelocationStatus, 'kind' | 'host' | 'parallel' | 'moves'>,
    request: RelocationRecord['request'],
    { modes, by }: { modes: ReadonlyMap<string, HostMode>; by: string },
    describe: () => Operation,
  ): Promise<RelocationStatus> {
    const { writes, clock } = this.#world
    writes.check()
    const entry = writes.begin(describe)
    const id = `r${++this.#last}`
    const status: RelocationStatus = { id, ...what, state: 'running', startedAt: clock.now() }
    const host = what.host === undefined ? undefined : { name: what.host, before: this.modes.get(what.host) }
    this.modes = modes
    this.#note({ status, request, by, ...(entry !== undefined && { entry }) })
    const saved = writes.save()
    // From now on it can be aborted.
    this.#run(id, saved)
    try {
      await saved
    } catch (error) {
      this.#open.delete(id)
      this.records = new Map([...this.records].filter(([one]) => one !== id))
      if (host !== undefined && this.modes.get(host.name) === modes.get(host.name))
        this.#setMode(host.name, host.before)
      writes.end(entry, error)
      throw error
    }
    return this.#find(id).status
  }

  #setMode(host: string, mode: HostMode | undefined): void {
    const others = new Map([...this.modes].filter(([name]) => name !== host))
    this.modes = mode === undefined ? others : others.set(host, mode)
  }

  #resume(id: string, record: RelocationRecord, ready: Promise<unknown>): void {
    const { fleet, clock } = this.#world
    const { topology } = this.#world.intent()
    // Nobody waits for a host that has failed.
    const hosts = topology.hosts.flatMap((host) => (this.modeOf(host.name) === 'failed' ? [] : switchesAt(host)))
    const begin = Promise.all([ready, fleet.whenConnected(hosts, { span: PATIENCE_AFTER_RESTART, clock })])
    // Where a move was under way, it is seen by where the VM is, once that has ended.
    const moves = record.status.moves.map((move) =>
      move.state === 'moving' ? { ...move, state: 'waiting' as const } : move,
    )
    this.#note({ ...record, status: { ...record.status, moves } })
    this.#run(id, begin)
  }

  #run(id: string, begin: Promise<unknown>): void {
    const { status, request, by } = this.#find(id)
    const { clock, migrate, migrations } = this.#world
    const world = {
      now: () => clock.now(),
      occupancy: () => this.#occupancy((host) => this.#whyClosed(host), status.kind),
      start: (vm: string, to: string) => migrate({ ...request, vm, to }, by),
      done: (migration: string) => migrations.done(migration),
      // Whoever follows the move hears how it ends.
      abort: (migration: string) => void migrations.abort(migration).catch(() => {}),
      movesOf: (vm: string) => migrations.open().filter((one) => one.vm === vm),
      vmsAt: (host: string) => this.#vmsAt(host),
      restart: (vm: string, where: RestartRequest) =>
        restart({ ...this.#world, formerHosts: this.formerHosts }, vm, where),
      note: (changed: RelocationStatus) => this.#note({ ...this.#find(id), status: changed }),
    }
    const relocation = new Relocation(world, status)
    const done = begin
      .then(() => relocation.run())
      .catch((error: unknown) => this.#world.log(`${id}: ${textOf(error)}`))
    this.#open.set(id, { relocation, done })
  }

  /** As of moves, nobody hears of them any more from a controller that another has taken over from. */
  #note(record: RelocationRecord): void {
    if (this.#world.writes.isClosed) return
    const { status, entry } = record
    const hasEnded = status.endedAt !== undefined
    if (hasEnded) this.#open.delete(status.id)
    this.records = withRecord(this.records, record, REMEMBERED)
    if (hasEnded) this.#world.writes.end(entry, status.state === 'done' ? undefined : problemOf(status))
    this.#world.emit({ type: 'relocation', relocation: status })
  }

  #runningAt(host: string): string | undefined {
    const running = [...this.records.values()].find(
      ({ status }) => status.host === host && status.endedAt === undefined,
    )
    return running?.status.id
  }

  #find(id: string): RelocationRecord {
    const found = this.records.get(id)
    if (found === undefined) throw new NotFound('relocation', id, [...this.records.keys()])
    return found
  }

  #host(name: string): Host {
    return named('host', this.#world.intent().topology.hosts, name)
  }
}

/** What `check` says against it; undefined where nothing. */
function refusal(check: () => void): string | undefined {
  try {
    check()
    return undefined
  } catch (error) {
    if (!(error instanceof Conflict)) throw error
    return error.message
  }
}

function problemOf({ state, moves }: RelocationStatus): string {
  const left = moves.filter((move) => move.state === 'failed')
  return `${state}: ${left.length} of ${moves.length} VMs were not moved${left[0] === undefined ? '' : `; ${left[0].vm}: ${left[0].problem}`}`
}
