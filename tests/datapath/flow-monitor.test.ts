import { describe, expect, test } from 'vitest'
import { FlowMonitors } from '../../datapath/flow-monitor.ts'
import type { FlowMod, FlowMonitor, FlowSpec, FlowUpdate, Instructions } from '../../protocols/control/messages.ts'
import { ALL_TABLES } from '../../protocols/control/messages.ts'
import { SECOND } from '../../runtime/clock.ts'
import { seeded } from '../../runtime/random.ts'
import { flowMod, refusalOf, testTables } from '../support/test-tables.ts'

const NONE = { initial: false, add: false, delete: false, modify: false, instructions: false, own: false }
const ALL = { ...NONE, initial: true, add: true, delete: true, modify: true, instructions: true }
const outputTo = (port: number): Instructions => ({ apply: [{ type: 'output', port }], clear: false, write: [] })

const monitor = (given: Partial<FlowMonitor> = {}): FlowMonitor => ({
  id: 1,
  flags: ALL,
  table: ALL_TABLES,
  match: [],
  ...given,
})

/** One message's updates are one list, each as `event cookie`. */
function watching(...monitors: FlowMonitor[]) {
  const made = testTables({ meters: [1] })
  const heard: FlowUpdate[][] = []
  const owner = {}
  const hearer = new FlowMonitors(made.tables, owner, (updates) => void heard.push(updates))
  const initial = hearer.add(monitors)
  const told = () => heard.splice(0).map((updates) => updates.map(textOf))
  const carryOut = (by: object, xid: number, ...mods: Partial<FlowMod>[]) =>
    made.tables.applyChecked(mods.map(flowMod), { owner: by, xid })
  return { ...made, hearer, owner, initial, told, heard, carryOut }
}

const textOf = (update: FlowUpdate) =>
  update.type === 'abbreviated'
    ? `abbreviated ${update.xid}`
    : [update.event, update.flow.cookie, update.reason].filter((part) => part !== undefined).join(' ')

describe('a monitor hears', () => {
  test('of flows that come, change and go, message by message', async () => {
    const { apply, tables, clock, told } = watching(monitor())
    apply({ cookie: 1n }, { cookie: 2n, priority: 2, hardTimeout: 5 })
    apply({ cookie: 3n })
    apply({ command: 'modify', instructions: outputTo(1) })
    apply({ command: 'modify', instructions: outputTo(1) })
    apply({ command: 'delete-strict' })
    apply({ cookie: 4n, instructions: { ...outputTo(1), meter: 1 } })
    tables.deleteUsingMeter(1)
    await clock.run(5 * SECOND)
    const heard = [
      ['added 1', 'added 2'],
      ['added 3'],
      ['modified 3', 'modified 2'],
      ['deleted 3 delete'],
      ['added 4'],
      ['deleted 4 meter_delete'],
      ['deleted 2 hard_timeout'],
    ]
    expect(told().map((updates) => updates.sort())).toEqual(heard.map((updates) => updates.sort()))
  })

  test('of its own changes in short, and once for each message', () => {
    const { carryOut, owner, told } = watching(monitor())
    carryOut(owner, 17, { cookie: 1n }, { cookie: 2n, priority: 2 })
    carryOut({}, 17, { cookie: 3n, priority: 3 })
    carryOut(owner, 18, { command: 'delete' })
    expect(told()).toEqual([['abbreviated 17'], ['added 3'], ['abbreviated 18']])
  })

  test('of its own changes in full, if it wants', () => {
    const { carryOut, owner, told } = watching(monitor({ flags: { ...ALL, own: true } }))
    carryOut(owner, 17, { cookie: 1n }, { cookie: 2n, priority: 2 })
    expect(told()).toEqual([['added 1', 'added 2']])
  })

  test('what flows do only if it asks', () => {
    const { apply, heard } = watching(monitor({ flags: { ...NONE, add: true } }))
    apply({ cookie: 1n, instructions: outputTo(1) })
    expect(heard[0]).toMatchObject([{ flow: { cookie: 1n, instructions: { apply: [] } } }])
  })

  test('nothing any more once it is cancelled', () => {
    const { apply, hearer, told } = watching(monitor(), monitor({ id: 2 }))
    hearer.cancel(1)
    apply({ cookie: 1n })
    hearer.cancel(2)
    apply({ command: 'delete' })
    expect(told()).toEqual([['added 1']])
    expect(refusalOf(() => hearer.cancel(2))).toEqual({ code: 'OFPMOFC_UNKNOWN_MONITOR', field: 'id' })
  })
})

