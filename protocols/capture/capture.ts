// START HERE: reads a capture of any supported format from a stream of bytes, in memory that does not grow with it.

import { CaptureDamaged } from './capture-damaged.ts'
import { FormatDetector } from './format-detector.ts'
import { FrameBatch } from './frame-batch.ts'

export { CaptureDamaged } from './capture-damaged.ts'
export { LINK_TYPE_ETHERNET, LINK_TYPES } from './captured-frame.ts'
export type { CapturedFrame } from './captured-frame.ts'
export type { FrameBatch } from './frame-batch.ts'

/** A chunk longer than this is taken in slices, so that a batch, too, stays small. */
const SLICE = 1024 * 1024

/**
 * The frames of a pcap or pcapng file, in batches of at least one. A batch is valid until the next is asked for; its `bytes` stay, unless
 * the source writes over its chunks.
 * @throws CaptureDamaged after every whole frame before the damage has been given out.
 */
export async function* readCapture(source: AsyncIterable<Uint8Array>): AsyncGenerator<FrameBatch, void, undefined> {
  const stream = new RecordStream()
  const { frames } = stream
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; at += SLICE) {
      const slice = chunk.subarray(at, at + SLICE)
      for (const part of ['shared', 'whole'] as const) {
        const damage = stream.read(part, slice)
        if (frames.length > 0) yield frames
        if (damage !== undefined) throw damage
      }
      stream.keepRest(slice)
    }
  }
  stream.end()
}

/**
 * Joins chunks to whole records. Records inside one chunk are read where they are; only one that two chunks share is
 * copied, and no more of the later chunk than it needs.
 */
class RecordStream {
  /** What was read last. */
  readonly frames = new FrameBatch()
  readonly #parser = new FormatDetector()
  #carry = new Uint8Array(0)
  #carried = 0
  /** Of the chunk, what has been read. */
  #used = 0
  /** Where in the file the first byte is that belongs to no record read so far. */
  #offset = 0

  /**
   * Reads of a chunk the record that it shares with those before, then the records that are all in it. Returns the damage it met after
   * them, if any.
   */
  read(part: 'shared' | 'whole', chunk: Uint8Array): CaptureDamaged | undefined {
    try {
      if (part === 'shared') this.#completeCarried(chunk)
      else this.#parseInPlace(chunk)
      return undefined
    } catch (error) {
      if (error instanceof CaptureDamaged) return error
      throw error
    }
  }

  /** Saves what is left of the chunk. */
  keepRest(chunk: Uint8Array): void {
    if (this.#used === chunk.length) return
    const rest = chunk.subarray(this.#used)
    this.#carry = withRoomFor(Math.max(this.#parser.awaited.size, rest.length), this.#carry, 0)
    this.#carry.set(rest)
    this.#carried = rest.length
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

  #completeCarried(chunk: Uint8Array): void {
    this.#used = 0
    this.frames.begin(this.#carry, this.#parser.framesRead + 1)
    while (this.#carried > 0 && this.#used < chunk.length) {
      const wanted = this.#parser.awaited.size
      this.#carry = withRoomFor(wanted, this.#carry, this.#carried)
      const taken = chunk.subarray(this.#used, this.#used + wanted - this.#carried)
      this.#carry.set(taken, this.#carried)
      this.#carried += taken.length
      this.#used += taken.length
      if (this.#carried === wanted) this.#parseCarried()
    }
  }

  /** The parser takes the carried bytes as one record, or none of them and asks for more. */
  #parseCarried(): void {
    const bytes = this.#carry.subarray(0, this.#carried)
    this.frames.begin(bytes, this.#parser.framesRead + 1)
    const used = this.#parser.parse(bytes, 0, this.#offset, this.frames)
    if (used === 0) return
    this.#offset += used
    this.#carried = 0
    // Its bytes stay for whoever was given the frame.
    this.#carry = new Uint8Array(0)
  }

  #parseInPlace(chunk: Uint8Array): void {
    const at = this.#used
    this.frames.begin(chunk, this.#parser.framesRead + 1)
    if (this.#carried > 0) return
    this.#used = this.#parser.parse(chunk, at, this.#offset - at, this.frames)
    this.#offset += this.#used - at
  }
}

/** `carry`, or a larger one with its first `carried` bytes. */
function withRoomFor(size: number, carry: Uint8Array<ArrayBuffer>, carried: number): Uint8Array<ArrayBuffer> {
  if (carry.length >= size) return carry
  const larger = new Uint8Array(Math.max(size, 2 * carry.length))
  larger.set(carry.subarray(0, carried))
  return larger
}
