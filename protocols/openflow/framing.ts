// OpenFlow messages on a byte stream: each says its own length.

import { Malformed } from '../errors.ts'
import { HEADER_SIZE } from './header.ts'

const LENGTH = 2

/** Cuts a stream into messages. Keeps a half-read one and nothing else. */
export class MessageReader {
  #held: Uint8Array = new Uint8Array(0)
  #chunks: Uint8Array[] = []
  #waiting = 0
  /** Bytes that must be there before another look is worth it. */
  #needed = HEADER_SIZE

  /**
   * The messages that `chunk` completes, as views of it where they lie in it whole. They end before the first that claims to be
   * shorter than its own header.
   * @throws Malformed that one is the first. The stream can not be read any further.
   */
  push(chunk: Uint8Array): Uint8Array[] {
    this.#chunks.push(chunk)
    this.#waiting += chunk.length
    if (this.#held.length + this.#waiting < this.#needed) return []
    return this.#cut(this.#join())
  }

  #join(): Uint8Array {
    const [first] = this.#chunks
    if (this.#held.length === 0 && this.#chunks.length === 1 && first !== undefined) return first
    return joined([this.#held, ...this.#chunks])
  }

  #cut(bytes: Uint8Array): Uint8Array[] {
    const messages: Uint8Array[] = []
    let at = 0
    this.#needed = HEADER_SIZE
    while (bytes.length - at >= HEADER_SIZE) {
      const length = lengthAt(bytes, at)
      if (length < HEADER_SIZE) {
        if (messages.length === 0) throw new Malformed('openflow', `a message of ${length} bytes`, at)
        break
      }
      if (length > bytes.length - at) {
        this.#needed = length
        break
      }
      messages.push(bytes.subarray(at, at + length))
      at += length
    }
    // A copy, so that half a message does not hold on to a whole chunk.
    this.#held = bytes.slice(at)
    this.#chunks = []
    this.#waiting = 0
    return messages
  }
}

/** Messages in the making of one write. */
export class MessageWriter {
  #messages: Uint8Array[] = []
  /** Bytes gathered so far. */
  size = 0

  add(message: Uint8Array): void {
    this.#messages.push(message)
    this.size += message.length
  }

  /** What has been gathered since it was last taken. */
  take(): Uint8Array {
    const [first] = this.#messages
    const taken = this.#messages.length === 1 && first !== undefined ? first : joined(this.#messages)
    this.#messages = []
    this.size = 0
    return taken
  }
}

const lengthAt = (bytes: Uint8Array, at: number) => ((bytes[at + LENGTH] ?? 0) << 8) | (bytes[at + LENGTH + 1] ?? 0)

/** The parts behind each other, in new memory. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
