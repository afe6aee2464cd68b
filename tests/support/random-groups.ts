// Groups and meters by chance, of every type.

import type {
  Bucket,
  GroupMod,
  GroupSpec,
  GroupStatistics,
  MeterBand,
  MeterSpec,
  MeterStatistics,
  SelectionMethod,
} from '../../protocols/control/messages.ts'
import { GROUP_COMMANDS, GROUP_TYPES } from '../../protocols/control/messages.ts'
import type { FieldName } from '../../protocols/fields.ts'
import { fieldOf } from '../../protocols/fields.ts'
import type { FieldMatch } from '../../protocols/match.ts'
import type { Random } from '../../runtime/random.ts'
import type { RandomFlowOptions } from './random-flows.ts'
import { chance, inOrder, pick, PORTS, randomActions, randomBits } from './random-flows.ts'

/** Buckets fit the type, and what the actions need is not checked: a group has no match. */
export function randomGroup(random: Random, options: RandomFlowOptions = {}): GroupSpec {
  const groupType = pick(random, GROUP_TYPES)
  const count = groupType === 'indirect' ? 1 : random.below(5)
  const numbered = chance(random, 0.5)
  return {
    group: random.below(0xffffff00),
    groupType,
    buckets: Array.from({ length: count }, (_, index) => ({
      ...(numbered && { id: 10 * index + random.below(10) }),
      ...randomBucket(random, groupType, options),
    })),
    ...(groupType === 'select' && chance(random, 0.5) && { selection: randomSelection(random) }),
  }
}

function randomBucket(random: Random, groupType: GroupSpec['groupType'], options: RandomFlowOptions): Bucket {
  const actions = randomActions(random, [], 3, options).filter(({ type }) => type !== 'conjunction')
  if (groupType === 'select') return { ...(chance(random, 0.7) && { weight: random.below(0x10000) }), actions }
  if (groupType !== 'fast_failover') return { actions }
  return chance(random, 0.7)
    ? { watchPort: pick(random, options.ports ?? PORTS), actions }
    : { watchGroup: pick(random, options.groups ?? [1, 2, 3, 4]), actions }
}

function randomSelection(random: Random): SelectionMethod {
  const method = pick(random, ['hash', 'dp_hash'] as const)
  return { method, parameter: randomBits(random, 64), fields: method === 'hash' ? randomHashFields(random) : [] }
}

/** Bits that the hash goes by: the value is the mask. */
function randomHashFields(random: Random): FieldMatch[] {
  const fields: FieldMatch[] = []
  const add = (name: FieldName) => {
    const { ones, maskable } = fieldOf(name)
    fields.push({ field: name, value: maskable && chance(random, 0.3) ? randomBits(random, 16) | 1n : ones })
  }
  if (chance(random, 0.5)) add('eth_src')
  if (chance(random, 0.5)) add('eth_dst')
  return [...inOrder(fields)]
}

export function randomGroupMod(random: Random, options: RandomFlowOptions = {}): GroupMod {
  const command = pick(random, GROUP_COMMANDS)
  const group = randomGroup(random, options)
  const bucket = () => (chance(random, 0.5) ? random.below(100) : undefined)
  switch (command) {
    case 'insert_bucket':
      return { type: 'groupMod', command, ...group, bucket: bucket() ?? pick(random, ['first', 'last']) }
    case 'remove_bucket':
      return {
        type: 'groupMod',
        command,
        ...group,
        buckets: [],
        bucket: bucket() ?? pick(random, ['first', 'last', 'all']),
      }
    default:
      return { type: 'groupMod', command, ...group }
  }
}

const randomCounters = (random: Random) => ({ packets: randomBits(random, 64), bytes: randomBits(random, 64) })

const upTo = <T>(random: Random, most: number, make: () => T): T[] =>
  Array.from({ length: random.below(most + 1) }, make)

export const randomGroupStatistics = (random: Random): GroupStatistics => ({
  group: random.below(0xffffff00),
  references: random.below(100),
  ...randomCounters(random),
  duration: randomBits(random, 60),
  buckets: upTo(random, 3, () => randomCounters(random)),
})

/** In bits or in packets. Rates and bursts in bits are whole kilobits, as the OpenFlow wire counts. */
export function randomMeter(random: Random): MeterSpec {
  const unit = pick(random, [undefined, 'bits', 'packets'] as const)
  const scale = unit === 'packets' ? 1n : 1000n
  const flags = {
    ...(chance(random, 0.5) && { burst: true }),
    ...(chance(random, 0.5) && { stats: true }),
  }
  return {
    meter: 1 + random.below(1000),
    ...(unit !== undefined && { unit }),
    ...(Object.keys(flags).length > 0 && { flags }),
    bands: upTo(random, 3, () => randomBand(random, scale)),
  }
}

function randomBand(random: Random, scale: bigint): MeterBand {
  const amounts = { rate: randomBits(random, 32) * scale, burst: randomBits(random, 32) * scale }
  if (chance(random, 0.6)) return { type: 'drop', ...amounts }
  return chance(random, 0.5)
    ? { type: 'dscp_remark', ...amounts, precedence: random.below(4) }
    : { type: 'dscp_remark', ...amounts, dscp: random.below(64) }
}

export const randomMeterStatistics = (random: Random): MeterStatistics => ({
  meter: 1 + random.below(1000),
  flows: random.below(100),
  ...randomCounters(random),
  duration: randomBits(random, 60),
  bands: upTo(random, 3, () => randomCounters(random)),
})
