// What is wrong with a file, so that a person finds it: where, what, what was expected, and what may have been meant.

export interface Problem {
  file: string
  /** RFC 6901; empty for the whole document. */
  pointer: string
  /** From 1; 0 where the file could not be read at all. */
  line: number
  column: number
  problem: string
  expected: string
  didYouMean?: string
}

/** All that is wrong with the input, in the order of its lines. */
export class InvalidInput extends Error {
  readonly problems: readonly Problem[]

  constructor(problems: readonly Problem[]) {
    const ordered = [...problems].sort((a, b) => a.line - b.line || a.column - b.column)
    super(formatProblems(ordered))
    this.name = 'InvalidInput'
    this.problems = ordered
  }
}

/** One line each: `two-tenants.json:12:7 /vms/0/host: no host 'h3'; expected one of h1, h2 (did you mean 'h1'?)` */
export const formatProblems = (problems: readonly Problem[]): string => problems.map(formatProblem).join('\n')

function formatProblem({ file, pointer, line, column, problem, expected, didYouMean }: Problem): string {
  const place = line === 0 ? file : `${file}:${line}:${column}`
  const where = pointer === '' ? place : `${place} ${pointer}`
  const hint = didYouMean === undefined ? '' : ` (did you mean '${didYouMean}'?)`
  return `${where}: ${problem}; expected ${expected}${hint}`.replace(NOT_PRINTABLE, asCode)
}

/** What would begin another line, or tell a terminal what to do. */
// oxlint-disable-next-line no-control-regex
const NOT_PRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g

const asCode = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

/**
 * What `read` makes of a document that was put together around a part of it which somebody has written: its problems are told by
 * where they are in that part, which stands at `at`. Where the part does not fit what is around it, the whole of it is to blame.
 * @throws InvalidInput
 */
export function withinPart<T>(at: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error
    const within = (whole: string) => (whole.startsWith(at) ? whole.slice(at.length) : '')
    throw new InvalidInput(
      error.problems.map((problem) => ({ ...problem, pointer: within(problem.pointer), line: 0, column: 0 })),
    )
  }
}

const escaped = (segment: string | number) =>
  typeof segment === 'number' || !/[~/]/.test(segment) ? segment : segment.replaceAll('~', '~0').replaceAll('/', '~1')

/** RFC 6901 §3: `pointer('vms', 0)` is `/vms/0`. */
export const pointer = (...segments: (string | number)[]): string =>
  segments.reduce((text: string, segment) => `${text}/${escaped(segment)}`, '')

/** RFC 6901 §4 */
export const pointerSegments = (text: string): string[] =>
  text
    .split('/')
    .slice(1)
    .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'))
