// Values of any width as bytes, the most significant first.

import { InvalidField } from '../../errors.ts'

/** `value` in so many bytes; it must fit. */
export function bytesOf(value: bigint, size: number): Uint8Array {
  const bytes = new Uint8Array(size)
  if (size <= 4) writeNumber(bytes, Number(value))
  else writeBigInt(bytes, value)
  return bytes
}

function writeNumber(bytes: Uint8Array, value: number): void {
  let rest = value
  for (let at = bytes.length - 1; at >= 0; at--) {
    bytes[at] = rest & 0xff
    rest >>>= 8
  }
}

/** In steps of 32 bits, since every step on a bigint makes a new one. */
function writeBigInt(bytes: Uint8Array, value: bigint): void {
  let rest = value
  for (let end = bytes.length; end > 0; end -= 4) {
    writeNumber(bytes.subarray(Math.max(end - 4, 0), end), Number(BigInt.asUintN(32, rest)))
    rest >>= 32n
  }
}

export const bigintOf = (bytes: Uint8Array): bigint =>
  bytes.length <= 6 ? BigInt(readNumber(bytes, 0, bytes.length)) : readBigInt(bytes)

/** Exact up to six bytes. */
function readNumber(bytes: Uint8Array, from: number, to: number): number {
  let value = 0
  for (let at = from; at < to; at++) value = value * 256 + bytes[at]!
  return value
}

function readBigInt(bytes: Uint8Array): bigint {
  const odd = bytes.length & 3
  let value = BigInt(readNumber(bytes, 0, odd))
  for (let at = odd; at < bytes.length; at += 4) value = (value << 32n) | BigInt(readNumber(bytes, at, at + 4))
  return value
}

const sizeOf = (bits: number) => (bits + 7) >> 3

/** A constant of `bits` bits. */
export function constantToWire(value: bigint, bits: number, path: string): Uint8Array {
  if (value < 0n || value >> BigInt(bits) !== 0n)
    throw new InvalidField(path, `0x${value.toString(16)} is too wide`, `${bits} bits`)
  return bytesOf(value, sizeOf(bits))
}

export function constantFromWire(bytes: Uint8Array | null | undefined, bits: number, path: string): bigint {
  if (bytes?.length !== sizeOf(bits))
    throw new InvalidField(path, `is ${bytes?.length ?? 0} bytes long`, `${sizeOf(bits)} bytes for ${bits} bits`)
  const value = bigintOf(bytes)
  if (value >> BigInt(bits) !== 0n) throw new InvalidField(path, `0x${value.toString(16)} is too wide`, `${bits} bits`)
  return value
}

const IPV4_BITS = 32
const IPV6_BITS = 128

/** An IPv4 or IPv6 address: 4 bytes or 16. */
export const addressToWire = (address: bigint, family: 4 | 6, path: string): Uint8Array =>
  constantToWire(address, family === 4 ? IPV4_BITS : IPV6_BITS, path)

export const addressFromWire = (bytes: Uint8Array, family: 4 | 6, path: string): bigint =>
  constantFromWire(bytes, family === 4 ? IPV4_BITS : IPV6_BITS, path)
