// What a frame is to the connections that are known, and what becomes of them with it: Open vSwitch's `process_one`
// (lib/conntrack.c) for a single frame, without the application-level helpers.

import type { ConnectionFilter, TrackedConnection } from '../../protocols/control/messages.ts'
import { CtState, Word } from '../../protocols/fields.ts'
import { IpProtocol } from '../../protocols/match.ts'
import type { Clock, Nanoseconds } from '../../runtime/clock.ts'
import type { Random } from '../../runtime/random.ts'
import { seeded } from '../../runtime/random.ts'
import { Arrivals } from '../arrivals.ts'
import type { FrameArena, FrameHandle } from '../frames.ts'
import { locate } from '../rewrite/layout.ts'
import type { Connection, ConnectionState, Tuple } from './connection.ts'
import { copyTuple, keyOf, reversed, wordsOf } from './connection.ts'
import type { Direction, ZoneLimit } from './connection-table.ts'
import { ConnectionTable } from './connection-table.ts'
import type { Entry } from './expiry.ts'
import { NatChooser } from './nat.ts'
import { firstOctet, packet, readPacket, readSegment, turnAround } from './packet.ts'
import type { Datagram } from './reassembly.ts'
import { assemble, disperse, Reassembly } from './reassembly.ts'
import type { Outcome } from './tcp.ts'
import { mayOpen, openTcp, TcpWatch } from './tcp.ts'
import type { TimeoutName } from './timeouts.ts'
import type { GoOn, Tracked, TrackedFrame, TrackedWords, Tracker, TrackRequest } from './tracker.ts'
import { exported, imported } from './transfer.ts'
import { translate, translatedEnd } from './translate.ts'

/** Some 750 MB: a third of Open vSwitch's, so that a flood does not end the process. */
const MAX_CONNECTIONS = 1_000_000
const TRACKED_WORDS = Word.ctTransportDestination - Word.ctState + 1
const NATTED = CtState.SourceNat | CtState.DestinationNat

/** Words of `TrackedWords`. */
const At = {
  state: 0,
  zone: Word.ctZone - Word.ctState,
  mark: Word.ctMark - Word.ctState,
  label: Word.ctLabel - Word.ctState,
  protocol: Word.ctProtocol - Word.ctState,
  ipv4Source: Word.ctIpv4Source - Word.ctState,
  ipv4Destination: Word.ctIpv4Destination - Word.ctState,
  ipv6Source: Word.ctIpv6Source - Word.ctState,
  ipv6Destination: Word.ctIpv6Destination - Word.ctState,
  transportSource: Word.ctTransportSource - Word.ctState,
  transportDestination: Word.ctTransportDestination - Word.ctState,
} as const

export interface ConnectionTrackerOptions {
  clock: Clock
  random: Random
  /** 1,000,000 where absent. */
  maxConnections?: number
  /** Is given, to drop and release, the fragments whose datagram was not whole in time. The tracker releases them where absent. */
  released?: (frame: FrameHandle, reason: 'fragment_timeout') => void
  /** Of the switch's frames. */
  arrivals?: Arrivals
  /** See `shadow`. */
  original?: ConnectionTracker
}

/** Does not wait for anything. */
function frozenClock(now: Nanoseconds): Clock {
  const never = () => ({ cancel: () => {} })
  return { now: () => now, schedule: never, scheduleAsync: never }
}

/** Of which connection a frame is. */
class Sighting {
  readonly entry: Entry
  readonly reply: boolean
  readonly related: boolean

  constructor(entry: Entry, reply: boolean, related: boolean) {
    this.entry = entry
    this.reply = reply
    this.related = related
  }
}

export class ConnectionTracker implements Tracker {
  readonly fragments: Reassembly
  readonly #clock: Clock
  readonly #arrivals: Arrivals
  readonly #table: ConnectionTable
  readonly #nat: NatChooser
  readonly #tcp = new TcpWatch()
  // Of the frame at hand.
  #state = 0
  #zone = 0
  #reply = false

