// Holds what happened to each frame against the law. It is told what enters, what is heard and what is dropped, and keeps an
// open record of each frame until nothing more is to come of it: until its last copy is gone, where somebody tells of copies.

import type { Nanoseconds } from '../../runtime/clock.ts'
import { SECOND } from '../../runtime/clock.ts'
import type { FailureTarget } from '../../topologies/scenario.ts'
import type { Topology } from '../../topologies/topology.ts'
import { Checkpoints } from './groups/checkpoints.ts'
import { Endings } from './endings.ts'
import { isAnswer, isComplete, isLost, mayReturn } from './fates.ts'
import { Findings } from './findings.ts'
import { changed, choicesOf, oneOf, type Ruling } from './law.ts'
import { Laws } from './laws.ts'
import { Onlookers } from './onlookers.ts'
import { OpenRecords, type Origin, type Record } from './open-records.ts'
import { SightBook, type Seen } from './sight-book.ts'
import type { Sight } from './sight.ts'
import { MulticastGate } from './multicast/gate.ts'
import { ON_THE_WAY } from './multicast/listeners.ts'
import type { PairTally } from './pairs.ts'
import { SteadyFrames, type Block } from './steady-frames.ts'
import { SteadyKind, type SteadyKinds } from './steady-kinds.ts'
import type { Surroundings } from './surroundings.ts'

/** A frame whose fate is settled is forgotten after this much time; a second copy later than that counts as doubled all the same. */
const SETTLED_AFTER = 5 * SECOND
/** So long after its end a frame that is lost may still be excused: by what is said of listeners, or by a failure that it has met. */
const LINGERS = ON_THE_WAY

/** After its power or its controller is back, a switch has dialled and has its flows within so long. */
const DIALS_WITHIN = SECOND

/** What a frame turned out to be at the moment it was heard. */
export type Hearing = 'delivered' | 'answered' | 'duplicated' | 'leaked' | 'mirrored' | 'unknown'

export class Judge {
  readonly #findings = new Findings()
  readonly frames = this.#findings.frames
  readonly made = this.#findings.made
  readonly leaks = this.#findings.leaks
  readonly losses = this.#findings.losses
  readonly mishaps = this.#findings.mishaps
  readonly crossings = this.#findings.crossings
  /** Answers of the controller's to those whom security groups have denied something; known at the end. */
  readonly rejections = { heard: 0, missing: 0 }
  #laws: Laws
  /** How often the law was amended, and after how many of these times the oldest that may hold came. */
  #editions = 0
  #oldest = 0
  #topology: Topology
  readonly #checkpoints: Checkpoints
  readonly multicast: MulticastGate
  readonly onlookers: Onlookers
  readonly #surroundings: Surroundings
  /** Kept where somebody wants frames of steady kinds to go in company. */
  steadyKinds: SteadyKinds | undefined
  readonly #open = new OpenRecords()
  readonly #lost = new Endings()
  /** The latest instant that has been told. */
  #latest: Nanoseconds = 0
  readonly #steady = new SteadyFrames()
  readonly #sights = new SightBook()

