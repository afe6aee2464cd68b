// Frames that a port in state `hold` keeps: those that another switch kept before, then its own, each in order.
//
// Whoever moves a vNIC reads them here and hands them to a port elsewhere, and only then lets them be forgotten here: so a reader
// that dies in between loses none. Each has a place in the order of the switch that kept it first, by which a second handing over
// is known.

import { DEFAULT_HOLD } from '../protocols/control/messages.ts'
import type { Clock, Nanoseconds, Timer } from '../runtime/clock.ts'
import { Arrivals } from './arrivals.ts'
import type { FrameArena, FrameHandle } from './frames.ts'

/** What a frame takes of the limit at least: that of Ethernet, with its check sequence. */
const SHORTEST = 64

export interface Kept {
  readonly frame: FrameHandle
  /** The switch that kept it first; '' where that is this one. */
  readonly origin: string
  /** Grows with each frame that the switch keeps for the port. */
  readonly sequence: number
  readonly since: Nanoseconds
}

/** One that this switch keeps first. */
interface Own extends Kept {
  sequence: number
  readonly arrival: number
}

/** What the ports of a host may keep, all together: bytes of memory, of which a short frame takes more than it is long. */
export interface HoldRoom {
  readonly bytes: number
  used: number
}

export interface HoldOptions {
  arena: FrameArena
  clock: Clock
  /** Its frames are numbered from here on; the clock's instant where absent. */
  first?: number
  /** Of the switch's frames; the order in which they are kept where absent. */
  arrivals?: Arrivals
  /** Shared with other ports; there is no end of it where absent. */
  room?: HoldRoom | undefined
  /** One was kept for too long. The receiver owns it. */
  expired: (frame: FrameHandle) => void
}

export class HoldQueue {
  /** In bytes of frames. */
  limits = DEFAULT_HOLD
  /** Frames for which there was no room, or that were kept for too long, since it began to hold. */
  overflowed = 0
  readonly #options: HoldOptions
  #ahead: Kept[] = []
  #own: Own[] = []
  readonly #arrivals: Arrivals
  #aheadBytes = 0
  #ownBytes = 0
  /** Begins with an instant: after a restart of the switch its numbers are greater than any before, so that none is taken for another. */
  #last: number
  /** Up to there others know them by their numbers. */
  #told = 0
  /** The last frame of each other switch that was taken over. */
  readonly #latest = new Map<string, number>()
  #timer: Timer | undefined

  constructor(options: HoldOptions) {
    this.#options = options
    this.#arrivals = options.arrivals ?? new Arrivals()
    this.#last = options.first ?? options.clock.now()
  }

  get size(): number {
    return this.#ahead.length + this.#own.length
  }

