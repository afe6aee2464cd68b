import { InvalidField } from '../protocols/errors.ts'
import { FlowSyntaxError } from '../protocols/flow-text/syntax-error.ts'
import { nearest, oneOf } from './did-you-mean.ts'
import type { JsonSource } from './json-source.ts'
import type { Problem } from './problems.ts'
import { InvalidInput } from './problems.ts'

/** Takes note of a mistake at a pointer. */
export type Report = (pointer: string, problem: string, expected: string, didYouMean?: string) => void

/** Collects all that is wrong with one file, and finds the lines. */
export class Findings {
  readonly problems: Problem[]
  readonly #source: JsonSource

  constructor(source: JsonSource) {
    this.#source = source
    this.problems = source.problems.map((problem) => ({ file: source.file, ...problem }))
  }

  readonly report: Report = (pointer, problem, expected, didYouMean) => {
    this.#add(pointer, this.#source.valueAt(pointer), problem, expected, didYouMean)
  }

  /** As `report`, where the key is what is wrong. */
  readonly reportKey: Report = (pointer, problem, expected, didYouMean) => {
    this.#add(pointer, this.#source.keyAt(pointer), problem, expected, didYouMean)
  }

  /** Runs `read`; what it finds wrong with another file is found wrong here. */
  async gather<T>(read: () => Promise<T>): Promise<T | undefined> {
    try {
      return await read()
    } catch (error) {
      if (!(error instanceof InvalidInput)) throw error
      this.problems.push(...error.problems)
      return undefined
    }
  }

  /** True where something is wrong with this file at the pointer or within. */
  hasAny(pointer: string): boolean {
    return this.problems.some((one) => one.file === this.#source.file && `${one.pointer}/`.startsWith(`${pointer}/`))
  }

  /** @throws InvalidInput where anything was found. */
  finish(): void {
    if (this.problems.length > 0) throw new InvalidInput(this.problems)
  }

  #add(pointer: string, at: { line: number; column: number }, problem: string, expected: string, didYouMean?: string) {
    const { file } = this.#source
    this.problems.push({ file, pointer, ...at, problem, expected, ...(didYouMean === undefined ? {} : { didYouMean }) })
  }
}

/** The same report for what is written deeper in the file. */
export const within =
  (base: string, report: Report): Report =>
  (pointer, ...finding) =>
    report(base + pointer, ...finding)

/** Reports `name` where it is not one of `known`. A name that is missing has been reported already. */
export function checkKnown(
  report: Report,
  pointer: string,
  kind: string,
  name: string | undefined,
  known: ReadonlySet<string>,
): void {
  if (name === undefined || known.has(name)) return
  report(pointer, `no ${kind} '${name}'`, oneOf(known), nearest(name, known))
}

/** What `parse` makes of a text; undefined, and reported, where it is refused: flow text with the column in it. */
export function attempt<T>(report: Report, pointer: string, parse: () => T): T | undefined {
  try {
    return parse()
  } catch (error) {
    if (error instanceof FlowSyntaxError)
      report(pointer, `column ${error.column}: ${error.problem}`, error.expected, error.didYouMean)
    else if (error instanceof InvalidField) report(pointer, error.problem, error.expected)
    else throw error
    return undefined
  }
}
