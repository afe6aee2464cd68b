// START HERE: the controller as the API, the lab and the command line meet it. It joins the parts below: what is wanted
// (network/), what that means for each switch (apps/, reconcile/), who is there (southbound/), and moves (migration/).

import { SwitchAway } from './southbound/remote-switch.ts'
import type { FlowFilter, FlowSpec, FlowStatistics, PortStatistics } from '../protocols/control/messages.ts'
import type { Clock, Nanoseconds } from '../runtime/clock.ts'
import type { Channel } from '../runtime/transport.ts'
import { findHost, findNic, fullSwitchName } from '../topologies/lookup.ts'
import type { Topology } from '../topologies/topology.ts'
import { Learner } from './learner.ts'
import { Migrations } from './migration/migrations.ts'
import type { ControllerEvent, Hypervisor, MigrationStatus, SwitchStatus, UserFlow, VmStatus } from './model.ts'
import { Conflict, NotFound } from './model.ts'
import { adopt } from './network/adopt.ts'
import { placeSeenFrom } from './network/bindings.ts'
import { LearnedAddresses } from './network/learned.ts'
import type { Intent, View } from './network/view.ts'
import { buildView } from './network/view.ts'
import { groupBy } from './network/grouping.ts'
import { Hosts, type HostProcess } from './hosts/hosts.ts'
import type { Wire, Wires } from './hosts/wires.ts'
import { NO_WIRES, wireAt, withoutWire, withWire } from './hosts/wires.ts'
import { Fleet } from './reconcile/fleet.ts'
import { flowKey } from './reconcile/switch-state.ts'
import { greet } from './southbound/greeting.ts'
import { checkIdentity } from './southbound/identity.ts'
import { RemoteHost } from './southbound/remote-host.ts'
import type { RemoteSwitch } from './southbound/remote-switch.ts'
import { appOfCookie } from './tables.ts'
import type { FlowsBySwitch } from './user-flows.ts'
import { asAdded, asDesired, checkUserFlow, flowEvent, matchesFilter, withFlows, withoutFlows } from './user-flows.ts'

export interface ControllerOptions {
  clock: Clock
  hypervisor?: Hypervisor
  log?: (line: string) => void
  /** How long frames may still be on their way to a migration's source after its peers have let go of it; 2 ms where absent. */
  drain?: () => Nanoseconds
  /** Grows with every start: of two controllers, hosts listen to the one with the greater. 0 where absent. */
  generationId?: bigint
  /** Those that dial in and fall silent are let go of. For real sockets, whose other end may be gone without a word. */
  probes?: boolean
}

const NOTHING: Topology = { name: '', hosts: [], fabric: { switches: [], links: [] }, networks: [], vms: [] }

export class Controller {
  readonly #clock: Clock
  readonly #log: (line: string) => void
  readonly #fleet = new Fleet()
  readonly #hosts: Hosts
  readonly #probes: boolean
  readonly #learner: Learner
  readonly #migrations: Migrations
  readonly #listeners = new Set<(event: ControllerEvent) => void>()
  /** Switches that have dialled in and not yet said who they are. */
  readonly #greetings = new Set<Promise<void>>()
  /** Topology as it was last asked for; migrations have happened since. */
  #asked: Topology = NOTHING
  #intent: Intent = { topology: NOTHING, moves: new Map(), learned: new LearnedAddresses() }
  #view: View = buildView(this.#intent)
  #userFlows: FlowsBySwitch = new Map()
  #wires: Wires = NO_WIRES
  #standings = new Map<string, string>()
  /** The last of the writes; one is done after the other. */
  #writes: Promise<unknown> = Promise.resolve()

