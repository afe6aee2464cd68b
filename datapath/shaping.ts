// Where the frames of each port of a switch wait: in its own queues, where it has queues or a rate, or in one of those that it shares a
// limit with. Frames that leave in a tunnel wait in
// the uplink's, which carries them: as in Linux, where the queue that a flow has chosen counts behind the tunnel, too.

import type { Clock, Nanoseconds } from '../runtime/clock.ts'
import type {
  PortConfig,
  PortShare,
  QueueConfig,
  QueueStatistics,
  ShapingLevels,
} from '../protocols/control/messages.ts'
import type { FrameArena, FrameHandle } from './frames.ts'
import { PortQueues } from './queues.ts'
import { locate } from './rewrite/layout.ts'
import type { SchedulerOptions } from './scheduling/frame-scheduler.ts'
import { innerTos } from './tunnels/inner.ts'

export interface ShapingOptions {
  arena: FrameArena
  clock: Clock
  /** The frame's turn to leave through the port of this number has come. */
  send: (port: number, frame: FrameHandle) => void
}

/** Ports that share a limit: each has a queue of its own there, by its number. */
interface Share {
  queues: PortQueues
  members: Map<number, PortConfig>
}

export class Shaping {
  readonly #options: ShapingOptions
  readonly #queues = new Map<number, PortQueues>()
  readonly #shares = new Map<string, Share>()
  /** By port, what its configuration says of all this. */
  readonly #configs = new Map<number, string>()
  /** By port: the share that it is in. */
  readonly #shareOf = new Map<number, string>()
  #uplink: number | undefined

  constructor(options: ShapingOptions) {
    this.#options = options
  }

