// The explorer finds what is broken. So parts of the machine are broken here, one at a time and each in its own way; and every
// time a schedule has to be found that breaks something, and nothing without the fault.

import { expect, test } from 'vitest'
import { isShown, OBVIOUS_FAULTS, SUBTLE_FAULTS } from '../support/planted-faults.ts'

const SEEDS = 1000

test.each([...OBVIOUS_FAULTS, ...SUBTLE_FAULTS])('$what: a schedule shows it, by $breaks', async (fault) => {
  expect(await isShown(fault, SEEDS)).toBe(true)
})
