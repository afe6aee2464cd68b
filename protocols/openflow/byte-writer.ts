// Bytes that grow as they are written, big-endian.

import { viewOf } from '../bytes.ts'

export class ByteWriter {
  #bytes: Uint8Array
  #view: DataView
  #length = 0

  constructor(capacity = 128) {
    this.#bytes = new Uint8Array(capacity)
    this.#view = viewOf(this.#bytes)
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length
  }

  u8(value: number): void {
    const at = this.#grow(1)
    this.#view.setUint8(at, value)
  }

  u16(value: number): void {
    const at = this.#grow(2)
    this.#view.setUint16(at, value)
  }

  u32(value: number): void {
    const at = this.#grow(4)
    this.#view.setUint32(at, value)
  }

  u64(value: bigint): void {
    const at = this.#grow(8)
    this.#view.setBigUint64(at, value)
  }

  /** The low `size` bytes of a number. */
  big(value: bigint, size: number): void {
    if (size === 8) return this.u64(value)
    if (size === 4) return this.u32(Number(BigInt.asUintN(32, value)))
    for (let shift = 8 * (size - 1); shift >= 0; shift -= 8) this.u8(Number((value >> BigInt(shift)) & 0xffn))
  }

  bytes(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length)
    this.#bytes.set(bytes, at)
  }

  zero(count: number): void {
    this.#bytes.fill(0, this.#grow(count), this.#length)
  }

  /** Zeros, until what stands since `from` is a multiple of 8 bytes. */
  alignTo8(from = 0): void {
    this.zero((8 - ((this.#length - from) % 8)) % 8)
  }

  /** Overwrites what stands at `at`: a length that was not known before. */
  setU16(at: number, value: number): void {
    this.#view.setUint16(at, value)
  }

  /** All that was written, in memory that the writer has no more use for. */
  take(): Uint8Array {
    const taken = this.#bytes.subarray(0, this.#length)
    this.#bytes = new Uint8Array(0)
    this.#view = viewOf(this.#bytes)
    this.#length = 0
    return taken
  }

  #grow(count: number): number {
    const at = this.#length
    const length = at + count
    if (length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(64, length, this.#bytes.length * 2))
      grown.set(this.#bytes.subarray(0, at))
      this.#bytes = grown
      this.#view = viewOf(grown)
    }
    this.#length = length
    return at
  }
}
