// Flow text as words: `key`, `key=value`, `key:value` or `key(value)`, with commas and white space between them.

import { FlowSyntaxError } from './syntax-error.ts'

/** A piece of the text and where it stands. */
export interface Piece {
  readonly text: string
  /** From 1. */
  readonly column: number
}

export interface Word {
  readonly key: Piece
  readonly value?: Piece
  /** Key, delimiter and value as they were written. */
  readonly whole: Piece
}

const SEPARATOR = /[\s,]/
const KEY_END = /[\s,=:(]/

/** The words of `piece`; commas and white space inside brackets and quotes belong to a word. */
export function words(piece: Piece): Word[] {
  const found: Word[] = []
  let at = 0
  while (at < piece.text.length) {
    if (SEPARATOR.test(piece.text[at]!)) {
      at++
      continue
    }
    const end = wordEnd(piece, at)
    found.push(word(slice(piece, at, end)))
    at = end
  }
  return found
}

export const slice = (piece: Piece, from: number, to = piece.text.length): Piece => ({
  text: piece.text.slice(from, to),
  column: piece.column + from,
})

function wordEnd(piece: Piece, start: number): number {
  let depth = 0
  let quoted = false
  for (let at = start; at < piece.text.length; at++) {
    const character = piece.text[at]!
    if (character === '"') quoted = !quoted
    if (quoted) continue
    if (character === '(') depth++
    if (character === ')' && --depth < 0)
      throw new FlowSyntaxError(piece.column + at, "')' without a '('", 'brackets in pairs')
    if (depth === 0 && SEPARATOR.test(character)) return at
  }
  if (quoted) throw new FlowSyntaxError(piece.column + start, 'a quote is not closed', 'quotes in pairs')
  if (depth > 0) throw new FlowSyntaxError(piece.column + start, "'(' is not closed", 'brackets in pairs')
  return piece.text.length
}

function word(whole: Piece): Word {
  if (whole.text.startsWith('"')) return { key: whole, whole }
  const end = whole.text.search(KEY_END)
  if (end < 0) return { key: whole, whole }
  const key = slice(whole, 0, end)
  const bracketed = whole.text[end] === '(' && whole.text.endsWith(')')
  return { key, value: slice(whole, end + 1, bracketed ? whole.text.length - 1 : undefined), whole }
}

/** A name without its quotes. */
export function unquoted(text: string): string {
  return text.length > 1 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text
}
