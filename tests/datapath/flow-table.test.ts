import { describe, expect, test } from 'vitest'
import type { Action, FlowMod, Instructions } from '../../protocols/control/messages.ts'
import { ALL_TABLES, ReservedPort } from '../../protocols/control/messages.ts'
import type { FieldMatch } from '../../protocols/match.ts'
import { SECOND } from '../../runtime/clock.ts'
import { flowMod, testTables } from '../support/test-tables.ts'

const ip: FieldMatch = { field: 'eth_type', value: 0x0800n }
const from = (port: bigint): FieldMatch => ({ field: 'in_port', value: port })
const source = (value: bigint, mask?: bigint): FieldMatch =>
  mask === undefined ? { field: 'nw_src', value } : { field: 'nw_src', value, mask }
const apply = (...actions: Action[]): Instructions => ({ apply: actions, clear: false, write: [] })
const outputTo = (port: number) => apply({ type: 'output', port })

const tablesWith = (...mods: Partial<FlowMod>[]) => {
  const made = testTables()
  made.apply(...mods)
  return made
}

describe('add', () => {
  test('replaces the flow of the same match and priority, and goes on counting unless told to reset', async () => {
    const { tables, clock, apply: add, use } = tablesWith({ cookie: 1n })
    await clock.run(SECOND)
    use(1n)
    await clock.run(3 * SECOND)
    add({ cookie: 2n })
    const times = { addedAt: 3 * SECOND, modifiedAt: 3 * SECOND, usedAt: SECOND }
    expect([...tables]).toMatchObject([{ spec: { cookie: 2n }, packets: 1, bytes: 60, ...times }])
    add({ cookie: 3n, flags: { resetCounts: true } })
    expect([...tables]).toMatchObject([{ spec: { cookie: 3n }, packets: 0, bytes: 0, ...times }])
  })

  test('refuses what overlaps at the same priority, if asked to look', () => {
    const { refusal } = tablesWith({ match: [ip, source(0x0a000000n, 0xff000000n)] })
    const wide = { match: [ip, source(0x0a000001n)], flags: { checkOverlap: true } }
    expect(refusal(wide)).toEqual({ code: 'OFPFMFC_OVERLAP', field: 'match' })
    expect(refusal({ ...wide, priority: 2 })).toBeUndefined()
    expect(refusal({ match: [ip, source(0x0b000001n)], flags: { checkOverlap: true } })).toBeUndefined()
  })

  test('refuses more flows than fit', () => {
    const { refusal } = testTables({ maxFlows: 2 })
    expect(refusal({ priority: 1 }, { priority: 2 })).toBeUndefined()
    expect(refusal({ priority: 3 })).toEqual({ code: 'OFPFMFC_TABLE_FULL', field: '' })
    expect(refusal({ priority: 2, cookie: 9n })).toBeUndefined()
  })
})

