// A cable, seen from one end: frames wait for the bandwidth, travel for delay and jitter, and arrive in order. Where it has queues, it is
// known only when the wire is free which frame is next; until then frames wait in them.

import type { Clock, Nanoseconds, Timer } from '../../runtime/clock.ts'
import { SECOND } from '../../runtime/clock.ts'
import type { Random } from '../../runtime/random.ts'
import type { Link } from '../../topologies/topology.ts'
import type { DropReason } from '../drops.ts'
import type { FrameArena, FrameHandle } from '../frames.ts'
import { payloadLength } from '../payload-length.ts'
import type { Agenda } from './agenda.ts'
import { InstantRing } from './instant-ring.ts'
import { queueConfigs } from '../../topologies/qos.ts'
import { locate } from '../rewrite/layout.ts'
import { FrameScheduler } from '../scheduling/frame-scheduler.ts'
import { innerTos } from '../tunnels/inner.ts'

export interface LinkEvents {
  /** The first `count` frames have arrived at the far end, which owns them now. The list is good for this call. */
  arrive(frames: ArrayLike<FrameHandle>, count: number): void
  /** The frame ends on the link; it is released when this returns. */
  drop(frame: FrameHandle, reason: DropReason): void
  /** The frame waits in a queue: when it arrives depends on others. */
  stirred(frame: FrameHandle): void
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
  /** Where they wait, where there are queues; and for when the wire is free for the next of them. */
  readonly #queues: FrameScheduler | undefined
  #timer: Timer | undefined
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
    if (link.queues !== undefined && link.bandwidth !== undefined)
      this.#queues = new FrameScheduler({ queues: queueConfigs(link.queues) }, world.clock.now())
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
    const now = this.#clock.now()
    const waits = Math.max(0, this.#busyUntil - now)
    const queues = this.#queues
    const queued = queues?.timeToEmpty(now, this.#link.bandwidth) ?? 0
    return waits + queued + this.#link.delay + this.#link.jitter
  }

  get first(): Nanoseconds {
    return this.#onTheWay.first
  }

  /** Frames that wait in queues. */
  waiting(): FrameHandle[] {
    return this.#queues?.frames() ?? []
  }

  /** Takes the frame, now or at its own instant where that is later: it will arrive, or be dropped by name. */
  send(frame: FrameHandle): void {
    const now = Math.max(this.#clock.now(), this.#arena.instant[frame]!)
    const reason = this.#refusal(frame, now)
    if (reason !== undefined) return this.#drop(frame, reason)
    if (this.#queues !== undefined) return this.#enqueue(this.#queues, frame)
    const arrivesAt = this.#arrival(frame, now)
    this.#onTheWay.push(frame, arrivesAt)
    this.#expect(arrivesAt)
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
    const lost = [...this.#onTheWay.takeAll(), ...(this.#queues?.takeAll() ?? [])]
    this.#wakeAt(Infinity)
    this.#departures.takeAll()
    for (const frame of lost) this.#drop(frame, 'link_down')
  }

  heal(): void {
    this.#up = true
    this.#busyUntil = this.#clock.now()
  }

  #expect(instant: Nanoseconds): void {
    if (this.#isExpected) return
    this.#isExpected = true
    this.#agenda.expect(this.#number, instant)
  }

  #enqueue(queues: FrameScheduler, frame: FrameHandle): void {
    const dscp = innerTos(locate(this.#arena, frame)) >> 2
    if (!queues.admits(0, dscp)) return this.#drop(frame, 'queue_overflow')
    this.#events.stirred(frame)
    queues.enqueue(frame, this.#arena.length[frame]! * 8, 0, 0, dscp)
    this.#serve()
  }

  /** Where the wire is free, the next frame goes onto it; the one after it when it has left. */
  readonly #serve = () => {
    const queues = this.#queues!
    const now = this.#clock.now()
    const frame = this.#busyUntil > now ? -1 : queues.dequeue(now)
    if (frame !== -1) {
      const arrivesAt = this.#arrival(frame, now)
      this.#onTheWay.push(frame, arrivesAt)
      this.#expect(arrivesAt)
    }
    this.#wakeAt(Math.max(this.#busyUntil, queues.nextTurn(now)))
  }

  #wakeAt(instant: Nanoseconds): void {
    this.#timer?.cancel()
    this.#timer = instant === Infinity ? undefined : this.#clock.schedule(instant, this.#serve)
  }

  #timeOf(bits: number): Nanoseconds {
    const { bandwidth } = this.#link
    return bandwidth === undefined ? 0 : Math.ceil((bits * SECOND) / bandwidth)
  }

  #refusal(frame: FrameHandle, now: Nanoseconds): DropReason | undefined {
    if (!this.#up) return 'link_down'
    if (payloadLength(this.#arena, frame) > this.#link.mtu) return 'mtu_exceeded'
    if (this.#queues === undefined && this.#waiting(now) >= this.#link.queue) return 'queue_full'
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
    const left = Math.max(now, this.#busyUntil) + this.#timeOf(this.#arena.length[frame]! * 8)
    this.#busyUntil = left
    if (bandwidth !== undefined && this.#queues === undefined) this.#departures.push(frame, left)
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
