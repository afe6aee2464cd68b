// Fragments of datagrams that are not whole yet: Open vSwitch's lib/ipf.c. They are kept as they came; once the last is here the
// tracker looks at the whole datagram, and what it finds is true of every fragment.

import { internetChecksum, updateChecksum } from '../../protocols/checksum.ts'
import { EtherType } from '../../protocols/match.ts'
import type { Clock, Nanoseconds, Timer } from '../../runtime/clock.ts'
import { SECOND } from '../../runtime/clock.ts'
import { Arrivals } from '../arrivals.ts'
import type { FrameArena, FrameHandle } from '../frames.ts'
import type { Layout } from '../rewrite/layout.ts'
import { FRAGMENT, extensionSize, isExtension, locate } from '../rewrite/layout.ts'
import type { GoOn, Tracked, TrackRequest } from './tracker.ts'

const TIMEOUT = 15 * SECOND
const MAX_DATAGRAM = 65535
const MAX_IPV4_HEADER = 60
const IPV6_SIZE = 40
const MORE_FRAGMENTS = 0x2000
const OFFSET = 0x1fff
const IPV6_OFFSET = 0xfff8

/** How a datagram goes on that becomes whole by what came from elsewhere: as the fragment would whose turn it was last. */
interface Later {
  readonly request: TrackRequest
  readonly goOn: GoOn
}

/** A fragment that waits. Offsets count from the frame's first byte. */
interface Piece {
  frame: FrameHandle
  before: Tracked | undefined
  network: number
  payload: number
  /** Place in the datagram of its first byte and of its last. */
  first: number
  last: number
  /** Its place among the frames that came to the switch; undefined where it came to another. */
  arrival: number | undefined
  later: Later | undefined
}

/** A datagram that is whole by what came from elsewhere. */
export interface Completed {
  readonly datagram: Datagram
  /** When the last of its fragments came that came here, and what is to be done. */
  readonly arrival: number
  readonly later: Later
}

/** A datagram that is not whole yet, and all its fragments in their order once it is. */
export interface Datagram {
  key: string
  family: 4 | 6
  pieces: Piece[]
  firstSeen: boolean
  lastSeen: boolean
  /** Too long to be put together: what has come waits for its timeout. */
  hopeless: boolean
  expires: Nanoseconds
}

interface Fragment extends Omit<Piece, 'frame' | 'before' | 'arrival' | 'later'> {
  key: string
  family: 4 | 6
  isLast: boolean
}

export class Reassembly {
  /** Off: fragments are invalid (`ovs-appctl dpctl/ipf-set-disabled`). */
  enabled = { 4: true, 6: true }
  /** A fragment that is not the last must have so many bytes of IP, or is invalid; 0 switches that off (`ipf-set-min-frag`). */
  smallest = { 4: 1200, 6: 1280 }
  /** Fragments that wait at once, at most; more are invalid (`ipf-set-max-nfrags`). */
  most = 1000

  readonly #clock: Clock
  readonly #arrivals: Arrivals
  readonly #released: ((frame: FrameHandle) => void) | undefined
  readonly #datagrams = new Map<string, Datagram>()
  /** Keys of datagrams that became whole with what came from elsewhere, and until when that may be told again. In the order of their end. */
  readonly #completed = new Map<string, Nanoseconds>()
  #waiting = 0
  #timer: Timer | undefined
  #arena: FrameArena | undefined
  /** The fragment that was kept last. */
  #newest: Piece | undefined

  /** `released` is given the fragments whose datagram was not whole in time. */
  constructor(clock: Clock, released: ((frame: FrameHandle) => void) | undefined, arrivals = new Arrivals()) {
    this.#clock = clock
    this.#arrivals = arrivals
    this.#released = released
  }

  /** Fragments that wait. */
  get waiting(): number {
    return this.#waiting
  }

