// JSON (RFC 8259) that remembers where each value stood, for messages that name a line.

import { pointer as pointerTo, pointerSegments } from './problems.ts'

/** Line and column count from 1; a column is a UTF-16 code unit, as editors count. */
export interface Position {
  line: number
  column: number
}

export interface SourceProblem extends Position {
  pointer: string
  problem: string
  expected: string
}

/** Where a value starts, where its key does, and the same of all within it. */
interface Place {
  value: number
  key?: number
  members?: Map<string, Place>
}

const DEEPEST = 64
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const LITERALS: readonly (readonly [string, unknown])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
]

/** A place in the text at which it is not JSON. */
class SyntaxProblem extends Error {
  readonly offset: number
  readonly expected: string

  constructor(problem: string, expected: string, offset: number) {
    super(problem)
    this.offset = offset
    this.expected = expected
  }
}

export class JsonSource {
  readonly file: string
  /** Undefined where the text is not JSON. Objects have no prototype, so that any key is only a key. */
  readonly value: unknown
  /** A syntax error, or keys given twice; the first of them counts. */
  readonly problems: SourceProblem[] = []
  readonly #text: string
  #root: Place | undefined
  #lineStarts: number[] | undefined

  constructor(text: string, file: string) {
    this.file = file
    this.#text = text
    this.value = soundValue(text)
    if (this.value !== undefined) return
    const parser = new Parser(text)
    try {
      const { value, place } = parser.document()
      this.value = value
      this.#root = place
    } catch (error) {
      if (!(error instanceof SyntaxProblem)) throw error
      this.#root = { value: 0 }
      const { message: problem, expected, offset } = error
      this.problems.push({ ...this.#position(offset), pointer: '', problem, expected })
    }
    for (const { pointer, key, offset } of parser.doubled)
      this.problems.push({
        ...this.#position(offset),
        pointer,
        problem: `key '${key}' is given twice`,
        expected: 'each key once',
      })
  }

  /** Where the value at `pointer` starts, or else the nearest value around it. */
  valueAt(pointer: string): Position {
    return this.#position(this.#find(pointer).value)
  }

  /** Where the key of the value at `pointer` starts; the value itself where it has none. */
  keyAt(pointer: string): Position {
    const place = this.#find(pointer)
    return this.#position(place.key ?? place.value)
  }

  #find(pointer: string): Place {
    // Most files have no mistake, and nobody asks.
    this.#root ??= new Parser(this.#text).document().place
    let place = this.#root
    for (const segment of pointerSegments(pointer)) {
      const inner = place.members?.get(segment)
      if (inner === undefined) break
      place = inner
    }
    return place
  }

  #position(offset: number): Position {
    this.#lineStarts ??= lineStarts(this.#text)
    const starts = this.#lineStarts
    let low = 0
    let high = starts.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (starts[middle]! <= offset) low = middle
      else high = middle - 1
    }
    return { line: low + 1, column: offset - starts[low]! + 1 }
  }
}

const lineStarts = (text: string): number[] => [
  0,
  ...[...text.matchAll(/\r\n|\n|\r/g)].map((end) => end.index + end[0].length),
]

/**
 * What `Parser` gives, without places and far sooner: what the engine's own parser makes of it. That keeps the last of two members of
 * one key, and nests as deeply as it is told; where it may have, or takes it for no JSON, it is for `Parser` to say: undefined.
 */
function soundValue(text: string): unknown {
  try {
    const parsed: unknown = JSON.parse(text)
    const tally = { members: 0 }
    const value = withoutPrototypes(parsed, 0, tally)
    return tally.members === colonsIn(text) ? value : undefined
  } catch {
    return undefined
  }
}

/** @throws RangeError where it is nested too deeply */
function withoutPrototypes(value: unknown, depth: number, tally: { members: number }): unknown {
  if (depth > DEEPEST) throw new RangeError('nested too deeply')
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((one) => withoutPrototypes(one, depth + 1, tally))
  const plain = Object.create(null) as Record<string, unknown>
  for (const [key, inner] of Object.entries(value)) {
    tally.members++
    plain[key] = withoutPrototypes(inner, depth + 1, tally)
  }
  return plain
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a

/** Outside strings: one for each member of an object. */
function colonsIn(text: string): number {
  let colons = 0
  let isString = false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) isString = !isString
    else if (isString && code === BACKSLASH) at++
    else if (!isString && code === COLON) colons++
  }
  return colons
}

interface Parsed {
  value: unknown
  place: Place
}

