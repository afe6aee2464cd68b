// Where a switch chooses among buckets, links and ports: the same bytes of OpenFlow and the same flows for a real Open vSwitch and
// for ours. What is chosen by a published hash is the same thing on both; what is left to the datapath is spread as the weights say,
// and stays where it is.
// Every case is drawn from its own seed; to repeat one,
//
//   npx vitest run --project peers tests/peers/choices-differential.test.ts -t '(seed 17)'

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Action, Message, SelectionMethod } from '../../protocols/control/messages.ts'
import { decodeOpenFlow, encodeOpenFlow } from '../../protocols/openflow/codec.ts'
import type { Random } from '../../runtime/random.ts'
import { seeded } from '../../runtime/random.ts'
import { chance, pick } from '../support/random-flows.ts'
import { seeds } from '../support/seeds.ts'
import * as cases from './support/choice-cases.ts'
import { ENTRANCE, EXITS } from './support/choice-cases.ts'
import type { Answer, Sides } from './support/openflow-sides.ts'
import { OpenFlowSides, text, told } from './support/openflow-sides.ts'
import { ovsInstalled } from './support/ovs.ts'

const TO_CONTROLLER: Action = { type: 'controller', maxLength: 0xffff }
const TO_GROUP: Action = { type: 'group', group: 1 }

describe.runIf(ovsInstalled())('choices beside Open vSwitch', () => {
  let sides: OpenFlowSides
  beforeAll(async () => {
    sides = await OpenFlowSides.start(ENTRANCE)
  })
  afterAll(() => sides.stop())
  beforeEach(() => sides.reset())

  // ---- the same on both ----

  test.each(seeds(60))('links and members of bundles are the same (seed %i)', async (seed) => {
    const random = seeded(seed)
    const apply: Action[] = [
      cases.randomMultipath(random, 'reg0'),
      cases.randomMultipath(random, 'reg1'),
      cases.randomMultipath(random, 'reg2'),
      cases.randomBundle(random, 'reg3'),
      cases.randomBundle(random),
      TO_CONTROLLER,
    ]
    await tell(cases.flowFor(apply))
    expect(await sameWhileLinksChange(random, 12)).toBe(12)
  })

  test.each(seeds(60))('groups in groups take the same buckets, and count the same (seed %i)', async (seed) => {
    const random = seeded(seed)
    const groups = cases.randomGroups(random, 5)
    await sides.changeGroups(groups)
    const numbered: Action = { type: 'set_field', field: 'reg1', value: BigInt(seed) }
    await tell(cases.flowFor([numbered, { type: 'group', group: groups.length }]))
    await sameWhileLinksChange(random, 12)
    const counted = await ask({ type: 'groupStatisticsRequest' })
    expect(counts(counted.ours)).toEqual(counts(counted.theirs))
  })

  // ---- weights ----

  test.each(seeds(6))('flows are spread as the weights say (seed %i)', async (seed) => {
    const random = seeded(seed)
    const weights: number[] = Array.from({ length: 1 + random.below(8) }, () => pick(random, [0, 1, 1, 2, 3, 5]))
    if (!weights.some((weight) => weight > 0)) weights[0] = 1
    await sides.changeGroups([cases.selectGroup(cases.bucketsOf(weights), anyHash(random))])
    await tell(cases.flowFor([TO_GROUP]))
    const { ours, theirs } = await chosenFor(flowsOf(random, 400))
    expect(wrongShares(ours, weights, 0)).toEqual([])
    expect(wrongShares(theirs, weights, COARSENESS)).toEqual([])
  })

  test.each(seeds(6))('a flow stays where it is (seed %i)', async (seed) => {
    const random = seeded(seed)
    const method = chance(random, 0.5) ? cases.randomSelection(random) : anyHash(random)
    const group = cases.selectGroup(cases.bucketsOf([1, 1, 1, 1, 1, 1]), method)
    await sides.changeGroups([group])
    await tell(cases.flowFor([TO_GROUP]))
    const flows = flowsOf(random, 60)
    const before = await chosenFor(flows)
    await tell(cases.flowFor([], 3), cases.selectGroup(cases.bucketsOf([1]), undefined, 2))
    expect(await chosenFor(flows)).toEqual(before)
    await sides.changeGroups([{ ...group, command: 'remove_bucket', buckets: [], bucket: 2 }])
    const after = await chosenFor(flows)
    const stayed = (chosen: number[], then: number[]) => chosen.filter((_, flow) => then[flow] !== EXITS[2])
    expect(stayed(after.ours, before.ours)).toEqual(stayed(before.ours, before.ours))
    expect(after.ours).not.toContain(EXITS[2])
    // By the datapath's hash, Open vSwitch moves others too.
    const isByFields = method?.method === 'hash'
    expect(
      !isByFields || text(stayed(after.theirs, before.theirs)) === text(stayed(before.theirs, before.theirs)),
    ).toBe(true)
  })

  // ---- asking ----

  const ask = (...messages: Message[]) =>
    sides.ask(messages.flatMap((message, index) => encodeOpenFlow({ xid: 100 + index, message })))

  async function tell(...messages: Message[]): Promise<void> {
    const { ours, theirs } = await ask(...messages)
    expect(ours.messages.map(told)).toEqual(theirs.messages.map(told))
    expect(theirs.messages).toEqual([])
  }

  /** How many frames went the same way; links that went down are up again at the end. */
  async function sameWhileLinksChange(random: Random, frames: number): Promise<number> {
    const down = new Set<number>()
    let same = 0
    for (let index = 0; index < frames; index++) {
      if (chance(random, 0.4)) await changeOne(pick(random, EXITS), down)
      const { ours, theirs } = await sides.receive(cases.frameOfFlow(random), ENTRANCE)
      expect(said(ours, down), `with ${[...down].join(', ')} down`).toEqual(said(theirs, down))
      same++
    }
    for (const port of down) await sides.setLink(port, true)
    return same
  }

  async function changeOne(port: number, down: Set<number>): Promise<void> {
    const isUp = down.delete(port)
    if (!isUp) down.add(port)
    await sides.setLink(port, isUp)
  }

  /** The port by which each flow leaves; 0 for none. */
  async function chosenFor(flows: readonly Uint8Array[]): Promise<Sides<number[]>> {
    const chosen: Sides<number[]> = { ours: [], theirs: [] }
    for (const flow of flows) {
      const { ours, theirs } = await sides.receive(flow, ENTRANCE)
      chosen.ours.push(leftBy(ours))
      chosen.theirs.push(leftBy(theirs))
    }
    return chosen
  }
})

