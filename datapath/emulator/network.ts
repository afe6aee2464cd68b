// START HERE: a topology, running. Hosts with their switches, the fabric between them, and guests at the vNICs, all on one clock.

import { isDeepStrictEqual } from 'node:util'
import { parseIpv4 } from '../../protocols/address.ts'
import type { Nanoseconds } from '../../runtime/clock.ts'
import type { Channel } from '../../runtime/transport.ts'
import { relocated } from '../../topologies/relocation.ts'
import type { Host as HostTopology, Topology, Vm } from '../../topologies/topology.ts'
import type { DropReason } from '../drops.ts'
import type { Flow } from '../flow.ts'
import type { FrameHandle } from '../frames.ts'
import type { Switch } from '../switch.ts'
import { Company } from './company.ts'
import type { Course } from './course.ts'
import { Fabric, type World } from './fabric.ts'
import { Flights } from './flights.ts'
import { Guests } from './guests.ts'
import { Host, type Bridge, type Copied, type Dock, type HostSpec } from '../host/host.ts'

/** What may be watched. Frames can be read during the call and not after it. */
export interface NetworkEvents {
  /** A frame enters at a vNIC's port, or would, were the port there. */
  sent(nic: string, frame: FrameHandle): void
  /** A frame comes out of a vNIC's port: its guest hears it, or finds it where it stands still, once it goes on. */
  letOut?(nic: string, frame: FrameHandle): void
  /** A guest hears a frame. */
  heard(nic: string, frame: FrameHandle): void
  /** The same of one that went in company (company.ts). */
  heardInCompany?(nic: string, frame: FrameHandle): void
  /** A frame leaves a host for the fabric, or comes in from it. */
  uplink(host: string, direction: 'out' | 'in', frame: FrameHandle): void
  dropped(frame: FrameHandle, reason: DropReason, place: string, flow?: Flow): void
  /** A host writes a copy into a file. */
  captured?(host: string, file: string, copied: Copied, frame: FrameHandle): void
  /** See SwitchEvents. */
  stirred?(frame: FrameHandle): void
  /** Whether all frames on their way now may go in company (company.ts). */
  mayGoTogether?(): boolean
}

/** What `update` did: switches that have come and gone, and guests that are paused until somebody resumes them at `host`. */
export interface NetworkChange {
  added: string[]
  removed: string[]
  moved: { vm: string; host: string }[]
}

export class EmulatedNetwork {
  readonly #world: World
  readonly #events: NetworkEvents
  readonly #hosts = new Map<string, Host>()
  readonly #guests: Guests
  readonly #failedHosts = new Set<string>()
  readonly #failedLinks = new Map<string, [string, string]>()
  #topology: Topology
  #fabric: Fabric
  /** By host and bridge. */
  readonly #datapathIds = new Map<string, bigint>()
  /** By name; another map whenever hosts come, go or start again. */
  #bridges: ReadonlyMap<string, Bridge> = new Map()
  #switches: Switch[] = []
  #changes = 0
  readonly #company: Company
  readonly #flights = new Flights()
  #together = false
  /** Where frames of a vNIC come in, as of `#docksAsOf` changes. */
  readonly #docks = new Map<string, Dock>()
  #docksAsOf = 0
  readonly #docksInUse: Dock[] = []
  /** Hosts that keep frames for later. */
  readonly #keepers: Host[] = []

