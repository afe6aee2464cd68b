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
  /** The value stands in brackets, and nothing behind them. */
  readonly bracketed: boolean
  /** Key, delimiter and value as they were written. */
  readonly whole: Piece
}

/** Characters in a flow, a group or a meter: a stranger's text must not keep us busy. */
const MAX_TEXT = 1 << 18

const SEPARATOR = /[\s,]/
const KEY_END = /[\s,=:(]/

/** @throws FlowSyntaxError where the text is longer than anybody writes. */
export function wholeText(text: string): Piece {
  if (text.length > MAX_TEXT)
    throw new FlowSyntaxError(MAX_TEXT + 1, 'the text is too long', `${MAX_TEXT} characters at most`)
  return { text, column: 1 }
}

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
    found.push(wordOf(slice(piece, at, end)))
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

function wordOf(whole: Piece): Word {
  if (whole.text.startsWith('"')) return { key: whole, bracketed: false, whole }
  const end = whole.text.search(KEY_END)
  if (end < 0) return { key: whole, bracketed: false, whole }
  const key = slice(whole, 0, end)
  const bracketed = whole.text[end] === '(' && whole.text.endsWith(')')
  return { key, value: slice(whole, end + 1, bracketed ? whole.text.length - 1 : undefined), bracketed, whole }
}

/** What stands after the keyword's `=`. */
export function valueOf(word: Word): Piece {
  if (word.value !== undefined && word.value.text !== '') return word.value
  const column = word.key.column + word.key.text.length
  throw new FlowSyntaxError(column, `${word.key.text} has no value`, `${word.key.text}=VALUE`)
}

/** What stands after the keyword, which may be nothing. */
export const valueOrNothing = (word: Word): Piece => word.value ?? slice(word.whole, word.whole.text.length)

/** The two sides of the first `separator`; undefined where it does not occur. */
export function cutAt(piece: Piece, separator: string): [Piece, Piece] | undefined {
  const at = piece.text.indexOf(separator)
  return at < 0 ? undefined : [slice(piece, 0, at), slice(piece, at + separator.length)]
}

/** The two sides of `source->destination`. */
export function sides(piece: Piece): [Piece, Piece] {
  const found = cutAt(piece, '->')
  if (found === undefined) throw new FlowSyntaxError(piece.column, `'${piece.text}' has no '->'`, 'SOURCE->DESTINATION')
  return found
}

/** Between commas, white space around them taken off; an empty text has no parts. */
export function commaParts(piece: Piece): Piece[] {
  const parts: Piece[] = []
  for (const found of piece.text.matchAll(/[^,]+/g)) {
    const lead = found[0].length - found[0].trimStart().length
    parts.push(slice(piece, found.index + lead, found.index + found[0].trimEnd().length))
  }
  return parts
}

/** The command that a line begins with, or the `usual` one; and the rest of the line. */
export function commandOf<Command extends string>(
  whole: Piece,
  commands: ReadonlyMap<string, Command>,
  usual: Command,
): [Command, Piece] {
  const found = /^\s*(\w+)(?=\s|$)/.exec(whole.text)
  const command = commands.get(found?.[1] ?? '')
  return found === null || command === undefined ? [usual, whole] : [command, slice(whole, found[0].length)]
}

/** A name without its quotes. */
export function unquoted(text: string): string {
  return text.length > 1 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text
}
