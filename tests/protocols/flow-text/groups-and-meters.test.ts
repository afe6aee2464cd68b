import { describe, expect, test } from 'vitest'
import type { Bucket, GroupSpec, MeterBand, MeterSpec } from '../../../protocols/control/messages.ts'
import { GROUP_TYPES } from '../../../protocols/control/messages.ts'
import type { FieldName } from '../../../protocols/fields.ts'
import { FIELDS, fieldOf } from '../../../protocols/fields.ts'
import { printMeter } from '../../../protocols/flow-text/meters.ts'
import { parseGroupMod, parseMeterMod } from '../../../protocols/flow-text/parse.ts'
import { printGroup } from '../../../protocols/flow-text/print-groups.ts'
import type { FieldMatch } from '../../../protocols/match.ts'
import type { Random } from '../../../runtime/random.ts'
import { seeded } from '../../../runtime/random.ts'
import { chance, inOrder, pick, randomActions, randomBits } from '../../support/random-flows.ts'

describe('what was printed parses to the same', () => {
  test.each([1, 2, 3])('group (seed %i)', (seed) => {
    const random = seeded(seed)
    for (let i = 0; i < 500; i++) {
      const group = randomGroup(random)
      expect(parseGroupMod(printGroup(group))).toEqual({ type: 'groupMod', command: 'add', ...group })
    }
  })

  test.each([1, 2, 3])('meter (seed %i)', (seed) => {
    const random = seeded(seed)
    for (let i = 0; i < 500; i++) {
      const meter = randomMeter(random)
      expect(parseMeterMod(printMeter(meter))).toEqual({ type: 'meterMod', command: 'add', ...meter })
    }
  })
})

function randomGroup(random: Random): GroupSpec {
  const groupType = pick(random, GROUP_TYPES)
  const count = groupType === 'indirect' ? 1 : random.below(5)
  const numbered = chance(random, 0.5)
  const buckets = Array.from({ length: count }, (_, index): Bucket => ({
    ...(numbered && { id: index * 3 }),
    ...(groupType === 'select' && chance(random, 0.5) && { weight: 2 + random.below(0xfffe) }),
    ...(groupType === 'fast_failover' &&
      (chance(random, 0.5) ? { watchPort: 1 + random.below(9) } : { watchGroup: 7 })),
    actions: randomActions(random, [], 3),
  }))
  const selection = chance(random, 0.5) ? ('hash' as const) : ('dp_hash' as const)
  return {
    group: random.below(0xffffff00),
    groupType,
    // A bucket's match is not known: whatever an action needs, the flows that send to the group have.
    buckets,
    ...(groupType === 'select' &&
      chance(random, 0.7) && {
        selection: {
          method: selection,
          parameter: chance(random, 0.5) ? 0n : randomBits(random, 64),
          fields: selection === 'hash' ? randomHashFields(random) : [],
        },
      }),
  }
}

/** Fields whose masks every format can write. */
const HASHED: readonly FieldName[] = FIELDS.map(({ name }) => name).filter(
  (name) => !/frag|flags|state|port|output/.test(name),
)

function randomHashFields(random: Random): FieldMatch[] {
  const names = new Set(Array.from({ length: random.below(4) }, () => pick(random, HASHED)))
  return [
    ...inOrder(
      [...names].map((field): FieldMatch => {
        const { bits, ones } = fieldOf(field)
        return { field, value: chance(random, 0.5) ? ones : randomBits(random, bits) }
      }),
    ),
  ]
}

function randomMeter(random: Random): MeterSpec {
  const unit = chance(random, 0.5) ? ('packets' as const) : undefined
  const scale = unit === undefined ? 1000n : 1n
  const burst = chance(random, 0.5)
  const flags = { ...(burst && { burst: true }), ...(chance(random, 0.5) && { stats: true }) }
  const bands = Array.from({ length: 1 + random.below(3) }, (): MeterBand => {
    const remark = chance(random, 0.5)
    return {
      type: remark ? 'dscp_remark' : 'drop',
      rate: BigInt(1 + random.below(0xffffffff)) * scale,
      burst: burst ? BigInt(1 + random.below(0xffffffff)) * scale : 0n,
      ...(remark && { precedence: random.below(256) }),
    }
  })
  return {
    meter: 1 + random.below(0xffff0000),
    ...(unit && { unit }),
    ...(Object.keys(flags).length > 0 && { flags }),
    bands,
  }
}

