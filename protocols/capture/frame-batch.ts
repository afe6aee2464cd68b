import { viewOf } from '../bytes.ts'
import type { CapturedFrame } from './captured-frame.ts'

/** What the frames of one interface have in common. */
export interface FrameInterface {
  id: number
  name: string | undefined
  linkType: number
}

const NANOSECONDS_PER_SECOND = 1_000_000_000n

/** Frames of a capture, one below the other: a long file has no object for each. Its columns are used again for the next batch. */
export class FrameBatch implements Iterable<CapturedFrame> {
  length = 0
  /** In which the frames stand. */
  bytes: Uint8Array = new Uint8Array(0)
  view = viewOf(this.bytes)
  /** Of the first frame, counted through the file from 1. */
  firstNumber = 1
  offsets = new Float64Array(64)
  starts = new Int32Array(64)
  lengths = new Int32Array(64)
  originalLengths = new Uint32Array(64)
  /** The frame's time: seconds since 1970, and what is over. */
  seconds = new Float64Array(64)
  nanoseconds = new Int32Array(64)
  readonly interfaces: FrameInterface[] = []
  readonly #comments = new Map<number, string>()

  /** Empties it, for frames in `bytes` from number `firstNumber` on. */
  begin(bytes: Uint8Array, firstNumber: number): void {
    this.length = 0
    this.bytes = bytes
    this.view = viewOf(bytes)
    this.firstNumber = firstNumber
    if (this.#comments.size > 0) this.#comments.clear()
  }

  add(offset: number, start: number, length: number, originalLength: number, from: FrameInterface): void {
    if (this.length === this.starts.length) this.#double()
    const index = this.length++
    this.offsets[index] = offset
    this.starts[index] = start
    this.lengths[index] = length
    this.originalLengths[index] = originalLength
    this.interfaces[index] = from
    this.seconds[index] = 0
    this.nanoseconds[index] = 0
  }

  /** The time of the frame that was added last. */
  stamp(seconds: number, nanoseconds: number): void {
    this.seconds[this.length - 1] = seconds
    this.nanoseconds[this.length - 1] = nanoseconds
  }

  /** Of the frame that was added last. */
  comment(text: string): void {
    this.#comments.set(this.length - 1, text)
  }

  frame(index: number): CapturedFrame {
    const { id, name, linkType } = this.interfaces[index]!
    const start = this.starts[index]!
    const comment = this.#comments.get(index)
    return {
      number: this.firstNumber + index,
      offset: this.offsets[index]!,
      timestamp: BigInt(this.seconds[index]!) * NANOSECONDS_PER_SECOND + BigInt(this.nanoseconds[index]!),
      interfaceId: id,
      ...(name !== undefined && { interfaceName: name }),
      linkType,
      originalLength: this.originalLengths[index]!,
      bytes: this.bytes.subarray(start, start + this.lengths[index]!),
      ...(comment !== undefined && { comment }),
    }
  }

  *[Symbol.iterator](): Iterator<CapturedFrame> {
    for (let index = 0; index < this.length; index++) yield this.frame(index)
  }

  #double(): void {
    const size = 2 * this.starts.length
    const grown = <Column extends Float64Array | Int32Array | Uint32Array>(larger: Column, old: Column): Column => {
      larger.set(old)
      return larger
    }
    this.offsets = grown(new Float64Array(size), this.offsets)
    this.starts = grown(new Int32Array(size), this.starts)
    this.lengths = grown(new Int32Array(size), this.lengths)
    this.originalLengths = grown(new Uint32Array(size), this.originalLengths)
    this.seconds = grown(new Float64Array(size), this.seconds)
    this.nanoseconds = grown(new Int32Array(size), this.nanoseconds)
  }
}
