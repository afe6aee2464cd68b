// Trace equivalence where frames wait for the rate of who hears them. Moved or not, guests hear the same frames, those of each sender in the
// same order; never more at a time than the rate lets through; and no bit later than by the time for which guests have stood still. To try
// others, set FIRST_SEED and CASES.

import { expect, test } from 'vitest'
import { bitsBeyond } from '../../lab/explore/rates.ts'
import { MICROSECOND, MILLISECOND, SECOND, type Nanoseconds } from '../../runtime/clock.ts'
import { seeded, type Random } from '../../runtime/random.ts'
import { parseTopology } from '../../topologies/load.ts'
import type { Topology } from '../../topologies/topology.ts'
import { blueGuest, hostsOnOneSwitch } from '../support/blue-guests.ts'
import { oneOf } from '../support/frames.ts'
import { randomMoves, type Moves } from '../support/random-moves.ts'
import { heardOfEach, inOrder, playDatagrams, type Datagram, type Outcome } from '../support/timed-traffic.ts'
import { seeds } from '../support/seeds.ts'

const HOSTS = ['h1', 'h2', 'h3']
/** Fewer than a queue holds, so that all are heard. */
const DATAGRAMS = 300
const LARGEST = 1300
const LISTENER = 3

interface Plan {
  topology: Topology
  /** Of the listener: bits a second, and bits at once. */
  rate: number
  burst: number
  datagrams: Datagram[]
  moves: Moves[]
}

function randomPlan(random: Random): Plan {
  const [rate, burst] = [oneOf(random, [5, 10, 20]) * 1_000_000, 40_000 + random.below(100_000)]
  const topology = randomNetwork(random, { egressRate: `${rate}bps`, egressBurst: `${burst}b` })
  const datagrams = randomDatagrams(random)
  const during = { from: 0, to: datagrams.at(-1)!.at, longestPause: 4 * MILLISECOND }
  return { topology, rate, burst, datagrams, moves: randomMoves(random, topology, during) }
}

/** Two who speak, and one who listens. */
function randomNetwork(random: Random, ofListener: object): Topology {
  const home = () => oneOf(random, HOSTS)
  return parseTopology(
    JSON.stringify({
      version: 1,
      ...hostsOnOneSwitch(HOSTS),
      networks: [{ name: 'blue', type: oneOf(random, ['vlan', 'vxlan']), segment: 10 }],
      vms: [
        blueGuest('vm1', home(), 1, ['10.0.0.1'], {}),
        blueGuest('vm2', home(), 2, ['10.0.0.2'], {}),
        blueGuest('vm3', home(), LISTENER, ['10.0.0.3'], ofListener),
      ],
    }),
    'waiting.json',
  )
}

function randomDatagrams(random: Random): Datagram[] {
  let at = 0
  return Array.from({ length: DATAGRAMS }, () => {
    at += (20 + random.below(300)) * MICROSECOND
    return { at, from: 1 + random.below(2), to: LISTENER, payload: 20 + random.below(LARGEST - 20) }
  })
}

/** How many bits more the listener's ports have let out, wherever they were, than a bucket lets through, full at first. */
const excess = ({ passages }: Outcome, { rate, burst }: Plan): number =>
  bitsBeyond(
    [...passages.values()].map(({ letOutAt, bits }) => ({ at: letOutAt, bits })),
    rate,
    burst,
  )

/** Up to each instant at which something was heard: how many bits there were. */
function bitsOverTime(outcome: Outcome): { at: Nanoseconds; bits: number }[] {
  let sum = 0
  return inOrder(outcome).map(([, { heardAt, bits }]) => ({ at: heardAt, bits: (sum += bits) }))
}

/** How much later than in the one there were as many bits in the other, at most. */
function lateness(one: Outcome, other: Outcome): Nanoseconds {
  const later = bitsOverTime(other)
  const delays = bitsOverTime(one).map(({ at, bits }) => later.find((point) => point.bits >= bits)!.at - at)
  return Math.max(...delays)
}

const stoodStill = ({ migrations }: Outcome): Nanoseconds =>
  migrations.reduce((sum, { pausedAt = 0, resumedAt = pausedAt }) => sum + resumedAt - pausedAt, 0)

/** A frame, of the largest. */
const ONE_MORE = 8 * (LARGEST + 42)

const told = { moves: 0, late: 0, waited: 0 }
const SEEDS = seeds(3)

test.each(SEEDS)('what waits is heard as without moves (seed %i)', async (seed) => {
  const plan = randomPlan(seeded(seed))
  const still = await playDatagrams(plan.topology, plan.datagrams, [])
  const moving = await playDatagrams(plan.topology, plan.datagrams, plan.moves)
  for (const outcome of [still, moving]) {
    const { frames } = outcome.lab.judge
    expect(frames).toMatchObject({ delivered: DATAGRAMS, lost: 0, duplicated: 0, reordered: 0, leaked: 0, held: 0 })
    expect(excess(outcome, plan)).toBeLessThanOrEqual(ONE_MORE)
  }
  expect(heardOfEach(moving)).toEqual(heardOfEach(still))
  const late = lateness(still, moving)
  expect(late).toBeLessThanOrEqual(stoodStill(moving) + (ONE_MORE * SECOND) / plan.rate)
  told.moves += moving.moved
  told.late += late > 0 ? 1 : 0
  told.waited += inOrder(still).filter(([, { at, heardAt }]) => heardAt - at > MILLISECOND).length
})

test('there were moves, and frames that waited', () => {
  expect(told.moves).toBeGreaterThan(SEEDS.length / 2)
  expect(told.late).toBeGreaterThan(SEEDS.length / 4)
  expect(told.waited).toBeGreaterThan(SEEDS.length * 20)
})