test('a group says what ovs-ofctl says', () => {
  const text =
    'group_id=1,type=select,selection_method=hash,fields(ip_src,tcp_dst=0xff),bucket=weight:10,watch_port:1,bucket_id:2,actions=output:1'
  expect(parseGroupMod(text)).toEqual({
    type: 'groupMod',
    command: 'add',
    group: 1,
    groupType: 'select',
    buckets: [{ id: 2, weight: 10, watchPort: 1, actions: [{ type: 'output', port: 1 }] }],
    selection: {
      method: 'hash',
      parameter: 0n,
      fields: [
        { field: 'nw_src', value: 0xffffffffn },
        { field: 'tcp_dst', value: 0xffn },
      ],
    },
  })
})

test('a line may begin with a command', () => {
  expect(parseGroupMod('delete')).toMatchObject({ command: 'delete', group: 0xfffffffc })
  expect(parseGroupMod('delete group_id=3')).toMatchObject({ command: 'delete', group: 3 })
  expect(parseGroupMod('add_or_mod group_id=3,type=all')).toMatchObject({ command: 'add_or_modify' })
  expect(parseGroupMod('insert_bucket group_id=3,command_bucket_id=first,bucket=1')).toMatchObject({
    command: 'insert_bucket',
    bucket: 'first',
  })
  expect(parseGroupMod('group_id=3,command_bucket_id=all', { command: 'remove_bucket' })).toMatchObject({
    bucket: 'all',
  })
  expect(parseMeterMod('delete meter=5')).toMatchObject({ command: 'delete', meter: 5 })
  expect(parseMeterMod('', { command: 'delete' })).toMatchObject({ command: 'delete', meter: 0xffffffff })
})

test('a meter in text counts thousands of bits', () => {
  const { bands } = parseMeterMod('meter=1,kbps,burst,bands=type=dscp_remark,rate=2,burst_size=3,prec_level=1')
  expect(bands).toEqual([{ type: 'dscp_remark', rate: 2000n, burst: 3000n, precedence: 1 }])
})

describe('says what is wrong, and where', () => {
  test.each([
    ['group_id=1,typ=all', 12, /unknown keyword 'typ'.*did you mean 'type'/],
    ['group_id=1,type=fisrt', 17, /unknown type of group/],
    ['group_id=1,type=all,bucket=', 28, /bucket is empty/],
    ['group_id=1,type=all,bucket=ouptut:1', 28, /unknown action 'ouptut'/],
    ['group_id=1,type=select,bucket=weight:70000,1', 38, /out of range/],
    ['group_id=1,type=all,command_bucket_id=1', 39, /of no use/],
    ['remove_bucket group_id=1', 14, /which bucket/],
    ['insert_bucket group_id=1,type=all,command_bucket_id=1', 14, /takes no type/],
  ])('group %s', (text, column, problem) => {
    expect(() => parseGroupMod(text)).toThrow(problem)
    expect(() => parseGroupMod(text)).toThrow(expect.objectContaining({ name: 'FlowSyntaxError', column }))
  })

  test.each([
    ['meter=1,kbp,bands=type=drop,rate=1', 9, /unknown keyword 'kbp'.*did you mean 'kbps'/],
    ['meter=1,kbps,bands=type=dorp,rate=1', 25, /unknown type of band/],
    ['meter=1,kbps,bands=type=drop,rate=0', 20, /no rate/],
    ['delete meter=1,bands=type=drop,rate=1', 15, /takes no bands/],
  ])('meter %s', (text, column, problem) => {
    expect(() => parseMeterMod(text)).toThrow(problem)
    expect(() => parseMeterMod(text)).toThrow(expect.objectContaining({ name: 'FlowSyntaxError', column }))
  })
})