  constructor(topology: Topology, surroundings: Surroundings) {
    this.#topology = topology
    this.#laws = Laws.of(topology)
    this.#checkpoints = new Checkpoints(topology, (nic) => surroundings.hostOf(nic))
    this.multicast = new MulticastGate(topology)
    this.onlookers = new Onlookers(this.#laws.targets(), this.#findings)
    this.#surroundings = surroundings
  }

  /**
   * From here on the law is that of `topology`, and what was may hold as well, until `amended`. Frames that are on their way may meet either,
   * too. @returns what to say to `amended`
   */
  amend(topology: Topology): number {
    if (topology === this.#topology) return this.#editions
    this.#topology = topology
    this.#writeDownAll()
    const before = this.#laws
    this.#laws = before.with(topology)
    for (const record of this.#open) this.#amendFor(record, before)
    this.#checkpoints.amend(topology)
    this.multicast.amend(topology)
    this.onlookers.amend(this.#laws.targets())
    this.#surroundings.amend(topology)
    return ++this.#editions
  }

  /** Whoever enforces the law knows of that which `amend` gave this number, or of a later one. */
  amended(edition: number): void {
    const count = edition - this.#oldest
    if (count <= 0) return
    this.#oldest = edition
    this.#laws = this.#laws.without(count)
    this.#checkpoints.amended(count)
    if (this.#oldest === this.#editions) this.multicast.amended()
  }

  #amendFor(record: Record, before: Laws): void {
    record.laws = record.laws === before ? this.#laws : record.laws.withNewestOf(this.#laws)
    const { nic, bytes, laws } = record
    const sight = this.#sights.look(bytes, 0, bytes.length)?.sight
    if (sight !== undefined) record.ruling = changed(record.ruling, (one) => laws.amended(one, nic, sight))
    record.isStirred = true
  }

  /** At `at` the scenario breaks a link or a host: those whom no path leads to any more need not hear what is on its way. */
  break(target: FailureTarget, at: Nanoseconds): void {
    this.#writeDownAll()
    this.#surroundings.break(target)
    if (target.kind === 'host') this.forgotten(target.host)
    if (target.kind !== 'link') this.deafenController(at)
    for (const record of this.#open) this.#surroundings.noteCutOff(record)
  }

  /** The switches of the host know nothing any more of the connections that its guests have. */
  forgotten(host: string): void {
    this.#checkpoints.doubtAll((nic) => this.#surroundings.hostOf(nic) === host)
  }

  mend(target: FailureTarget, at: Nanoseconds): void {
    this.#surroundings.mend(target)
    if (target.kind !== 'link') this.controllerHearsAgain(at + DIALS_WITHIN)
  }

  /** What switches tell the controller from `at` on may be lost, and what they have told just before: of multicast listeners, and of frames that groups deny. */
  deafenController(at: Nanoseconds): void {
    this.multicast.deafen()
    this.#checkpoints.rejections.leave(at)
  }

  /** At `at` all of them have surely been told what to tell. */
  controllerHearsAgain(at: Nanoseconds): void {
    this.multicast.hearAgain()
    this.#checkpoints.rejections.back(at)
  }

  unmapped(): void {
    this.frames.injected++
    this.frames.unmapped++
  }

  /** A frame enters: one copy of it. Its bytes are those from `start` to `end`, and can be read during the call. */
  sent(
    id: number,
    nic: string,
    at: Nanoseconds,
    bytes: Uint8Array,
    origin: Origin,
    start = 0,
    end = bytes.length,
  ): void {
    const asOf = this.steadyKinds?.now() ?? -1
    const seen = this.#sights.look(bytes, start, end)
    const isSteady = seen !== undefined && this.steadyKindOf(seen, nic) !== undefined
    const record = this.#opened(id, nic, at, bytes, origin, start, end, seen)
    if (isSteady) record.steadyAs = this.steadyKinds?.enter() ?? -1
    else record.asOf = asOf
  }

  /** What is known of frames that look like this; undefined where it has no whole Ethernet header. */
  look(bytes: Uint8Array, start: number, end: number): Seen | undefined {
    return this.#sights.look(bytes, start, end)
  }

  /** The kind of such frames, if they are steady when this vNIC sends them. */
  steadyKindOf({ laws, steady }: Seen, nic: string): SteadyKind | undefined {
    if (steady === undefined || laws !== this.#laws || steady.nic !== nic) return undefined
    return this.steadyKinds?.has(steady) ? steady : undefined
  }

  /** A frame of a steady kind enters in company: number `number` of its block's source, the block's bytes from `start` to `end`. */
  sentInCompany(
    id: number,
    at: Nanoseconds,
    kind: SteadyKind,
    block: Block,
    number: number,
    start: number,
    end: number,
  ): void {
    this.steadyKinds?.enter()
    this.frames.injected++
    const frames = this.#steady
    const place = frames.placeOf(id)
    if (frames.ids[place] !== 0) this.#writeDown(place)
    frames.add(id, at, kind, block, number, start, end)
    if (this.#surroundings.anythingBroken) this.#surroundings.noteCutOff(this.#writeDown(place))
    this.#pass(at)
  }

  /** A frame in company is heard. True where that is all that comes of it; else it is to be told as of any other. */
  heardInCompany(id: number, nic: string, at: Nanoseconds): boolean {
    const frames = this.#steady
    if (!frames.has(id)) return false
    const place = frames.placeOf(id)
    const kind = frames.kinds[place]!
    if (kind.hearer !== nic) return false
    frames.remove(place)
    this.#findings.deliveredInCompany(kind, id, at)
    this.steadyKinds?.gone(kind.asOf)
    return true
  }

  #opened(
    id: number,
    nic: string,
    at: Nanoseconds,
    bytes: Uint8Array,
    { source, number, made }: Origin,
    start: number,
    end: number,
    seen: Seen | undefined,
  ): Record {
    const general = seen === undefined ? MALFORMED : this.#rulingOn(nic, seen)
    const snooped = this.multicast.ruling(general, at, seen?.sight, bytes, start, end)
    const ruling = this.#withGroups(nic, snooped, at, bytes, start, end, seen)
    const record = this.#open.open(id, ruling, this.#laws)
    // What groups say to one frame may not hold for the next.
    record.isStirred = ruling !== general || ruling.otherwise !== undefined
    record.source = source
    record.number = number
    record.made = made
    record.at = at
    record.nic = nic
    record.from = this.#surroundings.hostOf(nic)
    record.flow = seen === undefined ? 0 : this.#laws.flowOf(seen.sight)
    record.seen = seen
    record.keepBytes(bytes, start, end)
    this.multicast.sent(record, this.#open)
    this.#findings.entered(made)
    this.#surroundings.noteCutOff(record)
    this.#pass(at)
    return record
  }

  heard(id: number, nic: string, at: Nanoseconds, bytes: Uint8Array, start = 0, end = bytes.length): Hearing {
    const record = this.#find(id)
    const seen = this.#sights.look(bytes, start, end)?.sight
    const isEntitled = record === undefined || this.#entitled(record, nic, at, seen)
    if ((record === undefined || !isEntitled) && (record?.laws ?? this.#laws).mayBeTarget(nic))
      return this.#lookedOn(record, nic, at, seen)
    if (record !== undefined && nic === record.nic && isAnswer(record, seen)) {
      record.answered = record.isStirred = true
      return 'answered'
    }
    const network = isEntitled ? record?.ruling.network : undefined
    const why = this.#heardAtGroups(nic, network, at, bytes, start, end, seen)
    if (record === undefined) {
      if (id === 0) return this.#heardOfOurs(nic, at, bytes, start, end, seen)
      this.frames.duplicated++
      return 'duplicated'
    }
    if (!isEntitled || why !== undefined) return this.#leaked(record, nic, at, seen, record.ruling.refusal ?? why)
    return this.#findings.delivered(record, nic, at, seen)
  }

  /** There is one copy more of the frame. */
  copied(id: number): void {
    const record = this.#find(id)
    if (record === undefined) return
    record.copies++
    record.isStirred = true
  }

  /** Something became of the frame that depends on more than its kind, or that another could depend on. */
  stirred(id: number): void {
    const record = this.#find(id)
    if (record !== undefined) record.isStirred = true
  }

  /** The frame goes out of a host. */
  left(id: number): void {
    const record = this.#find(id)
    if (record !== undefined && ++record.exits > 1) record.isStirred = true
  }

  /** There is one copy less. After the last, nothing more comes of the frame, and it is settled; but what is still owed stays open for a while. */
  gone(id: number): void {
    const record = this.#find(id)
    if (record === undefined || --record.copies > 0) return
    this.#learnFrom(record)
    if (mayReturn(record)) return
    if (isLost(record)) {
      this.#lost.note(record, this.#latest)
      return
    }
    this.#settle(record, false)
    this.#open.close(record)
  }

  /** A copy of the frame ended. `reason` is a drop's name, or the policy's or user's own name for it. */
  dropped(id: number, reason: string, place: string, at?: Nanoseconds): void {
    if (at !== undefined) this.#latest = Math.max(this.#latest, at)
    if (id === 0 && NOBODYS_FAULT.includes(reason)) this.#checkpoints.rejections.excuse()
    const record = this.#find(id)
    if (record === undefined) return
    const byGroups = this.#droppedAtGroups(record, reason, place, at ?? record.at)
    this.multicast.dropped(record, reason, place)
    record.drops.push({ reason, place, excuses: this.#surroundings.excusedBy(record, reason, place, byGroups) })
  }

  pair(from: string, to: string): PairTally {
    return this.#findings.pair(from, to)
  }

  pairs(): Iterable<[from: string, to: string, tally: PairTally]> {
    return this.#findings.pairs()
  }

  /** Settles all that is open. `held` are the frames kept somewhere at the end. */
  finish(held: ReadonlySet<number>): void {
    const { rejections } = this.#checkpoints
    this.rejections.heard = rejections.heard
    // What is kept and is no guest's may be an answer.
    if (!held.has(0))
      this.rejections.missing = rejections.missing((nic) => this.#surroundings.hostOf(nic) !== undefined)
    this.#writeDownAll()
    for (const record of this.#open) this.#settle(record, held.has(record.id))
    this.#open.clear()
  }

  #learnFrom(record: Record): void {
    if (this.steadyKinds === undefined) return
    if (record.steadyAs >= 0) this.steadyKinds.gone(record.steadyAs)
    else if (!record.isStirred && record.drops.length === 0 && isComplete(record)) this.#learnKind(record)
  }

  /** Such a frame has gone its way: if nothing has changed since it was sent, so will others. */
  #learnKind(record: Record): void {
    const { seen, nic, asOf, heardBy } = record
    if (seen?.nic !== nic || this.steadyKinds?.now() !== asOf) return
    seen.steady = new SteadyKind(record, this.#findings.pair(nic, heardBy[0]!))
  }

  #find(id: number): Record | undefined {
    return this.#steady.has(id) ? this.#writeDown(this.#steady.placeOf(id)) : this.#open.find(id)
  }

  /** Makes a record of a frame of a steady kind. */
  #writeDown(place: number): Record {
    const frames = this.#steady
    const kind = frames.kinds[place]!
    const { source, bytes } = frames.blocks[place]!
    const record = this.#open.openLate(frames.ids[place]!, kind.ruling, kind.laws, frames.instants[place]!)
    record.source = source
    record.number = frames.numbers[place]!
    record.made = false
    record.nic = kind.nic
    record.from = kind.from
    record.flow = kind.flow
    record.seen = undefined
    record.steadyAs = kind.asOf
    record.keepBytes(bytes, frames.starts[place]!, frames.ends[place]!)
    frames.remove(place)
    return record
  }

  #writeDownAll(): void {
    for (let place = this.#steady.oldest; place >= 0; place = this.#steady.oldest) this.#writeDown(place)
  }

  #rulingOn(nic: string, seen: Seen): Ruling {
    if (seen.ruling === undefined || seen.nic !== nic || seen.laws !== this.#laws) {
      seen.nic = nic
      seen.laws = this.#laws
      seen.steady = undefined
      seen.ruling = this.#laws.judge(nic, seen.sight)
    }
    return seen.ruling
  }

  #withGroups(
    nic: string,
    ruling: Ruling,
    at: Nanoseconds,
    bytes: Uint8Array,
    start: number,
    end: number,
    seen: Seen | undefined,
  ): Ruling {
    if (this.#checkpoints.areIdle || seen === undefined) return ruling
    return this.#checkpoints.sent(nic, ruling, at, { bytes, start, end, etherType: seen.sight.etherType })
  }

  /** The vNIC hears a frame. Says why it may not, where its security groups do. */
  #heardAtGroups(
    nic: string,
    among: string | undefined,
    at: Nanoseconds,
    bytes: Uint8Array,
    start: number,
    end: number,
    seen: Sight | undefined,
  ): string | undefined {
    const checkpoints = this.#checkpoints
    if (checkpoints.areIdle || seen === undefined || !checkpoints.isFiltered(nic)) return undefined
    const network = among ?? this.#laws.networkAt(nic, seen)
    if (network === undefined) return undefined
    return checkpoints.heard(nic, network, at, { bytes, start, end, etherType: seen.etherType })
  }

  /** Something that no guest has sent. */
  #heardOfOurs(
    nic: string,
    at: Nanoseconds,
    bytes: Uint8Array,
    start: number,
    end: number,
    seen: Sight | undefined,
  ): Hearing {
    if (this.#checkpoints.areIdle || seen === undefined) return 'unknown'
    const network = this.#laws.networkAt(nic, seen)
    if (this.#checkpoints.heardOfOurs(nic, network, { bytes, start, end, etherType: seen.etherType })) return 'unknown'
    this.#findings.leakedOfOurs(nic, at, network, bytes.slice(start, end))
    return 'leaked'
  }

  /** Whom the drop excuses where security groups have a say; undefined where they have none. */
  #droppedAtGroups(record: Record, reason: string, place: string, at: Nanoseconds): readonly string[] | undefined {
    const { bytes } = record
    if (this.#checkpoints.areIdle) return undefined
    const sight = this.#sights.look(bytes, 0, bytes.length)?.sight
    if (sight === undefined) return undefined
    return this.#checkpoints.dropped(record, sight.etherType, { host: place.split('/')[0]!, at, reason })
  }

  /** Whether the vNIC may hear the frame. Where it could be in one of several networks, it is in one of those now in which that is so. */
  #entitled(record: Record, nic: string, at: Nanoseconds, seen: Sight | undefined): boolean {
    const { ruling, nic: sender } = record
    if (seen === undefined || nic === sender) return false
    if (ruling.otherwise === undefined) return this.#entitledBy(ruling, record, nic, at, seen)
    const choices = choicesOf(ruling).filter((one) => this.#entitledBy(one, record, nic, at, seen))
    if (choices.length > 0) record.ruling = oneOf(choices)
    return choices.length > 0
  }

  #entitledBy(ruling: Ruling, record: Record, nic: string, at: Nanoseconds, seen: Sight): boolean {
    const may = ruling.may === 'network' || ruling.may.includes(nic)
    if (!may && !this.multicast.reachesNow(record, ruling, nic, at)) return false
    return ruling.network !== undefined && record.laws.isIn(ruling.network, nic, seen)
  }

  #lookedOn(record: Record | undefined, nic: string, at: Nanoseconds, seen: Sight | undefined): Hearing {
    if (record === undefined) return 'unknown'
    record.isStirred = true
    return this.onlookers.hear(record, nic) ? 'mirrored' : this.#leaked(record, nic, at, seen, undefined)
  }

  #leaked(record: Record, to: string, at: Nanoseconds, seen: Sight | undefined, why: string | undefined): Hearing {
    record.isStirred = true
    this.#findings.leaked(record, to, at, seen && record.laws.networkAt(to, seen), why)
    return 'leaked'
  }

  #pass(at: Nanoseconds): void {
    this.#latest = Math.max(this.#latest, at)
    for (let record = this.#lost.takeBefore(at - LINGERS); record; record = this.#lost.takeBefore(at - LINGERS)) {
      this.#settle(record, false)
      this.#open.close(record)
    }
    this.#settleOlderThan(at - SETTLED_AFTER)
  }

  #settleOlderThan(instant: Nanoseconds): void {
    const frames = this.#steady
    for (let place = frames.oldest; place >= 0 && frames.instants[place]! <= instant; place = frames.oldest)
      this.#writeDown(place)
    for (;;) {
      const record = this.#open.oldest
      if (record === undefined || record.at > instant) return
      // What is still owed may be held somewhere; it stays open to the end.
      if (isLost(record) || mayReturn(record)) this.#open.setAside(record)
      else {
        this.#settle(record, false)
        this.#open.close(record)
      }
    }
  }

  #settle(record: Record, held: boolean): void {
    this.onlookers.settle(record)
    this.#findings.settle(record, held)
  }
}

/** For these an answer of the controller's may end on its way. */
const NOBODYS_FAULT: readonly string[] = [
  'link_loss',
  'link_down',
  'queue_overflow',
  'rate_limited',
  'mtu_exceeded',
  'hold_overflow',
]

const MALFORMED: Ruling = { network: undefined, must: [], may: [], excuses: ['malformed'], limited: [] }