  /** Takes a fragment in: 'kept', or 'invalid' and still the caller's, or the datagram that it makes whole. */
  offer(
    arena: FrameArena,
    frame: FrameHandle,
    zone: number,
    before: Tracked | undefined,
  ): 'kept' | 'invalid' | Datagram {
    this.#arena = arena
    this.#release(this.#clock.now())
    const fragment = readFragment(arena, frame, zone)
    if (!fragment || !this.enabled[fragment.family] || this.#waiting >= this.most || this.#tooSmall(fragment))
      return 'invalid'
    const datagram = this.#datagrams.get(fragment.key) ?? this.#begin(fragment)
    if (!this.#mayJoin(datagram, fragment)) return 'invalid'
    return this.#join(datagram, fragment, { frame, before, arrival: this.#arrivals.next() }) ? datagram : 'kept'
  }

  /** Of the fragment that was kept last; see Tracker. */
  goOnWhenWhole(later: Later): void {
    this.#newest!.later = later
  }

  /** The fragments in a zone that came here and wait, in their order. They stay. */
  waitingIn(zone: number): FrameHandle[] {
    return [...this.#datagrams.values()]
      .filter(({ key }) => key.startsWith(zoneKey(zone)))
      .flatMap(({ pieces }) => pieces)
      .filter(({ arrival }) => arrival !== undefined)
      .sort((a, b) => a.arrival! - b.arrival!)
      .map(({ frame }) => frame)
  }

  /** Takes in a fragment that waits at another switch, unless it is or was here; ends it otherwise, and in silence. Gives what it makes whole. */
  adopt(arena: FrameArena, frame: FrameHandle, zone: number): Completed | undefined {
    this.#arena = arena
    this.#release(this.#clock.now())
    const fragment = this.#waiting < this.most ? readFragment(arena, frame, zone) : undefined
    const isWanted = fragment && this.enabled[fragment.family] && !this.#completed.has(fragment.key)
    const datagram = isWanted && (this.#datagrams.get(fragment.key) ?? this.#begin(fragment))
    if (!datagram || !this.#mayJoin(datagram, fragment)) {
      arena.release(frame)
      return undefined
    }
    if (!this.#join(datagram, fragment, { frame, before: undefined, arrival: undefined })) return undefined
    const newest = datagram.pieces.reduce((a, b) => ((b.arrival ?? -1) > (a.arrival ?? -1) ? b : a))
    if (newest.later !== undefined) return { datagram, arrival: newest.arrival!, later: newest.later }
    for (const piece of datagram.pieces) arena.release(piece.frame)
    return undefined
  }

  /** Whether that makes it whole; it does not wait any more then. */
  #join(
    datagram: Datagram,
    { network, payload, first, last, isLast }: Fragment,
    { frame, before, arrival }: Pick<Piece, 'frame' | 'before' | 'arrival'>,
  ): boolean {
    this.#newest = { frame, before, network, payload, first, last, arrival, later: undefined }
    datagram.pieces.push(this.#newest)
    this.#waiting++
    if (first === 0) datagram.firstSeen = true
    else if (isLast) datagram.lastSeen = true
    if (!datagram.firstSeen || !datagram.lastSeen || !isWhole(datagram)) return false
    datagram.hopeless = frameLength(datagram) > MAX_DATAGRAM
    if (datagram.hopeless) return false
    this.#forget(datagram)
    if (datagram.pieces.some((piece) => piece.arrival === undefined)) this.#remember(datagram)
    return true
  }

  /** What waits elsewhere is told until its time is over there: the same again would begin a datagram that a later one of its number meets. */
  #remember({ key }: Datagram): void {
    this.#completed.delete(key)
    this.#completed.set(key, this.#clock.now() + TIMEOUT)
  }

  /** Gives all fragments back to the arena. */
  close(): void {
    for (const { pieces } of this.#datagrams.values()) for (const { frame } of pieces) this.#arena?.release(frame)
    this.#datagrams.clear()
    this.#completed.clear()
    this.#waiting = 0
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #mayJoin(datagram: Datagram, fragment: Fragment): boolean {
    const hasRoom = !datagram.hopeless && datagram.pieces.length < this.#mostPieces(fragment)
    return hasRoom && !overlaps(datagram, fragment)
  }

  #tooSmall({ family, isLast, network, payload, first, last }: Fragment): boolean {
    return !isLast && last - first + 1 + payload - network < this.smallest[family]
  }

  #mostPieces({ family }: Fragment): number {
    if (family === 6 || this.smallest[4] <= MAX_IPV4_HEADER) return MAX_DATAGRAM
    return Math.ceil((MAX_DATAGRAM - MAX_IPV4_HEADER) / (this.smallest[4] - MAX_IPV4_HEADER))
  }

  #begin({ key, family }: Fragment): Datagram {
    const expires = this.#clock.now() + TIMEOUT
    const fresh = { firstSeen: false, lastSeen: false, hopeless: false }
    const datagram: Datagram = { key, family, pieces: [], expires, ...fresh }
    this.#datagrams.set(key, datagram)
    this.#arm(expires)
    return datagram
  }

  #forget(datagram: Datagram): void {
    this.#datagrams.delete(datagram.key)
    this.#waiting -= datagram.pieces.length
    if (this.#datagrams.size > 0) return
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #arm(at: Nanoseconds): void {
    this.#timer ??= this.#clock.schedule(at, () => {
      this.#timer = undefined
      this.#release(this.#clock.now())
    })
  }

  /** Datagrams stand in the order in which they began, which is that of their end. */
  #release(now: Nanoseconds): void {
    for (const [key, until] of this.#completed) {
      if (until > now) break
      this.#completed.delete(key)
    }
    for (const datagram of this.#datagrams.values()) {
      if (datagram.expires > now) return this.#arm(datagram.expires)
      this.#forget(datagram)
      for (const { frame, arrival } of datagram.pieces) {
        // Whoever has told of it has it, too.
        if (this.#released && arrival !== undefined) this.#released(frame)
        else this.#arena?.release(frame)
      }
    }
  }
}

const zoneKey = (zone: number): string => `${zone} `

function readFragment(arena: FrameArena, frame: FrameHandle, zone: number): Fragment | undefined {
  const layout = locate(arena, frame)
  const fragment = layout.etherType === EtherType.Ipv4 ? readFragment4(layout) : readFragment6(layout)
  if (!fragment || fragment.last >= MAX_DATAGRAM) return undefined
  const start = arena.offset[frame]
  const network = layout.network - start
  return { ...fragment, key: `${zoneKey(zone)}${fragment.key}`, network, payload: fragment.payload - start }
}

