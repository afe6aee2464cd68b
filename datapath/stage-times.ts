// What a frame costs, stage by stage, in real nanoseconds (Open vSwitch tells cycles: lib/dpif-netdev-perf.c), and how many frames come
// at once.
//
// One vector in 64 is timed: its look-ups by bytes, what becomes of its frames, and where the longer way is taken, that. Without
// a stopwatch nothing is timed at all.

import type { Nanoseconds } from '../runtime/clock.ts'
import type { Stopwatch } from '../runtime/stopwatch.ts'

/** One vector of so many is timed. */
const PERIOD = 64

/** Sizes of vectors are told apart by powers of two: 1, 2, 3 to 4, … and more than 256. */
export const VECTOR_SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256, Infinity] as const

/** Of the vectors that were timed. */
export interface StageTotals {
  frames: number
  /** Look-ups of a frame by its bytes. */
  recall: Nanoseconds
  /** Keys made and looked up among megaflows. */
  find: Nanoseconds
  found: number
  /** Questions to the pipeline. */
  ask: Nanoseconds
  asked: number
  /** All that becomes of the frames, the look-ups among it. */
  all: Nanoseconds
}

export class StageTimes {
  readonly totals: StageTotals = { frames: 0, recall: 0, find: 0, found: 0, ask: 0, asked: 0, all: 0 }
  /** How many vectors there were of each of VECTOR_SIZES. */
  readonly vectors = VECTOR_SIZES.map(() => 0)
  /** The vector under way is timed. */
  running = false
  readonly #stopwatch: Stopwatch | undefined
  #untilNext = 1
  #frames = 0
  #startedAt = 0

  constructor(stopwatch?: Stopwatch) {
    this.#stopwatch = stopwatch
  }

  /** A vector comes in: whether it is one to be timed, which is then under way. */
  startVector(frames: number): boolean {
    if (frames === 0) return false
    this.vectors[Math.min(32 - Math.clz32(frames - 1), VECTOR_SIZES.length - 1)]++
    if (this.#stopwatch === undefined || this.running || --this.#untilNext > 0) return false
    this.#untilNext = PERIOD
    this.#frames = frames
    this.running = true
    this.#startedAt = this.now()
    return true
  }

  /** Its frames have been looked up by their bytes. */
  recalled(): void {
    this.totals.recall += this.now() - this.#startedAt
  }

  stop(): void {
    this.totals.all += this.now() - this.#startedAt
    this.totals.frames += this.#frames
    this.running = false
  }

  /** Real time, where there is a stopwatch. */
  now(): Nanoseconds {
    return this.#stopwatch?.() ?? 0
  }

  /** A key has been made and looked up since `start`. */
  foundSince(start: Nanoseconds): void {
    this.totals.find += this.now() - start
    this.totals.found++
  }

  /** The pipeline has answered since `start`. */
  askedSince(start: Nanoseconds): void {
    this.totals.ask += this.now() - start
    this.totals.asked++
  }
}
