// What went wrong on a way that is gone to its end all the same.

import { textOf } from '../../runtime/error-text.ts'
import type { Writes } from '../writes.ts'

export const problemOf = (problems: readonly string[]): { problem?: string } =>
  problems.length === 0 ? {} : { problem: [...new Set(problems)].join('; ') }

/** Goes on where a step fails; what failed is said in the end. @throws Conflict where another controller is in charge */
export async function attempt(writes: Writes, problems: string[], step: () => Promise<unknown>): Promise<void> {
  try {
    await step()
  } catch (error) {
    writes.check()
    problems.push(textOf(error))
  }
}
