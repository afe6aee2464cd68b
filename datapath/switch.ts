// START HERE. A switch: frames come in at a port, and leave through others, go up to the controller, or end under a name.
//
//   receive -> fast-path.ts          whole vectors of frames of which the flow cache knows what becomes; for the others:
//           -> flow-key.ts           what look-ups see of a frame
//           -> pipeline/pipeline.ts  what becomes of it, table by table (flow-tables.ts, normal.ts)
//           -> run-actions.ts        done to its bytes (rewrite.ts, tunnels.ts, meters.ts)
//           -> a port (ports.ts) that lets it out, holds it, or is closed

import type { Clock, Nanoseconds } from '../runtime/clock.ts'
import type { Random } from '../runtime/random.ts'
import type { Stopwatch } from '../runtime/stopwatch.ts'
import { seeded } from '../runtime/random.ts'
import type { Action, FragmentHandling, PortConfig, RemovalReason } from '../protocols/control/messages.ts'
import { keepsFrames } from '../protocols/control/messages.ts'
import { KEY_WORDS, Word } from '../protocols/fields.ts'
import type { DropReason } from './drops.ts'
import { DROP_REASONS } from './drops.ts'
import { beginFrames, endFrames, isSpent, nextFrame, spend } from './pipeline/effort.ts'
import type { Flow } from './flow.ts'
import { statisticsOf } from './flow.ts'
import type { FlowKey } from './flow-key.ts'
import { ETHERNET_HEADER_SIZE, extractKey } from './flow-key.ts'
import { Arrivals } from './arrivals.ts'
import { ConnectionTracker } from './conntrack/connection-tracker.ts'
import type { Tracked } from './conntrack/tracker.ts'
import { FastPath, instantOf, OWN_INSTANT } from './fast-path.ts'
import { FlowTables } from './flow-tables.ts'
import type { FrameArena, FrameHandle } from './frames.ts'
import { GroupTable } from './groups.ts'
import { FlowCache } from './cache/flow-cache.ts'
import type { FlowCacheLimits } from './cache/flow-cache.ts'
import type { Entrance } from './cache/entrance.ts'
import type { Megaflow } from './cache/megaflow.ts'
import { VECTOR, Vector } from './cache/vector.ts'
import type { MacEntry } from './mac-table.ts'
import { MacTable } from './mac-table.ts'
import { MeterTable } from './meters.ts'
import { packetInOf } from './packet-in.ts'
import { countReceived, obstacle } from './passage.ts'
import type { Effect } from './pipeline/effects.ts'
import { bringAbout } from './pipeline/effects.ts'
import type { Frozen } from './pipeline/freeze.ts'
import { thawKey } from './pipeline/freeze.ts'
import { resume, translate, translateActions } from './pipeline/pipeline.ts'
import type { Translation } from './pipeline/translation.ts'
import type { PipelineContext } from './pipeline/walk.ts'
import type { Port } from './port.ts'
import type { PortTableOptions } from './ports.ts'
import { PortTable } from './ports.ts'
import type { ActionSink, Findings, Output, SampleAction, Surroundings } from './run-actions.ts'
import { runActions } from './run-actions.ts'
import { StageTimes } from './stage-times.ts'
import type { DropPlace, SwitchEvents } from './switch-events.ts'
import { NotReceived, outer } from './tunnels.ts'

/** A sample action's probability of one. */
const CERTAIN = 0xffff
/** How often one frame may come back by way of patch ports, each time while it is still under way: it has to fit the call stack. */
const MAX_RETURNS_NESTED = 64

export interface SwitchOptions {
  name: string
  host: string
  datapathId: bigint
  arena: FrameArena
  clock: Clock
  /** Draws what is free to choose: NAT ports, samples. */
  random?: Random
  events: SwitchEvents
  /** Flows that fit, in all tables; 1,000,000 where absent. */
  maxFlows?: number
  /** How much is kept of what the pipeline has answered. */
  cache?: Partial<FlowCacheLimits>
  /** Times the stages of some frames. */
  stopwatch?: Stopwatch
  ports?: Pick<PortTableOptions, 'hasLink' | 'holdRoom'>
}

type Question = (context: PipelineContext, now: Nanoseconds) => Translation