  /** In the order in which they are to leave. They stay the queue's. */
  frames(): FrameHandle[] {
    return [...this.#ahead, ...this.#own].map(({ frame }) => frame)
  }

  /** The same for somebody who brings them elsewhere: from now on none goes ahead of them. */
  kept(): readonly Kept[] {
    this.#told = this.#last
    return [...this.#ahead, ...this.#own]
  }

  /** The port begins to hold: what was taken over before is of another move. */
  begin(): void {
    this.#latest.clear()
    this.overflowed = 0
  }

  /** Keeps a frame; false where there is no room. */
  keep(frame: FrameHandle): boolean {
    const size = this.#sizeOf(frame)
    if (this.#ownBytes + size > this.limits.bytes || !this.#fits(frame)) {
      this.overflowed++
      return false
    }
    this.#insert(frame, this.#arrivals.next())
    this.#ownBytes += size
    this.#enter(frame)
    this.#arm()
    return true
  }

  /**
   * Takes over a frame that another switch kept, or moves one of its own, to the end of those that leave first. False where it has had
   * it already, or has no room: the caller's then.
   */
  putAhead(frame: FrameHandle, origin: string, sequence: number): 'taken' | 'known' | 'full' {
    if ((this.#latest.get(origin) ?? 0) >= sequence) return 'known'
    const size = this.#sizeOf(frame)
    if (this.#aheadBytes + size > this.limits.bytes || !this.#fits(frame)) {
      this.overflowed++
      return 'full'
    }
    this.#latest.set(origin, sequence)
    this.#pushAhead({ frame, origin, sequence, since: this.#options.clock.now() }, size)
    return 'taken'
  }

  /** The same for frames of its own, by their sequence. Those that are not there any more are passed over. */
  moveAhead(sequences: ReadonlySet<number>): void {
    for (const one of this.#takeOwn(({ sequence }) => sequences.has(sequence)))
      this.#pushAhead(one, this.#sizeOf(one.frame))
  }

  /** Gives up its own frames up to this one. They are the caller's. */
  forget(upTo: number): FrameHandle[] {
    return this.#takeOwn(({ sequence }) => sequence <= upTo).map(({ frame }) => frame)
  }

  /** Gives up what leaves first. It is the caller's. */
  takeAhead(): FrameHandle[] {
    const frames = this.#ahead.map(({ frame }) => frame)
    this.#ahead = []
    for (const frame of frames) this.#leave(frame)
    this.#aheadBytes = 0
    if (this.size === 0) this.#disarm()
    return frames
  }

  /** Gives up all, in order. They are the caller's. */
  takeAll(): FrameHandle[] {
    return [...this.takeAhead(), ...this.#takeOwn(() => true).map(({ frame }) => frame)]
  }

  /** Behind all that came before it, and all that has been told. */
  #insert(frame: FrameHandle, arrival: number): void {
    const own = this.#own
    let place = own.length
    while (place > 0 && own[place - 1]!.arrival > arrival && own[place - 1]!.sequence > this.#told) place--
    this.#last++
    const { since, sequence } = place < own.length ? own[place]! : this.#newest()
    for (let later = place; later < own.length; later++) own[later]!.sequence++
    own.splice(place, 0, { frame, origin: '', sequence, since, arrival })
  }

  #newest(): Pick<Own, 'since' | 'sequence'> {
    return { since: this.#options.clock.now(), sequence: this.#last }
  }

  #pushAhead(one: Kept, size: number): void {
    this.#ahead.push(one)
    this.#aheadBytes += size
    this.#enter(one.frame)
    this.#arm()
  }

  #takeOwn(which: (one: Own) => boolean): Own[] {
    const taken: Own[] = []
    const left: Own[] = []
    for (const one of this.#own) (which(one) ? taken : left).push(one)
    this.#own = left
    for (const { frame } of taken) this.#leaveOwn(frame)
    if (this.size === 0) this.#disarm()
    return taken
  }

  #fits(frame: FrameHandle): boolean {
    const { arena, room } = this.#options
    return (room === undefined || room.used + arena.sizeOf(frame) <= room.bytes) && !arena.isTight
  }

  #enter(frame: FrameHandle): void {
    const { arena, room } = this.#options
    if (room !== undefined) room.used += arena.sizeOf(frame)
  }

  #leave(frame: FrameHandle): void {
    const { arena, room } = this.#options
    if (room !== undefined) room.used -= arena.sizeOf(frame)
  }

  #leaveOwn(frame: FrameHandle): void {
    this.#ownBytes -= this.#sizeOf(frame)
    this.#leave(frame)
  }

  #sizeOf(frame: FrameHandle): number {
    return Math.max(this.#options.arena.length[frame], SHORTEST)
  }

  /** One timer at a time, for the oldest. */
  #arm(): void {
    if (this.#timer !== undefined) return
    // Its own are in order of time; among those ahead are some that were moved there.
    let oldest = this.#own[0]?.since ?? Infinity
    for (const { since } of this.#ahead) oldest = Math.min(oldest, since)
    if (oldest === Infinity) return
    this.#timer = this.#options.clock.schedule(oldest + this.limits.time, () => this.#expire())
  }

  #disarm(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #expire(): void {
    this.#timer = undefined
    const before = this.#options.clock.now() - this.limits.time
    const lateAhead = this.#ahead.filter(({ since }) => since <= before)
    if (lateAhead.length > 0) this.#ahead = this.#ahead.filter(({ since }) => since > before)
    for (const { frame } of lateAhead) {
      this.#aheadBytes -= this.#sizeOf(frame)
      this.#leave(frame)
    }
    let count = 0
    while (count < this.#own.length && this.#own[count]!.since <= before) count++
    const late = this.#own.splice(0, count)
    for (const { frame } of late) this.#leaveOwn(frame)
    this.overflowed += lateAhead.length + late.length
    for (const { frame } of [...lateAhead, ...late]) this.#options.expired(frame)
    this.#arm()
  }
}
