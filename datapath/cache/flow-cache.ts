// START HERE. The flow cache: what the pipeline has answered, so that it need not be asked for every frame.
//
//   a frame comes in by an Entrance (a port, a tunnel, or anew where the pipeline left off)
//     -> only                what is asked where the flows of a port look at nothing but the port
//     -> Microflows          by the bytes of its headers, the bits that any answer of this entrance depends on: one probe
//     -> Megaflows           by its flow key: one walk down a trie of the bits that answers depend on
//     -> the pipeline        and its answer becomes a megaflow
//
// What is packed where, and why:
//
// - A microflow is some 40 bytes in one Int32Array for each entrance and shape of frame: a megaflow's number, when it was used,
//   and the bytes compared. Nothing else is touched to find it, and no key is made.
// - What every frame needs of its megaflow is in 64 bytes, too: its record (records.ts), with the way out that it shares with others
//   (exits.ts). The megaflow itself is an object, and met where there is more to do. Its number is never used again, so a
//   microflow that outlives its megaflow finds nothing there.
// - Counters are kept in the record alone, and told to flows, tables, groups and the MAC table when somebody asks for them
//   (`tell`): a frame that meets five flows is counted once.
// - One frame makes a megaflow, and the second like it a microflow: those of which there is one alone, as in a scan or a flood, are not
//   put beside what is in use. What each miss may cost is bounded (megaflows.ts), and so is all that is kept.
// - Nothing here is emptied when something changes. A megaflow knows as of which change its answer holds, and is held
//   against the changes since when its next frame comes (changes.ts). Where they could have touched it, the pipeline is asked once
//   more; what it answers as before goes on, with all that it has counted (revalidation.ts).
//
// With the cache or without, what becomes of frames is the same, and so is every counter; tests hold the two together.

import type { Nanoseconds } from '../../runtime/clock.ts'
import { SECOND } from '../../runtime/clock.ts'
import { Word } from '../../protocols/fields.ts'
import type { FlowKey } from '../flow-key.ts'
import type { FrameArena, FrameHandle } from '../frames.ts'
import type { Frozen } from '../pipeline/freeze.ts'
import { stateOf } from '../pipeline/freeze.ts'
import { resume, translate } from '../pipeline/pipeline.ts'
import type { Translation } from '../pipeline/translation.ts'
import type { PipelineContext } from '../pipeline/walk.ts'
import { Changes } from './changes.ts'
import { Witness } from './witness.ts'
import { Entrance } from './entrance.ts'
import type { EntranceLimits, Tunnelled } from './entrance.ts'
import type { Exit } from './exits.ts'
import { Exits } from './exits.ts'
import { NO_SHAPE, shapeOf, tcpFlagsOf } from './frame-shape.ts'
import { packedKey, unpackedKey } from './keys.ts'
import { Megaflow } from './megaflow.ts'
import { SlotBudget } from './microflows.ts'
import { Mark, Records } from './records.ts'
import { CacheStatistics } from './statistics.ts'
import type { Vector } from './vector.ts'

export interface FlowCacheLimits {
  /** Megaflows kept at most, up to 200,000; with 0, every frame is taken to the pipeline. */
  megaflows: number
  /** Slots for microflows, beside the first few of each entrance and shape: a power of two, four or more. */
  microflows: number
  /** Steps that a look-up among megaflows takes at most. */
  steps: number
}

const LIMITS: FlowCacheLimits = { megaflows: 200_000, microflows: 1 << 20, steps: 256 }

/** Open vSwitch's `max-idle`: what was not used for so long may go. */
export const MAX_IDLE: Nanoseconds = 10 * SECOND
/** Places looked at for idle megaflows when one is added, and when frames come. */
const SWEEP = 4
/** Megaflows of which one goes when there is no room. */
const CANDIDATES = 32
/** Numbers of megaflows that may have something to tell before they are made to: those that are gone wait among them. */
const MOST_NEWS = 1 << 18
/** States in which frames are read anew that are known to be alike. */
const MOST_STATES = 4096
/** Tunnels whose frames have an entrance of their own. */
const MOST_TUNNELS = 4096

