// Where the frames of each port of a switch wait: in its own queues, where it has queues or a rate. Frames that leave in a tunnel wait in
// the uplink's, which carries them: as in Linux, where the queue that a flow has chosen counts behind the tunnel, too.

import type { Clock, Nanoseconds } from '../runtime/clock.ts'
import type { PortConfig, QueueStatistics, ShapingLevels } from '../protocols/control/messages.ts'
import type { FrameArena, FrameHandle } from './frames.ts'
import { PortQueues } from './queues.ts'
import { locate } from './rewrite/layout.ts'
import { innerTos } from './tunnels/inner.ts'

export interface ShapingOptions {
  arena: FrameArena
  clock: Clock
  /** The frame's turn to leave through the port of this number has come. */
  send: (port: number, frame: FrameHandle) => void
}

export class Shaping {
  readonly #options: ShapingOptions
  readonly #queues = new Map<number, PortQueues>()
  readonly #configs = new Map<number, string>()
  #uplink: number | undefined

  constructor(options: ShapingOptions) {
    this.#options = options
  }

  /** Takes over what the configuration says of queues. What waits goes on waiting; where nothing waits any more, it leaves. */
  configure({ number, type, queues = [], maxRate, burst }: PortConfig): void {
    if (type === 'uplink') this.#uplink = number
    const config = JSON.stringify([queues, maxRate, burst])
    if (config === this.#configs.get(number)) return
    this.#configs.set(number, config)
    const before = this.#queues.get(number)
    const options = { queues, maxRate, burst }
    if (queues.length === 0 && maxRate === undefined) {
      this.#queues.delete(number)
      for (const frame of before?.takeAll() ?? []) this.#options.send(number, frame)
    } else if (before === undefined) {
      const send = (frame: FrameHandle, port: number) => this.#options.send(port, frame)
      this.#queues.set(number, new PortQueues({ ...options, clock: this.#options.clock, send }))
    } else before.configure(options)
  }

  /** Gives up what waits for the port, which is gone. */
  remove(number: number): FrameHandle[] {
    const waiting = this.#queues.get(number)?.takeAll() ?? []
    this.#queues.delete(number)
    this.#configs.delete(number)
    if (this.#uplink === number) this.#uplink = undefined
    return waiting
  }

  /** The queues in which frames wait that leave through the port. */
  queuesFor({ number, type }: PortConfig): PortQueues | undefined {
    const carrier = type === 'tunnel' ? this.#uplink : undefined
    return this.#queues.get(number) ?? (carrier === undefined ? undefined : this.#queues.get(carrier))
  }

  /** Whether the queue has room for the frame. */
  admits(queues: PortQueues, frame: FrameHandle, queue: number): boolean {
    return queues.admits(queue, this.#dscpOf(queues, frame))
  }

  enqueue(queues: PortQueues, port: number, frame: FrameHandle, queue: number): void {
    queues.enqueue(frame, this.#options.arena.length[frame], port, queue, this.#dscpOf(queues, frame))
  }

  /** The same for frames that are older than all that wait for this port. */
  enqueueFirst(queues: PortQueues, port: number, frames: readonly FrameHandle[]): void {
    const newer = queues.takeAll()
    for (const frame of frames) this.enqueue(queues, port, frame, 0)
    for (const frame of newer) this.enqueue(queues, port, frame, 0)
  }

  /** What waits in the port's own queues, in the order in which it came. It is the caller's from here on. */
  takeWaiting(number: number): FrameHandle[] {
    return this.#queues.get(number)?.takeAll() ?? []
  }

  /** All that waits, left there. */
  waiting(): FrameHandle[] {
    return [...this.#queues.values()].flatMap((queues) => queues.waiting())
  }

  /** No frame that waits for the uplink now is still there after so much time, if no other comes. */
  get timeToEmptyUplink(): Nanoseconds {
    const queues = this.#uplink === undefined ? undefined : this.#queues.get(this.#uplink)
    return queues?.timeToEmpty ?? 0
  }

  statistics(number: number): QueueStatistics[] {
    const all = this.#queues.get(number)?.statistics() ?? []
    return all.map((statistics) => ({ port: number, ...statistics }))
  }

  levels(number: number): ShapingLevels {
    return this.#queues.get(number)?.levels() ?? { queues: [] }
  }

  restoreLevels(number: number, levels: ShapingLevels): void {
    this.#queues.get(number)?.restoreLevels(levels)
  }

  #dscpOf({ readsDscp }: PortQueues, frame: FrameHandle): number {
    return readsDscp ? innerTos(locate(this.#options.arena, frame)) >> 2 : -1
  }
}
