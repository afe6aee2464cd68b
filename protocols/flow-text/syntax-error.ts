/** Flow text that says nothing we understand: where it goes wrong, how, and what would have been right. */
export class FlowSyntaxError extends Error {
  /** From 1, in the text that was given. */
  readonly column: number
  readonly problem: string
  readonly expected: string
  readonly didYouMean?: string

  constructor(column: number, problem: string, expected: string, didYouMean?: string) {
    super(
      `column ${column}: ${problem}; expected ${expected}${didYouMean === undefined ? '' : ` (did you mean '${didYouMean}'?)`}`,
    )
    this.name = 'FlowSyntaxError'
    this.column = column
    this.problem = problem
    this.expected = expected
    if (didYouMean !== undefined) this.didYouMean = didYouMean
  }
}
