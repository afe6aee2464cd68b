import type { FrameHandle } from '../frames.ts'

/** Frames that wait in order, with what is known of each. */
export class FrameRing {
  #frames = new Int32Array(16)
  #bits = new Int32Array(16)
  #ports = new Int32Array(16)
  #turns = new Float64Array(16)
  #head = 0
  size = 0
  /** Of all that wait. */
  bits = 0

  /** Bits of the first frame. */
  get firstBits(): number {
    return this.#bits[this.#head]
  }

  /** The port that the first frame is to leave through. */
  get firstPort(): number {
    return this.#ports[this.#head]
  }

  /** Which of all frames, here and in other rings, the first one was. */
  get firstTurn(): number {
    return this.size === 0 ? Infinity : this.#turns[this.#head]
  }

  /** The frame at this place, the first being 0. */
  at(place: number): FrameHandle {
    return this.#frames[(this.#head + place) & (this.#frames.length - 1)]
  }

  push(frame: FrameHandle, bits: number, port: number, turn: number): void {
    if (this.size === this.#frames.length) this.#double()
    const at = (this.#head + this.size++) & (this.#frames.length - 1)
    this.#frames[at] = frame
    this.#bits[at] = bits
    this.#ports[at] = port
    this.#turns[at] = turn
    this.bits += bits
  }

  /** Takes out the first. */
  shift(): FrameHandle {
    const at = this.#head
    this.#head = (at + 1) & (this.#frames.length - 1)
    this.size--
    this.bits -= this.#bits[at]
    return this.#frames[at]
  }

  #double(): void {
    const size = this.#frames.length
    const turned = <T extends Int32Array | Float64Array>(larger: T, old: T): T => {
      larger.set(old.subarray(this.#head))
      larger.set(old.subarray(0, this.#head), size - this.#head)
      return larger
    }
    this.#frames = turned(new Int32Array(2 * size), this.#frames)
    this.#bits = turned(new Int32Array(2 * size), this.#bits)
    this.#ports = turned(new Int32Array(2 * size), this.#ports)
    this.#turns = turned(new Float64Array(2 * size), this.#turns)
    this.#head = 0
  }
}
