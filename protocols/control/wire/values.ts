// Numbers and names on their way to and from protobufjs. It takes a bigint for 0 without a word, so none may reach it: 64-bit
// values cross here, both ways.

import type Long from 'long'
import { InvalidField } from '../../errors.ts'

const TWO_TO_32 = 4294967296

/** A 64-bit value as protobufjs writes it right: a number where it is exact, two halves where it is not. */
export function toUint64(value: bigint, path: string): number | Long {
  const number = Number(value)
  if (number >= 0 && number <= Number.MAX_SAFE_INTEGER) return number
  if (value < 0n || value > 0xffffffffffffffffn)
    throw new InvalidField(path, `${value} is out of range`, '64 bits, unsigned')
  const halves = { low: Number(value & 0xffffffffn) | 0, high: Number(value >> 32n) | 0, unsigned: true }
  return halves as Long
}

export function fromUint64(value: number | Long | null | undefined): bigint {
  if (!isSet(value)) return 0n
  if (typeof value === 'number') return BigInt(value)
  const high = value.high >>> 0
  if (high < 0x200000) return BigInt(high * TWO_TO_32 + (value.low >>> 0))
  return (BigInt(high) << 32n) | BigInt(value.low >>> 0)
}

/** The number itself, once it is known to be whole and in 0..maximum; an absent one is 0. */
export function bounded(value: number | null | undefined, maximum: number, path: string): number {
  const number = value ?? 0
  if (number >= 0 && number <= maximum && Number.isInteger(number)) return number
  throw new InvalidField(path, `${number} is out of range`, `a whole number, 0 to ${maximum}`)
}

/** A hardware address. */
export function uint48(value: bigint, path: string): bigint {
  if (value >= 0n && value >> 48n === 0n) return value
  throw new InvalidField(path, `0x${value.toString(16)} is out of range`, '48 bits')
}

export const UINT8 = 0xff
export const UINT16 = 0xffff
export const UINT32 = 0xffffffff

/** Whether an optional field was on the wire. */
export const isSet = <T>(value: T | null | undefined): value is T => value !== null && value !== undefined

/** A required part of a message. */
export function required<T>(part: T | null | undefined, path: string, what: string): T {
  if (!isSet(part)) throw new InvalidField(path, 'is missing', what)
  return part
}

/** An optional number on its way out. */
export const optional = (value: number | undefined, maximum: number, path: string): number | null =>
  value === undefined ? null : bounded(value, maximum, path)

/** `{ [name]: value }` where the value was on the wire, nothing where not. */
export function given<Name extends string>(
  name: Name,
  value: number | null | undefined,
  maximum: number,
  at: string,
): { [Key in Name]?: number } {
  if (!isSet(value)) return {}
  return { [name]: bounded(value, maximum, `${at}${name}`) } as { [Key in Name]?: number }
}

/** The bytes themselves belong to the message that was read. */
export const copyOf = (bytes: Uint8Array | null | undefined): Uint8Array => new Uint8Array(bytes ?? [])

/** A whole number that may need more than 32 bits: as exact as a `number` is. */
export const toWide = (value: number | undefined, path: string): number | null =>
  optional(value, Number.MAX_SAFE_INTEGER, path)

export const fromWide = (value: number | Long, path: string): number =>
  bounded(Number(fromUint64(value)), Number.MAX_SAFE_INTEGER, path)

/** Of a list; the path of each is its place in it. */
export const each = <From, To>(
  list: readonly From[] | null | undefined,
  path: string,
  convert: (item: From, path: string) => To,
): To[] => (list ?? []).map((item, index) => convert(item, `${path}[${index}]`))

/** The words of an enum of control.proto, numbered from 1 in this order. */
export class Vocabulary<Word extends string> {
  readonly #words: readonly Word[]

  constructor(words: readonly Word[]) {
    this.#words = words
  }

  number(word: Word, path: string): number {
    const index = this.#words.indexOf(word)
    if (index < 0) throw new InvalidField(path, `'${word}' is unknown`, this.#expected)
    return index + 1
  }

  word(number: number | null | undefined, path: string): Word {
    const word = this.#words[(number ?? 0) - 1]
    if (word !== undefined) return word
    throw new InvalidField(path, number ? `value ${number} is unknown` : 'is missing', this.#expected)
  }

  get #expected(): string {
    return `one of ${this.#words.join(', ')}`
  }
}
