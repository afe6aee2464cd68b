// What QEMU's `-netdev stream` speaks: each frame after its length, 4 bytes big-endian (QEMU net/stream.c, net/net.c).

const LENGTH_SIZE = 4
/** QEMU's NET_BUFSIZE: it gives up a peer that announces a longer one. */
export const LONGEST_STREAMED = 4096 + 65536
/** Bytes of a whole record at most. */
export const LONGEST_RECORD = LENGTH_SIZE + LONGEST_STREAMED

/** Writes the frame after its length. @returns where it ended; the caller has seen to the room. */
export function writeRecord(into: Buffer, at: number, frame: Uint8Array): number {
  into.writeUInt32BE(frame.length, at)
  into.set(frame, at + LENGTH_SIZE)
  return at + LENGTH_SIZE + frame.length
}

/** Cuts frames out of a stream that comes in pieces of any size. */
export class RecordReader {
  /** Holds the frame that has begun and is not whole; made when the first one is cut. */
  #begun: Buffer | undefined
  #size = 0

  /**
   * Hands over the frames that `bytes` completes, each for as long as `take` runs.
   * @throws Error a length that no frame has; what follows it can not be understood.
   */
  read(bytes: Buffer, take: (frame: Uint8Array) => void): void {
    let at = this.#size === 0 ? 0 : this.#complete(bytes, take)
    while (bytes.length - at >= LENGTH_SIZE) {
      const end = at + LENGTH_SIZE + lengthAt(bytes, at)
      if (end > bytes.length) break
      take(bytes.subarray(at + LENGTH_SIZE, end))
      at = end
    }
    if (at < bytes.length) this.#keep(bytes, at, bytes.length)
  }

  /** Goes on with what has begun. @returns how much of `bytes` belongs to it */
  #complete(bytes: Buffer, take: (frame: Uint8Array) => void): number {
    let at = 0
    const need = (size: number) => {
      const end = Math.min(bytes.length, at + size - this.#size)
      this.#keep(bytes, at, end)
      at = end
      return this.#size === size
    }
    if (this.#size < LENGTH_SIZE && !need(LENGTH_SIZE)) return at
    const size = LENGTH_SIZE + lengthAt(this.#begun!, 0)
    if (!need(size)) return at
    this.#size = 0
    take(this.#begun!.subarray(LENGTH_SIZE, size))
    return at
  }

  #keep(bytes: Buffer, from: number, to: number): void {
    this.#begun ??= Buffer.allocUnsafeSlow(LONGEST_RECORD)
    this.#begun.set(bytes.subarray(from, to), this.#size)
    this.#size += to - from
  }
}

function lengthAt(bytes: Buffer, at: number): number {
  const length = bytes.readUInt32BE(at)
  if (length > LONGEST_STREAMED) throw new Error(`a frame of ${length} bytes; at most ${LONGEST_STREAMED} are taken`)
  return length
}
