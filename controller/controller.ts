// START HERE: the controller as the API, the lab and the command line meet it. It joins the parts below: what is wanted
// (network/), what that means for each switch (apps/, reconcile/), who is there (southbound/), and moves (migration/).

import type { FlowFilter, FlowSpec, FlowStatistics, MessageOf, PortStatistics } from '../protocols/control/messages.ts'
import { ConnectionClosed } from '../protocols/control/connection.ts'
import type { Clock, Nanoseconds } from '../runtime/clock.ts'
import type { Channel } from '../runtime/transport.ts'
import { fullSwitchName } from '../topologies/lookup.ts'
import type { PortPolicy, Topology, Vm } from '../topologies/topology.ts'
import { Learner } from './learner.ts'
import type { SharedWork } from './shared-work.ts'
import { Snooper } from './snooping/snooper.ts'
import { reject } from './rejections.ts'
import { Migrations } from './migration/migrations.ts'
import type {
  ControllerEvent,
  MigrationStatus,
  MoveLimits,
  MoveRequest,
  SwitchStatus,
  UserFlow,
  VmStatus,
} from './model.ts'
import { NotFound, SwitchRefused } from './model.ts'
import { FlowWrites } from './flow-writes.ts'
import { Hosts, type HostProcess } from './hosts/hosts.ts'
import type { Wire } from './hosts/wires.ts'
import { Wiring } from './hosts/wiring.ts'
import { GuestPlaces } from './hypervisor/guest-places.ts'
import type { HypervisorOptions } from './hypervisor/hypervisor.ts'
import { hypervisorOf } from './hypervisor/hypervisor.ts'
import type { LearnedAddresses } from './network/learned.ts'
import { Relocations } from './placement/relocations.ts'
import type { Intent } from './network/intent.ts'
import type { View } from './network/view.ts'
import { assignmentsOf } from './network/view.ts'
import { Fleet } from './reconcile/fleet.ts'
import { greet, type GreetOptions } from './southbound/greeting.ts'
import { checkIdentity } from './southbound/identity.ts'
import { RemoteHost } from './southbound/remote-host.ts'
import type { RemoteSwitch } from './southbound/remote-switch.ts'
import type { SwitchCounts } from './southbound/switch-counts.ts'
import { EMPTY_IMAGE, intentOf, type Image } from './state/image.ts'
import { aborting, activating, LOCAL, migrating } from './state/operations.ts'
import type { Snapshot, State } from './state/state.ts'
import { appOfCookie, isOwnCookie } from './tables.ts'
import { type Asked, type ReadVm, TopologyWrites } from './topology-writes.ts'
import { vmStatuses } from './vm-statuses.ts'
import { Wanted } from './wanted.ts'
import { Writes } from './writes.ts'
import { textOf } from '../runtime/error-text.ts'

export interface ControllerOptions extends HypervisorOptions, GreetOptions {
  log?: (line: string) => void
  /** How long frames may still be on their way to a migration's source after its peers have let go of it; 2 ms where absent. */
  drain?: () => Nanoseconds
  moves?: MoveLimits
  /** Grows with every start: of two controllers, switches and hosts listen to the one with the greater. That of `state` where absent. */
  generationId?: bigint
  /** What outlives the process; where absent, nothing does. */
  state?: State
  /** What it makes of views in common with other controllers; where absent, nothing. */
  shared?: SharedWork
}

export class Controller {
  readonly #clock: Clock
  readonly #log: (line: string) => void
  readonly #fleet: Fleet
  readonly #hosts: Hosts
  readonly #manner: GreetOptions
  readonly #learner: Learner
  readonly #migrations: Migrations
  readonly #listeners = new Set<(event: ControllerEvent) => void>()
  /** Switches that have dialled in and not yet said who they are. */
  readonly #greetings = new Set<Promise<void>>()
  readonly #wanted: Wanted
  readonly #flows: FlowWrites
  readonly #writes: Writes
  readonly #wiring: Wiring
  #standings = new Map<string, string>()
  #closed = false
  readonly #resumed: Promise<unknown>
  readonly #generation: bigint | undefined
  /** Why this controller acts no more: another one does. */
  superseded: string | undefined
  onSuperseded: () => void = () => {}
  /** Plans of them, and how far the one has come that is being applied. */
  readonly topologies: TopologyWrites
  /** Who listens to which multicast groups. */
  readonly snooper: Snooper
  /** Which QEMU has which VM. */
  readonly guestPlaces: GuestPlaces
  /** Which hosts take VMs in, and VMs that leave one together. */
  readonly relocations: Relocations
  /** What outlives the process, with its journal. */
  readonly state: State | undefined

