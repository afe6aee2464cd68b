import type { FrameArena, FrameHandle } from '../frames.ts'
import { NO_SHAPE } from './frame-shape.ts'

/** Frames that are looked up together, at most. */
export const VECTOR = 256

/** Frames that came by one way, and what was found for them. */
export class Vector {
  count = 0
  readonly frames = new Int32Array(VECTOR)
  /** Of the megaflow that each goes by; 0 where none is known. */
  readonly numbers = new Int32Array(VECTOR)
  readonly shapes = new Int8Array(VECTOR)
  /** All go by the same megaflow. */
  isOneRun = false
  /** Lengths in bytes: of all frames together, of the shortest and of the longest. */
  bytes = 0
  shortest = 0
  longest = 0

  /** Takes the frames in the place of those it had. */
  take(frames: ArrayLike<FrameHandle>, start: number, count: number): void {
    const own = this.frames
    this.count = count
    // All that is there is copied sooner than some of it.
    if (frames instanceof Int32Array && start === 0 && frames.length <= VECTOR) return own.set(frames)
    for (let index = 0; index < count; index++) own[index] = frames[start + index]
  }

  /** Finds out how long its frames are. */
  measure({ length }: FrameArena): void {
    const { frames, count } = this
    let bytes = 0
    let shortest = Infinity
    let longest = 0
    for (let index = 0; index < count; index++) {
      const own = length[frames[index]]
      bytes += own
      if (own < shortest) shortest = own
      if (own > longest) longest = own
    }
    this.bytes = bytes
    this.shortest = shortest
    this.longest = longest
  }

  /** Whatever their bytes, its frames go by the megaflow of this number. */
  allGoBy(number: number): void {
    this.numbers.fill(number, 0, this.count)
    this.shapes.fill(NO_SHAPE, 0, this.count)
    this.isOneRun = true
  }

  /** Where those before `limit` end that go by the same megaflow as the one at `start`. */
  endOfRun(start: number, limit: number): number {
    if (this.isOneRun) return limit
    const { numbers } = this
    const number = numbers[start]
    let end = start + 1
    while (end < limit && numbers[end] === number) end++
    return end
  }

  /** Bytes of the frames from `start` to `end`, as long as they were when they were measured. */
  bytesOf({ length }: FrameArena, start: number, end: number): number {
    if (end - start === this.count) return this.bytes
    const { frames } = this
    let bytes = 0
    for (let index = start; index < end; index++) bytes += length[frames[index]]
    return bytes
  }

  /** The last instant at which any of the frames from `start` to `end` got here. */
  lastInstant({ instant }: FrameArena, start: number, end: number): number {
    const { frames } = this
    let last = instant[frames[start]]
    for (let index = start + 1; index < end; index++) last = Math.max(last, instant[frames[index]])
    return last
  }
}