  constructor(options: ConnectionTrackerOptions) {
    const { clock, random, maxConnections = MAX_CONNECTIONS, released, arrivals = new Arrivals(), original } = options
    this.#clock = clock
    this.#arrivals = arrivals
    this.#table = new ConnectionTable(clock, maxConnections, original && original.#table)
    this.#nat = new NatChooser(random, (reply) => this.#table.find(keyOf(reply, this.#zone)) !== undefined)
    this.fragments = new Reassembly(clock, released && ((frame) => released(frame, 'fragment_timeout')), arrivals)
  }

  /** What is made of TCP and UDP from or to port 0: invalid, or, where nobody has said any ports, as of any other. */
  portZero: 'allowed' | 'wrong' = 'wrong'

  /** Off: TCP segments outside the windows are taken for valid, too. */
  get sequenceChecks(): boolean {
    return this.#tcp.sequenceChecks
  }

  set sequenceChecks(on: boolean) {
    this.#tcp.sequenceChecks = on
  }

  /** Connections in all zones together, at most. */
  get maxConnections(): number {
    return this.#table.maximum
  }

  set maxConnections(most: number) {
    this.#table.maximum = most
  }

  track(arena: FrameArena, frame: FrameHandle, request: TrackRequest, before?: Tracked): TrackedFrame[] {
    const { fragment, network } = locate(arena, frame)
    if (!fragment || network === 0) return [{ frame, ...this.#track(arena, frame, request, before) }]
    // One that was left out of its datagram does not wait for another.
    const offered = isInvalid(request.zone, before)
      ? 'invalid'
      : this.fragments.offer(arena, frame, request.zone, before)
    if (offered === 'kept') return []
    if (offered === 'invalid') return [{ frame, words: invalid(request.zone) }]
    return this.#trackDatagram(arena, offered, request)
  }

  goOnWhenWhole(request: TrackRequest, goOn: GoOn): void {
    this.fragments.goOnWhenWhole({ request, goOn })
  }

  /**
   * Takes in a fragment that waits at another switch for the rest of its datagram. What that makes whole goes on as though it had been whole
   * when the last of its fragments came that came here. Takes ownership of the frame.
   */
  adopt(arena: FrameArena, frame: FrameHandle, zone: number): void {
    const completed = this.fragments.adopt(arena, frame, zone)
    if (completed === undefined) return
    const { datagram, arrival, later } = completed
    this.#arrivals.asOf(arrival, () => void later.goOn(this.#trackDatagram(arena, datagram, later.request)))
  }

  /**
   * One that knows what this one knows, from now on goes its own way, and leaves no trace: what a frame would be, were it to
   * come. It costs nothing until it is asked. Its choices of NAT ports are its own.
   */
  shadow(): ConnectionTracker {
    const clock = frozenClock(this.#clock.now())
    const shadow = new ConnectionTracker({ clock, random: seeded(0), original: this })
    shadow.sequenceChecks = this.sequenceChecks
    return shadow
  }

  /** The connections that the filter means, all where absent; copies. */
  dump(filter: ConnectionFilter = {}): Connection[] {
    return this.#table.select(filter).map(({ connection }) => structuredClone(connection))
  }

  /** The zone's connections, to be taken in by another tracker. They stay. */
  export(zone: number): TrackedConnection[] {
    const now = this.#clock.now()
    return this.#table.select({ zone }).map(({ connection }) => exported(connection, now))
  }

  /**
   * Takes in what another tracker knows: connections that are new here, and of those that are not, what was not known of them. Nothing
   * changes by being done again. False, taking none, where there is no room for all.
   */
  import(zone: number, connections: readonly TrackedConnection[]): boolean {
    const now = this.#clock.now()
    const lasting = connections.filter(({ remaining }) => remaining > 0)
    return this.#table.adopt(
      zone,
      lasting.map((connection) => imported(connection, zone, now)),
    )
  }

  /** Forgets the connections that the filter means, all where absent; says how many. */
  flush(filter: ConnectionFilter = {}): number {
    const entries = this.#table.select(filter)
    for (const entry of entries) this.#table.remove(entry)
    return entries.length
  }

  /** How many connections each zone has that has any. */
  zoneCounts(): Map<number, number> {
    return this.#table.zoneCounts()
  }

  /**
   * How many connections a zone may have, or each that has no limit of its own; 0: as many as come. `undefined` leaves the zone to
   * the default.
   */
  setZoneLimit(zone: number | 'default', limit: number | undefined): void {
    this.#table.setZoneLimit(zone, limit)
  }

  zoneLimits(): ZoneLimit[] {
    return this.#table.zoneLimits()
  }

  /** Forgets all connections, gives waiting fragments back to their arena and waits for no time any more. */
  close(): void {
    this.#table.close()
    this.fragments.close()
  }

  /** What is true of the whole datagram is true of each fragment. */
  #trackDatagram(arena: FrameArena, datagram: Datagram, request: TrackRequest): TrackedFrame[] {
    const { pieces } = datagram
    const whole = assemble(arena, datagram)
    const { words } = this.#track(arena, whole, request, pieces[0].before && { words: pieces[0].before.words })
    disperse(arena, whole, datagram)
    arena.release(whole)
    return pieces.map(({ frame }) => ({ frame, words: words.slice() }))
  }

  #track(arena: FrameArena, frame: FrameHandle, request: TrackRequest, before: Tracked | undefined): Tracked {
    const { zone } = request
    const seen = before?.seen
    if (before && seen instanceof Sighting && this.#isCurrent(seen, request))
      return this.#trackAgain(arena, frame, request, before.words, seen)
    if (!readPacket(arena, frame, this.portZero)) return { words: invalid(zone) }
    this.#zone = zone
    // What another zone has found does not count here.
    this.#state = before && before.words[At.zone] === zone ? before.words[At.state] : 0
    const direction = this.#lookUp()
    let entry = direction?.entry
    this.#reply = direction?.reply ?? false
    if (entry && request.force && this.#reply) {
      this.#table.remove(entry)
      entry = undefined
    }
    entry = entry ? this.#meet(arena, frame, entry, request) : this.#miss(arena, frame, request, before?.words)
    return this.#describe(entry, request)
  }

  /** This very frame has been here, in this zone, and nothing has changed it since. */
  #isCurrent({ entry }: Sighting, { zone, force }: TrackRequest): boolean {
    return entry.alive && entry.connection.zone === zone && !force
  }