  constructor(options: ControllerOptions) {
    this.#clock = options.clock
    this.#log = options.log ?? (() => {})
    this.#probes = options.probes ?? false
    this.#fleet.onStatus = (name) => this.#standingChanged(name)
    this.#hosts = new Hosts(options.generationId ?? 0n, this.#log)
    this.#hosts.onStatus = (host) => this.#hostChanged(host)
    const world = {
      fleet: this.#fleet,
      view: () => this.#view,
      intent: () => this.#intent,
      amend: (change: Partial<Intent>) => this.#amend(change),
    }
    this.#learner = new Learner(world, (event) => this.#emit(event), this.#log)
    this.#migrations = new Migrations(
      { ...world, clock: options.clock, log: this.#log, drain: options.drain, hypervisor: options.hypervisor },
      (migration) => this.#emit({ type: 'migration', migration }),
    )
  }

  /** A switch has dialled in, or the process that runs a host. What it says first tells which. */
  accept(channel: Channel): void {
    const greeting = this.#welcome(channel).catch((error: unknown) =>
      this.#log(`${channel.peer}: ${error instanceof Error ? error.message : String(error)}`),
    )
    // A stranger might say nothing: no write waits for it.
    if (channel.known !== undefined) return
    this.#greetings.add(greeting)
    void greeting.then(() => this.#greetings.delete(greeting))
  }

