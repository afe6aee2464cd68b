// Values that several messages hold in the same way.

import { Refused } from '../control/refused.ts'
import type { ErrorCode } from '../control/error-codes.ts'
import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'
import { portIsSound } from '../port-numbers.ts'

/** OFPP_ANY, OFPG_ANY, OFPQ_ALL, OFP_NO_BUFFER: the field says nothing. */
export const NONE = 0xffffffff

/** The number in an object that may do without it. */
export const unless = <K extends string>(none: number, name: K, value: number): { [name in K]?: number } =>
  value === none ? {} : ({ [name]: value } as { [name in K]?: number })

const NANOSECONDS = 1_000_000_000n
const LONGEST = 0xffffffffn

/** Seconds and the nanoseconds beyond them. */
export function writeDuration(writer: ByteWriter, duration: bigint): void {
  const seconds = duration / NANOSECONDS
  writer.u32(Number(seconds < LONGEST ? seconds : LONGEST))
  writer.u32(Number(duration % NANOSECONDS))
}

export const readDuration = (reader: ByteReader): bigint => BigInt(reader.u32()) * NANOSECONDS + BigInt(reader.u32())

const utf8 = new TextEncoder()
const fromUtf8 = new TextDecoder()

/** Text in `size` bytes, of which the last is 0: cut, between characters, where it is longer. */
export function writeText(writer: ByteWriter, text: string, size: number): void {
  const field = new Uint8Array(size)
  utf8.encodeInto(text, field.subarray(0, size - 1))
  writer.bytes(field)
}

export function readText(reader: ByteReader, size: number): string {
  const field = reader.bytes(size)
  const end = field.indexOf(0)
  return fromUtf8.decode(end === -1 ? field : field.subarray(0, end))
}

/** A port's number, or a reserved one. @throws Refused with `code` where OpenFlow has no such port. */
export function readPort(reader: ByteReader, code: ErrorCode = 'OFPBAC_BAD_OUT_PORT'): number {
  const port = reader.u32()
  if (!portIsSound(port)) throw new Refused(code, 'port', `there is no port 0x${port.toString(16)}`)
  return port
}

/** The names of the bits that are set, from bit 0 up; bits without a name are left out. */
export const namesOf = <Name extends string>(bits: number, names: readonly Name[]): Name[] =>
  names.filter((_, bit) => ((bits >>> bit) & 1) === 1)

export const bitsOf = <Name extends string>(set: readonly Name[], names: readonly Name[]): number =>
  names.reduce((bits, name, bit) => (set.includes(name) ? bits | (1 << bit) : bits), 0)