describe('modify', () => {
  test('changes the instructions of every narrower flow and nothing else', () => {
    const { tables, refusal } = tablesWith(
      { match: [ip, source(1n)], cookie: 1n, priority: 7, idleTimeout: 9, importance: 4 },
      { match: [ip], cookie: 2n, instructions: outputTo(3) },
      { match: [from(1n)], cookie: 3n },
    )
    const mod = { command: 'modify', match: [ip], cookie: 99n, importance: 5, instructions: outputTo(4) } as const
    expect(refusal(mod)).toBeUndefined()
    const told = [...tables].map(({ spec }) => [spec.cookie, spec.priority, spec.idleTimeout, spec.importance])
    expect(told).toEqual(
      expect.arrayContaining([
        [1n, 7, 9, 4],
        [2n, 1, 0, undefined],
        [3n, 1, 0, undefined],
      ]),
    )
    const sending = [...tables].filter(({ spec }) => spec.instructions.apply.length > 0)
    expect(sending.map(({ spec }) => spec.instructions)).toEqual([outputTo(4), outputTo(4)])
  })

  test('strict means this match at this priority; a cookie mask picks further; nothing found is no error', () => {
    const { tables, refusal } = tablesWith(
      { match: [ip], priority: 5, cookie: 0x15n },
      { match: [ip], priority: 6, cookie: 0x25n },
    )
    const changed = () =>
      [...tables].filter(({ spec }) => spec.instructions.apply.length > 0).map((flow) => flow.spec.cookie)
    const strict = { command: 'modify-strict', match: [ip], priority: 5, instructions: outputTo(1) } as const
    expect(refusal({ ...strict, cookie: 0x20n, cookieMask: 0xf0n })).toBeUndefined()
    expect(changed()).toEqual([])
    expect(refusal(strict)).toBeUndefined()
    expect(changed()).toEqual([0x15n])
    expect(refusal({ ...strict, priority: 9 })).toBeUndefined()
    expect(tables.size).toBe(2)
  })

  test('starts the hard timeout anew, keeps the age, and counters unless told to reset', async () => {
    const { tables, clock, apply: mod, use, withCookie } = tablesWith({ cookie: 1n, hardTimeout: 10 })
    use(1n)
    await clock.run(6 * SECOND)
    mod({ command: 'modify', instructions: outputTo(1) })
    expect(withCookie(1n)).toMatchObject({ addedAt: 0, modifiedAt: 6 * SECOND, packets: 1, bytes: 60 })
    await clock.run(15 * SECOND)
    mod({ command: 'modify-strict', flags: { resetCounts: true } })
    expect(withCookie(1n)).toMatchObject({ addedAt: 0, usedAt: 0, packets: 0, bytes: 0 })
    await clock.run(25 * SECOND)
    expect(tables.size).toBe(0)
  })
})

describe('delete', () => {
  const toPort3 = { type: 'output', port: 3 } as const
  const flows: Partial<FlowMod>[] = [
    { match: [ip], cookie: 1n, instructions: outputTo(1) },
    {
      match: [ip, source(5n)],
      cookie: 2n,
      instructions: { apply: [], clear: false, write: [{ type: 'output', port: 2 }] },
    },
    { table: 3, cookie: 3n, instructions: outputTo(2) },
    { match: [from(4n)], priority: 8, cookie: 4n, instructions: apply({ type: 'clone', actions: [toPort3] }) },
  ]
  const others: Partial<FlowMod>[] = [
    { table: 4, cookie: 5n, instructions: apply({ type: 'controller', maxLength: 9 }) },
    {
      table: 5,
      cookie: 6n,
      instructions: apply(
        { type: 'bundle', fields: 'eth_src', basis: 0, algorithm: 'hrw', members: [7] },
        { type: 'clone', actions: [{ type: 'group', group: 5 }] },
      ),
    },
  ]
  test.each<[string, Partial<FlowMod>, bigint[]]>([
    ['everything in a table', {}, [3n]],
    ['everything in all tables', { table: ALL_TABLES }, []],
    ['narrower flows only', { match: [ip] }, [3n, 4n]],
    ['by output port', { table: ALL_TABLES, outPort: 2 }, [1n, 4n]],
    ['by output port of a clone', { table: ALL_TABLES, outPort: 3 }, [1n, 2n, 3n]],
    ['by cookie', { table: ALL_TABLES, cookie: 2n, cookieMask: 0xffn }, [1n, 3n, 4n]],
    ['strictly', { command: 'delete-strict', match: [ip] }, [2n, 3n, 4n]],
    ['strictly at another priority', { command: 'delete-strict', match: [from(4n)], priority: 1 }, [1n, 2n, 3n, 4n]],
    ['by the controller as output', { table: ALL_TABLES, outPort: ReservedPort.Controller }, [1n, 2n, 3n, 4n, 6n]],
    ['by group, in a clone', { table: ALL_TABLES, outGroup: 5 }, [1n, 2n, 3n, 4n, 5n]],
    ['by a port that only a bundle sends to', { table: ALL_TABLES, outPort: 7 }, [1n, 2n, 3n, 4n, 5n, 6n]],
    ['strictly in all tables', { command: 'delete-strict', table: ALL_TABLES }, [1n, 2n, 4n]],
  ])('%s', (_name, mod, left) => {
    const { apply: carryOut, cookies, gone, tables } = testTables({ groups: [5] })
    const all = left.includes(6n) || left.includes(5n) ? [...flows, ...others] : flows
    carryOut(...all)
    carryOut({ command: 'delete', ...mod })
    expect(cookies()).toEqual(left)
    expect(tables.size).toBe(left.length)
    expect(gone()).toHaveLength(all.length - left.length)
  })
})

