// A cable, seen from one end: frames wait for the bandwidth, travel for delay and jitter, and arrive in order.

import type { Clock, Nanoseconds } from '../../runtime/clock.ts'
import { SECOND } from '../../runtime/clock.ts'
import type { Random } from '../../runtime/random.ts'
import type { Link } from '../../topologies/topology.ts'
import type { DropReason } from '../drops.ts'
import type { FrameArena, FrameHandle } from '../frames.ts'
import { payloadLength } from '../payload-length.ts'
import type { Agenda } from './agenda.ts'
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
  /** Taken off, to be delivered. */
  #arrived = new Int32Array(64)
  #arrivedCount = 0
  /** The agenda knows that there are frames, or were. */
  #isExpected = false
  readonly #link: Link
  readonly #arena: FrameArena
  readonly #clock: Clock
  readonly #random: Random
  readonly #events: LinkEvents
  readonly #agenda: Agenda
  readonly #number: number

  constructor(
    link: Link,
    world: { arena: FrameArena; clock: Clock; random: Random; agenda: Agenda },
    events: LinkEvents,
  ) {
    this.#link = link
    this.#arena = world.arena
    this.#clock = world.clock
    this.#random = world.random
    this.#events = events
    this.#agenda = world.agenda
    this.#number = this.#agenda.enrol(this)
  }

  get up(): boolean {
    return this.#up
  }

  /** How long every frame takes, where there is nothing that makes a difference between them; else Infinity. */
  get plainTime(): Nanoseconds {
    const { bandwidth, delay, jitter, loss } = this.#link
    return bandwidth === undefined && jitter === 0 && loss === 0 ? delay : Infinity
  }

  /** How long a frame sent now may take to the far end. */
  get crossingTime(): Nanoseconds {
    const waits = Math.max(0, this.#busyUntil - this.#clock.now())
    return waits + this.#link.delay + this.#link.jitter
  }

  get first(): Nanoseconds {
    return this.#onTheWay.first
  }

  /** Takes the frame, now or at its own instant where that is later: it will arrive, or be dropped by name. */
  send(frame: FrameHandle): void {
    const now = Math.max(this.#clock.now(), this.#arena.instant[frame]!)
    const reason = this.#refusal(frame, now)
    if (reason !== undefined) return this.#drop(frame, reason)
    const arrivesAt = this.#arrival(frame, now)
    this.#onTheWay.push(frame, arrivesAt)
    if (this.#isExpected) return
    this.#isExpected = true
    this.#agenda.expect(this.#number, arrivesAt)
  }

  take(instant: Nanoseconds): void {
    const onTheWay = this.#onTheWay
    let count = 0
    while (onTheWay.first === instant) {
      if (count === this.#arrived.length) this.#arrived = doubled(this.#arrived)
      const frame = onTheWay.shift()
      this.#arena.instant[frame] = instant
      this.#arrived[count++] = frame
    }
    this.#arrivedCount = count
    this.#isExpected = onTheWay.size > 0
  }

  /** All that was taken off arrives in one; frames that the far end sends meanwhile go the other way. */
  deliver(): void {
    if (this.#arrivedCount > 0) this.#events.arrive(this.#arrived, this.#arrivedCount)
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

  #refusal(frame: FrameHandle, now: Nanoseconds): DropReason | undefined {
    if (!this.#up) return 'link_down'
    if (payloadLength(this.#arena, frame) > this.#link.mtu) return 'mtu_exceeded'
    if (this.#waiting(now) >= this.#link.queue) return 'queue_full'
    if (this.#link.loss > 0 && this.#random.fraction() < this.#link.loss) return 'link_loss'
    return undefined
  }

  #waiting(now: Nanoseconds): number {
    const departures = this.#departures
    while (departures.first <= now) departures.shift()
    return departures.size
  }

  /** Works out when the frame's last bit is at the far end; frames never overtake each other. */
  #arrival(frame: FrameHandle, now: Nanoseconds): Nanoseconds {
    const { bandwidth, delay, jitter } = this.#link
    const start = Math.max(now, this.#busyUntil)
    const bits = this.#arena.length[frame]! * 8
    const left = bandwidth === undefined ? start : start + Math.ceil((bits * SECOND) / bandwidth)
    this.#busyUntil = left
    if (bandwidth !== undefined) this.#departures.push(frame, left)
    const late = jitter > 0 ? this.#random.below(jitter + 1) : 0
    this.#lastArrival = Math.max(this.#lastArrival, left + delay + late)
    return this.#lastArrival
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
