// Flows by chance: every field and every action comes up where it is asked for (random-matches.ts, random-actions.ts).

import type { FlowFilter, FlowMod, FlowSpec, FlowStatistics, Instructions } from '../../protocols/control/messages.ts'
import { fieldOf } from '../../protocols/fields.ts'
import type { Match } from '../../protocols/match.ts'
import type { Random } from '../../runtime/random.ts'
import { isDetailed, randomActions, randomWrittenActions } from './random-actions.ts'
import type { RandomFlowOptions } from './random-matches.ts'
import { chance, pick, randomBits, randomMatch } from './random-matches.ts'

export { BASIC_ACTIONS, randomActions } from './random-actions.ts'
export * from './random-matches.ts'

/** A flow with a match, a priority, timeouts, flags and instructions of every kind. */
export function randomFlow(random: Random, options: RandomFlowOptions = {}): FlowSpec {
  const table = random.below(options.tables ?? 254)
  const match = randomMatch(random, options)
  return {
    table,
    priority: chance(random, 0.3) ? 32768 : random.below(0x10000),
    match,
    cookie: chance(random, 0.5) ? 0n : randomBits(random, 64),
    idleTimeout: chance(random, 0.7) ? 0 : random.below(0x10000),
    hardTimeout: chance(random, 0.7) ? 0 : random.below(0x10000),
    flags: randomFlags(random, options),
    ...(isDetailed(options) && chance(random, 0.2) && { importance: 1 + random.below(0xffff) }),
    instructions: randomInstructions(random, match, table, options),
  }
}

function randomFlags(random: Random, options: RandomFlowOptions): FlowSpec['flags'] {
  return {
    ...(chance(random, 0.1) && { sendFlowRemoved: true }),
    ...(chance(random, 0.1) && { checkOverlap: true }),
    ...(chance(random, 0.1) && { resetCounts: true }),
    ...(isDetailed(options) && chance(random, 0.1) && { noPacketCounts: true }),
    ...(isDetailed(options) && chance(random, 0.1) && { noByteCounts: true }),
  }
}

function randomInstructions(random: Random, match: Match, table: number, options: RandomFlowOptions): Instructions {
  const instructions: Instructions = { apply: randomActions(random, match, 4, options), clear: false, write: [] }
  const isClause = instructions.apply.some(({ type }) => type === 'conjunction')
  if (options.onlyApply || isClause) return instructions
  if (chance(random, 0.1)) instructions.meter = 1 + random.below(1000)
  if (chance(random, 0.1)) instructions.clear = true
  if (chance(random, 0.15)) instructions.write = randomWrittenActions(random, match, 3, options)
  if (chance(random, 0.1)) instructions.writeMetadata = randomMetadata(random)
  if (chance(random, 0.15) && table < 253) instructions.gotoTable = table + 1 + random.below(254 - table - 1)
  return instructions
}

function randomMetadata(random: Random): { value: bigint; mask: bigint } {
  const ones = fieldOf('metadata').ones
  const mask = chance(random, 0.5) ? ones : randomBits(random, 64) | 1n
  return { value: randomBits(random, 64) & mask, mask }
}

/** A flow as a switch reports it. */
export const randomStatistics = (random: Random, options: RandomFlowOptions = {}): FlowStatistics => ({
  ...randomFlow(random, options),
  duration: randomBits(random, 40),
  idleAge: randomBits(random, 40),
  packets: randomBits(random, 64),
  bytes: randomBits(random, 64),
})

/** Any change of flows; where details are wanted, with filters and a kept packet. */
export const randomFlowMod = (random: Random, options: RandomFlowOptions = {}): FlowMod => ({
  ...randomFlow(random, options),
  type: 'flowMod',
  command: pick(random, ['add', 'modify', 'modify-strict', 'delete', 'delete-strict']),
  cookieMask: randomBits(random, 64),
  ...(chance(random, 0.3) && { outPort: random.uint32() }),
  ...(isDetailed(options) && chance(random, 0.3) && { outGroup: random.uint32() }),
  ...(isDetailed(options) && chance(random, 0.2) && { bufferId: random.below(0xffffffff) }),
})

export const randomFilter = (random: Random, options: RandomFlowOptions = {}): FlowFilter => ({
  table: random.below(256),
  match: randomMatch(random, options),
  cookie: randomBits(random, 64),
  cookieMask: randomBits(random, 64),
  ...(chance(random, 0.3) && { outPort: random.below(100) }),
  ...(isDetailed(options) && chance(random, 0.3) && { outGroup: random.below(100) }),
})
