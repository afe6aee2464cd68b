import { describe, expect, test } from 'vitest'
import { Refused } from '../../protocols/control/refused.ts'
import type { FlowTables } from '../../datapath/flow-tables.ts'
import type { Action, FlowMod, Instructions } from '../../protocols/control/messages.ts'
import { ALL_TABLES, ReservedPort } from '../../protocols/control/messages.ts'
import type { FieldMatch } from '../../protocols/match.ts'
import { SECOND } from '../../runtime/clock.ts'
import { flowMod, testSwitch } from '../support/test-switch.ts'

const ip: FieldMatch = { field: 'eth_type', value: 0x0800n }
const from = (port: bigint): FieldMatch => ({ field: 'in_port', value: port })
const source = (value: bigint, mask?: bigint): FieldMatch =>
  mask === undefined ? { field: 'nw_src', value } : { field: 'nw_src', value, mask }
const apply = (...actions: Action[]): Instructions => ({ apply: actions, clear: false, write: [] })
const outputTo = (port: number) => apply({ type: 'output', port })
const frame = Buffer.alloc(60, 1)

const tablesWith = (...mods: Partial<FlowMod>[]): FlowTables => {
  const { tables } = testSwitch().sw
  tables.applyBundle(mods.map(flowMod))
  return tables
}
const cookies = (tables: FlowTables) => [...tables].map((flow) => flow.spec.cookie).sort((a, b) => Number(a - b))

function refusal(tables: FlowTables, ...mods: Partial<FlowMod>[]): { code: string; field: string } | undefined {
  try {
    tables.applyBundle(mods.map(flowMod))
    return undefined
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    return { code: error.code, field: error.field }
  }
}

describe('add', () => {
  test('replaces the flow of the same match and priority, and goes on counting unless told to reset', () => {
    const { sw, receive } = testSwitch([{}, {}])
    sw.tables.applyBundle([flowMod({ cookie: 1n, instructions: outputTo(2) })])
    receive(frame, 1)
    sw.tables.applyBundle([flowMod({ cookie: 2n })])
    expect([...sw.tables]).toMatchObject([{ spec: { cookie: 2n }, packets: 1, bytes: 60 }])
    sw.tables.applyBundle([flowMod({ cookie: 3n, flags: { resetCounts: true } })])
    expect([...sw.tables]).toMatchObject([{ spec: { cookie: 3n }, packets: 0, bytes: 0 }])
  })

  test('refuses what overlaps at the same priority, if asked to look', () => {
    const tables = tablesWith({ match: [ip, source(0x0a000000n, 0xff000000n)] })
    const wide = { match: [ip, source(0x0a000001n)], flags: { checkOverlap: true } }
    expect(refusal(tables, wide)).toEqual({ code: 'OFPFMFC_OVERLAP', field: 'match' })
    expect(refusal(tables, { ...wide, priority: 2 })).toBeUndefined()
    expect(refusal(tables, { match: [ip, source(0x0b000001n)], flags: { checkOverlap: true } })).toBeUndefined()
  })

  test('refuses more flows than fit', () => {
    const { tables } = testSwitch([], { maxFlows: 2 }).sw
    expect(refusal(tables, { priority: 1 }, { priority: 2 })).toBeUndefined()
    expect(refusal(tables, { priority: 3 })).toEqual({ code: 'OFPFMFC_TABLE_FULL', field: '' })
    expect(refusal(tables, { priority: 2, cookie: 9n })).toBeUndefined()
  })
})