/** A dummy port of Open vSwitch's sends even where it is down. */
const said = ({ messages, copies }: Answer, down: ReadonlySet<number>): string[] => [
  ...messages.map(told),
  ...copies.filter((copy) => !down.has(Number.parseInt(copy))),
]
const leftBy = ({ copies }: Answer): number => (copies.length === 0 ? 0 : Number.parseInt(copies[0]!))
const flowsOf = (random: Random, count: number) => Array.from({ length: count }, () => cases.frameOfFlow(random))

/** One that Open vSwitch leaves to its datapath. */
const anyHash = (random: Random): SelectionMethod | undefined =>
  chance(random, 0.5)
    ? undefined
    : { method: 'dp_hash', parameter: (BigInt(random.below(2)) << 32n) | BigInt(random.below(2 ** 32)), fields: [] }

/** What groups and buckets have counted. */
const counts = ({ messages }: Answer) =>
  messages.flatMap((bytes) => {
    const { message } = decodeOpenFlow(bytes)
    if (message.type !== 'groupStatisticsReply') throw new Error(told(bytes))
    return message.groups
      .map(({ group, packets, bytes: octets, buckets }) => ({ group, packets, octets, buckets }))
      .sort((a, b) => a.group - b.group)
  })

/** Open vSwitch deals 16 hashes, or more where there are many buckets, out to buckets: a share is off by half of that. */
const COARSENESS = 1 / 32
/** Once in 100,000 groups of flows, chance goes further. */
const DEVIATIONS = 4.9

/** Of flows, what is not its weight's share of them, within what chance and `coarseness` allow: which bucket has how many. */
function wrongShares(chosen: readonly number[], weights: readonly number[], coarseness: number): string[] {
  const sum = weights.reduce((total, weight) => total + weight, 0)
  const lost = chosen.filter((port) => port === 0).map(() => 'lost')
  const wrong = weights.flatMap((weight, index) => {
    const share = weight / sum
    const count = chosen.filter((port) => port === EXITS[index]).length
    const deviation = Math.sqrt(chosen.length * share * (1 - share))
    const allowed = weight === 0 ? 0 : DEVIATIONS * deviation + coarseness * chosen.length
    return Math.abs(count - share * chosen.length) <= allowed ? [] : [`bucket ${index} of ${weights.join()}: ${count}`]
  })
  return [...lost, ...wrong]
}
