import { describe, expect, test } from 'vitest'
import type { FlowMod } from '../../protocols/control/messages.ts'
import { ALL_TABLES } from '../../protocols/control/messages.ts'
import { SECOND } from '../../runtime/clock.ts'
import { seeded } from '../../runtime/random.ts'
import { refusalOf, testTables } from '../support/test-tables.ts'

const full = { code: 'OFPFMFC_TABLE_FULL', field: '' }
/** A flow of table 4, all told apart by their port. */
const at = (port: number, given: Partial<FlowMod> = {}): Partial<FlowMod> => ({
  table: 4,
  cookie: BigInt(port),
  match: [{ field: 'in_port', value: BigInt(port) }],
  ...given,
})

function limited(maxFlows: number, eviction: boolean) {
  const made = testTables()
  made.tables.configure({ table: 4, maxFlows, eviction })
  return made
}

describe('a full table', () => {
  test('takes no more where it may not let go, and others still do', () => {
    const { apply, refusal } = limited(2, false)
    apply(at(1, { idleTimeout: 5 }), at(2))
    expect(refusal(at(3))).toEqual(full)
    expect(refusal({ ...at(3), table: 5 })).toBeUndefined()
    expect(refusal(at(2, { cookie: 22n }))).toBeUndefined()
  })

  // The same flows in the same order as a real Open vSwitch was given, and what it kept.
  test('lets the least important go first, of those the soonest to expire, and none that never does', () => {
    const { apply, cookies, gone, refusal } = limited(3, true)
    const steps: [Partial<FlowMod>, bigint[]][] = [
      [at(1), [1n]],
      [at(2, { idleTimeout: 50 }), [1n, 2n]],
      [at(3, { hardTimeout: 30 }), [1n, 2n, 3n]],
      [at(4, { hardTimeout: 100, importance: 1 }), [1n, 2n, 4n]],
      [at(5, { hardTimeout: 10, importance: 2 }), [1n, 4n, 5n]],
      [at(6), [1n, 5n, 6n]],
      [at(7), [1n, 6n, 7n]],
    ]
    for (const [mod, left] of steps) {
      apply(mod)
      expect(cookies()).toEqual(left)
    }
    expect(gone()).toEqual([3n, 2n, 4n, 5n].map((cookie) => [cookie, 'eviction']))
    expect(refusal(at(8))).toEqual(full)
  })

  test('sees that a flow was used', async () => {
    const { apply, clock, use, gone } = limited(2, true)
    apply(at(1, { idleTimeout: 10 }), at(2, { idleTimeout: 12 }))
    await clock.run(5 * SECOND)
    use(1n)
    apply(at(3))
    expect(gone()).toEqual([[2n, 'eviction']])
  })

  test('gets back what it let go when the bundle fails', () => {
    const { apply, cookies, gone, refusal } = limited(1, true)
    apply(at(1, { idleTimeout: 5 }))
    expect(refusal(at(2), at(3))).toEqual(full)
    expect(cookies()).toEqual([1n])
    expect(gone()).toEqual([])
  })
})

test('a table that is made smaller lets go what it may', () => {
  const { apply, tables, cookies, gone } = testTables()
  apply(at(1), at(2, { idleTimeout: 5 }), at(3, { idleTimeout: 6 }), { cookie: 9n })
  tables.configure({ table: ALL_TABLES, maxFlows: 1, eviction: true })
  expect(gone()).toEqual([
    [2n, 'eviction'],
    [3n, 'eviction'],
  ])
  expect(cookies()).toEqual([1n, 9n])
  expect(tables.capacityOf(200)).toBe(1)
})

test('what is not given stays as it was set up', () => {
  const { tables } = testTables()
  tables.configure({ table: 3, miss: 'controller', maxFlows: 7 })
  tables.configure({ table: 3, eviction: true })
  tables.configure({ table: ALL_TABLES, miss: 'continue' })
  expect(tables.configs()[3]).toEqual({ table: 3, miss: 'continue', maxFlows: 7, eviction: true })
  expect(tables.missOf(253)).toBe('continue')
  expect(tables.configs()).toHaveLength(254)
  expect(refusalOf(() => tables.configure({ table: 254 }))).toEqual({ code: 'OFPTMFC_BAD_TABLE', field: 'table' })
})

test.each([1, 2, 3, 4, 5])('the one that goes is never worth more than one that stays (seed %i)', (seed) => {
  const random = seeded(seed)
  const { tables, refusal, gone } = limited(8, true)
  const worth = new Map<bigint, [number, number]>()
  for (let port = 1; port <= 60; port++) {
    const hardTimeout = random.below(4) * 10
    const importance = random.below(3)
    const mod = at(port, { hardTimeout, importance })
    const isFull = tables.table(4).size === 8 && [...tables].every(({ spec }) => spec.hardTimeout === 0)
    expect(refusal(mod)).toEqual(isFull ? full : undefined)
    worth.set(BigInt(port), [importance, hardTimeout === 0 ? Infinity : hardTimeout])
    for (const [cookie] of gone()) {
      const [itsImportance, itsTime] = worth.get(cookie)!
      expect(itsTime).toBeLessThan(Infinity)
      for (const { spec } of tables) {
        const [other, time] = worth.get(spec.cookie)!
        if (spec.cookie === BigInt(port) || time === Infinity) continue
        expect(other > itsImportance || (other === itsImportance && time >= itsTime)).toBe(true)
      }
    }
  }
})
