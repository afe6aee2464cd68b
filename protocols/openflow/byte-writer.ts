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

  /** The low `size` bytes of a number; an even count, or one below 6. */
  big(value: bigint, size: number): void {
    if (size > 8) this.big(value >> 64n, size - 8)
    const rest = Math.min(size, 8)
    if (rest === 8) return this.u64(BigInt.asUintN(64, value))
    const low = Number(BigInt.asUintN(8 * rest, value))
    if (rest > 4) this.#small(Math.floor(low / 0x100000000), rest - 4)
    this.#small(low % 0x100000000, Math.min(rest, 4))
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

  #small(value: number, size: number): void {
    if (size === 4) return this.u32(value)
    if (size === 2) return this.u16(value)
    if (size === 3) {
      this.u8(value >>> 16)
      this.u16(value & 0xffff)
    }
    if (size === 1) this.u8(value)
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