/** Asks the pipeline. The context is to be used in the place of the switch's own. */
export type Ask = (context: PipelineContext, key: FlowKey) => Translation

/** What a megaflow has been used for. */
export interface Uses {
  packets: number
  bytes: number
  usedAt: Nanoseconds
  tcpFlags: number
}

/** And then by destination. */
type TunnelsBySource = Map<number, Map<number, Entrance>>

export class FlowCache {
  readonly changes = new Changes()
  readonly statistics = new CacheStatistics()
  readonly #limits: FlowCacheLimits
  readonly #room: number
  readonly #entranceLimits: EntranceLimits
  readonly #witness: Witness
  readonly #ports = new Map<number, Entrance>()
  /** By port and VNI. */
  readonly #tunnels = new Map<number, TunnelsBySource>()
  #tunnelCount = 0
  /** Frames of one tunnel come together. */
  #lastTunnel: Entrance | undefined
  readonly #thawed = new WeakMap<Frozen, Entrance>()
  /** The same for states that are alike: of each first megaflow one, were it not for this. */
  readonly #thawedAlike = new Map<string, Entrance>()
  #recirculations = 0
  /**
   * A power of two, less 1: there are more places than megaflows may be, so that a free one is soon found, and one that is not.
   * Place 0 stands for none.
   */
  readonly #lastPlace: number
  /** Megaflows by place: the last bits of their number. */
  readonly #kept: (Megaflow | undefined)[] = [undefined]
  readonly records = new Records()
  readonly #exits = new Exits()
  #size = 0
  /** Megaflows that there have been at once. */
  mostKept = 0
  #lastNumber = 0
  /** When frames came last. */
  #now: Nanoseconds = 0
  /** The place that is looked at next for one that is idle. */
  #hand = 0
  /** Numbers of megaflows that have something to tell. */
  #news: number[] = []

  constructor(context: PipelineContext, limits: Partial<FlowCacheLimits> = {}) {
    this.#limits = { ...LIMITS, ...limits }
    this.#entranceLimits = { steps: this.#limits.steps, slots: new SlotBudget(this.#limits.microflows) }
    this.#room = this.limit
    this.#lastPlace = 2 ** Math.ceil(Math.log2(1.25 * this.limit + 2)) - 1
    this.#witness = new Witness(context)
  }

  /** Megaflows kept. */
  get size(): number {
    return this.#size
  }

