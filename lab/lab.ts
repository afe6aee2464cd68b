// START HERE: a controller and an emulated network, joined, with a judge looking on.

import { Controller, type ControllerOptions } from '../controller/controller.ts'
import type { State } from '../controller/state/state.ts'
import type { Asked } from '../controller/topology-writes.ts'
import { type ControllerEvent, type MigrationStatus, type MoveLimits, type MoveRequest } from '../controller/model.ts'
import type { DropReason } from '../datapath/drops.ts'
import { Agenda } from '../datapath/emulator/agenda.ts'
import type { Copied } from '../datapath/host/host.ts'
import { EmulatedNetwork } from '../datapath/emulator/network.ts'
import { Pinger } from '../datapath/emulator/ping.ts'
import { Trail, type Hop } from '../datapath/emulator/trail.ts'
import type { Flow } from '../datapath/flow.ts'
import { FrameArena, type FrameHandle } from '../datapath/frames.ts'
import type { Decode } from '../protocols/control/codec.ts'
import { MICROSECOND, MILLISECOND, type DrivingClock, type Nanoseconds } from '../runtime/clock.ts'
import { seeded } from '../runtime/random.ts'
import type { Stopwatch } from '../runtime/stopwatch.ts'
import { memoryChannelPair, type Channel } from '../runtime/transport.ts'
import { VirtualClock } from '../runtime/virtual-clock.ts'
import type { FailureTarget } from '../topologies/scenario.ts'
import type { Topology } from '../topologies/topology.ts'
import { Changes } from './changes.ts'
import type { FeedParty } from './capture-feed.ts'
import { CaptureParty } from './capture-party.ts'
import { dropName } from './drop-names.ts'
import type { Mapper } from './frame-map.ts'
import { Party } from './party.ts'
import { Judge, type Hearing } from './judge/judge.ts'
import type { Origin } from './judge/open-records.ts'
import { SteadyKinds } from './judge/steady-kinds.ts'
import { Surroundings } from './judge/surroundings.ts'
import { copyBytes } from '../protocols/bytes.ts'
import { Digest } from './recorder.ts'

/** How long a control message takes from controller to switch. */
const CONTROL_LATENCY = 50 * MICROSECOND

export interface LabOptions {
  clock: DrivingClock
  seed: number
  /** Times the stages of some frames. */
  stopwatch?: Stopwatch
  observer?: LabObserver
  log?: (line: string) => void
  moves?: MoveLimits
  /** What the controller keeps over a restart. */
  state?: State
  /** It runs without end, and nobody asks for a verdict on its moves. */
  endless?: boolean
  /** Frames that are captured may go in company, where nobody can tell (emulator/company.ts). */
  inCompany?: boolean
  /** Makes the controller, where somebody stands between it and the world. */
  makeController?: (options: ControllerOptions) => Controller
  /** Joins a switch, the first end, to the controller; channels in memory that take CONTROL_LATENCY where absent. */
  join?: (switchName: string) => [Channel, Channel]
  /** What reads messages; `decodeEnvelope` where absent. */
  decode?: Decode
}

/** Sees every frame at the edges; for captures and progress. Bytes can be read during the call and not after it. */
export interface LabObserver {
  sent?(at: Nanoseconds, nic: string, id: number, bytes: Uint8Array): void
  /** A port lets the frame out to its guest, which may stand still, and hear it later. */
  letOut?(at: Nanoseconds, nic: string, id: number, bytes: Uint8Array): void
  heard?(at: Nanoseconds, nic: string, id: number, bytes: Uint8Array, hearing: Hearing, hops: () => Hop[]): void
  uplink?(at: Nanoseconds, host: string, direction: 'out' | 'in', bytes: Uint8Array): void
  /** A copy for the file of a mirror. */
  captured?(at: Nanoseconds, file: string, copied: Copied & { host: string }, bytes: Uint8Array): void
}

