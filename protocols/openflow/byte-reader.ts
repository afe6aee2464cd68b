// A cursor over bytes from a peer. It never reads outside its bounds: what is missing refuses the message.

import { viewOf } from '../bytes.ts'
import type { ErrorCode } from '../control/error-codes.ts'
import { Refused } from '../control/refused.ts'

export class ByteReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #start: number
  readonly #end: number
  readonly #shortage: ErrorCode
  #at: number

  /** Reads `bytes` from `start` up to `end`, big-endian; `shortage` is how a message that ends too early is refused. */
  constructor(bytes: Uint8Array, start = 0, end = bytes.length, shortage: ErrorCode = 'OFPBRC_BAD_LEN') {
    this.#bytes = bytes
    this.#view = viewOf(bytes)
    this.#shortage = shortage
    if (start < 0 || start > end || end > bytes.length) throw this.#short(end - bytes.length)
    this.#start = start
    this.#end = end
    this.#at = start
  }

  /** Bytes read so far. */
  get position(): number {
    return this.#at - this.#start
  }

  get remaining(): number {
    return this.#end - this.#at
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1))
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2))
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4))
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8))
  }

  /** A number of `size` bytes; an even count, or one below 6. */
  big(size: number): bigint {
    if (size > 8) return (this.big(size - 8) << 64n) | this.u64()
    return size === 8 ? this.u64() : BigInt(this.#small(size))
  }

  /** The next `size` bytes, in the same memory; never a Buffer, whose slices are no copies. */
  bytes(size: number): Uint8Array {
    const at = this.#take(size)
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + at, size)
  }

  skip(size: number): void {
    this.#take(size)
  }

  /** A reader of the next `size` bytes, which this one then has behind it. */
  sub(size: number, shortage: ErrorCode = this.#shortage): ByteReader {
    const at = this.#take(size)
    return new ByteReader(this.#bytes, at, at + size, shortage)
  }

  /** Whether all that is left is zero. Reads it. */
  endsInZeros(): boolean {
    return this.bytes(this.remaining).every((byte) => byte === 0)
  }

  /** Of up to 6 bytes. */
  #small(size: number): number {
    if (size === 4) return this.u32()
    if (size === 2) return this.u16()
    let value = 0
    for (let left = size; left > 0; left--) value = value * 256 + this.u8()
    return value
  }

  #take(size: number): number {
    const at = this.#at
    if (size < 0 || size > this.#end - at) throw this.#short(size - (this.#end - at))
    this.#at = at + size
    return at
  }

  #short(missing: number): Refused {
    return new Refused(this.#shortage, '', `${missing} bytes are missing`)
  }
}