describe('flows go with what they use', () => {
  test('with their meter', () => {
    const { tables, apply: add, gone } = testTables({ meters: [4] })
    add({ cookie: 1n, instructions: { ...apply(), meter: 4 } }, { cookie: 2n, priority: 2 })
    expect(tables.countUsingMeter(4)).toBe(1)
    tables.deleteUsingMeter(4)
    expect(gone()).toEqual([[1n, 'meter_delete']])
    expect(tables.countUsingMeter(4)).toBe(0)
  })

  test('with their group, be it in a clone or in the action set', () => {
    const toGroup: Action = { type: 'group', group: 7 }
    const { tables, apply: add, gone, cookies } = testTables({ groups: [7, 8] })
    add(
      { cookie: 1n, instructions: apply({ type: 'clone', actions: [toGroup] }) },
      { cookie: 2n, priority: 2, instructions: { ...apply(), write: [toGroup] } },
      { cookie: 3n, priority: 3, instructions: apply({ type: 'group', group: 8 }) },
    )
    expect(tables.countUsingGroup(7)).toBe(2)
    tables.deleteUsingGroup(7)
    expect(gone()).toEqual(
      expect.arrayContaining([
        [1n, 'group_delete'],
        [2n, 'group_delete'],
      ]),
    )
    expect(cookies()).toEqual([3n])
  })
})

describe('timeouts', () => {
  test('a flow that nobody uses goes when its idle time is up, one that is used stays', async () => {
    const { tables, clock, apply: add, use, gone } = testTables()
    add({ cookie: 1n, idleTimeout: 10 })
    await clock.run(6 * SECOND)
    use(1n)
    await clock.run(16 * SECOND - 1)
    expect(tables.size).toBe(1)
    await clock.run(16 * SECOND)
    expect(tables.size).toBe(0)
    expect(gone()).toEqual([[1n, 'idle_timeout']])
  })

  test('a hard timeout comes however much the flow is used', async () => {
    const { clock, apply: add, use, gone } = testTables()
    add({ hardTimeout: 3, idleTimeout: 2, cookie: 1n })
    await clock.run(1.5 * SECOND)
    use(1n)
    await clock.run(3 * SECOND)
    expect(gone()).toEqual([[1n, 'hard_timeout']])
  })

  test('nothing is scheduled where no flow has a timeout', async () => {
    const { tables, clock, apply: add } = testTables()
    add({})
    expect(clock.next).toBe(Infinity)
    add({ priority: 2, idleTimeout: 5 }, { priority: 3, hardTimeout: 1 })
    expect(clock.next).toBe(SECOND)
    await clock.run(60 * SECOND)
    expect(tables.size).toBe(1)
    expect(clock.next).toBe(Infinity)
  })

  test('are shortened by the end of a connection, and never grow', async () => {
    const { tables, clock, apply: add, withCookie, gone } = testTables()
    add({ cookie: 1n, idleTimeout: 60 }, { cookie: 2n, priority: 2, hardTimeout: 5 })
    tables.shortenTimeouts(withCookie(1n), 10, 20)
    tables.shortenTimeouts(withCookie(2n), 0, 30)
    tables.shortenTimeouts(withCookie(1n), 40, 0)
    expect(withCookie(1n).spec).toMatchObject({ idleTimeout: 10, hardTimeout: 20 })
    expect(withCookie(2n).spec).toMatchObject({ idleTimeout: 0, hardTimeout: 5 })
    await clock.run(10 * SECOND)
    expect(gone()).toEqual([
      [2n, 'hard_timeout'],
      [1n, 'idle_timeout'],
    ])
  })
})

