import type { Nanoseconds } from '../../runtime/clock.ts'
import type { FrameHandle } from '../frames.ts'

/** Frames in order, each with an instant of its own. */
export class InstantRing {
  #frames = new Int32Array(16)
  #instants = new Float64Array(16)
  #head = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  /** The instant of the oldest, or Infinity where there is none. */
  get first(): Nanoseconds {
    return this.#size === 0 ? Infinity : this.#instants[this.#head]!
  }

  push(frame: FrameHandle, instant: Nanoseconds): void {
    if (this.#size === this.#frames.length) this.#double()
    const at = (this.#head + this.#size++) & (this.#frames.length - 1)
    this.#frames[at] = frame
    this.#instants[at] = instant
  }

  /** Takes out the oldest. */
  shift(): FrameHandle {
    const frame = this.#frames[this.#head]!
    this.#head = (this.#head + 1) & (this.#frames.length - 1)
    this.#size--
    return frame
  }

  takeAll(): FrameHandle[] {
    return Array.from({ length: this.#size }, () => this.shift())
  }

  #double(): void {
    const size = this.#frames.length
    const frames = new Int32Array(2 * size)
    const instants = new Float64Array(2 * size)
    for (let index = 0; index < size; index++) {
      const at = (this.#head + index) & (size - 1)
      frames[index] = this.#frames[at]!
      instants[index] = this.#instants[at]!
    }
    this.#frames = frames
    this.#instants = instants
    this.#head = 0
  }
}