export class Switch {
  readonly name: string
  readonly host: string
  readonly datapathId: bigint
  readonly arena: FrameArena
  readonly clock: Clock
  readonly ports: PortTable
  readonly tables: FlowTables
  readonly cache: FlowCache
  readonly stageTimes: StageTimes
  readonly groups: GroupTable
  readonly meters = new MeterTable()
  readonly connections: ConnectionTracker
  readonly macTable: MacTable
  /** Copies of frames that ended here, by reason. */
  readonly drops = Object.fromEntries(Object.keys(DROP_REASONS).map((reason) => [reason, 0])) as Record<
    DropReason,
    number
  >

  /** Frames that sample actions took, by observation point. */
  readonly samples = new Map<number, number>()

  readonly #arrivals = new Arrivals()
  readonly #events: SwitchEvents
  readonly #key: FlowKey = new Uint32Array(KEY_WORDS)
  /** By how deeply frames are nested: who comes back while it is under way must leave what it has found alone. */
  readonly #vectors: Vector[] = []
  readonly #fastPath: FastPath
  readonly #sink: ActionSink
  readonly #surroundings: Surroundings
  readonly #random: Random
  #fragments: FragmentHandling = 'normal'
  #standalone = false
  /** Frames on their way through this switch now, each come back by the one before. */
  #nesting = 0

