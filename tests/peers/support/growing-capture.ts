// A pcap file that somebody else still writes to: the frames that were added since it was last read.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

const FILE_HEADER = 24
const RECORD_HEADER = 16
/** In a record's header, which is in the byte order of this machine. */
const CAPTURED_LENGTH = 8

export class GrowingCapture {
  readonly #file: number
  #at = FILE_HEADER

  constructor(path: string) {
    this.#file = openSync(path, 'r')
  }

  close(): void {
    closeSync(this.#file)
  }

  /** Frames written since the last call. */
  read(): Uint8Array[] {
    const size = fstatSync(this.#file).size
    if (size <= this.#at) return []
    const added = Buffer.alloc(size - this.#at)
    readSync(this.#file, added, 0, added.length, this.#at)
    const frames: Uint8Array[] = []
    for (let at = 0; at < added.length;) {
      const length = added.readUInt32LE(at + CAPTURED_LENGTH)
      at += RECORD_HEADER
      frames.push(added.subarray(at, at + length))
      at += length
    }
    this.#at = size
    return frames
  }
}