  constructor(topology: Topology, world: World, events: NetworkEvents) {
    this.#world = world
    this.#events = events
    this.#topology = topology
    this.#guests = new Guests(world.arena, {
      send: (host, nic, frame) => this.#enter(host, nic, frame),
      hear: (nic, frame) => this.#hear(nic, frame),
      unheard: (host, frame, reason) => this.#drop(frame, reason, host),
      unsaid: (place, nic, frame, reason) => {
        this.#events.sent(nic, frame)
        this.#drop(frame, reason, place)
      },
    })
    this.#fabric = this.#makeFabric()
    this.#company = new Company(world.arena, (nic, frame) => this.#hearInCompany(nic, frame))
    world.agenda.convoy = { begin: () => this.#begin(), end: () => this.#end() }
    this.#populate()
  }

  /** Goes up with everything that may change what becomes of frames. */
  get changes(): number {
    let changes = this.#changes + this.#fabric.changes + this.#guests.changes
    for (let index = 0; index < this.#switches.length; index++) changes += this.#switches[index]!.cache.changes.count
    return changes
  }

  /** Every switch by name, in the order of the topology. */
  switches(): ReadonlyMap<string, Bridge> {
    return this.#bridges
  }

  switch(name: string): Switch | undefined {
    return this.#bridges.get(name)?.switch
  }

  hostOf(vm: string): string | undefined {
    return this.#guests.hostOf(vm)
  }

  /** The hosts that these bytes would come to, were they to leave `host` by its uplink now. */
  reach(host: string, bytes: Uint8Array): string[] {
    const { arena } = this.#world
    const frame = arena.allocateFrom(bytes)
    const hosts = this.#fabric.reach(host, frame).filter((name) => !this.#failedHosts.has(name))
    arena.release(frame)
    return hosts
  }

  /** A guest sends `frame`, at once or when it runs again. The network owns the frame from here on. */
  send(nic: string, frame: FrameHandle): void {
    this.#guests.send(nic, frame)
  }

  /**
   * Guests send frames in company, by instant: each at its own (`arena.instant`), and the first on the first of `courses`. All that
   * comes of it before `until` is done; what is still on links then, later. `sent` is told of none of it.
   */
  sendTogether(courses: readonly Course[], frames: ArrayLike<FrameHandle>, count: number, until: Nanoseconds): void {
    this.#together = true
    const { changes } = this
    if (changes !== this.#docksAsOf) this.#docks.clear()
    this.#docksAsOf = changes
    for (let index = 0; index < count; index++) this.#dock(courses[index]!, frames[index]!)
    for (const dock of this.#docksInUse.splice(0)) dock.host.enterTogether(dock)
    const flown = this.#fly(courses, frames, count, until)
    this.#carry(courses, frames, flown, count)
    this.#world.agenda.runBefore(until)
    this.#end()
  }

  /** Frames that have left a host are at another one at once, those that can; gives the place of the first that can not. */
  #fly(courses: readonly Course[], frames: ArrayLike<FrameHandle>, count: number, until: Nanoseconds): number {
    const { agenda, arena } = this.#world
    const flights = this.#flights
    if (agenda.next === Infinity) flights.landed()
    const { latest } = flights
    flights.begin()
    for (let place = 0; place < count; place++) {
      const host = this.#company.exitOf(place)
      if (host === undefined) continue
      const way = (courses[place]!.way ??= this.#fabric.wayOf(host, frames[place]!))
      if (flights.add(arena.instant[frames[place]!]!, way, until)) continue
      flights.disturb()
      return 0
    }
    if (flights.inTime > 0) agenda.runUpTo(latest)
    return this.#land(courses, frames, count)
  }

  #land(courses: readonly Course[], frames: ArrayLike<FrameHandle>, count: number): number {
    const { arrivals, inTime } = this.#flights
    let flown = 0
    for (let place = 0; place < count; place++) {
      if (this.#company.exitOf(place) === undefined) continue
      if (flown === inTime) return place
      const frame = frames[place]!
      const course = courses[place]!
      const host = (course.target ??= this.#hosts.get(course.way!.to)!)
      this.#world.arena.instant[frame] = arrivals[flown++]!
      this.#company.arrive(frame)
      if (host.keep(frame)) this.#keepers.push(host)
    }
    return count
  }

  /** Frames from this place on that have left a host go onto the links, each at its instant. */
  #carry(courses: readonly Course[], frames: ArrayLike<FrameHandle>, first: number, count: number): void {
    const { agenda, arena } = this.#world
    for (let place = first; place < count; place++) {
      const host = this.#company.exitOf(place)
      this.#company.leaving = place
      if (host === undefined) continue
      const frame = frames[place]!
      const way = (courses[place]!.way ??= this.#fabric.wayOf(host, frame))
      agenda.runBefore(arena.instant[frame]!)
      if (way === undefined) this.#fabric.send(host, frame)
      else this.#fabric.sendAlong(way, host, frame)
    }
    this.#company.leaving = Infinity
  }

  /** How long a frame that is on its way now may still be, in an uplink's queues or on links. */
  get crossingTime(): Nanoseconds {
    let shaped = 0
    for (const { ports } of this.#switches) shaped = Math.max(shaped, ports.shaping.timeToEmptyUplink)
    return this.#fabric.crossingTime + shaped
  }

  pause(vm: string): void {
    this.#guests.pause(vm)
  }

  resume(vm: string, host: string): void {
    this.#guests.resume(vm, host)
  }

  /**
   * Takes over a changed topology: new hosts start, gone ones stop, and where there are other hosts or links the fabric is laid anew;
   * what stays keeps its state. A guest that is to run elsewhere is paused, for a `resume` at its new host once its port is there.
   */
  update(topology: Topology): NetworkChange {
    const before = this.#bridges
    const moved = this.#transferGuests(topology)
    const isLaidAnew = !isSameFabric(this.#topology, topology)
    this.#topology = topology
    for (const name of this.#hosts.keys())
      if (!topology.hosts.some((host) => host.name === name)) this.#removeHost(name)
    if (isLaidAnew) this.#layFabric()
    this.#populate()
    const after = this.#bridges
    return {
      added: [...after.keys()].filter((name) => !before.has(name)),
      removed: [...before.keys()].filter((name) => !after.has(name)),
      moved,
    }
  }

  /** @returns false where the topology has no such link. */
  failLink(a: string, b: string): boolean {
    const known = this.#fabric.fail(a, b)
    if (known) this.#failedLinks.set([a, b].sort().join(), [a, b])
    return known
  }

  /** @returns false where the topology has no such link. */
  healLink(a: string, b: string): boolean {
    this.#failedLinks.delete([a, b].sort().join())
    return this.#fabric.heal(a, b)
  }

  /** The host loses its power: its guests stop and its switches fall silent, until `healHost`. What they kept is lost. */
  failHost(name: string): void {
    this.#changes++
    this.#failedHosts.add(name)
    this.#hosts.get(name)?.discardHeld()
    this.#guests.failHost(name)
  }

  healHost(name: string): void {
    this.#changes++
    this.#failedHosts.delete(name)
  }

  /** The process that runs the host's switches starts again: they have nothing. @returns their names */
  restartHost(name: string): string[] {
    const spec = this.#topology.hosts.find((host) => host.name === name)
    if (spec === undefined) return []
    this.#stopHost(name)
    const host = this.#makeHost(spec)
    this.#hosts.set(name, host)
    this.#noteHosts()
    return [...host.bridges.keys()]
  }

  isDown(host: string): boolean {
    return this.#failedHosts.has(host)
  }

  /** Identities of the frames that are kept somewhere: in hold queues, for paused guests, and in queues of ports and links. */
  heldFrames(): number[] {
    const queued = this.#switches.flatMap(({ ports }) => ports.heldFrames())
    queued.push(...this.#fabric.waiting())
    return [...queued.map((frame) => this.#world.arena.id[frame]!), ...this.#guests.waiting()]
  }

  /** How many of them wait in queues of ports and links: these go on by themselves, in their turn. */
  get queued(): number {
    const inPorts = this.#switches.reduce((sum, { ports }) => sum + ports.shaping.waiting().length, 0)
    return inPorts + this.#fabric.waiting().length
  }

  /** Joins the switch to a controller over `channel`. */
  connect(name: string, channel: Channel): void {
    this.#bridges.get(name)!.agent.connect(channel, this.#world.decode)
  }

  #layFabric(): void {
    const before = this.#fabric
    this.#changes += before.changes
    this.#fabric = this.#makeFabric()
    this.#fabric.learnFrom(before)
    for (const [a, b] of this.#failedLinks.values()) this.#fabric.fail(a, b)
  }

  #makeFabric(): Fabric {
    return new Fabric(this.#topology, this.#world, {
      receive: (host, frames, count) => this.#arriveAtHost(host, frames, count),
      drop: (frame, reason, place) => {
        if (this.#together) this.#catchUp(this.#world.arena.instant[frame]!)
        this.#events.dropped(frame, reason, place)
      },
      stirred: (frame) => this.#events.stirred?.(frame),
    })
  }

  #removeHost(name: string): void {
    this.#stopHost(name)
    this.#hosts.delete(name)
  }

  #stopHost(name: string): void {
    const host = this.#hosts.get(name)!
    for (const { switch: bridge } of host.bridges.values()) this.#changes += bridge.cache.changes.count
    host.close()
  }

  #makeHost(spec: HostTopology): Host {
    return new Host(this.#specOf(spec), this.#world, {
      vnic: (at, nic, frame) => {
        if (this.#together) return this.#company.hear(nic, frame)
        this.#events.letOut?.(nic, frame)
        this.#guests.receive(at, nic, frame)
      },
      captured: (at, file, copied, frame) => {
        this.#events.captured?.(at, file, copied, frame)
        this.#world.arena.release(frame)
      },
      stirred: (frame) => this.#events.stirred?.(frame),
      uplink: (from, frame) => this.#leaveHost(from, frame),
      underlay: (from, frame) => this.#leaveHost(from, frame),
      drop: (frame, reason, place, flow) => this.#events.dropped(frame, reason, place, flow),
    })
  }

  #noteHosts(): void {
    this.#changes++
    this.#bridges = new Map([...this.#hosts.values()].flatMap((host) => [...host.bridges]))
    this.#switches = [...this.#bridges.values()].map((bridge) => bridge.switch)
  }

  /** A guest stays where a migration took it, unless `topology` names another host than before, or its own cannot carry it. */
  #transferGuests(topology: Topology): NetworkChange['moved'] {
    const askedHosts = new Map(this.#topology.vms.map(({ name, host }) => [name, host]))
    const mustMove = (vm: Vm) => {
      const at = this.#guests.hostOf(vm.name)
      if (at === undefined) return false
      if (this.#guests.isOnItsWay(vm.name) || askedHosts.get(vm.name) !== vm.host) return true
      return relocated(vm, topology, at) === undefined
    }
    return topology.vms
      .filter((vm) => mustMove(vm) && this.#guests.transfer(vm.name, vm.host))
      .map(({ name, host }) => ({ vm: name, host }))
  }

  #populate(): void {
    for (const spec of this.#topology.hosts)
      if (!this.#hosts.has(spec.name)) this.#hosts.set(spec.name, this.#makeHost(spec))
    this.#noteHosts()
    const wanted = new Set(this.#topology.vms.map(({ name }) => name))
    for (const vm of this.#guests.names()) if (!wanted.has(vm)) this.#guests.remove(vm)
    for (const vm of this.#topology.vms) this.#guests.add(vm.name, vm.host)
  }

  #specOf({ name, vtep, bridges }: HostTopology): HostSpec {
    return {
      name,
      ...(vtep !== undefined && { vtep: parseIpv4(vtep) }),
      bridges: bridges.map((bridge) => ({
        name: bridge.name,
        datapathId: this.#datapathIdOf(`${name}/${bridge.name}`),
      })),
    }
  }

  /** A switch keeps its own when it starts again. */
  #datapathIdOf(name: string): bigint {
    const id = this.#datapathIds.get(name) ?? BigInt(this.#datapathIds.size + 1)
    this.#datapathIds.set(name, id)
    return id
  }

  #enter(hostName: string, nic: string, frame: FrameHandle): void {
    this.#events.sent(nic, frame)
    const host = this.#hosts.get(hostName)
    if (host === undefined || this.#failedHosts.has(hostName)) return this.#drop(frame, 'link_down', hostName)
    if (!host.enter(nic, frame)) this.#drop(frame, 'inactive_binding', hostName)
  }

  #hear(nic: string, frame: FrameHandle): void {
    this.#events.heard(nic, frame)
    this.#world.arena.release(frame)
  }

  #hearInCompany(nic: string, frame: FrameHandle): void {
    this.#events.heardInCompany?.(nic, frame)
    this.#world.arena.release(frame)
  }

  #leaveHost(host: string, frame: FrameHandle): void {
    if (this.#together) return this.#company.leave(host, frame)
    if (this.#failedHosts.has(host)) return this.#drop(frame, 'link_down', host)
    this.#events.uplink(host, 'out', frame)
    this.#flights.disturb()
    this.#fabric.send(host, frame)
  }

  #arriveAtHost(name: string, frames: ArrayLike<FrameHandle>, count: number): void {
    const host = this.#hosts.get(name)
    if (host === undefined || this.#failedHosts.has(name)) {
      for (let index = 0; index < count; index++) this.#drop(frames[index]!, 'link_down', name)
      return
    }
    if (this.#together) return this.#keep(host, frames, count)
    for (let index = 0; index < count; index++) this.#events.uplink(name, 'in', frames[index]!)
    host.receive(frames, count)
  }

  #dock(course: Course, frame: FrameHandle): void {
    const dock = (course.dock ??= this.#docks.get(course.nic) ?? this.#findDock(course.nic))
    if (dock.count === 0) this.#docksInUse.push(dock)
    dock.frames[dock.count++] = frame
    this.#company.send(frame)
  }

  #findDock(nic: string): Dock {
    const host = this.#guests.hostOf(nic.slice(0, nic.indexOf(':')))
    const dock = host === undefined ? undefined : this.#hosts.get(host)?.dockOf(nic)
    if (dock === undefined) throw new Error(`no port for '${nic}'`)
    this.#docks.set(nic, dock)
    return dock
  }

  #keep(host: Host, frames: ArrayLike<FrameHandle>, count: number): void {
    for (let index = 0; index < count; index++) {
      this.#company.arrive(frames[index]!)
      if (host.keep(frames[index]!)) this.#keepers.push(host)
    }
  }

  #begin(): boolean {
    this.#together = this.#events.mayGoTogether?.() ?? false
    return this.#together
  }

  #end(): void {
    this.#catchUp(Infinity)
    this.#together = false
  }

  /** Hosts deal with what they have kept; all is told that was heard up to this instant. */
  #catchUp(until: Nanoseconds): void {
    for (const host of this.#keepers.splice(0)) host.receiveKept()
    this.#company.tell(until)
  }

  #drop(frame: FrameHandle, reason: DropReason, place: string): void {
    this.#events.dropped(frame, reason, place)
    this.#world.arena.release(frame)
  }
}

/** Whether the same hosts are joined by the same switches and links. */
function isSameFabric(a: Topology, b: Topology): boolean {
  const ends = ({ hosts }: Topology) => hosts.map(({ name, vtep }) => [name, vtep])
  return isDeepStrictEqual(a.fabric, b.fabric) && isDeepStrictEqual(ends(a), ends(b))
}