class Parser {
  readonly doubled: { pointer: string; key: string; offset: number }[] = []
  #text: string
  #at = 0
  #path: (string | number)[] = []

  constructor(text: string) {
    this.#text = text
  }

  document(): Parsed {
    if (this.#text.startsWith('\ufeff')) this.#at = 1
    const parsed = this.#value()
    if (this.#at < this.#text.length) this.#fail('text after the end of the document', 'nothing more')
    return parsed
  }

  #value(): Parsed {
    this.#skipSpace()
    const start = this.#at
    if (this.#path.length > DEEPEST) this.#fail('nested too deeply', `at most ${DEEPEST} levels`)
    const parsed = this.#valueStartingHere(start)
    this.#skipSpace()
    return parsed
  }

  #valueStartingHere(start: number): Parsed {
    const first = this.#text[start]
    if (first === '{') return this.#object(start)
    if (first === '[') return this.#array(start)
    if (first === '"') return { value: this.#string(), place: { value: start } }
    return { value: this.#numberOrLiteral(), place: { value: start } }
  }

  #object(start: number): Parsed {
    const value = Object.create(null) as Record<string, unknown>
    const members = new Map<string, Place>()
    this.#list('}', () => {
      const keyStart = this.#at
      if (this.#text[keyStart] !== '"') this.#fail(this.#found(), 'a key in double quotes')
      const key = this.#string()
      this.#skipSpace()
      this.#take(':', "':' after the key")
      const inner = this.#inside(key)
      if (members.has(key)) return this.#noteDoubled(key, keyStart)
      value[key] = inner.value
      members.set(key, { ...inner.place, key: keyStart })
    })
    return { value, place: { value: start, members } }
  }

  #array(start: number): Parsed {
    const value: unknown[] = []
    const members = new Map<string, Place>()
    this.#list(']', () => {
      const inner = this.#inside(value.length)
      members.set(String(value.length), inner.place)
      value.push(inner.value)
    })
    return { value, place: { value: start, members } }
  }

  /** What stands between the brackets: nothing, or items with commas between them. */
  #list(end: string, item: () => void): void {
    this.#at++
    this.#skipSpace()
    if (this.#text[this.#at] === end) {
      this.#at++
      return
    }
    for (;;) {
      item()
      if (this.#text[this.#at] === end) break
      this.#take(',', `',' or '${end}'`)
      this.#skipSpace()
    }
    this.#at++
  }

  #inside(segment: string | number): Parsed {
    this.#path.push(segment)
    const parsed = this.#value()
    this.#path.pop()
    return parsed
  }

  #noteDoubled(key: string, offset: number): void {
    this.doubled.push({ pointer: pointerTo(...this.#path, key), key, offset })
  }

  #string(): string {
    const start = this.#at++
    for (;;) {
      const code = this.#text.charCodeAt(this.#at)
      if (Number.isNaN(code)) this.#fail('a string that does not end', 'a closing quote', start)
      if (code < 0x20) this.#fail('a control character in a string', 'it escaped, as \\n or \\u0009')
      this.#at += code === 0x5c ? this.#escapeLength() : 1
      if (code === 0x22) return JSON.parse(this.#text.slice(start, this.#at)) as string
    }
  }

  #escapeLength(): number {
    const escape = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y
    escape.lastIndex = this.#at
    const found = escape.exec(this.#text)
    if (found === null)
      this.#fail('an unknown escape in a string', '\\" \\\\ \\/ \\b \\f \\n \\r \\t or \\u and four digits')
    return found[0].length
  }

  #numberOrLiteral(): unknown {
    for (const [word, value] of LITERALS)
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length
        return value
      }
    NUMBER.lastIndex = this.#at
    const found = NUMBER.exec(this.#text)
    if (found === null) this.#fail(this.#found(), 'a JSON value')
    this.#at += found[0].length
    return Number(found[0])
  }

  #skipSpace(): void {
    const space = /[ \t\n\r]*/y
    space.lastIndex = this.#at
    this.#at += space.exec(this.#text)![0].length
  }

  #take(character: string, expected: string): void {
    if (this.#text[this.#at] !== character) this.#fail(this.#found(), expected)
    this.#at++
  }

  #found(): string {
    const character = this.#text[this.#at]
    return character === undefined ? 'the text ends here' : `unexpected ${JSON.stringify(character)}`
  }

  #fail(problem: string, expected: string, offset = this.#at): never {
    throw new SyntaxProblem(problem, expected, offset)
  }
}