  /**
   * Makes the networks what `topology` says. Resolves when every connected switch is in sync; switches that are away follow
   * when they return. What a switch refuses is still wanted, and shown as its problem.
   * @throws SwitchRefused; Conflict where it takes a place from under a VM that is moving
   */
  apply(topology: Topology): Promise<void> {
    return this.#exclusively(async () => {
      const adopted = adopt(topology, this.#asked, this.#intent.topology)
      this.#migrations.checkStillPossible(adopted)
      this.#amend({ topology: adopted })
      this.#asked = topology
      this.#emit({ type: 'topology', name: topology.name })
      await this.#greeted()
      await this.#fleet.push()
    })
  }

  /**
   * Joins a vNIC to a wire, for as long as it is at `host`: that of its VM now where absent. Resolves when the host has it, or is away
   * and will have it once it returns.
   * @throws InvalidField, Conflict where the host can not have such a wire; all is as before then
   */
  attach(name: string, wire: string, host?: string): Promise<Wire> {
    return this.#exclusively(async () => {
      const at = { ...this.#wirePlace(name, host), wire }
      const before = this.#wires
      await this.#setWires(withWire(before, at), at.host)
      const problem = this.#hosts.process(at.host)?.wires.find(({ vnic }) => vnic === at.nic)?.problem ?? ''
      if (problem === '') return at
      await this.#setWires(before, at.host)
      throw new Conflict(`${at.host} can not join ${at.nic} to ${wire}: ${problem}`)
    })
  }

  /** @throws InvalidField, NotFound where there is no wire */
  detach(name: string, host?: string): Promise<Wire> {
    return this.#exclusively(async () => {
      const at = this.#wirePlace(name, host)
      const wire = wireAt(this.#wires, at.nic, at.host)
      if (wire === undefined) throw new NotFound('wire', `${at.nic} at ${at.host}`)
      await this.#setWires(withoutWire(this.#wires, at.nic, at.host), at.host)
      return wire
    })
  }

  wires(): Wire[] {
    return [...this.#wires.values()]
  }

  /** What runs the host, where it is a process of its own and connected. */
  hostProcess(name: string): HostProcess | undefined {
    return this.#hosts.process(name)
  }

  /** As applied, VMs at the hosts to which migrations took them. */
  get topology(): Topology {
    return this.#intent.topology
  }

  switches(): SwitchStatus[] {
    return this.#fleet.names.sort().map((name) => this.#fleet.status(name))
  }

  vms(): VmStatus[] {
    return this.topology.vms.map((vm) => ({
      name: vm.name,
      host: vm.host,
      state: this.#intent.moves.has(vm.name) ? 'migrating' : 'running',
      nics: vm.nics.map(({ id, network, mac, addresses }) => {
        const place = placeSeenFrom(this.#view.bindings.get(id)!, '')
        const port = this.#fleet.reconciler(place.switch).confirmed.ports.get(id)
        return {
          id,
          ...(network === undefined ? {} : { network }),
          mac,
          addresses,
          switch: place.switch,
          port: place.port,
          state: port?.state ?? 'closed',
        }
      }),
    }))
  }

  /**
   * Adds all or none; resolves after the barrier of every switch concerned.
   * @throws SwitchRefused, NotFound, Conflict where a switch is away, InvalidField
   */
  addFlows(flows: UserFlow[]): Promise<void> {
    return this.#exclusively(async () => {
      flows.forEach(({ flow }, index) => checkUserFlow(flow, `flows[${index}]`))
      const added = flows.map((one) => ({ switch: this.#resolve(one.switch), flow: asDesired(one.flow) }))
      const byName = groupBy(added, (one) => one.switch)
      const again = new Map([...byName].map(([name, own]) => [name, new Set(own.map(({ flow }) => flowKey(flow)))]))
      await this.#changeFlows(withFlows(this.#userFlows, added), again)
      this.#setFlows(
        withFlows(
          this.#userFlows,
          added.map((one) => ({ ...one, flow: asAdded(one.flow) })),
        ),
      )
      await this.#fleet.push(byName.keys())
      for (const { switch: name, flow } of added) this.#emit(flowEvent(name, 'add', flow))
    })
  }

  /** Deletes user flows: those `filter` matches, or the very one that `strict` identifies. Resolves with how many. */
  deleteFlows(switchName: string, filter: FlowFilter, strict?: FlowSpec): Promise<number> {
    return this.#exclusively(async () => {
      const name = this.#resolve(switchName)
      const own = [...(this.#userFlows.get(name)?.values() ?? [])]
      const doomed = own.filter((flow) =>
        strict === undefined ? matchesFilter(flow, filter) : flowKey(flow) === flowKey(strict),
      )
      await this.#changeFlows(withoutFlows(this.#userFlows, name, doomed), new Map([[name, new Set()]]))
      for (const flow of doomed) this.#emit(flowEvent(name, 'delete', flow))
      return doomed.length
    })
  }

  /** What the switch has, the controller's own flows included. */
  async dumpFlows(switchName: string, filter?: FlowFilter): Promise<FlowStatistics[]> {
    return this.#fleet.reconciler(this.#resolve(switchName)).remote.flows(filter)
  }

  userFlows(): UserFlow[] {
    return [...this.#userFlows].flatMap(([name, flows]) => [...flows.values()].map((flow) => ({ switch: name, flow })))
  }

  async portStatistics(switchName: string): Promise<PortStatistics[]> {
    return this.#fleet.reconciler(this.#resolve(switchName)).remote.portStatistics()
  }

  /**
   * Starts to move a VM.
   * @throws NotFound, Conflict
   */
  migrate(request: { vm: string; to: string; pause?: Nanoseconds }): MigrationStatus {
    return this.#migrations.start(request)
  }

  /** Resolves when the migration has ended, well or not. */
  migrationDone(id: string): Promise<MigrationStatus> {
    return this.#migrations.done(id)
  }

  /** Asks the migration to undo itself; resolves when it has ended. One that has reached its destination goes on. */
  abortMigration(id: string): Promise<MigrationStatus> {
    return this.#migrations.abort(id)
  }

  migrations(): MigrationStatus[] {
    return this.#migrations.all()
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
      await this.#greeted()
      await this.#exclusively(() => this.#fleet.push())
    } while (this.#greetings.size > 0 || this.#fleet.connected.some((one) => !one.inSync))
  }

  async #greeted(): Promise<void> {
    await Promise.all(this.#greetings)
  }

  async #welcome(channel: Channel): Promise<void> {
    const remote = await greet(channel, this.#clock, this.#probes)
    checkIdentity(channel, remote instanceof RemoteHost ? [remote.name] : [remote.name, remote.features.host])
    if (remote instanceof RemoteHost) this.#hosts.connect(remote)
    else await this.#welcomeSwitch(remote)
  }

  async #welcomeSwitch(remote: RemoteSwitch): Promise<void> {
    const { name } = remote
    remote.onClose = () => this.#fleet.disconnect(remote)
    remote.onNotice = (message) => {
      if (message.type === 'portStatus') this.#fleet.portChanged(name, message.reason, message.port)
      else if (message.type === 'packetIn') this.#learner.heard(name, message)
      else if (message.reason !== 'delete') this.#flowRemoved(name, message.flow)
    }
    await this.#fleet.connect(remote)
    const { topology } = this.#intent
    if (topology === NOTHING) return this.#standingChanged(name)
    this.#fleet.desire(this.#view, this.#userFlows)
    await this.#fleet.push([name])
  }

  #flowRemoved(name: string, flow: FlowSpec): void {
    this.#fleet.reconciler(name).forget(flow)
    const own = this.#userFlows.get(name)?.get(flowKey(flow))
    if (appOfCookie(flow.cookie) === 'learning') this.#learner.aged(name, flow)
    else if (own !== undefined) {
      this.#setFlows(withoutFlows(this.#userFlows, name, [flow]))
      void this.#fleet.push().catch((error: unknown) => this.#log(String(error)))
      this.#emit(flowEvent(name, 'removed', flow))
    }
  }

  #amend(change: Partial<Intent>): void {
    const intent = { ...this.#intent, ...change }
    this.#view = buildView(intent, this.#view)
    this.#intent = intent
    this.#fleet.desire(this.#view, this.#userFlows)
    this.#hosts.desire(this.#view, this.#wires)
  }

  #wirePlace(name: string, host: string | undefined): { nic: string; host: string } {
    const { id, vm } = findNic(this.topology, name)
    const running = this.topology.vms.find((one) => one.name === vm)!.host
    return { nic: id, host: host === undefined ? running : findHost(this.topology, host).name }
  }

  async #setWires(wires: Wires, host: string): Promise<void> {
    this.#wires = wires
    this.#hosts.desire(this.#view, wires)
    await this.#hosts.settled(host)
  }

  #setFlows(flows: FlowsBySwitch): void {
    this.#userFlows = flows
    this.#fleet.desire(this.#view, flows)
  }

  /** The users' flows become these on the switches that `again` names, or all stays as it was. */
  async #changeFlows(flows: FlowsBySwitch, again: ReadonlyMap<string, ReadonlySet<string>>): Promise<void> {
    const away = [...again.keys()].find((name) => !this.#fleet.reconciler(name).connected)
    if (away !== undefined) throw new Conflict(`${new SwitchAway(away).message}; nothing was changed`)
    const before = this.#userFlows
    this.#setFlows(flows)
    try {
      await this.#fleet.push(again.keys(), again)
    } catch (error) {
      this.#setFlows(before)
      await this.#fleet.push().catch((second: unknown) => this.#log(String(second)))
      throw error
    }
  }

  /** `h1` means the integration bridge of h1. */
  #resolve(name: string): string {
    const full = fullSwitchName(this.topology, name)
    if (!this.#fleet.names.includes(full)) throw new NotFound('switch', name, this.#fleet.names)
    return full
  }

  #exclusively<T>(write: () => Promise<T>): Promise<T> {
    const done = this.#writes.then(write, write)
    this.#writes = done.catch(() => {})
    return done
  }

  #standingChanged(name: string): void {
    if (!this.#fleet.names.includes(name)) return
    const { connected, inSync, problem } = this.#fleet.status(name)
    const standing = JSON.stringify([connected, inSync, problem])
    if (this.#standings.get(name) === standing) return
    this.#standings.set(name, standing)
    this.#emit({ type: 'switch', switch: name, connected, inSync, ...(problem === undefined ? {} : { problem }) })
  }

  #hostChanged(host: string): void {
    const connected = this.#hosts.process(host) !== undefined
    this.#emit({ type: 'host', host, connected, wires: this.#hosts.process(host)?.wires ?? [] })
  }

  #emit(event: ControllerEvent): void {
    for (const listener of this.#listeners) listener(event)
  }
}