const textOf = ({ bytes }: Layout, from: number, to: number) => String.fromCharCode(...bytes.subarray(from, to))

function readFragment4(layout: Layout): Omit<Fragment, 'network'> | undefined {
  const { view, bytes, network, end } = layout
  const size = (view.getUint8(network) & 15) * 4
  if (internetChecksum(bytes, network, size) !== 0) return undefined
  const flags = view.getUint16(network + 6)
  const first = (flags & OFFSET) * 8
  const payload = network + size
  return {
    family: 4,
    // Identification, protocol, addresses.
    key:
      textOf(layout, network + 4, network + 6) +
      textOf(layout, network + 9, network + 10) +
      textOf(layout, network + 12, network + 20),
    isLast: first !== 0 && (flags & MORE_FRAGMENTS) === 0,
    payload,
    first,
    last: first + end - payload - 1,
  }
}

function readFragment6(layout: Layout): Omit<Fragment, 'network'> | undefined {
  const { view, network, end } = layout
  const header = fragmentHeader(layout)
  if (header === 0) return undefined
  const flags = view.getUint16(header + 2)
  const first = flags & IPV6_OFFSET
  const payload = header + 8
  return {
    family: 6,
    key: textOf(layout, header + 4, header + 8) + textOf(layout, network + 8, network + 40),
    isLast: first !== 0 && (flags & 1) === 0,
    payload,
    first,
    last: first + end - payload - 1,
  }
}

/** The last fragment header: others before it are of whole packets (RFC 6946). 0 where there is none. `locate` has seen the chain. */
function fragmentHeader({ view, network, end }: Layout): number {
  let kind = view.getUint8(network + 6)
  let at = network + IPV6_SIZE
  let header = 0
  while (isExtension(kind) && end - at >= 8) {
    if (kind === FRAGMENT) header = at
    if (header !== 0 && (view.getUint16(header + 2) & IPV6_OFFSET) !== 0) break
    const size = extensionSize(kind, view.getUint8(at + 1))
    kind = view.getUint8(at)
    at += size
  }
  return header
}

/** Whether an end of the fragment lies in one that is here already. */
function overlaps({ pieces }: Datagram, { first, last }: Fragment): boolean {
  return pieces.some(
    (piece) => (first >= piece.first && first <= piece.last) || (last >= piece.first && last <= piece.last),
  )
}

/** Sorts the pieces. */
function isWhole({ pieces }: Datagram): boolean {
  pieces.sort((a, b) => a.first - b.first)
  return pieces.every((piece, index) => index === 0 || pieces[index - 1].last + 1 === piece.first)
}

/** Open vSwitch counts the Ethernet header in. */
const frameLength = ({ pieces }: Datagram) =>
  pieces[0].payload + pieces.reduce((length, { first, last }) => length + last - first + 1, 0)

/** A frame of the whole datagram. It shares no bytes with the fragments. */
export function assemble(arena: FrameArena, datagram: Datagram): FrameHandle {
  const { family, pieces } = datagram
  const [{ network, payload: headers }] = pieces
  const length = frameLength(datagram)
  const whole = arena.allocate(length)
  const start = arena.offset[whole]
  const opening = arena.offset[pieces[0].frame]
  arena.bytes.copyWithin(start, opening, opening + headers)
  for (const { frame, payload, first, last } of pieces) {
    const from = arena.offset[frame] + payload
    arena.bytes.copyWithin(start + headers + first, from, from + last - first + 1)
  }
  const { view } = arena
  const at = start + network
  if (family === 4) {
    rewrite16(view, at + 10, at + 2, length - network)
    rewrite16(view, at + 10, at + 6, view.getUint16(at + 6) & ~MORE_FRAGMENTS)
  } else {
    view.setUint16(at + 4, length - network - IPV6_SIZE)
    // What is left is an atomic fragment, RFC 6946.
    view.setUint16(start + headers - 6, 0)
  }
  return whole
}

function rewrite16(view: DataView, checksum: number, at: number, value: number): void {
  view.setUint16(checksum, updateChecksum(view.getUint16(checksum), view.getUint16(at), value))
  view.setUint16(at, value)
}

/** Carries what the tracker has changed in the whole datagram over to the fragments: addresses, and the first one's payload. */
export function disperse(arena: FrameArena, whole: FrameHandle, { family, pieces }: Datagram): void {
  const { bytes, view, offset } = arena
  const from = offset[whole]
  const [{ frame, payload, last, network }] = pieces
  bytes.copyWithin(offset[frame] + payload, from + payload, from + payload + last + 1)
  for (const piece of pieces) {
    const at = offset[piece.frame] + piece.network
    const source = from + network
    if (family === 6) bytes.copyWithin(at + 8, source + 8, source + 40)
    else for (let word = 12; word < 20; word += 2) rewrite16(view, at + 10, at + word, view.getUint16(source + word))
  }
}
