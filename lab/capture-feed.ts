// A capture, played: each frame goes in at its time. The file is read ahead in blocks; virtual time waits for the disk.

import type { CapturedFrame, FrameBatch } from '../protocols/capture/capture.ts'
import { SECOND, type Nanoseconds } from '../runtime/clock.ts'
import type { VirtualClock } from '../runtime/virtual-clock.ts'

export interface FeedOptions {
  clock: VirtualClock
  /** When the first frame goes in. */
  start: Nanoseconds
  /** 2 plays in half the time. */
  speed: number
  enter(frame: CapturedFrame): void
  /** The frames from this place in the file on go in next. */
  progress?(offset: number): void
  /** As many frames go in together as may; none where there is no company to go in. */
  party?(): FeedParty | undefined
}

/** Frames that go in together. */
export interface FeedParty {
  readonly size: number
  readonly isFull: boolean
  /** False where it can not go with the others. `at` is not before that of the last. */
  take(batch: FrameBatch, index: number, at: Nanoseconds): boolean
  /** They go in, and all that comes of it before `until` is done. */
  setOut(until: Nanoseconds): void
}

export class CaptureFeed {
  readonly #source: AsyncIterator<FrameBatch>
  readonly #options: FeedOptions
  #position = 0
  /** The time of the first frame: seconds, and nanoseconds over. */
  #epoch: { seconds: number; nanoseconds: number } | undefined
  #finish!: (result: { frames: number }) => void
  #fail!: (reason: unknown) => void
  #frames = 0

  constructor(source: AsyncIterable<FrameBatch>, options: FeedOptions) {
    this.#source = source[Symbol.asyncIterator]()
    this.#options = options
  }

  /** Resolves when the last frame has gone in. @throws CaptureDamaged after all that is whole has gone in */
  play(): Promise<{ frames: number }> {
    return new Promise((resolve, reject) => {
      this.#finish = resolve
      this.#fail = reject
      this.#scheduleRead(this.#options.start)
    })
  }

  #scheduleRead(at: Nanoseconds): void {
    this.#options.clock.scheduleOutside(at, () => this.#read())
  }

  async #read(): Promise<void> {
    let batch: FrameBatch
    try {
      const { done, value } = await this.#source.next()
      if (done) return this.#finish({ frames: this.#frames })
      batch = value
      this.#position = 0
      this.#options.progress?.(batch.offsets[0]!)
    } catch (damage) {
      return this.#fail(damage)
    }
    this.#pump(batch)
  }

  /** Lets in all frames that are due, then waits for the next. */
  #pump(batch: FrameBatch): void {
    const { clock } = this.#options
    while (this.#position < batch.length) {
      if (this.#enterTogether(batch)) continue
      const due = this.#dueTime(batch, this.#position)
      if (due > clock.now() && !clock.pass(due)) {
        clock.schedule(due, () => this.#pump(batch))
        return
      }
      this.#frames++
      this.#options.enter(batch.frame(this.#position++))
    }
    this.#scheduleRead(clock.now())
  }

  /** Lets in what can go together before anything else is due. False where that is nothing. */
  #enterTogether(batch: FrameBatch): boolean {
    const party = this.#options.party?.()
    if (party === undefined) return false
    const { clock } = this.#options
    const { horizon } = clock
    const { length } = batch
    let last = clock.now()
    let next = last
    let index = this.#position
    for (; index < length; index++) {
      next = Math.max(last, this.#dueTime(batch, index))
      if (next >= horizon || party.isFull || !party.take(batch, index, next)) break
      last = next
    }
    this.#position = index
    const { size } = party
    if (size === 0) return false
    this.#frames += size
    party.setOut(Math.min(next, horizon))
    clock.pass(last)
    return true
  }

  #dueTime({ seconds, nanoseconds }: FrameBatch, index: number): Nanoseconds {
    this.#epoch ??= { seconds: seconds[index]!, nanoseconds: nanoseconds[index]! }
    const { start, speed } = this.#options
    const since = (seconds[index]! - this.#epoch.seconds) * SECOND + (nanoseconds[index]! - this.#epoch.nanoseconds)
    return start + Math.round(since / speed)
  }
}
