// The queues of a port (OpenFlow 1.3 §7.2.2): what is to leave waits its turn when the port, or its queue, is at its rate.
//
// As linux-htb serves them for Open vSwitch: first those that have not had their minimum, the longest waiting first; then,
// of what is left of the port, each in proportion to its minimum; none ever above its maximum. Every rate is kept by the
// virtual scheduling algorithm (ITU-T I.371 §A): an instant before which the next frame may not leave. So no interval of T
// seconds sees more than rate × T bits and one frame.

import type { Clock, Nanoseconds, Timer } from '../runtime/clock.ts'
import { SECOND } from '../runtime/clock.ts'
import type { QueueConfig } from '../protocols/control/messages.ts'
import type { FrameHandle } from './frames.ts'

/** Frames that one queue keeps at most: the queue length of a Linux network device. */
const LONGEST = 1000

interface Waiting {
  frame: FrameHandle
  bits: number
}

class Queue {
  readonly config: QueueConfig
  readonly madeAt: Nanoseconds
  sentPackets = 0
  sentBytes = 0
  errors = 0
  waiting: Waiting[] = []
  /** Not before this for the maximum's sake; entitled from this on by the minimum. */
  allowedAt: Nanoseconds = 0
  entitledAt: Nanoseconds = 0
  /** Bits had beyond the minimum, for each bit a second of it. */
  excess = 0

  constructor(config: QueueConfig, now: Nanoseconds) {
    this.config = config
    this.madeAt = now
  }

  get weight(): number {
    return this.config.minRate ?? 1
  }
}

/** Time that `bits` take at `rate` bits a second; none where there is no rate. */
const timeOf = (bits: number, rate: number | undefined): Nanoseconds =>
  rate === undefined ? 0 : (bits * SECOND) / rate

export interface QueueOptions {
  queues: readonly QueueConfig[]
  /** Bits a second of all queues together; absent: no limit. */
  maxRate: number | undefined
  clock: Clock
  /** A frame's turn has come. */
  send: (frame: FrameHandle) => void
}

export class PortQueues {
  readonly #options: QueueOptions
  readonly #queues = new Map<number, Queue>()
  /** The port has sent all it was given by now. */
  #freeAt: Nanoseconds = 0
  /** What the queue served last had beyond its minimum: one that was idle does not make up for it. */
  #excess = 0
  #timer: Timer | undefined

  constructor(options: QueueOptions) {
    this.#options = options
    const now = options.clock.now()
    for (const config of [{ queue: 0 }, ...options.queues]) this.#queues.set(config.queue, new Queue(config, now))
  }

  /** Whether the queue has room for one more; one that is not there is queue 0. Counts those that it has none for. */
  admits(number: number): boolean {
    const queue = this.#queue(number)
    if (queue.waiting.length < LONGEST) return true
    queue.errors++
    return false
  }

  /** Sends the frame when its turn comes, perhaps at once. */
  enqueue(frame: FrameHandle, bytes: number, number: number): void {
    const queue = this.#queue(number)
    if (queue.waiting.length === 0) queue.excess = Math.max(queue.excess, this.#excess)
    queue.waiting.push({ frame, bits: bytes * 8 })
    this.#serve()
  }

  /** What waits in all queues; it is the caller's from here on. */
  takeAll(): FrameHandle[] {
    this.#timer?.cancel()
    this.#timer = undefined
    return [...this.#queues.values()].flatMap((queue) => queue.waiting.splice(0).map(({ frame }) => frame))
  }

  /** What waits in all queues, left there. */
  waiting(): FrameHandle[] {
    return [...this.#queues.values()].flatMap((queue) => queue.waiting.map(({ frame }) => frame))
  }

  statistics(): { queue: number; sentPackets: bigint; sentBytes: bigint; sentErrors: bigint; duration: bigint }[] {
    const now = this.#options.clock.now()
    return [...this.#queues.values()].map(({ config, sentPackets, sentBytes, errors, madeAt }) => ({
      queue: config.queue,
      sentPackets: BigInt(sentPackets),
      sentBytes: BigInt(sentBytes),
      sentErrors: BigInt(errors),
      duration: BigInt(now - madeAt),
    }))
  }

  #queue(number: number): Queue {
    return this.#queues.get(number) ?? this.#queues.get(0)!
  }

  #serve(): void {
    const { clock } = this.#options
    const now = clock.now()
    while (this.#freeAt <= now) {
      const queue = this.#next(now)
      if (queue === undefined) break
      this.#sendFirst(queue, now)
    }
    this.#wakeAt(this.#nextTurn())
  }

  /** Whose turn it is. */
  #next(now: Nanoseconds): Queue | undefined {
    let best: Queue | undefined
    for (const queue of this.#queues.values()) {
      if (queue.waiting.length === 0 || queue.allowedAt > now) continue
      if (best === undefined || goesBefore(queue, best, now)) best = queue
    }
    return best
  }

  #sendFirst(queue: Queue, now: Nanoseconds): void {
    const { frame, bits } = queue.waiting.shift()!
    const { minRate, maxRate } = queue.config
    queue.allowedAt = Math.max(queue.allowedAt, now) + timeOf(bits, maxRate)
    if (isEntitled(queue, now)) queue.entitledAt = Math.max(queue.entitledAt, now) + timeOf(bits, minRate)
    else this.#excess = queue.excess += bits / queue.weight
    this.#freeAt = Math.max(this.#freeAt, now) + timeOf(bits, this.#options.maxRate)
    queue.sentPackets++
    queue.sentBytes += bits / 8
    this.#options.send(frame)
  }

  /** The instant at which the next frame may leave; Infinity where none waits. */
  #nextTurn(): Nanoseconds {
    const allowed = [...this.#queues.values()]
      .filter(({ waiting }) => waiting.length > 0)
      .map((queue) => queue.allowedAt)
    return allowed.length === 0 ? Infinity : Math.ceil(Math.max(this.#freeAt, Math.min(...allowed)))
  }

  #wakeAt(at: Nanoseconds): void {
    this.#timer?.cancel()
    this.#timer = at === Infinity ? undefined : this.#options.clock.schedule(at, () => this.#serve())
  }
}

const isEntitled = (queue: Queue, now: Nanoseconds) => queue.config.minRate !== undefined && queue.entitledAt <= now

function goesBefore(a: Queue, b: Queue, now: Nanoseconds): boolean {
  const entitled = isEntitled(a, now)
  if (entitled !== isEntitled(b, now)) return entitled
  return entitled ? a.entitledAt < b.entitledAt : a.excess < b.excess
}