  constructor(options: ControllerOptions) {
    this.#clock = options.clock
    this.#log = options.log ?? (() => {})
    this.#manner = options
    this.#fleet = new Fleet(options.shared?.compiled)
    this.#fleet.onStatus = (name) => this.#standingChanged(name)
    this.state = options.state
    this.#generation = options.generationId ?? options.state?.generation
    this.#hosts = new Hosts(this.#generation ?? 0n, this.#log)
    this.#hosts.onStatus = (host) => this.#hostChanged(host)
    const { asked, ...kept } = options.state?.restored ?? EMPTY_IMAGE
    this.#wanted = new Wanted(intentOf(kept), kept.assignments, options.shared)
    if (options.state !== undefined) options.state.onTaken = (why) => this.#stepDown(why)
    this.#writes = new Writes(options.state, () => this.#snapshot(), this.#log)
    this.#wiring = new Wiring({ writes: this.#writes, hosts: this.#hosts, topology: () => this.topology }, kept.wires)
    const world = {
      fleet: this.#fleet,
      clock: options.clock,
      log: this.#log,
      writes: this.#writes,
      emit: (event: ControllerEvent) => this.#emit(event),
      view: () => this.#wanted.told,
      intent: () => this.#wanted.intent,
      amend: (change: Partial<Intent>) => this.#wanted.amend(change),
      takeBack: (wanted: Topology) => this.#wanted.takeBack(wanted),
      learn: (addresses: LearnedAddresses) => this.#wanted.learn(addresses),
      tell: (vm: string) => this.#wanted.tell(vm),
    }
    const resolve = (name: string) => this.#resolve(name)
    const changed = () => this.#fleet.desire(this.#wanted.told, this.#flows.told)
    this.#wanted.onTold = changed
    this.#flows = new FlowWrites({ ...world, resolve, changed }, kept.userFlows)
    const { drain } = options
    const greeted = async () => void (await Promise.all(this.#greetings))
    const checkStillPossible = (wanted: Topology) => {
      this.#migrations.checkStillPossible(wanted)
      this.relocations.checkTopology(wanted)
    }
    this.topologies = new TopologyWrites({ ...world, drain, greeted, checkStillPossible }, asked, kept.arrivals)
    if (asked !== undefined) {
      changed()
      this.#hosts.desire(this.#wanted.told, this.#wiring.wires)
    }
    this.#learner = new Learner(world)
    this.snooper = new Snooper(world)
    this.guestPlaces = new GuestPlaces(this.#writes, () => this.topology, kept.guestPlaces)
    const hypervisor = hypervisorOf(options, this.guestPlaces, () => this.#writes.check())
    const joined = ({ nics }: Vm, host: string) => this.#hosts.joined(host, new Set(nics.map(({ id }) => id)))
    const checkPlace = (request: { vm: string; to: string }) => this.relocations.checkMove(request)
    const limits = options.moves
    this.#migrations = new Migrations({ ...world, drain, hypervisor, joined, checkPlace, limits }, kept.migrations)
    this.relocations = new Relocations(this.#placementWorld({ ...world, hypervisor, joined }), kept)
    this.relocations.resume(this.#migrations.recovered)
    this.topologies.arrivals.repeat(kept)
    this.subscribe((event) => this.#happened(event))
    // A migration ends its own entry, and so do those that make several.
    const endsItself = (entry: number) => this.#migrations.owns(entry) || this.relocations.owns(entry)
    const interrupted = (options.state?.interrupted ?? []).filter((entry) => !endsItself(entry))
    this.#resumed = Promise.all([this.#migrations.recovered, this.#flows.finish(interrupted)])
  }

  /**
   * Resolves when what was under way at the end of the process before has come to its end, or waits for a guest: at once where there
   * was nothing. It waits for switches to connect, within reason.
   */
  async resumed(): Promise<void> {
    await this.#resumed
  }

  /** A switch has dialled in, or the process that runs a host. What it says first tells which. */
  accept(channel: Channel): void {
    if (this.#closed) return channel.close()
    const greeting = this.#welcome(channel).catch((error: unknown) =>
      this.#log(error instanceof ConnectionClosed ? error.message : `${channel.peer}: ${textOf(error)}`),
    )
    // A stranger might say nothing: no write waits for it.
    if (channel.known !== undefined) return
    this.#greetings.add(greeting)
    void greeting.then(() => this.#greetings.delete(greeting))
  }

  /**
   * Makes the networks what `topology` says. Resolves when every connected switch is in sync; switches that are away follow
   * when they return. What a switch refuses is still wanted, and shown as its problem.
   * @throws SwitchRefused; Conflict where it takes a place from under a VM that is moving; StateError
   */
  apply(topology: Asked, by = LOCAL): Promise<void> {
    return this.topologies.apply(topology, by)
  }

  /**
   * Makes the policy of one vNIC what `read` finds for it in the topology that runs. Resolves as `apply` does.
   * @throws InvalidField where there is no such vNIC, and what `read` throws
   */
  setPolicy(nic: string, read: (running: Topology) => PortPolicy, by = LOCAL): Promise<void> {
    return this.topologies.setPolicy(nic, read, by)
  }

  /**
   * Makes one VM what `read` finds for it in the topology that runs: nothing where undefined. Resolves as `apply` does, with the
   * number of the change.
   * @throws SwitchRefused; Conflict where the VM is moving, or may not be there; StateError, and what `read` throws
   */
  changeVm(name: string, read: ReadVm, by = LOCAL): Promise<number> {
    return this.topologies.changeVm(name, read, by)
  }

  /**
   * Joins a vNIC to a wire, for as long as it is at `host`: that of its VM now where absent. Resolves when the host has it, or is away
   * and will have it once it returns.
   * @throws InvalidField, Conflict where the host can not have such a wire; all is as before then; StateError
   */
  attach(name: string, wire: string, host?: string, by = LOCAL): Promise<Wire> {
    return this.#wiring.attach(name, wire, host, by)
  }

  /** @throws InvalidField, NotFound where there is no wire, StateError */
  detach(name: string, host?: string, by = LOCAL): Promise<Wire> {
    return this.#wiring.detach(name, host, by)
  }

  wires(): Wire[] {
    return [...this.#wiring.wires.values()]
  }

  /** What runs the host, where it is a process of its own and connected. */
  hostProcess(name: string): HostProcess | undefined {
    return this.#hosts.process(name)
  }

  /** As applied and kept, VMs at the hosts to which migrations took them. */
  get topology(): Topology {
    return this.#wanted.told.topology
  }

  switches(): SwitchStatus[] {
    return this.#fleet.names.sort().map((name) => this.#fleet.status(name))
  }

  /** What has been said with the switch so far. */
  countsOf(switchName: string): SwitchCounts {
    return this.#fleet.countsOf(switchName)
  }

  /** How many addresses of the network traffic has shown. */
  learnedIn(network: string): number {
    return this.#wanted.intent.learned.of(network).size
  }

  vms(): VmStatus[] {
    return vmStatuses(this.#wanted.told, this.#fleet, this.#hosts)
  }

  /**
   * Adds all or none; resolves after the barrier of every switch concerned.
   * @throws SwitchRefused, NotFound, Conflict where a switch is away, InvalidField, StateError
   */
  addFlows(flows: UserFlow[], by = LOCAL): Promise<void> {
    return this.#flows.add(flows, by)
  }

  /** Deletes user flows: those `filter` matches, or the very one that `strict` identifies. Resolves with how many. */
  deleteFlows(switchName: string, filter: FlowFilter, strict?: FlowSpec, by = LOCAL): Promise<number> {
    return this.#flows.delete(switchName, filter, strict, by)
  }

  /** What the switch has, the controller's own flows included. */
  async dumpFlows(switchName: string, filter?: FlowFilter): Promise<FlowStatistics[]> {
    return this.#fleet.reconciler(this.#resolve(switchName)).remote.flows(filter)
  }

  userFlows(): UserFlow[] {
    return [...this.#flows.wanted].flatMap(([name, flows]) =>
      [...flows.values()].map((flow) => ({ switch: name, flow })),
    )
  }

  async portStatistics(switchName: string): Promise<PortStatistics[]> {
    return this.#fleet.reconciler(this.#resolve(switchName)).remote.portStatistics()
  }

  /**
   * Starts to move a VM, or has the move wait for its turn. `migrationStarted` says when that is durable.
   * @throws NotFound, Conflict
   */
  migrate(request: MoveRequest, by = LOCAL): MigrationStatus {
    this.#writes.check()
    const entry = this.#writes.begin(() => migrating(by, request))
    try {
      return this.#migrations.start(request, entry)
    } catch (error) {
      this.#writes.end(entry, error)
      throw error
    }
  }

  /** Resolves when the migration will be known after a restart. @throws StateError: it will not, and is undone */
  migrationStarted(id: string): Promise<void> {
    return this.#migrations.started(id)
  }

  /** Resolves when the migration has ended, well or not. */
  migrationDone(id: string): Promise<MigrationStatus> {
    return this.#migrations.done(id)
  }

  /** Asks the migration to undo itself; resolves when it has ended. One that has reached its destination goes on. */
  abortMigration(id: string, by = LOCAL): Promise<MigrationStatus> {
    const describe = () => aborting(by, id)
    return this.#writes.journalled(describe, () => this.#migrations.abort(id))
  }

  /** The guest is let in at its destination. @throws NotFound, Conflict where it is not awaited, StateError: it is awaited as before then */
  activateMigration(id: string, by = LOCAL): Promise<void> {
    return this.#writes.journalled(
      () => activating(by, id),
      () => this.#migrations.activate(id),
    )
  }

  migrations(): MigrationStatus[] {
    return this.#migrations.all()
  }

  /** Lets go of everybody who has dialled in; what they were told stays in force with them. */
  close(): void {
    this.#closed = true
    this.snooper.close()
    this.#hosts.close()
    for (const { remote } of this.#fleet.connected) remote.close()
  }

  /** Calls `listener` with everything that happens from now on, until the returned function is called. */
  subscribe(listener: (event: ControllerEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Resolves when all connected switches are in sync.
   * @throws SwitchRefused where one will not be
   */
  async inSync(): Promise<void> {
    do {
      await Promise.all(this.#greetings)
      await this.#writes.exclusively(() => this.#fleet.push())
    } while (this.#greetings.size > 0 || this.#fleet.connected.some((one) => !one.inSync))
  }

  #placementWorld<World>(world: World) {
    return {
      ...world,
      migrations: this.#migrations,
      migrate: (request: MoveRequest, by: string) => this.migrate(request, by).id,
      checkWires: (request: { vm: string; to: string }) => this.#wiring.check(request),
      checkQemu: (request: { vm: string; to: string }) => this.guestPlaces.check(request),
    }
  }

  async #welcome(channel: Channel): Promise<void> {
    const remote = await greet(channel, this.#clock, this.#manner)
    const claims = remote instanceof RemoteHost ? [remote.name] : [remote.name, remote.features.host]
    checkIdentity(channel, claims, (why) => remote.dismiss(why))
    if (this.#closed) return remote.close()
    if (remote instanceof RemoteHost) this.#hosts.connect(remote)
    else await this.#welcomeSwitch(remote)
  }

  async #welcomeSwitch(remote: RemoteSwitch): Promise<void> {
    const { name } = remote
    remote.onClose = () => this.#fleet.disconnect(remote)
    remote.onNotice = (message) => {
      if (message.type === 'portStatus') this.#fleet.portChanged(name, message.reason, message.port)
      else if (message.type === 'packetIn') this.#packetIn(remote, message)
      else if (message.reason !== 'delete') this.#flowRemoved(name, message.flow)
    }
    remote.onDemoted = () => this.#stepDown(followsAnother(name))
    // Another may have taken over meanwhile, as some other switch has said.
    if (!(await this.#claim(remote)) || this.#closed) return remote.close()
    await this.#fleet.connect(remote)
    if (this.topologies.asked === undefined) return this.#standingChanged(name)
    this.#fleet.desire(this.#wanted.told, this.#flows.told)
    this.#catchUp(name)
    await this.#fleet.push([name])
    await this.#migrations.afterTold()
  }

  #packetIn(remote: RemoteSwitch, message: MessageOf<'packetIn'>): void {
    reject(remote, message, this.#wanted.view.switches.get(remote.name))
    this.#learner.heard(remote.name, message)
    this.snooper.heard(remote.name, message)
  }

  /** False where the switch follows a controller of a later start. */
  async #claim(remote: RemoteSwitch): Promise<boolean> {
    if (this.#generation === undefined) return true
    try {
      await remote.claim(this.#generation)
      return true
    } catch (error) {
      if (!(error instanceof SwitchRefused) || error.code !== 'OFPRRFC_STALE') throw error
      this.#stepDown(followsAnother(remote.name))
      return false
    }
  }

  /** Another controller is in charge: this one does no more, so that they do not undo each other's work. */
  #stepDown(why: string): void {
    if (this.superseded !== undefined) return
    this.superseded = `${why}; this one changes nothing any more`
    this.#log(this.superseded)
    this.#writes.close(this.superseded)
    this.#migrations.stepDown()
    this.close()
    this.onSuperseded()
  }

  /** What a switch has gone through while nobody listened. One that has nothing of ours has started anew, and tells nothing. */
  #catchUp(name: string): void {
    const { confirmed, desired } = this.#fleet.reconciler(name)
    const found = [...confirmed.flows.values()]
    if (!found.some(({ cookie }) => isOwnCookie(cookie))) return
    this.#learner.recall(name, found)
    for (const [key, flow] of desired.flows) {
      const ends = flow.idleTimeout > 0 || flow.hardTimeout > 0
      if (ends && !confirmed.flows.has(key) && !this.#writes.concerns(name, key)) this.#flowRemoved(name, flow)
    }
  }

  #flowRemoved(name: string, flow: FlowSpec): void {
    this.#fleet.reconciler(name).forget(flow)
    if (appOfCookie(flow.cookie) === 'learning') this.#learner.aged(name, flow)
    else this.#flows.expired(name, flow)
  }

  /** What is wanted now: switches and hosts are to be so once it is durable. */
  #snapshot(): Snapshot {
    const { view, kept } = this.#wanted.snapshot()
    const image = this.#imageOf(view)
    const onKept = () => {
      if (image.asked === undefined) return
      kept()
      this.#hosts.desire(view, image.wires)
    }
    return { image, onKept }
  }

  #imageOf(view: View): Image {
    return {
      ...view.intent,
      asked: this.topologies.asked,
      userFlows: this.#flows.wanted,
      assignments: assignmentsOf(view),
      wires: this.#wiring.wires,
      guestPlaces: this.guestPlaces.places,
      migrations: this.#migrations.records,
      relocations: this.relocations.records,
      arrivals: this.topologies.arrivals.noted,
      hostModes: this.relocations.modes,
      unfinished: this.#writes.unfinished,
    }
  }

  /** `h1` means the integration bridge of h1. */
  #resolve(name: string): string {
    const full = fullSwitchName(this.topology, name)
    if (!this.#fleet.has(full)) throw new NotFound('switch', name, this.#fleet.names)
    return full
  }

  #standingChanged(name: string): void {
    if (!this.#fleet.has(name)) return
    const standing = this.#fleet.standing(name)
    const told = JSON.stringify(standing)
    if (this.#standings.get(name) === told) return
    this.#standings.set(name, told)
    this.#emit({ type: 'switch', switch: name, ...standing })
  }

  #hostChanged(host: string): void {
    const connected = this.#hosts.process(host) !== undefined
    this.#emit({ type: 'host', host, connected, wires: this.#hosts.process(host)?.wires ?? [] })
  }

  /** What one part does, and others have to know. */
  #happened(event: ControllerEvent): void {
    if (event.type === 'migration') this.topologies.arrivals.moved(event.migration)
    if (event.type !== 'topology') return
    this.snooper.topologyChanged()
    this.relocations.topologyChanged()
  }

  #emit(event: ControllerEvent): void {
    for (const listener of this.#listeners) listener(event)
  }
}

const followsAnother = (switchName: string): string => `${switchName} follows another controller, of a later start`
