// Messages that something has happened to on the way, for a real Open vSwitch and for ours: the same are refused, by the same error.
// Every case is drawn from its own seed; to repeat one,
//
//   npx vitest run --project peers tests/peers/errors-differential.test.ts -t '(seed 17)'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { encodeOpenFlow } from '../../protocols/openflow/codec.ts'
import type { Random } from '../../runtime/random.ts'
import { seeded } from '../../runtime/random.ts'
import { chance, pick } from '../support/random-flows.ts'
import { OpenFlowSides, told } from './support/openflow-sides.ts'
import { ovsInstalled } from './support/ovs.ts'
import { PORTS } from './support/switch-cases.ts'
import { wireCase } from './support/wire-cases.ts'

const FIRST = Number(process.env['FIRST_SEED'] ?? 1)
const seeds = (count: number) => Array.from({ length: count }, (_, index) => FIRST + index)

const HEADER = 8
const ERROR = 1

describe.runIf(ovsInstalled())('damaged messages beside Open vSwitch', () => {
  let sides: OpenFlowSides
  beforeAll(async () => {
    sides = await OpenFlowSides.start(PORTS.length)
  })
  afterAll(() => sides.stop())

  test.each(seeds(Number(process.env['CASES'] ?? 400)))('are refused by the same error (seed %i)', async (seed) => {
    const random = seeded(seed)
    await sides.reset()
    const whole = wireCase(random).messages.flatMap((message, index) => encodeOpenFlow({ xid: 100 + index, message }))
    const messages = whole.map((bytes) => damaged(random, bytes))
    const { ours, theirs } = await sides.ask(messages)
    const asked = messages.map((bytes) => Buffer.from(bytes).toString('hex')).join('\n')
    expect(differing(ours.messages, theirs.messages), asked).toEqual([])
  })
})

/**
 * What ours names, and what Open vSwitch names: of several faults of one message each finds its own first, and of what only Open
 * vSwitch has (its tunnel metadata, an action for its own tests) ours knows nothing. docs/openflow.md has the reasons.
 */
const EXPECTED: ReadonlySet<string> = new Set([
  'OFPBAC_BAD_OUT_GROUP / nothing',
  'OFPBAC_BAD_OUT_GROUP / OFPBIC_BAD_TABLE_ID',
  'OFPBIC_BAD_TABLE_ID / nothing',
  'OFPBMC_BAD_FIELD / 37 of 0x2320',
  'OFPBAC_BAD_EXP_TYPE / nothing',
  'OFPBAC_BAD_SET_LEN / nothing',
  'OFPBAC_BAD_ARGUMENT / nothing',
  'OFPBMC_BAD_FIELD / nothing',
  'OFPBAC_BAD_SET_TYPE / 37 of 0x2320',
  'OFPBAC_BAD_EXP_TYPE / OFPBAC_BAD_LEN',
  'OFPBAC_BAD_EXP_TYPE / 15 of 0x2320',
  'OFPBAC_BAD_EXP_TYPE / OFPBAC_MATCH_INCONSISTENT',
  'OFPBAC_BAD_TYPE / OFPBAC_BAD_LEN',
  'OFPBAC_BAD_SET_TYPE / OFPBAC_BAD_SET_LEN',
  'OFPBAC_BAD_SET_LEN / OFPBAC_BAD_SET_TYPE',
  'OFPBAC_BAD_ARGUMENT / 11 of 0x2320',
  'OFPBAC_BAD_ARGUMENT / OFPBAC_MATCH_INCONSISTENT',
  'OFPBMC_BAD_TYPE / OFPBMC_BAD_LEN',
  'OFPBRC_BUFFER_UNKNOWN / OFPBAC_MATCH_INCONSISTENT',
])

/** Messages to which the two say different things, but for what is expected. */
function differing(ours: readonly Uint8Array[], theirs: readonly Uint8Array[]): string[] {
  const [mine, other] = [ours, theirs].map(errorsByMessage) as [Map<string, string>, Map<string, string>]
  return [...new Set([...mine.keys(), ...other.keys()])].flatMap((xid) => {
    const pair = `${mine.get(xid) ?? 'nothing'} / ${other.get(xid) ?? 'nothing'}`
    return mine.get(xid) === other.get(xid) || EXPECTED.has(pair) ? [] : [`${xid}: ${pair}`]
  })
}

const errorsByMessage = (said: readonly Uint8Array[]) =>
  new Map(said.filter((bytes) => bytes[1] === ERROR).map((bytes) => told(bytes).split(': error ') as [string, string]))

/** One byte behind the header is another. */
function damaged(random: Random, bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice()
  if (copy.length === HEADER || chance(random, 0.3)) return copy
  const at = HEADER + random.below(copy.length - HEADER)
  copy[at] = pick(random, [0, 0xff, copy[at]! ^ (1 << random.below(8)), random.below(256)])
  return copy
}
