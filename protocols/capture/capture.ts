// START HERE: reads a capture of any supported format from a stream of bytes, in memory that does not grow with it.

import { CaptureDamaged } from './capture-damaged.ts'
import type { CapturedFrame } from './captured-frame.ts'
import { FormatDetector } from './format-detector.ts'

export { CaptureDamaged } from './capture-damaged.ts'
export { LINK_TYPE_ETHERNET, LINK_TYPES } from './captured-frame.ts'
export type { CapturedFrame } from './captured-frame.ts'

/** A chunk longer than this is taken in slices, so that a batch, too, stays small. */
const SLICE = 1024 * 1024

/**
 * The frames of a pcap or pcapng file, in batches of at least one. A batch's `bytes` are valid until the next is asked for.
 * @throws CaptureDamaged after every whole frame before the damage has been given out.
 */
export async function* readCapture(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<CapturedFrame[], void, undefined> {
  const stream = new RecordStream()
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; at += SLICE) {
      const frames: CapturedFrame[] = []
      const damage = stream.push(chunk.subarray(at, at + SLICE), frames)
      if (frames.length > 0) yield frames
      if (damage !== undefined) throw damage
      stream.keepRest()
    }
  }
  stream.end()
}

/**
 * Joins chunks to whole records. Records inside one chunk are read where they are; only one that two chunks share is
 * copied, and no more of the later chunk than it needs.
 */
class RecordStream {
  readonly #parser = new FormatDetector()
  #carry = new Uint8Array(0)
  #carried = 0
  #rest: Uint8Array = this.#carry
  /** Where in the file the first byte is that belongs to no record read so far. */
  #offset = 0

  /** Appends the frames that `chunk` completes. Returns the damage it met after them, if any. */
  push(chunk: Uint8Array, frames: CapturedFrame[]): CaptureDamaged | undefined {
    try {
      const at = this.#completeCarried(chunk, frames)
      this.#rest = this.#carried > 0 ? chunk.subarray(at) : this.#parseInPlace(chunk, at, frames)
      return undefined
    } catch (error) {
      if (error instanceof CaptureDamaged) return error
      throw error
    }
  }

  /** Saves what is left of the last chunk. Overwrites the bytes of the frames read so far. */
  keepRest(): void {
    if (this.#rest.length === 0) return
    this.#carry = withRoomFor(this.#parser.awaited.size, this.#carry, 0)
    this.#carry.set(this.#rest)
    this.#carried = this.#rest.length
  }

  /** @throws CaptureDamaged where the file ended inside a record. */
  end(): void {
    const { what, size } = this.#parser.awaited
    if (this.#carried === 0 && this.#offset > 0) return
    const problem =
      this.#carried === 0
        ? 'is empty; expected a pcap or pcapng capture'
        : `the file ends after ${this.#carried} bytes of ${what}; expected ${size}`
    throw new CaptureDamaged(this.#offset, this.#parser.framesRead, problem)
  }

  /** Returns how many bytes of `chunk` the carried record took. */
  #completeCarried(chunk: Uint8Array, frames: CapturedFrame[]): number {
    let at = 0
    while (this.#carried > 0 && at < chunk.length) {
      const wanted = this.#parser.awaited.size
      this.#carry = withRoomFor(wanted, this.#carry, this.#carried)
      const taken = chunk.subarray(at, at + wanted - this.#carried)
      this.#carry.set(taken, this.#carried)
      this.#carried += taken.length
      at += taken.length
      if (this.#carried === wanted) this.#parseCarried(frames)
    }
    return at
  }

  /** The parser takes the carried bytes as one record, or none of them and asks for more. */
  #parseCarried(frames: CapturedFrame[]): void {
    const used = this.#parser.parse(this.#carry.subarray(0, this.#carried), 0, this.#offset, frames)
    if (used === 0) return
    this.#offset += used
    this.#carried = 0
  }

  #parseInPlace(chunk: Uint8Array, at: number, frames: CapturedFrame[]): Uint8Array {
    const used = this.#parser.parse(chunk, at, this.#offset - at, frames)
    this.#offset += used - at
    return chunk.subarray(used)
  }
}

/** `carry`, or a larger one with its first `carried` bytes. */
function withRoomFor(size: number, carry: Uint8Array<ArrayBuffer>, carried: number): Uint8Array<ArrayBuffer> {
  if (carry.length >= size) return carry
  const larger = new Uint8Array(Math.max(size, 2 * carry.length))
  larger.set(carry.subarray(0, carried))
  return larger
}
