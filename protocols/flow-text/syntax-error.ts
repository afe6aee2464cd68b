/** Flow text that says nothing we understand: where it goes wrong, how, and what would have been right. */
export class FlowSyntaxError extends Error {
  /** From 1, in the text that was given. */
  readonly column: number
  readonly problem: string
  readonly expected: string
  readonly didYouMean?: string

  constructor(column: number, problem: string, expected: string, didYouMean?: string) {
    const shortened = shorten(problem)
    super(
      `column ${column}: ${shortened}; expected ${expected}${didYouMean === undefined ? '' : ` (did you mean '${didYouMean}'?)`}`,
    )
    this.name = 'FlowSyntaxError'
    this.column = column
    this.problem = shortened
    this.expected = expected
    if (didYouMean !== undefined) this.didYouMean = didYouMean
  }
}

/** A sentence that quotes the text stays a sentence, however long the text is. */
const LONGEST = 200

const shorten = (problem: string) => (problem.length > LONGEST ? `${problem.slice(0, LONGEST)}…` : problem)