  constructor({
    name,
    host,
    datapathId,
    arena,
    clock,
    random = seeded(Number(datapathId & 0xffffffffn)),
    events,
    maxFlows = 1_000_000,
    cache = {},
    stopwatch,
    ports = {},
  }: SwitchOptions) {
    this.name = name
    this.host = host
    this.datapathId = datapathId
    this.arena = arena
    this.clock = clock
    this.#events = events
    this.stageTimes = new StageTimes(stopwatch)
    this.ports = new PortTable({
      arena,
      clock,
      datapathId,
      ...ports,
      arrivals: this.#arrivals,
      events: {
        changed: (...change) => this.#portChanged(...change),
        transmit: (port, frame) => this.#transmit(frame, port),
        discard: (port, frame, reason) => this.#dropAtPort(frame, reason, port),
        lost: (frame) => this.#drop(frame, 'unknown_port'),
      },
    })
    this.connections = this.#makeTracker(random)
    this.cache = new FlowCache(this, cache)
    this.#fastPath = this.#makeFastPath(events)
    const { changes } = this.cache
    const catchUp = () => this.cache.tell()
    this.macTable = new MacTable({ changed: (vlan, mac) => changes.note({ type: 'address', vlan, mac }) })
    this.groups = new GroupTable({ catchUp, changed: (group) => changes.note({ type: 'group', group }) })
    this.tables = new FlowTables({
      clock,
      catchUp,
      changed: (flow) => changes.note({ type: 'flow', flow }),
      configured: () => changes.note({ type: 'everything' }),
      maxFlows,
      meterExists: (meter) => this.meters.has(meter),
      groupExists: (group) => this.groups.has(group),
      removed: (flow, reason) => this.#flowRemoved(flow, reason),
    })
    this.#sink = {
      leave: (frame, output, hits) => this.#leave(frame, output, hits),
      end: (frame, reason, flow) => this.#drop(frame, reason, undefined, flow),
      recirculate: (frame, frozen, findings) => this.#goOn(frame, frozen, findings),
      toController: (frame, action) => this.#events.message(packetInOf(this.arena.read(frame), action)),
      sample: (_frame, action) => this.#sample(action),
    }
    this.#surroundings = { arena, clock, meters: this.meters, tracker: this.connections, sink: this.#sink }
    this.#random = random
  }

  /** What flows see of IP fragments (OFPC_FRAG_*). */
  get fragments(): FragmentHandling {
    return this.#fragments
  }

  set fragments(fragments: FragmentHandling) {
    this.#fragments = fragments
    this.cache.changes.note({ type: 'everything' })
  }

  /** Open vSwitch's fail_mode=standalone, its controllers away: what no flow of table 0 takes is forwarded normally. */
  get standalone(): boolean {
    return this.#standalone
  }

  set standalone(standalone: boolean) {
    this.#standalone = standalone
    this.cache.changes.note({ type: 'everything' })
  }

  /** Frames that come in at a port, now or each at its own instant. They are the switch's; each copy leaves or is dropped once. */
  receive(frames: ArrayLike<FrameHandle>, count: number, port: number, outOfStep = false): void {
    const entrance = this.cache.atPort(port)
    const now = this.#begin(outOfStep)
    const vector = this.#freeVector
    try {
      for (let start = 0; start < count; start += VECTOR) {
        vector.take(frames, start, Math.min(VECTOR, count - start))
        this.#receiveVector(vector, port, entrance, now)
      }
    } finally {
      this.#end()
    }
  }

  /** VXLAN frames from the host's own network stack: they come in at the tunnel ports that take them. */
  receiveTunnelled(frames: ArrayLike<FrameHandle>, count: number, outOfStep = false): void {
    const { cache, arena } = this
    const now = this.#begin(outOfStep)
    const vector = this.#freeVector
    const { tunnels } = this.ports
    let current: Entrance | undefined
    /** Nobody has come out of a tunnel since the last frame of the vector. */
    let isAlike = false
    vector.count = 0
    try {
      for (let index = 0; index < count; index++) {
        const frame = frames[index]
        if (isAlike && vector.count < VECTOR && tunnels.receiveAlike(arena, frame)) {
          vector.frames[vector.count++] = frame
          continue
        }
        const port = tunnels.receive(arena, frame)
        isAlike = false
        if (port < 0) {
          this.#drop(frame, port === NotReceived.Unknown ? 'unknown_tunnel' : 'invalid_tunnel')
          continue
        }
        const entrance = cache.atTunnel(port, outer.vni, outer.source, outer.destination)
        if (current !== undefined && (entrance !== current || vector.count === VECTOR)) {
          this.#receiveVector(vector, current.tunnel!.port, current, now)
          vector.count = 0
        } else isAlike = true
        current = entrance
        vector.frames[vector.count++] = frame
      }
      if (current !== undefined) this.#receiveVector(vector, current.tunnel!.port, current, now)
    } finally {
      this.#end()
    }
  }

  get #freeVector(): Vector {
    return (this.#vectors[this.#nesting] ??= new Vector())
  }

  /** The main loop: the fast path takes as many frames as it may together; each that it leaves goes the longer way. */
  #receiveVector(vector: Vector, port: number, entrance: Entrance, now: Nanoseconds): void {
    const { cache, arena } = this
    const { frames, numbers, count } = vector
    const ingress = this.ports.byNumber(port)
    const isTimed = this.stageTimes.startVector(count)
    cache.recall(entrance, arena, vector)
    if (isTimed) this.stageTimes.recalled()
    const areTogether = this.#fastPath.admit(vector, ingress)
    for (let start = 0, end = 0; start < count; start = end) {
      const frame = frames[start]
      end = start + 1
      if (!areTogether && !this.#admit(frame, ingress)) continue
      nextFrame()
      const place = this.#mayGoOn ? cache.placeOf(numbers[start]) : 0
      const left = place === 0 ? start : this.#fastPath.letOut(vector, start, areTogether ? count : end, place, now)
      if (left > start) end = left
      else if (place === 0) this.#forward(frame, port, entrance, instantOf(arena, frame, now))
      else this.#carryOut(frame, cache.at(place), instantOf(arena, frame, now))
    }
    if (isTimed) this.stageTimes.stop()
  }

  /** A frame that the controller sends, as though it had come in at `inPort`. Takes ownership. */
  inject(frame: FrameHandle, inPort: number, actions: readonly Action[]): void {
    if (this.arena.length[frame] < ETHERNET_HEADER_SIZE) return this.#drop(frame, 'malformed')
    if (this.ports.byNumber(inPort)?.flags.noReceive) return this.#drop(frame, 'no_recv')
    const key = this.#key
    extractKey(this.arena, frame, inPort, key)
    const now = this.#begin()
    nextFrame()
    try {
      const answer = this.cache.once(key, (context) => translateActions(context, key, actions, now))
      this.#carryOut(frame, answer, now)
    } finally {
      this.#end()
    }
  }

  /** Fragments that wait at another switch for the rest of their datagram, which may have come here. They are the switch's. */
  takeInFragments(frames: readonly FrameHandle[], zone: number): void {
    this.#begin()
    try {
      for (const frame of frames) {
        nextFrame()
        this.connections.adopt(this.arena, frame, zone)
      }
    } finally {
      this.#end()
    }
  }

  /** Stops what it does of its own accord: no flow expires any more. */
  close(): void {
    this.tables.close()
  }

  #makeTracker(random: Random): ConnectionTracker {
    const released = (frame: FrameHandle, reason: DropReason) => this.#drop(frame, reason)
    return new ConnectionTracker({ clock: this.clock, random, released, arrivals: this.#arrivals })
  }

  #makeFastPath(events: SwitchEvents): FastPath {
    const { arena, ports, cache } = this
    return new FastPath({ arena, ports, cache, events, bringAbout: (...what) => this.#bringAbout(...what) })
  }

  /** Frames are about to be dealt with: gives the time at which, or OWN_INSTANT. */
  #begin(outOfStep = false): Nanoseconds {
    const now = this.clock.now()
    this.macTable.expire(now)
    this.cache.sweep(now)
    this.#nesting++
    beginFrames()
    return outOfStep ? OWN_INSTANT : now
  }

  #end(): void {
    endFrames()
    this.#nesting--
  }

  /** Counts the frame; false where it may not come in and was dropped. */
  #admit(frame: FrameHandle, port: Port | undefined): boolean {
    const reason = this.ports.refusal(frame, port)
    if (port) countReceived(port, this.arena.length[frame], reason !== undefined)
    if (reason !== undefined) this.#drop(frame, reason, port)
    return reason === undefined
  }

  /** Patch ports hand a frame on at once, so where bridges are joined in a ring it comes back before this has ended. */
  get #mayGoOn(): boolean {
    return this.#nesting <= MAX_RETURNS_NESTED + 1 && !isSpent()
  }

  #forward(frame: FrameHandle, port: number, entrance: Entrance, now: Nanoseconds): void {
    if (this.#nesting > MAX_RETURNS_NESTED + 1) return this.#drop(frame, 'recursion_too_deep')
    if (isSpent()) return this.#drop(frame, 'too_many_resubmit')
    this.#carryOut(frame, this.#find(frame, port, entrance), now)
  }

  /** The longer way: by the frame's key. */
  #find(frame: FrameHandle, port: number, entrance: Entrance): Megaflow {
    const { arena } = this
    const key = this.#key
    const start = this.#startTime()
    extractKey(arena, frame, port, key)
    const { tunnel } = entrance
    if (tunnel !== undefined) {
      key[Word.tunnelId + 1] = tunnel.vni
      key[Word.tunnelSource] = tunnel.source
      key[Word.tunnelDestination] = tunnel.destination
    }
    const known = this.#lookUp(frame, entrance, start)
    return known ?? this.#ask(frame, entrance, (context, now) => translate(context, this.#key, now))
  }

  #lookUp(frame: FrameHandle, entrance: Entrance, start: Nanoseconds): Megaflow | undefined {
    const known = this.cache.find(entrance, this.#key, this.arena, frame)
    if (this.stageTimes.running) this.stageTimes.foundSince(start)
    return known
  }

  #ask(frame: FrameHandle, entrance: Entrance, ask: Question): Megaflow {
    const start = this.#startTime()
    const now = this.clock.now()
    const answer = this.cache.ask(entrance, this.#key, this.arena, frame, now, (context) => ask(context, now))
    if (this.stageTimes.running) this.stageTimes.askedSince(start)
    return answer
  }

  #startTime(): Nanoseconds {
    return this.stageTimes.running ? this.stageTimes.now() : 0
  }

  #carryOut(frame: FrameHandle, megaflow: Megaflow, now: Nanoseconds, tracked?: Tracked): void {
    spend(megaflow.effort)
    this.cache.count(megaflow, this.arena.length[frame], now)
    if (!megaflow.isSteady) this.#events.stirred?.(frame)
    if (megaflow.effects.length > 0) this.#bringAbout(megaflow, now)
    runActions(frame, megaflow.actions, megaflow.hits, this.#surroundings, tracked)
  }

  #bringAbout(megaflow: Megaflow, now: Nanoseconds): void {
    const { refreshes, effects, lasting } = megaflow
    if (refreshes === undefined) {
      bringAbout(effects, this, now)
      megaflow.refreshes = learnedFrom(effects, this.macTable, now)
      return
    }
    for (let index = 0; index < refreshes.length; index++) this.macTable.refresh(refreshes[index], now)
    if (lasting.length > 0) bringAbout(lasting, this, now)
  }

  /** The frame is read anew, and its way through the tables goes on where it was frozen. */
  #goOn(frame: FrameHandle, frozen: Frozen, { tracked, results }: Findings): void {
    if (isSpent()) return this.#drop(frame, 'too_many_resubmit')
    const key = this.#key
    extractKey(this.arena, frame, frozen.metadata[Word.inPort], key)
    thawKey(frozen, key, tracked, results)
    this.#carryOut(frame, this.#resumed(frame, frozen), this.clock.now(), tracked)
  }

  #resumed(frame: FrameHandle, frozen: Frozen): Megaflow {
    const { cache } = this
    const key = this.#key
    const ask: Question = (context, now) => resume(context, frozen, key, now)
    // What a controller sends is frozen once, and comes back no more.
    if (frozen.isPacketOut) {
      const now = this.clock.now()
      return cache.once(key, (context) => ask(context, now))
    }
    cache.statistics.recirculated++
    const entrance = cache.whereThawed(frozen)
    return this.#lookUp(frame, entrance, this.#startTime()) ?? this.#ask(frame, entrance, ask)
  }

  #leave(frame: FrameHandle, output: Output, hits: readonly Flow[]): void {
    const port = this.ports.byNumber(output.port)
    if (port === undefined) return this.#drop(frame, 'unknown_port', undefined, output.flow)
    const reason = obstacle(this.arena, frame, port, output)
    if (reason !== undefined) return this.#dropAtPort(frame, reason, port, output.flow)
    const holds = keepsFrames(port.config.state)
    if (holds && !this.ports.hold(port, frame)) return this.#dropAtPort(frame, 'hold_overflow', port, output.flow)
    if (!holds && !this.ports.hasRoom(port, frame, output.queue))
      return this.#dropAtPort(frame, 'queue_overflow', port, output.flow)
    this.#events.output?.(frame, port, output.flow, hits)
    if (!holds) this.ports.enqueue(port, frame, output.queue)
  }

  #transmit(frame: FrameHandle, port: Port): void {
    port.counters.sentPackets++
    port.counters.sentBytes += this.arena.length[frame]
    this.#events.transmit(port, frame)
  }

  /** Drops a frame that a port has no room to keep. Takes ownership. */
  discardHeld(port: Port, frame: FrameHandle): void {
    this.#dropAtPort(frame, 'hold_overflow', port)
  }

  #dropAtPort(frame: FrameHandle, reason: DropReason, port: Port, flow?: Flow): void {
    port.counters.sentDropped++
    this.#drop(frame, reason, port, flow)
  }

  #drop(frame: FrameHandle, reason: DropReason, port?: Port, flow?: Flow): void {
    this.drops[reason]++
    const at: DropPlace = {}
    if (port !== undefined) at.port = port
    if (flow !== undefined) at.flow = flow
    this.#events.drop(frame, reason, at)
    this.arena.release(frame)
  }

  #sample({ probability, observationPoint }: SampleAction): void {
    if (this.#random.below(CERTAIN) < probability)
      this.samples.set(observationPoint, (this.samples.get(observationPoint) ?? 0) + 1)
  }

  #flowRemoved(flow: Flow, reason: RemovalReason): void {
    if (!flow.spec.flags.sendFlowRemoved) return
    this.#events.message({ type: 'flowRemoved', reason, flow: statisticsOf(flow, this.clock.now()) })
  }

  /** What was learned of a port holds no longer when the port goes, closes or moves to another VLAN. */
  #portChanged(reason: 'add' | 'modify' | 'delete', port: Port, before?: PortConfig, by?: object): void {
    const closed = port.config.state === 'closed' && before?.state !== 'closed'
    this.cache.changes.note({ type: 'port', port: port.number })
    if (reason === 'delete') this.cache.forgetPort(port.number)
    if (reason === 'delete' || closed || (before && movesVlan(before, port.config))) this.macTable.flush(port.number)
    this.#events.message({ type: 'portStatus', reason, port: this.ports.describe(port) }, by)
  }
}

/** Where the addresses stand now that the effects have had learned. */
function learnedFrom(effects: readonly Effect[], macTable: MacTable, now: Nanoseconds): MacEntry[] {
  return effects
    .filter((effect) => effect.type === 'learn_address')
    .map(({ vlan, mac }) => macTable.find(vlan, mac, now))
    .filter((entry) => entry !== undefined)
}

const movesVlan = (before: PortConfig, after: PortConfig) =>
  before.tag !== after.tag || before.vlanMode !== after.vlanMode || before.trunks?.join() !== after.trunks?.join()
