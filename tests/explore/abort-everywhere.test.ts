import { expect, test } from 'vitest'
import { abortEverywhere } from '../support/abort-law.ts'

test.each(['vlan', 'vxlan'] as const)(
  'an abort at any step, and whatever breaks right after, loses, doubles and reorders nothing (%s)',
  async (type) => {
    const { runs, exceptions } = await abortEverywhere(type, 1)
    expect(exceptions).toEqual([])
    expect(runs).toBeGreaterThan(500)
  },
)
