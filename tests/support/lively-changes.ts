// Changes by chance that random frames (random-frames.ts) will meet: flows, groups and meters that use each other.

import type { Action, BundledMessage } from '../../protocols/control/messages.ts'
import type { Match } from '../../protocols/match.ts'
import type { Random } from '../../runtime/random.ts'
import type { RandomFlowOptions } from './random-flows.ts'
import { randomActions, randomWrittenActions } from './random-actions.ts'
import { chance, pick } from './random-flows.ts'
import { damagedFrame, randomFrame } from './random-frames.ts'
import { randomGroup, randomMeter } from './random-groups.ts'
import { keyOf, matchMetBy } from './random-keys.ts'
import { flowMod } from './test-tables.ts'

const GROUPS = [1, 2, 3, 4, 5]
const METERS = 3
const TABLES = 3
const PORTS = [1, 2, 3, 4, 5, 6, 7]
export const LIVELY: RandomFlowOptions = {
  fields: 'all',
  actions: 'all',
  tables: TABLES,
  ports: PORTS,
  groups: GROUPS,
}
/** Half of all flows do what sends a frame on its way again. */
const ROUND_ABOUT: RandomFlowOptions = {
  ...LIVELY,
  actions: new Set([
    'resubmit',
    'clone',
    'group',
    'ct',
    'learn',
    'output',
    'check_pkt_larger',
    'pop_mpls',
    'set_field',
    'stack_push',
  ]),
}

/** Many of them are refused: groups that are not there, actions that do not fit. */
export function livelyChange(random: Random): BundledMessage {
  switch (random.below(8)) {
    case 0:
      return livelyGroup(random)
    case 1: {
      const meter = { ...randomMeter(random), meter: 1 + random.below(METERS) }
      return { type: 'meterMod', command: pick(random, ['add', 'modify', 'delete']), ...meter }
    }
    default:
      return livelyFlow(random)
  }
}

/** Buckets send to other groups, too: also to this one, also in rings. */
function livelyGroup(random: Random): BundledMessage {
  const spec = randomGroup(random, LIVELY)
  const buckets = spec.buckets.map((bucket) => ({
    ...bucket,
    actions: chance(random, 0.3)
      ? [toGroup(random)]
      : randomActions(random, [], 3, pick(random, [LIVELY, ROUND_ABOUT])),
  }))
  const command = pick(random, ['add', 'modify', 'add_or_modify', 'add_or_modify', 'delete'] as const)
  return { type: 'groupMod', command, ...spec, buckets, group: pick(random, GROUPS) }
}

function livelyFlow(random: Random): BundledMessage {
  const bytes = chance(random, 0.8) ? randomFrame(random) : damagedFrame(random)
  const match: Match = chance(random, 0.3) ? [] : matchMetBy(random, keyOf(bytes, pick(random, PORTS)), 0.03)
  const options = pick(random, [LIVELY, ROUND_ABOUT])
  const actions = randomActions(random, match, 6, options).filter(({ type }) => type !== 'conjunction')
  const last: Action = chance(random, 0.3) ? toGroup(random) : { type: 'output', port: pick(random, PORTS) }
  const apply = chance(random, 0.7) ? [...actions, last] : actions
  const table = random.below(TABLES)
  return flowMod({
    table,
    match,
    // The more a flow asks, the sooner it is asked: those without a match leave room for others.
    priority: match.length * 1000 + random.below(1000),
    instructions: {
      apply,
      clear: chance(random, 0.05),
      write: chance(random, 0.15) ? randomWrittenActions(random, match, 3, LIVELY) : [],
      ...(chance(random, 0.1) && { meter: 1 + random.below(METERS) }),
      ...(chance(random, 0.2) && table < TABLES - 1 && { gotoTable: TABLES - 1 }),
    },
  })
}

const toGroup = (random: Random): Action => ({ type: 'group', group: pick(random, GROUPS) })
