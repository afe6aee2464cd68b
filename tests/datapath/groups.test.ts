import { describe, expect, test } from 'vitest'
import { GroupTable } from '../../datapath/groups.ts'
import type { Bucket, GroupMod } from '../../protocols/control/messages.ts'
import { GROUP_COMMANDS, GROUP_TYPES, ReservedGroup } from '../../protocols/control/messages.ts'
import { Refused } from '../../protocols/control/refused.ts'
import { seeded } from '../../runtime/random.ts'
import { oneOf } from '../support/frames.ts'

const mod = (change: Partial<GroupMod>): GroupMod => ({
  type: 'groupMod',
  command: 'add',
  group: 1,
  groupType: 'all',
  buckets: [],
  ...change,
})
const to = (port: number, more: Partial<Bucket> = {}): Bucket => ({ actions: [{ type: 'output', port }], ...more })
const chained = (group: number): Bucket => ({ actions: [{ type: 'group', group }] })
const checks = { now: 5, checkActions: () => {} }
const codeOf = (table: GroupTable, change: Partial<GroupMod>): string | undefined => {
  try {
    table.apply(mod(change), checks)
    return undefined
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    return error.code
  }
}
const ids = (table: GroupTable, group = 1) => table.get(group)?.buckets.map(({ spec }) => spec.id)

describe('a group is refused', () => {
  test.each<[string, Partial<GroupMod>, string]>([
    ['twice', { group: 7 }, 'OFPGMFC_GROUP_EXISTS'],
    ['with a reserved number', { group: ReservedGroup.All }, 'OFPGMFC_INVALID_GROUP'],
    ['changed before it is there', { command: 'modify', group: 8 }, 'OFPGMFC_UNKNOWN_GROUP'],
    ['indirect with two buckets', { groupType: 'indirect', buckets: [to(1), to(2)] }, 'OFPGMFC_INVALID_GROUP'],
    ['indirect without a bucket', { groupType: 'indirect' }, 'OFPGMFC_INVALID_GROUP'],
    ['fast failover that watches nothing', { groupType: 'fast_failover', buckets: [to(1)] }, 'OFPGMFC_INVALID_GROUP'],
    ['all that watches', { buckets: [to(1, { watchPort: 1 })] }, 'OFPGMFC_WATCH_UNSUPPORTED'],
    ['all with weights', { buckets: [to(1, { weight: 2 })] }, 'OFPGMFC_INVALID_GROUP'],
    ['with a bucket number twice', { buckets: [to(1, { id: 3 }), to(2, { id: 3 })] }, 'OFPGMFC_BUCKET_EXISTS'],
    ['chained to itself', { buckets: [chained(1)] }, 'OFPGMFC_LOOP'],
    ['inserted behind no bucket', { command: 'insert_bucket', group: 7, bucket: 9 }, 'OFPGMFC_UNKNOWN_BUCKET'],
    ['with buckets to remove', { command: 'remove_bucket', group: 7, buckets: [to(1)] }, 'OFPGMFC_BAD_BUCKET'],
  ])('%s', (_name, change, code) => {
    const table = new GroupTable()
    table.apply(mod({ group: 7, groupType: 'select', buckets: [to(1)] }), checks)
    expect(codeOf(table, change)).toBe(code)
    expect(table.descriptions(undefined)).toHaveLength(1)
    expect(ids(table, 7)).toEqual([0])
  })

  test('chained to one that leads back', () => {
    const table = new GroupTable()
    for (const group of [3, 2, 1]) table.apply(mod({ group, buckets: group === 3 ? [] : [chained(group + 1)] }), checks)
    expect(codeOf(table, { command: 'modify', group: 3, buckets: [to(1), chained(1)] })).toBe('OFPGMFC_LOOP')
    expect(codeOf(table, { command: 'modify', group: 3, buckets: [chained(4)] })).toBeUndefined()
  })
})

describe('buckets', () => {
  test('get the lowest free numbers, and are put in and taken out by them', () => {
    const table = new GroupTable()
    table.apply(mod({ buckets: [to(1, { id: 1 }), to(2), to(3)] }), checks)
    expect(ids(table)).toEqual([1, 0, 2])
    table.apply(mod({ command: 'insert_bucket', bucket: 1, buckets: [to(4, { id: 9 })] }), checks)
    table.apply(mod({ command: 'insert_bucket', bucket: 'first', buckets: [to(5, { id: 7 })] }), checks)
    expect(ids(table)).toEqual([7, 1, 9, 0, 2])
    table.apply(mod({ command: 'remove_bucket', bucket: 9 }), checks)
    table.apply(mod({ command: 'remove_bucket', bucket: 'last' }), checks)
    expect(ids(table)).toEqual([7, 1, 0])
    table.apply(mod({ command: 'remove_bucket', bucket: 'all' }), checks)
    expect(ids(table)).toEqual([])
  })

  test('keep what they counted while others come and go', () => {
    const table = new GroupTable()
    table.apply(mod({ buckets: [to(1), to(2)] }), checks)
    table.get(1)!.buckets[1]!.packets = 5
    table.apply(mod({ command: 'remove_bucket', bucket: 'first' }), checks)
    expect(table.statistics(1, 9, () => 2)).toMatchObject([{ references: 2, duration: 4n, buckets: [{ packets: 5n }] }])
  })
})

test.each([1, 2, 3])('what is undone was never there (seed %i)', (seed) => {
  const random = seeded(seed)
  const table = new GroupTable()
  let changed = 0
  for (let round = 0; round < 500; round++) {
    const before = table.descriptions(undefined)
    const change = mod({
      command: oneOf(random, GROUP_COMMANDS),
      group: random.below(8) === 0 ? ReservedGroup.All : random.below(4),
      groupType: oneOf(random, GROUP_TYPES),
      buckets: Array.from({ length: random.below(3) }, () =>
        random.below(2) === 0 ? to(1) : chained(random.below(4)),
      ),
    })
    try {
      const undo = table.apply(change, checks)
      changed++
      if (random.below(2) === 0) continue
      undo()
    } catch (error) {
      if (!(error instanceof Refused)) throw error
    }
    expect(table.descriptions(undefined)).toEqual(before)
  }
  expect(changed).toBeGreaterThan(50)
})