describe('modify', () => {
  test('changes the instructions of every narrower flow and nothing else', () => {
    const tables = tablesWith(
      { match: [ip, source(1n)], cookie: 1n, priority: 7, idleTimeout: 9 },
      { match: [ip], cookie: 2n, instructions: outputTo(3) },
      { match: [from(1n)], cookie: 3n },
    )
    const mod = { command: 'modify', match: [ip], cookie: 99n, instructions: outputTo(4) } as const
    expect(refusal(tables, mod)).toBeUndefined()
    const flows = [...tables].map(({ spec }) => [spec.cookie, spec.priority, spec.idleTimeout, spec.instructions])
    expect(flows).toEqual(
      expect.arrayContaining([
        [1n, 7, 9, outputTo(4)],
        [2n, 1, 0, outputTo(4)],
        [3n, 1, 0, apply()],
      ]),
    )
  })

  test('strict means this match at this priority; a cookie mask picks further; nothing found is no error', () => {
    const tables = tablesWith({ match: [ip], priority: 5, cookie: 0x15n }, { match: [ip], priority: 6, cookie: 0x25n })
    const changed = () =>
      [...tables].filter(({ spec }) => spec.instructions.apply.length > 0).map((flow) => flow.spec.cookie)
    const strict = { command: 'modify-strict', match: [ip], priority: 5, instructions: outputTo(1) } as const
    expect(refusal(tables, { ...strict, cookie: 0x20n, cookieMask: 0xf0n })).toBeUndefined()
    expect(changed()).toEqual([])
    expect(refusal(tables, strict)).toBeUndefined()
    expect(changed()).toEqual([0x15n])
    expect(refusal(tables, { ...strict, priority: 9 })).toBeUndefined()
    expect(tables.size).toBe(2)
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
  test.each<[string, Partial<FlowMod>, bigint[]]>([
    ['everything in a table', {}, [3n]],
    ['everything in all tables', { table: ALL_TABLES }, []],
    ['narrower flows only', { match: [ip] }, [3n, 4n]],
    ['by output port', { table: ALL_TABLES, outPort: 2 }, [1n, 4n]],
    ['by output port of a clone', { table: ALL_TABLES, outPort: 3 }, [1n, 2n, 3n]],
    ['by cookie', { table: ALL_TABLES, cookie: 2n, cookieMask: 0xffn }, [1n, 3n, 4n]],
    ['strictly', { command: 'delete-strict', match: [ip] }, [2n, 3n, 4n]],
    ['strictly at another priority', { command: 'delete-strict', match: [from(4n)], priority: 1 }, [1n, 2n, 3n, 4n]],
    ['strictly in all tables', { command: 'delete-strict', table: ALL_TABLES }, [1n, 2n, 4n]],
  ])('%s', (_name, mod, left) => {
    const tables = tablesWith(...flows)
    tables.applyBundle([flowMod({ command: 'delete', ...mod })])
    expect(cookies(tables)).toEqual(left)
    expect(tables.size).toBe(left.length)
  })

  test('tells the controller, if the flow asked for it', () => {
    const { sw, messages } = testSwitch()
    sw.tables.applyBundle([
      flowMod({ cookie: 1n, flags: { sendFlowRemoved: true } }),
      flowMod({ cookie: 2n, priority: 2 }),
    ])
    sw.tables.applyBundle([flowMod({ command: 'delete' })])
    expect(messages).toMatchObject([{ type: 'flowRemoved', reason: 'delete', flow: { cookie: 1n } }])
  })
})

describe('timeouts', () => {
  const timed = { flags: { sendFlowRemoved: true } }

  test('a flow that nobody uses goes when its idle time is up, one that is used stays', async () => {
    const { sw, clock, receive, messages } = testSwitch([{}, {}])
    sw.tables.applyBundle([flowMod({ ...timed, idleTimeout: 10, instructions: outputTo(2) })])
    await clock.run(6 * SECOND)
    receive(frame, 1)
    await clock.run(16 * SECOND - 1)
    expect(sw.tables.size).toBe(1)
    await clock.run(16 * SECOND)
    expect(sw.tables.size).toBe(0)
    const removed = messages.filter(({ type }) => type === 'flowRemoved')
    expect(removed).toMatchObject([{ reason: 'idle_timeout', flow: { packets: 1n, duration: BigInt(16 * SECOND) } }])
  })

  test('a hard timeout comes however much the flow is used', async () => {
    const { sw, clock, receive, messages } = testSwitch()
    sw.tables.applyBundle([flowMod({ ...timed, hardTimeout: 3, idleTimeout: 2, cookie: 1n }), flowMod({ priority: 2 })])
    sw.ports.add({ number: 1, name: 'p', type: 'uplink', state: 'open' })
    sw.tables.applyBundle([flowMod({ command: 'delete-strict', priority: 2 })])
    await clock.run(1.5 * SECOND)
    receive(frame, 1)
    await clock.run(3 * SECOND)
    expect(sw.tables.size).toBe(0)
    expect(messages.at(-1)).toMatchObject({
      type: 'flowRemoved',
      reason: 'hard_timeout',
      flow: { cookie: 1n, packets: 1n },
    })
  })

  test('nothing is scheduled where no flow has a timeout', async () => {
    const { sw, clock } = testSwitch()
    sw.tables.applyBundle([flowMod({})])
    expect(clock.next).toBe(Infinity)
    sw.tables.applyBundle([flowMod({ priority: 2, idleTimeout: 5 }), flowMod({ priority: 3, hardTimeout: 1 })])
    expect(clock.next).toBe(SECOND)
    await clock.run(60 * SECOND)
    expect(sw.tables.size).toBe(1)
    expect(clock.next).toBe(Infinity)
  })
})

describe('a bundle', () => {
  test('is carried out whole or not at all', () => {
    const { sw, messages } = testSwitch()
    const { tables } = sw
    tables.applyBundle([
      flowMod({ cookie: 1n, flags: { sendFlowRemoved: true } }),
      flowMod({ cookie: 2n, match: [ip] }),
    ])
    const before = [...tables]
    const mods: Partial<FlowMod>[] = [
      { command: 'delete-strict' },
      { command: 'modify', match: [ip], instructions: outputTo(1) },
      { cookie: 7n, priority: 9 },
      { match: [ip, source(1n)], flags: { checkOverlap: true } },
    ]
    expect(refusal(tables, ...mods)).toEqual({ code: 'OFPFMFC_OVERLAP', field: 'match' })
    expect(new Set(tables)).toEqual(new Set(before))
    expect(tables.size).toBe(2)
    expect(messages).toEqual([])
  })

  test.each<[string, Partial<FlowMod>, string, string]>([
    ['a table that is not there', { table: 254 }, 'OFPBRC_BAD_TABLE_ID', 'table'],
    ['all tables for an add', { table: ALL_TABLES }, 'OFPBRC_BAD_TABLE_ID', 'table'],
    ['a missing prerequisite', { match: [source(1n)] }, 'OFPBMC_BAD_PREREQ', 'match.nw_src'],
    ['a value too wide', { match: [from(1n << 32n)] }, 'OFPBMC_BAD_VALUE', 'match.in_port'],
    [
      'a way back',
      { table: 3, instructions: { ...apply(), gotoTable: 3 } },
      'OFPBIC_UNSUP_INST',
      'instructions.gotoTable',
    ],
    ['no such meter', { instructions: { ...apply(), meter: 4 } }, 'OFPMMFC_UNKNOWN_METER', 'instructions.meter'],
    ['no port', { instructions: outputTo(0) }, 'OFPBAC_BAD_ARGUMENT', 'instructions.apply[0].port'],
    ['OFPP_TABLE', { instructions: outputTo(ReservedPort.Table) }, 'OFPBAC_BAD_ARGUMENT', 'instructions.apply[0].port'],
    [
      'a field that a frame may not have',
      { instructions: apply({ type: 'pop_vlan' }, { type: 'set_field', field: 'nw_src', value: 1n }) },
      'OFPBMC_BAD_PREREQ',
      'instructions.apply[1]',
    ],
    [
      'a field that is not for writing',
      { instructions: apply({ type: 'set_field', field: 'eth_type', value: 1n }) },
      'OFPBAC_BAD_ARGUMENT',
      'instructions.apply[0].field',
    ],
    [
      'a tag of an unknown type',
      { instructions: apply({ type: 'push_vlan', etherType: 0x9100 }) },
      'OFPBAC_BAD_ARGUMENT',
      'instructions.apply[0].etherType',
    ],
    [
      'in a clone what it would refuse outside',
      { instructions: apply({ type: 'clone', actions: [{ type: 'output', port: 0 }] }) },
      'OFPBAC_BAD_ARGUMENT',
      'instructions.apply[0].actions[0].port',
    ],
    [
      'a clone in an action set',
      { instructions: { ...apply(), write: [{ type: 'clone', actions: [] }] } },
      'OFPBAC_BAD_ARGUMENT',
      'instructions.write[0]',
    ],
    [
      'a field that only a clone has',
      {
        instructions: apply(
          { type: 'clone', actions: [{ type: 'push_vlan', etherType: 0x8100 }] },
          { type: 'set_field', field: 'vlan_pcp', value: 1n },
        ),
      },
      'OFPBMC_BAD_PREREQ',
      'instructions.apply[1]',
    ],
  ])('refuses %s', (_name, mod, code, field) => {
    expect(refusal(tablesWith(), flowMod({}), mod)).toEqual({ code, field })
  })
})

test('statistics tell what a filter selects', () => {
  const tables = tablesWith(
    { match: [ip], cookie: 1n },
    { table: 2, match: [ip, source(1n)], cookie: 2n },
    { cookie: 3n },
  )
  const told = tables.statistics({ table: ALL_TABLES, match: [ip], cookie: 0n, cookieMask: 0n })
  expect(told.map(({ cookie, packets, duration }) => [cookie, packets, duration])).toEqual([
    [1n, 0n, 0n],
    [2n, 0n, 0n],
  ])
})
