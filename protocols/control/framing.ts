// Envelopes on a byte stream: a 4-byte big-endian length, then the envelope. Its first byte is always 0, which tells it from
// OpenFlow (0x01..0x06) and TLS (0x16) on a shared port.

import { Malformed } from '../errors.ts'

const LENGTH_SIZE = 4
export const MAXIMUM_FRAME = 2 ** 24 - 1

/** `envelope` with its length before it. */
export function frame(envelope: Uint8Array): Uint8Array {
  const framed = new Uint8Array(LENGTH_SIZE + envelope.byteLength)
  writeFrame(framed, 0, envelope)
  return framed
}

function writeFrame(into: Uint8Array, at: number, envelope: Uint8Array): void {
  const length = envelope.byteLength
  if (length > MAXIMUM_FRAME) throw new RangeError(`an envelope of ${length} bytes is longer than ${MAXIMUM_FRAME}`)
  into[at] = 0
  into[at + 1] = length >>> 16
  into[at + 2] = length >>> 8
  into[at + 3] = length
  into.set(envelope, at + LENGTH_SIZE)
}

/** A batch in the making: many envelopes, one block of bytes. */
export class FrameWriter {
  #block: Uint8Array
  /** Bytes written so far. */
  size = 0

  /** `capacity` is what it holds before it has to grow. */
  constructor(capacity: number) {
    this.#block = new Uint8Array(capacity)
  }

  add(envelope: Uint8Array): void {
    const size = this.size + LENGTH_SIZE + envelope.byteLength
    if (size > this.#block.byteLength) this.#grow(size)
    writeFrame(this.#block, this.size, envelope)
    this.size = size
  }

  /** What has been written since it was last taken, valid until the next `add`. */
  take(): Uint8Array {
    const written = this.#block.subarray(0, this.size)
    this.size = 0
    return written
  }

  #grow(size: number): void {
    const larger = new Uint8Array(Math.max(size, 2 * this.#block.byteLength))
    larger.set(this.#block)
    this.#block = larger
  }
}

/** Cuts a stream into envelopes. Keeps a half-read one and nothing else. */
export class FrameReader {
  #chunks: Uint8Array[] = []
  #held = 0
  /** Bytes that must be there before another look is worth it. */
  #needed = LENGTH_SIZE

  /**
   * The envelopes that `chunk` completes, as views of it where they lie in it whole.
   * @throws Malformed a length of 0 or above the maximum. The stream can not be read any further.
   */
  push(chunk: Uint8Array): Uint8Array[] {
    this.#chunks.push(chunk)
    this.#held += chunk.byteLength
    return this.#held < this.#needed ? [] : this.#cut(this.#join())
  }

  #join(): Uint8Array {
    if (this.#chunks.length === 1) return this.#chunks[0]!
    const joined = new Uint8Array(this.#held)
    let at = 0
    for (const chunk of this.#chunks) {
      joined.set(chunk, at)
      at += chunk.byteLength
    }
    return joined
  }

  #cut(bytes: Uint8Array): Uint8Array[] {
    const envelopes: Uint8Array[] = []
    let at = 0
    this.#needed = LENGTH_SIZE
    while (bytes.byteLength - at >= LENGTH_SIZE) {
      const end = at + LENGTH_SIZE + lengthAt(bytes, at)
      if (end > bytes.byteLength) {
        this.#needed = end - at
        break
      }
      envelopes.push(bytes.subarray(at + LENGTH_SIZE, end))
      at = end
    }
    this.#keep(bytes, at)
    return envelopes
  }

  /** A copy, so that half a message does not hold on to a whole chunk. */
  #keep(bytes: Uint8Array, from: number): void {
    this.#held = bytes.byteLength - from
    this.#chunks = this.#held === 0 ? [] : [bytes.slice(from)]
  }
}

function lengthAt(bytes: Uint8Array, at: number): number {
  const length = (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
  if (bytes[at] !== 0) throw new Malformed('control', `a frame longer than ${MAXIMUM_FRAME} bytes`, at)
  if (length === 0) throw new Malformed('control', 'an empty frame', at)
  return length
}
