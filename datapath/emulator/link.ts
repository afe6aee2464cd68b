// A cable, seen from one end: frames wait for the bandwidth, travel for delay and jitter, and arrive in order.

import type { Clock, Nanoseconds } from '../../runtime/clock.ts'
import { SECOND } from '../../runtime/clock.ts'
import type { Random } from '../../runtime/random.ts'
import type { Link } from '../../topologies/topology.ts'
import type { DropReason } from '../drops.ts'
import type { FrameArena, FrameHandle } from '../frames.ts'
import { payloadLength } from '../payload-length.ts'

export interface LinkEvents {
  /** The frames have arrived at the far end, which owns them now. */
  arrive(frames: readonly FrameHandle[]): void
  /** The frame ends on the link; it is released when this returns. */
  drop(frame: FrameHandle, reason: DropReason): void
}

interface OnTheWay {
  frame: FrameHandle
  arrivesAt: Nanoseconds
}

/** One direction of a link. */
export class LinkDirection {
  #up = true
  /** When the last bit accepted so far has left. */
  #busyUntil: Nanoseconds = 0
  #lastArrival: Nanoseconds = 0
  /** Departure times of the frames that wait for the wire, oldest first. */
  #departures: Nanoseconds[] = []
  #onTheWay: OnTheWay[] = []
  readonly #link: Link
  readonly #arena: FrameArena
  readonly #clock: Clock
  readonly #random: Random
  readonly #events: LinkEvents

  constructor(link: Link, world: { arena: FrameArena; clock: Clock; random: Random }, events: LinkEvents) {
    this.#link = link
    this.#arena = world.arena
    this.#clock = world.clock
    this.#random = world.random
    this.#events = events
  }

  get up(): boolean {
    return this.#up
  }

  /** How long a frame sent now may take to the far end. */
  get crossingTime(): Nanoseconds {
    const waits = Math.max(0, this.#busyUntil - this.#clock.now())
    return waits + this.#link.delay + this.#link.jitter
  }

  /** Takes the frame: it will arrive, or be dropped by name. */
  send(frame: FrameHandle): void {
    const reason = this.#refusal(frame)
    if (reason !== undefined) return this.#drop(frame, reason)
    const arrivesAt = this.#arrival(frame)
    if (this.#onTheWay.length === 0) this.#wakeAt(arrivesAt)
    this.#onTheWay.push({ frame, arrivesAt })
  }

  /** Cuts the cable: what is on it is lost, and so is all that is sent until `heal`. */
  fail(): void {
    this.#up = false
    const lost = this.#onTheWay
    this.#onTheWay = []
    this.#departures = []
    for (const { frame } of lost) this.#drop(frame, 'link_down')
  }

  heal(): void {
    this.#up = true
    this.#busyUntil = this.#clock.now()
  }

  #refusal(frame: FrameHandle): DropReason | undefined {
    if (!this.#up) return 'link_down'
    if (payloadLength(this.#arena, frame) > this.#link.mtu) return 'mtu_exceeded'
    if (this.#waiting() >= this.#link.queue) return 'queue_full'
    if (this.#link.loss > 0 && this.#random.fraction() < this.#link.loss) return 'link_loss'
    return undefined
  }

  #waiting(): number {
    const now = this.#clock.now()
    let gone = 0
    while (gone < this.#departures.length && this.#departures[gone]! <= now) gone++
    if (gone > 0) this.#departures.splice(0, gone)
    return this.#departures.length
  }

  /** Works out when the frame's last bit is at the far end; frames never overtake each other. */
  #arrival(frame: FrameHandle): Nanoseconds {
    const { bandwidth, delay, jitter } = this.#link
    const start = Math.max(this.#clock.now(), this.#busyUntil)
    const bits = this.#arena.length[frame]! * 8
    const left = bandwidth === undefined ? start : start + Math.ceil((bits * SECOND) / bandwidth)
    this.#busyUntil = left
    if (bandwidth !== undefined) this.#departures.push(left)
    const late = jitter > 0 ? this.#random.below(jitter + 1) : 0
    this.#lastArrival = Math.max(this.#lastArrival, left + delay + late)
    return this.#lastArrival
  }

  #wakeAt(instant: Nanoseconds): void {
    this.#clock.schedule(instant, () => this.#arrive())
  }

  #arrive(): void {
    const now = this.#clock.now()
    const due = this.#onTheWay.findIndex(({ arrivesAt }) => arrivesAt > now)
    const arrived = this.#onTheWay.splice(0, due === -1 ? this.#onTheWay.length : due)
    const next = this.#onTheWay[0]
    if (next !== undefined) this.#wakeAt(next.arrivesAt)
    if (arrived.length > 0) this.#events.arrive(arrived.map(({ frame }) => frame))
  }

  #drop(frame: FrameHandle, reason: DropReason): void {
    this.#events.drop(frame, reason)
    this.#arena.release(frame)
  }
}
