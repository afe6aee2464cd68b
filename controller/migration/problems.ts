// What went wrong on a way that is gone to its end all the same.

import { textOf } from '../../runtime/error-text.ts'

export const problemOf = (problems: readonly string[]): { problem?: string } =>
  problems.length === 0 ? {} : { problem: [...new Set(problems)].join('; ') }

/** Goes on where a step fails; what failed is said in the end. */
export async function attempt(problems: string[], step: () => Promise<unknown>): Promise<void> {
  try {
    await step()
  } catch (error) {
    problems.push(textOf(error))
  }
}