  /** Takes over what the configuration says of queues. What waits goes on waiting; where nothing waits any more, it leaves. */
  configure(config: PortConfig): void {
    const { number, type, queues = [], maxRate, burst, minRate, share } = config
    if (type === 'uplink') this.#uplink = number
    const text = JSON.stringify([queues, maxRate, burst, minRate, share])
    if (text === this.#configs.get(number)) return
    this.#configs.set(number, text)
    const waiting = this.#shareOf.get(number) === share?.name ? [] : this.#giveUp(number)
    if (share !== undefined) this.#join(config, share)
    else if (queues.length > 0 || maxRate !== undefined) this.#shape(number, { queues, maxRate, burst })
    else waiting.push(...this.#giveUp(number))
    const target = this.queuesFor(config)
    for (const frame of waiting)
      if (target === undefined) this.#options.send(number, frame)
      else this.enqueue(target, number, frame, 0)
  }

  /** Gives up what waits for the port, which is gone. */
  remove(number: number): FrameHandle[] {
    const waiting = this.#giveUp(number)
    this.#configs.delete(number)
    if (this.#uplink === number) this.#uplink = undefined
    return waiting
  }

  /** The queues in which frames wait that leave through the port. */
  queuesFor({ number, type }: PortConfig): PortQueues | undefined {
    const carrier = type === 'tunnel' ? this.#uplink : undefined
    return this.#ownQueues(number) ?? (carrier === undefined ? undefined : this.#queues.get(carrier))
  }

  /** Whether the queue has room for the frame. */
  admits(queues: PortQueues, port: number, frame: FrameHandle, queue: number): boolean {
    return queues.admits(this.#shareOf.has(port) ? port : queue, this.#dscpOf(queues, frame))
  }

  enqueue(queues: PortQueues, port: number, frame: FrameHandle, queue: number): void {
    const length = this.#options.arena.length[frame]
    queues.enqueue(frame, length, port, this.#shareOf.has(port) ? port : queue, this.#dscpOf(queues, frame))
  }

  /** The same for frames that are older than all that wait for this port. */
  enqueueFirst(queues: PortQueues, port: number, frames: readonly FrameHandle[]): void {
    const newer = this.takeWaiting(port)
    for (const frame of frames) this.enqueue(queues, port, frame, 0)
    for (const frame of newer) this.enqueue(queues, port, frame, 0)
  }

  /** What waits in queues for the port alone, in the order in which it came. It is the caller's from here on. */
  takeWaiting(number: number): FrameHandle[] {
    return this.#ownQueues(number)?.takeAll(this.#shareOf.has(number) ? number : undefined) ?? []
  }

  /** All that waits, left there. */
  waiting(): FrameHandle[] {
    return this.#all().flatMap((queues) => queues.waiting())
  }

  /** No frame that waits for the uplink now is still there after so much time, if no other comes. */
  get timeToEmptyUplink(): Nanoseconds {
    const queues = this.#uplink === undefined ? undefined : this.#queues.get(this.#uplink)
    return queues?.timeToEmpty ?? 0
  }

  /** Of the port's queues; one that shares a limit has one. */
  statistics(number: number): QueueStatistics[] {
    const all = this.#ownQueues(number)?.statistics() ?? []
    if (!this.#shareOf.has(number)) return all.map((statistics) => ({ port: number, ...statistics }))
    const own = all.filter(({ queue }) => queue === number)
    return own.map((statistics) => ({ ...statistics, port: number, queue: 0 }))
  }

  /** Those of the port alone; the level of what it shares is nobody's. */
  levels(number: number): ShapingLevels {
    const levels = this.#ownQueues(number)?.levels() ?? { queues: [] }
    if (!this.#shareOf.has(number)) return levels
    const own = levels.queues.find(({ queue }) => queue === number)
    return own === undefined ? { queues: [] } : { all: own.level, queues: [] }
  }

  restoreLevels(number: number, levels: ShapingLevels): void {
    const { all } = levels
    const shared = { queues: all === undefined ? [] : [{ queue: number, level: all }] }
    this.#ownQueues(number)?.restoreLevels(this.#shareOf.has(number) ? shared : levels)
  }

  #ownQueues(number: number): PortQueues | undefined {
    const share = this.#shareOf.get(number)
    return share === undefined ? this.#queues.get(number) : this.#shares.get(share)?.queues
  }

  #all(): PortQueues[] {
    return [...this.#queues.values(), ...[...this.#shares.values()].map(({ queues }) => queues)]
  }

  #shape(number: number, options: SchedulerOptions): void {
    const before = this.#queues.get(number)
    if (before === undefined) this.#queues.set(number, this.#make(options))
    else before.configure(options)
  }

  /** The limit is that of the last who joined: all say the same. */
  #join(config: PortConfig, { name, maxRate, burst }: PortShare): void {
    const share = this.#shares.get(name) ?? { queues: this.#make({ queues: [], maxRate, burst }), members: new Map() }
    share.members.set(config.number, config)
    this.#shares.set(name, share)
    this.#shareOf.set(config.number, name)
    share.queues.configure({ queues: partsOf(share), maxRate, burst })
  }

  /** Nothing waits for the port any more; what did is the caller's. */
  #giveUp(number: number): FrameHandle[] {
    const waiting = this.takeWaiting(number)
    const name = this.#shareOf.get(number)
    const share = name === undefined ? undefined : this.#shares.get(name)
    this.#queues.delete(number)
    this.#shareOf.delete(number)
    share?.members.delete(number)
    if (name !== undefined && share?.members.size === 0) this.#shares.delete(name)
    return waiting
  }

  #make(options: SchedulerOptions): PortQueues {
    const send = (frame: FrameHandle, port: number) => this.#options.send(port, frame)
    return new PortQueues({ ...options, clock: this.#options.clock, send })
  }

  #dscpOf({ readsDscp }: PortQueues, frame: FrameHandle): number {
    return readsDscp ? innerTos(locate(this.#options.arena, frame)) >> 2 : -1
  }
}

const partsOf = ({ members }: Share): QueueConfig[] =>
  [...members.values()].map(({ number, maxRate, burst, minRate }) => ({
    queue: number,
    weight: 1,
    ...(maxRate !== undefined && { maxRate }),
    ...(burst !== undefined && { burst }),
    ...(minRate !== undefined && { minRate }),
  }))
