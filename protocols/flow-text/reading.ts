// What reading one action has to know of those before it and around it.

import type { Action } from '../control/messages.ts'
import type { KnownFrame } from '../known-frame.ts'
import { knownOf } from '../known-frame.ts'
import type { Match } from '../match.ts'
import type { FlowTextOptions } from './ports.ts'
import { suggestion } from './suggestion.ts'
import { FlowSyntaxError } from './syntax-error.ts'
import type { Piece, Word } from './words.ts'
import { words } from './words.ts'

export interface Reading {
  readonly options: FlowTextOptions
  /** What frames are like; undefined where nothing is known, and then prerequisites are not asked for. */
  readonly known: KnownFrame | undefined
  /** How many clones the actions stand in. */
  readonly depth: number
  readonly inside?: 'ct' | 'write_actions'
}

/** What a keyword stands for: `enqueue` is several actions. */
export type ActionReader = (word: Word, reading: Reading) => Action | readonly Action[]

export const newReading = (options: FlowTextOptions, match: Match | undefined): Reading => ({
  options,
  known: match === undefined ? undefined : knownOf(match),
  depth: 0,
})

/** Something is missing beside `asked`, or before it. */
export function refuseLacking(asked: Piece, lacking: string | undefined): void {
  if (lacking !== undefined)
    throw new FlowSyntaxError(asked.column, `${asked.text} needs ${lacking} beside it`, `${lacking} in the match`)
}

/** The options in an action's brackets: `max_len=100,id=1`. */
export function readOptions(
  piece: Piece,
  owner: string,
  readers: Readonly<Record<string, (option: Word) => void>>,
): void {
  const known = new Map(Object.entries(readers))
  for (const option of words(piece)) {
    const { text, column } = option.key
    const reader = known.get(text)
    if (reader === undefined) {
      const meant = suggestion(text, known.keys())
      throw new FlowSyntaxError(
        column,
        `unknown option '${text}' of ${owner}`,
        `one of ${[...known.keys()].join(', ')}`,
        meant,
      )
    }
    reader(option)
  }
}

/** One of a fixed set of words. */
export function oneOf<const Choice extends string>(piece: Piece, choices: readonly Choice[], what: string): Choice {
  const found = choices.find((choice) => choice === piece.text)
  if (found !== undefined) return found
  const meant = suggestion(piece.text, choices)
  throw new FlowSyntaxError(piece.column, `unknown ${what} '${piece.text}'`, `one of ${choices.join(', ')}`, meant)
}

/** Pairs of hexadecimal digits, with or without dots between them. */
export function parseBytes(piece: Piece): Uint8Array {
  if (!/^([0-9a-f]{2}(\.(?=.)|(?=[0-9a-f])|$))*$/i.test(piece.text))
    throw new FlowSyntaxError(piece.column, `'${piece.text}' is not in hexadecimal`, 'bytes, as 0a.ff.00')
  return Uint8Array.from(piece.text.match(/[0-9a-f]{2}/gi) ?? [], (pair) => parseInt(pair, 16))
}
