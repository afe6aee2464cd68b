// A capture, played: each frame goes in at its time. The file is read ahead in blocks; virtual time waits for the disk.

import type { CapturedFrame } from '../protocols/capture/capture.ts'
import type { Nanoseconds } from '../runtime/clock.ts'
import type { VirtualClock } from '../runtime/virtual-clock.ts'

export interface FeedOptions {
  clock: VirtualClock
  /** When the first frame goes in. */
  start: Nanoseconds
  /** 2 plays in half the time. */
  speed: number
  enter(frame: CapturedFrame): void
  /** As many frames go in together as may; none where there is no company to go in. */
  party?(): FeedParty | undefined
}

/** Frames that go in together. */
export interface FeedParty {
  readonly size: number
  readonly isFull: boolean
  /** False where it can not go with the others. `at` is not before that of the last. */
  take(frame: CapturedFrame, at: Nanoseconds): boolean
  /** They go in, and all that comes of it before `until` is done. */
  setOut(until: Nanoseconds): void
}

export class CaptureFeed {
  readonly #source: AsyncIterator<CapturedFrame[]>
  readonly #options: FeedOptions
  #batch: CapturedFrame[] = []
  #position = 0
  #epoch: bigint | undefined
  #finish!: (result: { frames: number }) => void
  #fail!: (reason: unknown) => void
  #frames = 0

  constructor(source: AsyncIterable<CapturedFrame[]>, options: FeedOptions) {
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
    try {
      const { done, value } = await this.#source.next()
      if (done) return this.#finish({ frames: this.#frames })
      this.#batch = value
      this.#position = 0
    } catch (damage) {
      return this.#fail(damage)
    }
    this.#pump()
  }

  /** Lets in all frames that are due, then waits for the next. */
  #pump(): void {
    const { clock } = this.#options
    while (this.#position < this.#batch.length) {
      if (this.#enterTogether()) continue
      const frame = this.#batch[this.#position]!
      const due = this.#dueTime(frame.timestamp)
      if (due > clock.now() && !clock.pass(due)) {
        clock.schedule(due, () => this.#pump())
        return
      }
      this.#position++
      this.#frames++
      this.#options.enter(frame)
    }
    this.#scheduleRead(clock.now())
  }

  /** Lets in what can go together before anything else is due. False where that is nothing. */
  #enterTogether(): boolean {
    const party = this.#options.party?.()
    if (party === undefined) return false
    const { clock } = this.#options
    const { horizon } = clock
    let last = clock.now()
    let next = last
    for (; this.#position < this.#batch.length; this.#position++) {
      const frame = this.#batch[this.#position]!
      next = Math.max(last, this.#dueTime(frame.timestamp))
      if (next >= horizon || party.isFull || !party.take(frame, next)) break
      last = next
    }
    if (party.size === 0) return false
    this.#frames += party.size
    party.setOut(Math.min(next, horizon))
    clock.pass(last)
    return true
  }

  #dueTime(timestamp: bigint): Nanoseconds {
    this.#epoch ??= timestamp
    const { start, speed } = this.#options
    return start + Math.round(Number(timestamp - this.#epoch) / speed)
  }
}