  /** Counts for no second frame of the connection, but may be translated only now, and may set mark and label. */
  #trackAgain(
    arena: FrameArena,
    frame: FrameHandle,
    request: TrackRequest,
    before: TrackedWords,
    seen: Sighting,
  ): Tracked {
    const words = before.slice()
    const { entry, reply, related } = seen
    this.#state = words[At.state]
    if (request.nat && readPacket(arena, frame, this.portZero)) this.#translate(arena, frame, entry, reply, related)
    words[At.state] = this.#state
    mark(entry.connection, request)
    writeMarks(words, entry.connection)
    return request.nat ? { words } : { words, seen }
  }

  /** A frame that this zone has translated is found by what answers to it look like. Leaves the tuple as it was without NAT. */
  #lookUp(): Direction | undefined {
    if ((this.#state & NATTED) === 0) return this.#table.find(keyOf(packet, this.#zone))
    turnAround()
    const answer = this.#table.find(keyOf(packet, this.#zone))
    turnAround()
    if (!answer) return undefined
    const { original, reply } = answer.entry.connection
    takeTuple(answer.reply ? original : reply)
    return { entry: answer.entry, reply: !answer.reply, older: undefined }
  }

  /** A frame of a connection that is known. */
  #meet(arena: FrameArena, frame: FrameHandle, entry: Entry, request: TrackRequest): Entry | undefined {
    if (!this.#update(arena, entry)) return this.#open(arena, frame, request)
    if (request.nat) this.#translate(arena, frame, entry, this.#reply, packet.related)
    return entry
  }

  /** Sets the state bits; false where the frame begins another connection with the same tuple. */
  #update(arena: FrameArena, entry: Entry): boolean {
    const direction = this.#reply ? CtState.Reply : 0
    if (packet.related) {
      this.#state |= CtState.Related | direction
      return true
    }
    switch (this.#outcome(arena, entry)) {
      case 'valid':
        this.#state = (this.#state & ~CtState.New) | CtState.Established | direction
        return true
      case 'still new':
        this.#state |= CtState.New
        return true
      case 'invalid':
        this.#state = CtState.Invalid
        return true
      case 'reopened':
        this.#table.remove(entry)
        return false
    }
  }

  #outcome(arena: FrameArena, entry: Entry): Outcome {
    const { state } = entry.connection
    switch (state.kind) {
      case 'tcp': {
        const [opener, other] = state.peers
        const segment = readSegment(arena)
        const outcome = this.#reply
          ? this.#tcp.update(other, opener, segment)
          : this.#tcp.update(opener, other, segment)
        if (this.#tcp.timeout) this.#table.restart(entry, this.#tcp.timeout)
        return outcome
      }
      case 'icmp':
        if (this.#reply) state.replied = true
        this.#table.restart(entry, state.replied ? 'icmpReply' : 'icmpFirst')
        return state.replied ? 'valid' : 'still new'
      case 'other':
        if (this.#reply) state.seen = 'bidirectional'
        else if (state.seen === 'first') state.seen = 'multiple'
        this.#table.restart(entry, state.seen === 'bidirectional' ? 'otherBidirectional' : 'otherMultiple')
        return state.seen === 'bidirectional' ? 'valid' : 'still new'
    }
  }

  /** A frame whose tuple is no connection's. */
  #miss(
    arena: FrameArena,
    frame: FrameHandle,
    request: TrackRequest,
    before: TrackedWords | undefined,
  ): Entry | undefined {
    const entry = before && !request.nat && (this.#state & NATTED) !== 0 ? this.#findOriginal(before) : undefined
    if (entry) return this.#update(arena, entry) ? entry : this.#open(arena, frame, request)
    if (!packet.related) return this.#open(arena, frame, request)
    this.#state = CtState.Invalid
    return undefined
  }

  /** Translated in this zone, and changed since: still of the connection that it was of then. */
  #findOriginal(before: TrackedWords): Entry | undefined {
    const protocol = before[At.protocol]
    if (protocol !== packet.protocol) return undefined
    const { family, sourcePort, destinationPort } = packet
    const isV4 = family === 4
    const icmp = packet.protocol === (isV4 ? IpProtocol.Icmp : IpProtocol.Icmpv6)
    const tuple: Tuple = {
      family,
      protocol,
      source: before.subarray(isV4 ? At.ipv4Source : At.ipv6Source),
      destination: before.subarray(isV4 ? At.ipv4Destination : At.ipv6Destination),
      sourcePort: icmp ? sourcePort : before[At.transportSource],
      destinationPort: icmp ? destinationPort : before[At.transportDestination],
      icmpType: icmp ? before[At.transportSource] & 0xff : 0,
    }
    return this.#table.find(keyOf(tuple, this.#zone))?.entry
  }

  /** The first frame of a connection, which is kept where the request says so and there is room. */
  #open(arena: FrameArena, frame: FrameHandle, request: TrackRequest): Entry | undefined {
    const opening = firstState(arena)
    this.#state = opening ? CtState.New : CtState.Invalid
    if (!opening || !request.commit || !this.#table.hasRoom(this.#zone)) return undefined
    const original = copyTuple(packet)
    const nat = request.nat === 'restore' ? undefined : request.nat
    const reply = nat ? this.#nat.choose(original, nat, this.#zone) : reversed(original)
    if (!reply) return undefined
    const connection: Connection = {
      zone: this.#zone,
      original,
      reply,
      mark: 0,
      label: [0, 0, 0, 0],
      ...(nat && { nat: nat.direction }),
      state: opening.state,
      expires: 0,
    }
    const entry = this.#table.insert(connection, opening.timeout)
    this.#reply = false
    if (nat) this.#translate(arena, frame, entry, false, false)
    return entry
  }

  /** Once in a zone. */
  #translate(arena: FrameArena, frame: FrameHandle, { connection }: Entry, reply: boolean, related: boolean): void {
    if ((this.#state & NATTED) !== 0) return
    const end = translatedEnd(connection, reply)
    if (!end) return
    this.#state |= end === 'src' ? CtState.SourceNat : CtState.DestinationNat
    translate(arena, frame, connection, reply, related)
  }

  #describe(entry: Entry | undefined, request: TrackRequest): Tracked {
    const words = new Uint32Array(TRACKED_WORDS)
    words[At.state] = this.#state | CtState.Tracked
    words[At.zone] = this.#zone
    writeTuple(words, entry ? entry.connection.original : packet)
    if (!entry) return { words }
    mark(entry.connection, request)
    writeMarks(words, entry.connection)
    return request.nat ? { words } : { words, seen: new Sighting(entry, this.#reply, packet.related) }
  }
}

function invalid(zone: number): TrackedWords {
  const words = new Uint32Array(TRACKED_WORDS)
  words[At.state] = CtState.Tracked | CtState.Invalid
  words[At.zone] = zone
  return words
}

const isInvalid = (zone: number, before: Tracked | undefined) =>
  before !== undefined && before.words[At.zone] === zone && (before.words[At.state] & CtState.Invalid) !== 0

const ECHO_REQUEST6 = 128
/** Echo, timestamp and information requests. */
const REQUESTS4: readonly number[] = [8, 13, 15]

/** How a connection begins that begins with the frame at hand; undefined where none may. */
function firstState(arena: FrameArena): { state: ConnectionState; timeout: TimeoutName } | undefined {
  switch (packet.protocol) {
    case IpProtocol.Tcp: {
      const segment = readSegment(arena)
      return mayOpen(segment)
        ? { state: { kind: 'tcp', peers: openTcp(segment) }, timeout: 'tcpFirstPacket' }
        : undefined
    }
    case IpProtocol.Icmp:
      return REQUESTS4.includes(firstOctet(arena)) ? firstOfIcmp() : undefined
    case IpProtocol.Icmpv6:
      return firstOctet(arena) === ECHO_REQUEST6 ? firstOfIcmp() : undefined
    default:
      return { state: { kind: 'other', seen: 'first' }, timeout: 'otherFirst' }
  }
}

const firstOfIcmp = () => ({ state: { kind: 'icmp', replied: false }, timeout: 'icmpFirst' }) as const

function mark(connection: Connection, { mark: wanted, label }: TrackRequest): void {
  if (wanted) connection.mark = (wanted.value | (connection.mark & ~wanted.mask)) >>> 0
  if (!label) return
  for (let word = 0; word < 4; word++)
    connection.label[word] = (label.value[word] | (connection.label[word] & ~label.mask[word])) >>> 0
}

function writeMarks(words: TrackedWords, connection: Connection): void {
  words[At.mark] = connection.mark
  words.set(connection.label, At.label)
}

function takeTuple(tuple: Tuple): void {
  packet.source.set(tuple.source)
  packet.destination.set(tuple.destination)
  packet.sourcePort = tuple.sourcePort
  packet.destinationPort = tuple.destinationPort
  packet.icmpType = tuple.icmpType
}

/** Of ICMP, type and code stand in the place of ports. */
function writeTuple(words: TrackedWords, tuple: Tuple): void {
  const isV4 = tuple.family === 4
  words[At.protocol] = tuple.protocol
  for (let word = 0; word < wordsOf(tuple.family); word++) {
    words[(isV4 ? At.ipv4Source : At.ipv6Source) + word] = tuple.source[word]
    words[(isV4 ? At.ipv4Destination : At.ipv6Destination) + word] = tuple.destination[word]
  }
  const icmp = tuple.protocol === (isV4 ? IpProtocol.Icmp : IpProtocol.Icmpv6)
  words[At.transportSource] = icmp ? tuple.icmpType : tuple.sourcePort
  words[At.transportDestination] = icmp ? 0 : tuple.destinationPort
}