describe('a bundle', () => {
  test('is carried out whole or not at all', () => {
    const { tables, refusal, gone, changes } = tablesWith({ cookie: 1n }, { cookie: 2n, match: [ip] })
    const before = [...tables]
    changes()
    const mods: Partial<FlowMod>[] = [
      { command: 'delete-strict' },
      { command: 'modify', match: [ip], instructions: outputTo(1) },
      { cookie: 7n, priority: 9 },
      { match: [ip, source(1n)], flags: { checkOverlap: true } },
    ]
    expect(refusal(...mods)).toEqual({ code: 'OFPFMFC_OVERLAP', field: 'match' })
    expect(new Set(tables)).toEqual(new Set(before))
    expect(tables.size).toBe(2)
    expect([gone(), changes()]).toEqual([[], []])
  })
})

test('statistics tell what a filter selects', () => {
  const { tables } = tablesWith(
    { match: [ip], cookie: 1n },
    { table: 2, match: [ip, source(1n)], cookie: 2n },
    { cookie: 3n },
  )
  const told = tables.statistics({ table: ALL_TABLES, match: [ip], cookie: 0n, cookieMask: 0n })
  expect([...told].map(({ cookie, packets, duration }) => [cookie, packets, duration])).toEqual([
    [1n, 0n, 0n],
    [2n, 0n, 0n],
  ])
})

const learning = (table: number, cookie: bigint): Action => ({
  type: 'learn',
  table,
  priority: 5,
  cookie,
  idleTimeout: 0,
  hardTimeout: 0,
  finIdleTimeout: 0,
  finHardTimeout: 0,
  sendFlowRemoved: false,
  deleteLearned: true,
  limit: 0,
  specs: [],
})

describe('learned flows', () => {
  const learned = (given: Partial<FlowMod> = {}) =>
    flowMod({ command: 'modify-strict', table: 4, cookie: 9n, hardTimeout: 10, ...given })

  test('are added once; learned again they count their hard timeout anew, and nothing else', async () => {
    const { tables, clock, use, withCookie } = testTables()
    expect(tables.learn(learned())).toBe(true)
    use(9n)
    await clock.run(6 * SECOND)
    expect(tables.learn(learned())).toBe(true)
    expect(withCookie(9n)).toMatchObject({ addedAt: 0, modifiedAt: 6 * SECOND, usedAt: 0, packets: 1 })
    await clock.run(15 * SECOND)
    expect(tables.size).toBe(1)
    await clock.run(16 * SECOND)
    expect(tables.size).toBe(0)
  })

  test('are no more than the limit of their cookie and table', () => {
    const { tables, apply: add, cookies } = testTables()
    add({ cookie: 9n, table: 5 })
    const to = (port: bigint) => learned({ match: [from(port)] })
    expect([to(1n), to(2n), to(3n)].map((mod) => tables.learn(mod, 2))).toEqual([true, true, false])
    expect(tables.mayLearn(4, 9n, 3)).toBe(true)
    expect(cookies()).toEqual([9n, 9n, 9n])
  })

  test('that the tables have no room for are not there, and nothing is thrown', () => {
    const { tables, apply: add } = testTables({ maxFlows: 1 })
    add({ cookie: 1n })
    expect(tables.learn(learned())).toBe(false)
    expect(tables.size).toBe(1)
    const { tables: empty } = testTables()
    expect(empty.learn(learned({ table: 254 }))).toBe(false)
    expect(empty.size).toBe(0)
  })

  test('go with the last flow that learns them, and take with them those that they have learned', () => {
    const { tables, apply: add, gone, cookies } = testTables()
    add(
      { cookie: 1n, instructions: apply(learning(4, 9n)) },
      { cookie: 2n, priority: 2, instructions: apply(learning(4, 9n)) },
      { cookie: 9n, table: 4, instructions: apply(learning(5, 8n)) },
      { cookie: 8n, table: 5 },
      { cookie: 8n, table: 4, priority: 2 },
    )
    add({ command: 'delete', cookie: 1n, cookieMask: 0xffn })
    expect(gone()).toEqual([[1n, 'delete']])
    add({ command: 'modify', cookie: 2n, cookieMask: 0xffn, instructions: apply() })
    expect(gone()).toEqual([
      [9n, 'delete'],
      [8n, 'delete'],
    ])
    expect(cookies()).toEqual([2n, 8n])
    expect(tables.size).toBe(2)
  })
})
