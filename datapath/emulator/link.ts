// A cable, seen from one end: frames wait for the bandwidth, travel for delay and jitter, and arrive in order.

import type { Clock, Nanoseconds } from '../../runtime/clock.ts'
import { SECOND } from '../../runtime/clock.ts'
import type { Random } from '../../runtime/random.ts'
import type { Link } from '../../topologies/topology.ts'
import type { DropReason } from '../drops.ts'
import type { FrameArena, FrameHandle } from '../frames.ts'
import { payloadLength } from '../payload-length.ts'
import { InstantRing } from './instant-ring.ts'

export interface LinkEvents {
  /** The first `count` frames have arrived at the far end, which owns them now. The list is good for this call. */
  arrive(frames: ArrayLike<FrameHandle>, count: number): void
  /** The frame ends on the link; it is released when this returns. */
  drop(frame: FrameHandle, reason: DropReason): void
}

/** One direction of a link. */
export class LinkDirection {
  #up = true
  /** When the last bit accepted so far has left. */
  #busyUntil: Nanoseconds = 0
  #lastArrival: Nanoseconds = 0
  /** The frames that wait for the wire, by when they leave it; noted where there is a bandwidth to wait for. */
  readonly #departures = new InstantRing()
  /** By when they arrive. */
  readonly #onTheWay = new InstantRing()
  #arrived = new Int32Array(64)
  readonly #link: Link
  readonly #arena: FrameArena
  readonly #clock: Clock
  readonly #random: Random
  readonly #events: LinkEvents
  readonly #wake = () => this.#arrive()

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
    if (this.#onTheWay.size === 0) this.#clock.schedule(arrivesAt, this.#wake)
    this.#onTheWay.push(frame, arrivesAt)
  }

  /** Cuts the cable: what is on it is lost, and so is all that is sent until `heal`. */
  fail(): void {
    this.#up = false
    const lost = this.#onTheWay.takeAll()
    this.#departures.takeAll()
    for (const frame of lost) this.#drop(frame, 'link_down')
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
    const departures = this.#departures
    if (departures.size === 0) return 0
    const now = this.#clock.now()
    while (departures.first <= now) departures.shift()
    return departures.size
  }

  /** Works out when the frame's last bit is at the far end; frames never overtake each other. */
  #arrival(frame: FrameHandle): Nanoseconds {
    const { bandwidth, delay, jitter } = this.#link
    const start = Math.max(this.#clock.now(), this.#busyUntil)
    const bits = this.#arena.length[frame]! * 8
    const left = bandwidth === undefined ? start : start + Math.ceil((bits * SECOND) / bandwidth)
    this.#busyUntil = left
    if (bandwidth !== undefined) this.#departures.push(frame, left)
    const late = jitter > 0 ? this.#random.below(jitter + 1) : 0
    this.#lastArrival = Math.max(this.#lastArrival, left + delay + late)
    return this.#lastArrival
  }

  /** All that is due arrives in one; frames that the far end sends meanwhile go the other way. */
  #arrive(): void {
    const now = this.#clock.now()
    const onTheWay = this.#onTheWay
    let count = 0
    while (onTheWay.first <= now) {
      if (count === this.#arrived.length) this.#arrived = doubled(this.#arrived)
      this.#arrived[count++] = onTheWay.shift()
    }
    if (onTheWay.size > 0) this.#clock.schedule(onTheWay.first, this.#wake)
    if (count > 0) this.#events.arrive(this.#arrived, count)
  }

  #drop(frame: FrameHandle, reason: DropReason): void {
    this.#events.drop(frame, reason)
    this.#arena.release(frame)
  }
}

function doubled(frames: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(frames.length * 2)
  larger.set(frames)
  return larger
}