test.each<[string, Partial<FlowMonitor>, bigint[]]>([
  ['everything', {}, [1n, 2n, 3n]],
  ['one table', { table: 3 }, [3n]],
  ['narrower flows', { match: [{ field: 'in_port', value: 1n }] }, [2n]],
  ['flows that send to a port', { outPort: 2 }, [1n]],
  ['flows that come, of those that are there none', { flags: { ...ALL, initial: false } }, []],
])('at first it is told of %s', (_name, given, cookies) => {
  const { tables, apply } = testTables()
  apply(
    { cookie: 1n, instructions: outputTo(2) },
    { cookie: 2n, match: [{ field: 'in_port', value: 1n }] },
    { cookie: 3n, table: 3 },
  )
  const told = new FlowMonitors(tables, {}, () => undefined).add([monitor(given), monitor({ ...given, id: 2 })])
  expect(told.map(textOf)).toEqual(cookies.map((cookie) => `added ${cookie}`))
})

test('a flow that no longer sends to the port that is watched is news', () => {
  const { apply, told } = watching(monitor({ outPort: 2 }))
  apply({ cookie: 1n, instructions: outputTo(2) })
  apply({ command: 'modify', instructions: outputTo(3) })
  apply({ command: 'modify', instructions: outputTo(4) })
  expect(told()).toEqual([['added 1'], ['modified 1']])
})

test('two monitors of one number, and one of a table that is not there, are refused with all that came with them', () => {
  const { hearer, apply, told } = watching()
  const twice = { code: 'OFPMOFC_MONITOR_EXISTS', field: 'monitors[1].id' }
  expect(refusalOf(() => hearer.add([monitor(), monitor()]))).toEqual(twice)
  const table = { code: 'OFPBRC_BAD_TABLE_ID', field: 'monitors[1].table' }
  expect(refusalOf(() => hearer.add([monitor(), monitor({ id: 2, table: 254 })]))).toEqual(table)
  apply({ cookie: 1n })
  expect(told()).toEqual([])
})

const keyOf = (flow: FlowSpec) => `${flow.priority} ${JSON.stringify(flow.match, (_key, part) => String(part))}`
const stateOf = (flow: FlowSpec) => `${flow.cookie} ${JSON.stringify(flow.instructions)}`

test.each([1, 2, 3, 4])(
  'who was told nothing for a while knows all at last, and never hears of the end of a flow unknown to it (seed %i)',
  (seed) => {
    const random = seeded(seed)
    const { hearer, heard, tables, apply } = watching(monitor())
    const known = new Map<string, string>()
    const learn = (updates: readonly FlowUpdate[]) => {
      for (const update of updates) {
        if (update.type === 'abbreviated') continue
        expect(update.event === 'added' || known.has(keyOf(update.flow))).toBe(true)
        if (update.event === 'deleted') known.delete(keyOf(update.flow))
        else known.set(keyOf(update.flow), stateOf(update.flow))
      }
    }
    for (let step = 0; step < 400; step++) {
      const priority = random.below(6)
      const instructions = outputTo(1 + random.below(3))
      const commands = ['add', 'add', 'modify-strict', 'modify', 'delete-strict'] as const
      const command = commands[random.below(20) === 0 ? 3 : random.below(5)]
      apply({ command, priority, cookie: command === 'add' ? BigInt(step) : 0n, instructions })
      if (random.below(8) === 0) hearer.pause()
      heard.splice(0).forEach(learn)
      if (random.below(12) !== 0 || !hearer.paused) continue
      learn(hearer.resume())
      expect(known).toEqual(new Map([...tables].map(({ spec }) => [keyOf(spec), stateOf(spec)])))
    }
    expect(known.size).toBeGreaterThan(0)
  },
)