export class Lab {
  readonly clock: DrivingClock
  readonly network: EmulatedNetwork
  readonly judge: Judge
  readonly digest = new Digest()
  readonly pinger: Pinger
  /** How it becomes another. */
  readonly changes = new Changes(this)
  /** The way of each leaked frame, in the order of the judge's witnesses. */
  readonly leakPaths: Hop[][] = []
  readonly #arena = new FrameArena()
  readonly #trail = new Trail(this.#arena)
  readonly #observer: LabObserver
  readonly #channels = new Map<string, Channel>()
  readonly #options: LabOptions
  #controller: Controller
  /** Of frames that have not entered yet: their guest may be paused. */
  readonly #origins = new Map<number, Origin>()
  /** Of the frame that is entering now. */
  readonly #origin = { id: 0, source: '', number: 0, made: false }
  /** What has been made to fail and has not been mended. */
  readonly #broken = new Set<string>()
  #nextFrame = 1
  #controllerDown = false
  readonly #party: Party

  private constructor(topology: Topology, options: LabOptions) {
    this.clock = options.clock
    this.#options = options
    this.#observer = options.observer ?? {}
    this.judge = new Judge(topology, new Surroundings(topology, (vm) => this.network.hostOf(vm)))
    if (options.endless) this.judge.mishaps.most = 0
    const { clock, stopwatch, decode } = options
    const world = {
      arena: this.#arena,
      clock,
      random: seeded(options.seed),
      trail: this.#trail,
      agenda: new Agenda(clock),
      ...(stopwatch && { stopwatch }),
      ...(decode && { decode }),
    }
    this.#arena.watch = this.judge
    // Observers are told of frames in the order in which hosts deal with them.
    if (options.inCompany && options.observer === undefined)
      this.judge.steadyKinds = new SteadyKinds(
        () => this.network.changes,
        () => this.#arena.live,
      )
    this.network = new EmulatedNetwork(topology, world, {
      sent: (nic, frame) => this.#sent(nic, frame),
      ...(this.#observer.letOut && { letOut: (nic, frame) => this.#letOut(nic, frame) }),
      heard: (nic, frame) => this.#heard(nic, frame),
      heardInCompany: (nic, frame) => this.#heardInCompany(nic, frame),
      uplink: (host, direction, frame) => {
        if (direction === 'out') this.judge.left(this.#arena.id[frame]!)
        this.#observer.uplink?.(this.clock.now(), host, direction, this.#arena.read(frame))
      },
      stirred: (frame) => this.judge.stirred(this.#arena.id[frame]!),
      mayGoTogether: () => this.judge.steadyKinds?.areAll ?? false,
      captured: (host, file, copied, frame) => this.#captured(host, file, copied, frame),
      dropped: (frame, reason, place, flow) => this.#dropped(frame, reason, place, flow),
    })
    this.#party = new Party({
      arena: this.#arena,
      judge: this.judge,
      network: this.network,
      nextId: () => this.#nextFrame++,
    })
    this.pinger = new Pinger({
      clock: options.clock,
      nextId: () => this.#nextFrame++,
      send: (nic, id, bytes) => this.#send(nic, id, bytes),
    })
    this.#controller = this.#makeController(options.state)
  }

  /** Starts controller and network; the controller has not been told of any topology. */
  static bare(topology: Topology, options: LabOptions): Lab {
    const lab = new Lab(topology, options)
    for (const name of lab.network.switches().keys()) lab.dial(name)
    return lab
  }

  /** Starts controller and network. Resolves when every switch has what the topology asks for. */
  static async start(topology: Topology, options: LabOptions): Promise<Lab> {
    const lab = Lab.bare(topology, options)
    await lab.settle(lab.controller.apply(topology))
    return lab
  }

  /** Starts with the topology that the state has, guests where they were. What was under way comes to its end first, or awaits a guest. */
  static async resume(state: State, options: LabOptions): Promise<Lab> {
    const { asked, topology } = state.restored
    const lab = new Lab(asked ?? topology, { ...options, state })
    for (const { name, host } of topology.vms) lab.network.resume(name, host)
    for (const name of lab.network.switches().keys()) lab.dial(name)
    await lab.settle(lab.controller.resumed())
    await lab.settle(lab.controller.inSync())
    return lab
  }

  get controller(): Controller {
    return this.#controller
  }

  /** The controller's process starts again, with what its last one has kept. Nobody has dialled in. */
  restartController(state: State): Controller {
    this.#controller = this.#makeController(state)
    return this.#controller
  }

  /** The process that runs the host's switches starts again: they have no ports, flows or controllers. Guests run on. */
  restartHost(host: string): void {
    for (const name of this.network.restartHost(host)) this.hangUp(name)
    this.judge.forgotten(host)
  }

  /** Waits for `work`, running the clock where it is a virtual one. */
  settle<T>(work: Promise<T>): Promise<T> {
    return this.clock instanceof VirtualClock ? this.clock.runUntil(work) : work
  }

  /**
   * A guest sends a frame, the bytes from `start` to `end`; `source` and `number` say to people where it is from. They are
   * kept aside only where the guest is paused.
   */
  inject(nic: string, bytes: Uint8Array, source: string, number = 0, start = 0, end = bytes.length): void {
    const id = this.#nextFrame++
    const origin = this.#origin
    origin.id = id
    origin.source = source
    origin.number = number
    const frame = this.#arena.allocate(end - start)
    copyBytes(bytes, start, end, this.#arena.bytes, this.#arena.offset[frame]!)
    this.#arena.id[frame] = id
    this.network.send(nic, frame)
    if (origin.id === id) this.#origins.set(id, { source, number, made: false })
    origin.id = 0
  }

  /** For frames of a capture: gives a party to go in, where there is one now. */
  captureParty(mapper: Mapper, source: string, entered: (count: number) => void): () => FeedParty | undefined {
    const { judge } = this
    const party = new CaptureParty({ judge, party: this.#party, mapper, source, entered })
    return () => {
      if (judge.steadyKinds?.areAll !== true) return undefined
      this.#party.clear()
      return party
    }
  }

  /** Frames on their way now: in queues, too, but not those that are kept for a guest. */
  get inFlight(): number {
    return this.#arena.live - this.network.heldFrames().length + this.network.queued
  }

  /** As `changes.apply`. */
  apply(asked: Asked): Promise<void> {
    return this.changes.apply(asked)
  }

  async migrate(vm: string, to: string, pause: number, more: Partial<MoveRequest> = {}): Promise<MigrationStatus> {
    const { id } = this.controller.migrate({ ...more, vm, to, pause })
    return this.controller.migrationDone(id)
  }

  /** @returns false where there is nothing by that name. */
  fail(target: FailureTarget): boolean {
    const known = this.#breakOrMend(target, false)
    if (known && !this.#broken.has(nameOf(target))) {
      this.#broken.add(nameOf(target))
      this.judge.break(target, this.clock.now())
      this.changes.askWhoKnows()
    }
    return known
  }

  /** @returns false where there is nothing by that name. */
  heal(target: FailureTarget): boolean {
    const known = this.#breakOrMend(target, true)
    if (this.#broken.delete(nameOf(target))) this.judge.mend(target, this.clock.now())
    return known
  }

  subscribe(listener: (event: ControllerEvent) => void): () => void {
    return this.controller.subscribe(listener)
  }

  #breakOrMend(target: FailureTarget, mend: boolean): boolean {
    switch (target.kind) {
      case 'link':
        return mend ? this.network.healLink(...target.endpoints) : this.network.failLink(...target.endpoints)
      case 'host':
        return this.#powerHost(target.host, mend)
      case 'controller':
        this.#controllerDown = !mend
        for (const name of this.network.switches().keys())
          if (mend) this.dial(name)
          else this.hangUp(name)
        return true
    }
  }

  #powerHost(host: string, on: boolean): boolean {
    const names = [...this.network.switches().keys()].filter((name) => name.startsWith(`${host}/`))
    if (on) this.network.healHost(host)
    else this.network.failHost(host)
    for (const name of names)
      if (on) this.dial(name)
      else this.hangUp(name)
    return names.length > 0
  }

  /** The switch dials the controller, unless it speaks with it already, or has failed. */
  dial(name: string): void {
    if (!this.#channels.has(name)) this.dialBeside(name)
  }

  /** The same beside a conversation with a controller that was there before. */
  dialBeside(name: string): void {
    if (this.#controllerDown || this.network.isDown(name.split('/')[0]!)) return
    const names: [string, string] = [name, 'controller']
    const [switchEnd, controllerEnd] =
      this.#options.join?.(name) ?? memoryChannelPair(this.clock, { latency: CONTROL_LATENCY, names })
    this.#channels.set(name, switchEnd)
    this.network.connect(name, switchEnd)
    this.controller.accept(controllerEnd)
  }

  /** The switch hangs up. */
  hangUp(name: string): void {
    this.#channels.get(name)?.close()
    this.#channels.delete(name)
  }

  #makeController(state: State | undefined): Controller {
    const {
      clock,
      log,
      moves,
      decode,
      makeController = (options: ControllerOptions) => new Controller(options),
    } = this.#options
    const controller = makeController({
      clock,
      hypervisor: {
        pause: async (vm) => this.network.pause(vm),
        resume: async (vm, host) => this.network.resume(vm, host),
        restart: async (vm, host) => this.network.resume(vm, host),
      },
      drain: () => MILLISECOND + this.network.crossingTime,
      ...(log && { log }),
      ...(decode && { decode }),
      ...(moves && { moves }),
      ...(state && { state }),
    })
    controller.subscribe(({ type }) => {
      if (type === 'switch' && controller === this.#controller) this.changes.askWhoKnows()
    })
    return controller
  }

  #send(nic: string, id: number, bytes: Uint8Array): void {
    const frame = this.#arena.allocateFrom(bytes)
    this.#arena.id[frame] = id
    this.network.send(nic, frame)
  }

  #sent(nic: string, frame: FrameHandle): void {
    const { bytes, offset, length } = this.#arena
    const id = this.#arena.id[frame]!
    const start = offset[frame]!
    const at = this.clock.now()
    this.judge.sent(id, nic, at, bytes, this.#originOf(id), start, start + length[frame]!)
    this.#observer.sent?.(at, nic, id, this.#arena.read(frame))
  }

  /** Frames in company are at instants of their own. */
  #instantOf(frame: FrameHandle): Nanoseconds {
    return Math.max(this.clock.now(), this.#arena.instant[frame]!)
  }

  #originOf(id: number): Origin {
    const now = this.#origin
    if (now.id === id) {
      now.id = 0
      return now
    }
    const origin = this.#origins.get(id) ?? { source: 'ping', number: 0, made: this.pinger.owns(id) }
    this.#origins.delete(id)
    return origin
  }

  #heardInCompany(nic: string, frame: FrameHandle): void {
    const arena = this.#arena
    if (!this.judge.heardInCompany(arena.id[frame]!, nic, this.#instantOf(frame))) return this.#heard(nic, frame)
    const start = arena.offset[frame]!
    this.digest.delivery(this.#instantOf(frame), nic, arena.view, start, start + arena.length[frame]!)
    // Nobody follows it any more.
    arena.id[frame] = 0
  }

  #letOut(nic: string, frame: FrameHandle): void {
    this.#observer.letOut?.(this.clock.now(), nic, this.#arena.id[frame]!, this.#arena.read(frame))
  }

  #heard(nic: string, frame: FrameHandle): void {
    const { bytes, offset, length } = this.#arena
    const id = this.#arena.id[frame]!
    const start = offset[frame]!
    const end = start + length[frame]!
    const at = this.#instantOf(frame)
    this.digest.delivery(at, nic, this.#arena.view, start, end)
    const witnesses = this.judge.leaks.length
    const hearing = this.judge.heard(id, nic, at, bytes, start, end)
    if (this.judge.leaks.length > witnesses) this.leakPaths.push(this.#trail.of(frame))
    this.#observer.heard?.(at, nic, id, this.#arena.read(frame), hearing, () => this.#trail.of(frame))
    if (this.pinger.owns(id)) this.pinger.hear(nic, id, this.#arena.read(frame))
  }

  /** A file hears as the target of any mirror does. */
  #captured(host: string, file: string, copied: Copied, frame: FrameHandle): void {
    this.#heard(file, frame)
    this.#observer.captured?.(this.#instantOf(frame), file, { ...copied, host }, this.#arena.read(frame))
  }

  #dropped(frame: FrameHandle, reason: DropReason, place: string, flow: Flow | undefined): void {
    const name = dropName(reason, flow)
    const id = this.#arena.id[frame]!
    const at = this.#instantOf(frame)
    this.digest.drop(at, place, name)
    this.judge.dropped(id, name, place, at)
    if (this.pinger.owns(id)) this.pinger.dropped(id, name, place)
  }
}

function nameOf(target: FailureTarget): string {
  switch (target.kind) {
    case 'link':
      return `link ${target.endpoints.toSorted().join(' ')}`
    case 'host':
      return `host ${target.host}`
    case 'controller':
      return 'controller'
  }
}
