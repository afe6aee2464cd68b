// Numbers between text and values.

import { FlowSyntaxError } from './syntax-error.ts'
import type { Piece } from './words.ts'

export interface MaskedValue {
  value: bigint
  /** Absent: all of the field's bits. */
  mask?: bigint
}

/** Digits: no field is wider, zeros before it aside. */
const LONGEST_NUMBER = 80

/** A whole number in 0..maximum, decimal or hexadecimal. */
export function parseNumber(piece: Piece, maximum: bigint, expected = `a number, 0 to ${maximum}`): bigint {
  if (!/^(\d+|0x[0-9a-f]+)$/i.test(piece.text)) {
    throw new FlowSyntaxError(
      piece.column,
      piece.text === '' ? 'a number is missing' : `'${piece.text}' is not a number`,
      expected,
    )
  }
  const number = piece.text.length > LONGEST_NUMBER ? maximum + 1n : BigInt(piece.text)
  if (number > maximum) throw new FlowSyntaxError(piece.column, `${piece.text} is out of range`, `at most ${maximum}`)
  return number
}

/** As C's `%#x`: zero goes without its 0x. */
export const hexadecimal = (value: bigint): string => (value === 0n ? '0' : `0x${value.toString(16)}`)

/** A number that JavaScript holds whole. */
export const parseSmall = (piece: Piece, maximum: number): number => Number(parseNumber(piece, BigInt(maximum)))

export const UINT8 = 0xff
export const UINT16 = 0xffff
export const UINT32 = 0xffffffff
export const UINT64 = 0xffffffffffffffffn