  /** Megaflows kept at most. */
  get limit(): number {
    return Math.min(this.#limits.megaflows, LIMITS.megaflows)
  }

  /** No more than there is room for, which is what they were at most when this was made. Those beyond it go at once. */
  set limit(megaflows: number) {
    this.#limits.megaflows = Math.min(megaflows, this.#room)
    while (this.#size > this.limit) this.#evict()
  }

  /** Those that megaflows are kept of. */
  entrances(): Entrance[] {
    return [...new Set(this.#kept.filter((megaflow) => megaflow !== undefined).map(({ entrance }) => entrance))]
  }

  /** Where frames come in at a port. */
  atPort(port: number): Entrance {
    const known = this.#ports.get(port)
    if (known !== undefined) return known
    const entrance = new Entrance(this.#entranceLimits)
    this.#ports.set(port, entrance)
    return entrance
  }

  /** Forgets the ways in at a port that is gone; what was answered there goes when it is idle. */
  forgetPort(port: number): void {
    this.#ports.get(port)?.close()
    this.#ports.delete(port)
    for (const [key, bySource] of this.#tunnels)
      if (Math.floor(key / 2 ** 24) === port) this.#forgetTunnels(key, bySource)
  }

  /** Where frames come in at a tunnel port out of the tunnel with these outer headers. */
  atTunnel(port: number, vni: number, source: number, destination: number): Entrance {
    const last = this.#lastTunnel?.tunnel
    const isLast = last?.port === port && last.vni === vni && last.source === source && last.destination === destination
    return isLast ? this.#lastTunnel! : (this.#lastTunnel = this.#tunnelOf({ port, vni, source, destination }))
  }

  /** Where frames are read anew that were frozen so. */
  whereThawed(frozen: Frozen): Entrance {
    let entrance = this.#thawed.get(frozen)
    if (entrance !== undefined) return entrance
    const state = stateOf(frozen)
    entrance = state === undefined ? undefined : this.#thawedAlike.get(state)
    entrance ??= new Entrance(this.#entranceLimits, { recirculation: ++this.#recirculations, frozen })
    this.#thawed.set(frozen, entrance)
    if (state === undefined) return entrance
    if (this.#thawedAlike.size === MOST_STATES) this.#thawedAlike.clear()
    this.#thawedAlike.set(state, entrance)
    return entrance
  }

  /** Looks for what is known of a vector's frames without their keys, and puts the numbers of their megaflows into it. */
  recall(entrance: Entrance, arena: FrameArena, vector: Vector): void {
    const { only } = entrance
    if (only !== undefined && this.#holds(only)) vector.allGoBy(only.number)
    else entrance.recall(arena, vector)
  }

  /** Where the megaflow of this number is kept, if its answer holds; else 0. */
  placeOf(number: number): number {
    const place = number & this.#lastPlace
    const { records } = this
    if (number === 0 || records.number(place) !== number) return 0
    if (records.asOf(place) !== this.changes.count && !this.#stillHolds(this.at(place))) return 0
    return place
  }

  /** Notes that `recall` has found the megaflow that is kept there for the frames from `start` to `end`. */
  noteRun(vector: Vector, start: number, end: number, place: number, arena: FrameArena): void {
    const { records, statistics } = this
    if (vector.shapes[start] === NO_SHAPE) statistics.only += end - start
    else {
      statistics.microflow += end - start
      if (records.has(place, Mark.Tcp)) this.#noteTcpFlagsOfRun(vector, start, end, place, arena)
    }
  }

  /** The megaflow that is kept there. */
  at(place: number): Megaflow {
    return this.#kept[place]!
  }

  /** What the megaflow there comes to, where that is so little. */
  exitAt(place: number): Exit | undefined {
    return this.#exits.at(this.records.exit(place))
  }

  /** The megaflow for this key, which is that of the frame, if there is one. Its answer holds. */
  find(entrance: Entrance, key: FlowKey, arena: FrameArena, frame: FrameHandle): Megaflow | undefined {
    const { megaflows } = entrance
    const megaflow = megaflows.find(key)
    if (megaflow === undefined || !this.#holds(megaflow)) {
      this.statistics.vainProbes += megaflows.steps
      return undefined
    }
    this.statistics.megaflow++
    this.statistics.probes += megaflows.steps
    this.#remember(megaflow, key, arena, frame)
    return megaflow
  }

  /** Asks the pipeline what becomes of the frame with this key, and keeps the answer if it is good for more than one frame. */
  ask(entrance: Entrance, key: FlowKey, arena: FrameArena, frame: FrameHandle, now: Nanoseconds, ask: Ask): Megaflow {
    this.statistics.miss++
    const answer = this.#answer(entrance, key, ask)
    if (answer.dependencies.unforeseeable || this.limit === 0) return answer
    const alike = entrance.megaflows.findAlike(answer.mask, answer.values)
    if (alike === undefined || !this.#holds(alike)) {
      this.#keep(answer, key, now)
      return answer
    }
    this.#remember(alike, key, arena, frame)
    return alike
  }

  /** An answer for one frame. */
  once(key: FlowKey, ask: Ask): Megaflow {
    return this.#answer(new Entrance(this.#entranceLimits), key, ask)
  }

  /** Counts a frame of the megaflow. */
  count(megaflow: Megaflow, length: number, now: Nanoseconds): void {
    if (megaflow.number === 0) megaflow.tell(1, length, now)
    else this.countAt(megaflow.number & this.#lastPlace, 1, length, now)
  }

  /** Counts frames of the megaflow that is kept there. */
  countAt(place: number, packets: number, bytes: number, usedAt: Nanoseconds): void {
    if (this.records.count(place, packets, bytes, usedAt)) this.#news.push(this.records.number(place))
  }

  /** Brings in what was counted: to be called before counters of flows, tables or groups are read or any of them changes. */
  tell(): void {
    if (this.#news.length === 0) return
    const news = this.#news
    this.#news = []
    for (const number of news) {
      const place = number & this.#lastPlace
      if (this.records.number(place) === number) this.#tellOf(this.at(place))
    }
  }

  /** Those that are not idle, the one that was not used for longest first. */
  megaflows(now: Nanoseconds): Megaflow[] {
    const usedAt = ({ number }: Megaflow) => this.records.usedAt(number & this.#lastPlace)
    return this.#kept
      .filter((megaflow) => megaflow !== undefined)
      .filter((megaflow) => now - usedAt(megaflow) < MAX_IDLE)
      .sort((a, b) => usedAt(a) - usedAt(b))
  }

  /** Of a megaflow that is kept. */
  usesOf({ number }: Megaflow): Uses {
    const { records } = this
    const place = number & this.#lastPlace
    return {
      packets: records.packets(place),
      bytes: records.bytes(place),
      usedAt: records.usedAt(place),
      tcpFlags: records.tcpFlags(place),
    }
  }

  #forgetTunnels(key: number, bySource: TunnelsBySource): void {
    for (const byDestination of bySource.values()) {
      for (const entrance of byDestination.values()) entrance.close()
      this.#tunnelCount -= byDestination.size
    }
    this.#tunnels.delete(key)
    this.#lastTunnel = undefined
  }

  #tunnelOf(tunnel: Tunnelled): Entrance {
    if (this.#tunnelCount === MOST_TUNNELS) {
      for (const [key, bySource] of this.#tunnels) this.#forgetTunnels(key, bySource)
    }
    const bySource = entryOf(this.#tunnels, tunnel.port * 2 ** 24 + tunnel.vni)
    const byDestination = entryOf(bySource, tunnel.source)
    let entrance = byDestination.get(tunnel.destination)
    if (entrance !== undefined) return entrance
    entrance = new Entrance(this.#entranceLimits, { tunnel })
    byDestination.set(tunnel.destination, entrance)
    this.#tunnelCount++
    return entrance
  }

  #holds(megaflow: Megaflow): boolean {
    return this.records.asOf(megaflow.number & this.#lastPlace) === this.changes.count || this.#stillHolds(megaflow)
  }

  #stillHolds(megaflow: Megaflow): boolean {
    const place = megaflow.number & this.#lastPlace
    if (this.changes.touch(megaflow, this.records.asOf(place)) && !this.#isAnsweredAlike(megaflow)) {
      this.statistics.outdated++
      this.#drop(megaflow)
      return false
    }
    this.records.setAsOf(place, this.changes.count)
    return true
  }

  /** Asks the pipeline again what becomes of the megaflow's first frame. */
  #isAnsweredAlike(megaflow: Megaflow): boolean {
    const witness = this.#witness
    const { frozen } = megaflow.entrance
    const key = unpackedKey(megaflow.key)
    this.statistics.revalidated++
    witness.begin(key)
    const now = frozen === undefined ? translate(witness, key, this.#now) : resume(witness, frozen, key, this.#now)
    return megaflow.renew(now, witness.noted(now.effects))
  }

  #answer(entrance: Entrance, key: FlowKey, ask: Ask): Megaflow {
    const witness = this.#witness
    const asOf = this.changes.count
    witness.begin(key)
    const translation = ask(witness, key)
    const mask = entrance.megaflows.maskOf(translation.consulted)
    const dependencies = witness.noted(translation.effects)
    return new Megaflow({ entrance, mask, values: mask.valuesOf(key), translation, dependencies, asOf })
  }

  #keep(megaflow: Megaflow, key: FlowKey, now: Nanoseconds): void {
    this.sweep(now)
    if (this.#news.length >= MOST_NEWS) this.tell()
    if (this.#size >= this.limit) this.#evict()
    const number = this.#nextNumber()
    const place = number & this.#lastPlace
    while (this.#kept.length <= place) this.#kept.push(undefined)
    this.#kept[place] = megaflow
    megaflow.number = number
    const exit = this.#exits.of(megaflow.actions)
    this.records.put(
      place,
      { number, exit, effort: megaflow.effort, marks: marksOf(megaflow) },
      megaflow.answeredAsOf,
      now,
    )
    megaflow.key = packedKey(key)
    megaflow.entrance.megaflows.add(megaflow)
    this.#noteTcpFlags(megaflow, key)
    if (++this.#size > this.mostKept) this.mostKept = this.#size
    if (megaflow.mask.isBlind && megaflow.entrance.isPlain) megaflow.entrance.only = megaflow
  }

  /** One whose place is free. */
  #nextNumber(): number {
    let place
    do {
      this.#lastNumber = (this.#lastNumber % 0x7fffffff) + 1
      place = this.#lastNumber & this.#lastPlace
    } while (place === 0 || this.#kept[place] !== undefined)
    return this.#lastNumber
  }

  /** A megaflow that was there has met one more frame: the next like that is to find it by its bytes. */
  #remember(megaflow: Megaflow, key: FlowKey, arena: FrameArena, frame: FrameHandle): void {
    const { entrance, number, mask } = megaflow
    this.#noteTcpFlags(megaflow, key)
    if (!entrance.isPlain) return
    const at = arena.offset[frame]
    const shape = shapeOf(arena.view, at, arena.length[frame])
    if (shape !== NO_SHAPE) entrance.microflows(shape).insert(arena.view, at, number, mask)
  }

  #noteTcpFlags({ number, seesTcp }: Megaflow, key: FlowKey): void {
    if (seesTcp) this.records.addTcpFlags(number & this.#lastPlace, key[Word.tcpFlags])
  }

  #noteTcpFlagsOfRun({ frames, shapes }: Vector, start: number, end: number, place: number, arena: FrameArena): void {
    const { view, offset } = arena
    let flags = 0
    for (let index = start; index < end; index++) flags |= tcpFlagsOf(view, offset[frames[index]], shapes[index])
    this.records.addTcpFlags(place, flags)
  }

  /** Some that are idle go: to be called now and then. */
  sweep(now: Nanoseconds): void {
    this.#now = now
    for (let looked = 0; looked < SWEEP; looked++) {
      const place = this.#nextPlace()
      if (place !== 0 && now - this.records.usedAt(place) >= MAX_IDLE) this.#drop(this.at(place))
    }
  }

  /** Of some, the one that was not used for longest goes. */
  #evict(): void {
    let idlest = this.#nextKept()
    for (let seen = 1; seen < CANDIDATES; seen++) {
      const place = this.#nextKept()
      if (this.records.usedAt(place) < this.records.usedAt(idlest)) idlest = place
    }
    this.statistics.evicted++
    this.#drop(this.at(idlest))
  }

  /** To be called where there are any. */
  #nextKept(): number {
    let place
    do place = this.#nextPlace()
    while (place === 0)
    return place
  }

  /** The place that is looked at next; 0 where nothing is kept in it. */
  #nextPlace(): number {
    this.#hand = this.#hand + 1 < this.#kept.length ? this.#hand + 1 : 0
    return this.records.number(this.#hand) === 0 ? 0 : this.#hand
  }

  #drop(megaflow: Megaflow): void {
    const place = megaflow.number & this.#lastPlace
    this.#tellOf(megaflow)
    this.#exits.release(this.records.exit(place))
    this.records.remove(place)
    this.#kept[place] = undefined
    megaflow.number = 0
    megaflow.entrance.megaflows.remove(megaflow)
    if (megaflow.entrance.only === megaflow) megaflow.entrance.only = undefined
    this.#size--
  }

  #tellOf(megaflow: Megaflow): void {
    const { packets, bytes, usedAt } = this.usesOf(megaflow)
    megaflow.tellUpTo(packets, bytes, usedAt)
    this.records.told(megaflow.number & this.#lastPlace)
  }
}

const marksOf = ({ effects, lasting, seesTcp }: Megaflow) =>
  (effects.length > 0 ? Mark.Effects : 0) | (lasting.length > 0 ? Mark.Lasting : 0) | (seesTcp ? Mark.Tcp : 0)

function entryOf<Entry>(map: Map<number, Map<number, Entry>>, key: number): Map<number, Entry> {
  let entry = map.get(key)
  if (entry === undefined) map.set(key, (entry = new Map<number, Entry>()))
  return entry
}
