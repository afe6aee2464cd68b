// The queues of a port (OpenFlow 1.3 §7.2.2): what is to leave waits its turn when the port, or its queue, is at its rate. Whose turn it
// is, is the scheduler's (scheduling/frame-scheduler.ts); here is the clock.

import type { Clock, Nanoseconds, Timer } from '../runtime/clock.ts'
import type { FrameHandle } from './frames.ts'
import type { ShapingLevels } from '../protocols/control/messages.ts'
import type { SchedulerOptions } from './scheduling/frame-scheduler.ts'
import { FrameScheduler } from './scheduling/frame-scheduler.ts'

export interface PortQueuesOptions extends SchedulerOptions {
  clock: Clock
  /** A frame's turn has come; `port` is the number that it was given with. */
  send: (frame: FrameHandle, port: number) => void
}

export class PortQueues {
  readonly #clock: Clock
  readonly #send: PortQueuesOptions['send']
  readonly #scheduler: FrameScheduler
  #timer: Timer | undefined
  #wakesAt: Nanoseconds = Infinity
  readonly #wake = () => {
    this.#wakesAt = Infinity
    this.#serve()
  }

  constructor(options: PortQueuesOptions) {
    this.#clock = options.clock
    this.#send = options.send
    this.#scheduler = new FrameScheduler(options, options.clock.now())
  }

  /** Whether frames are told apart by their DSCP. */
  get readsDscp(): boolean {
    return this.#scheduler.readsDscp
  }

  /** From here on serves these queues; see FrameScheduler. */
  configure(options: SchedulerOptions): void {
    this.#scheduler.configure(options, this.#clock.now())
    this.#serve()
  }

  /** Whether the queue has room for one more frame; one that is not there is queue 0. Counts those that it has none for. */
  admits(queue: number, dscp: number): boolean {
    return this.#scheduler.admits(queue, dscp)
  }

  /** Sends the frame when its turn comes, perhaps at once. */
  enqueue(frame: FrameHandle, bytes: number, port: number, queue: number, dscp: number): void {
    this.#scheduler.enqueue(frame, bytes * 8, port, queue, dscp)
    this.#serve()
  }

  /** What waits in all queues, or in this one, in the order in which it came; it is the caller's from here on. */
  takeAll(queue?: number): FrameHandle[] {
    const frames = queue === undefined ? this.#scheduler.takeAll() : this.#scheduler.take(queue)
    this.#wakeAt(this.#scheduler.nextTurn(this.#clock.now()))
    return frames
  }

  /** What waits in all queues, left there. */
  waiting(): FrameHandle[] {
    return this.#scheduler.frames()
  }

  /** See FrameScheduler. */
  get timeToEmpty(): Nanoseconds {
    return this.#scheduler.timeToEmpty(this.#clock.now())
  }

  statistics(): { queue: number; sentPackets: bigint; sentBytes: bigint; sentErrors: bigint; duration: bigint }[] {
    const now = this.#clock.now()
    return this.#scheduler.counts().map(({ queue, sentPackets, sentBytes, errors, madeAt }) => ({
      queue,
      sentPackets: BigInt(sentPackets),
      sentBytes: BigInt(sentBytes),
      sentErrors: BigInt(errors),
      duration: BigInt(now - madeAt),
    }))
  }

  levels(): ShapingLevels {
    return this.#scheduler.levels(this.#clock.now())
  }

  restoreLevels(levels: ShapingLevels): void {
    this.#scheduler.restore(levels, this.#clock.now())
    this.#wakeAt(this.#scheduler.nextTurn(this.#clock.now()))
  }

  #serve(): void {
    const scheduler = this.#scheduler
    const now = this.#clock.now()
    for (let frame = scheduler.dequeue(now); frame !== -1; frame = scheduler.dequeue(now))
      this.#send(frame, scheduler.port)
    this.#wakeAt(scheduler.nextTurn(now))
  }

  #wakeAt(at: Nanoseconds): void {
    if (at === this.#wakesAt) return
    this.#timer?.cancel()
    this.#wakesAt = at
    this.#timer = at === Infinity ? undefined : this.#clock.schedule(at, this.#wake)
  }
}
