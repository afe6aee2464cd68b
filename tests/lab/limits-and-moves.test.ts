// Trace equivalence where a limit binds. Moved or not, what a rate lets through is what one bucket lets through at the instants at which the
// guest's frames enter, wherever they do: never more, and less only by what would have flowed in while its level was on its way to another
// host. So everybody hears the same as without moves, up to the first of the guest itself, and all along where only those who listen move.

import { expect, test } from 'vitest'
import { Conflict } from '../../controller/model.ts'
import { Lab } from '../../lab/lab.ts'
import { parseIpv4, parseMac } from '../../protocols/address.ts'
import { udpFrame } from '../../protocols/packet/compose.ts'
import { MICROSECOND, MILLISECOND, sleep } from '../../runtime/clock.ts'
import { seeded, type Random } from '../../runtime/random.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import { parseTopology } from '../../topologies/load.ts'
import { hostsOnOneSwitch } from '../support/blue-guests.ts'
import { oneOf } from '../support/frames.ts'
import { seeds } from '../support/seeds.ts'

const HOSTS = ['h1', 'h2', 'h3']
const FRAMES = 250

interface Plan {
  type: 'vlan' | 'vxlan'
  homes: string[]
  /** Bits a second, and bits at once. */
  rate: number
  burst: number
  frames: { at: number; payload: number }[]
  moves: { vm: string; to: string; at: number; pause: number }[]
}

function randomPlan(random: Random): Plan {
  let at = 0
  const frames = Array.from({ length: FRAMES }, () => {
    at += (20 + random.below(300)) * MICROSECOND
    return { at, payload: 20 + random.below(1300) }
  })
  return {
    type: oneOf(random, ['vlan', 'vxlan']),
    homes: [oneOf(random, HOSTS), oneOf(random, HOSTS)],
    rate: oneOf(random, [2_000_000, 5_000_000, 10_000_000]),
    burst: 40_000 + random.below(100_000),
    frames,
    moves: Array.from({ length: 1 + random.below(3) }, () => ({
      vm: oneOf(random, ['a', 'a', 'b']),
      to: oneOf(random, HOSTS),
      at: random.below(at),
      pause: oneOf(random, [0, random.below(4 * MILLISECOND)]),
    })),
  }
}

const guest = (name: string, number: number, host: string, policy: object) => ({
  name,
  host,
  nics: [{ name: 'eth0', network: 'blue', mac: `02:00:00:00:00:0${number}`, addresses: [`10.0.0.${number}`], policy }],
})

/** Of each frame when it entered, its bits, and whether it was heard. */
type Passed = Map<number, { at: number; bits: number; heard: boolean }>

interface Run {
  passed: Passed
  moved: number
  begun: number
}

async function play({ type, homes, rate, burst, frames, moves }: Plan): Promise<Run> {
  const topology = parseTopology(
    JSON.stringify({
      version: 1,
      ...hostsOnOneSwitch(HOSTS),
      networks: [{ name: 'blue', type, segment: 10 }],
      vms: [
        guest('a', 1, homes[0]!, { ingressRate: `${rate / 1e6}Mbps`, ingressBurst: `${burst / 1e3}kb` }),
        guest('b', 2, homes[1]!, {}),
      ],
    }),
    'limits.json',
  )
  const clock = new VirtualClock()
  const passed: Passed = new Map()
  const observer = {
    sent: (at: number, _nic: string, id: number, bytes: Uint8Array) =>
      void passed.set(id, { at, bits: 8 * bytes.length, heard: false }),
    heard: (_at: number, _nic: string, id: number) => {
      const frame = passed.get(id)
      if (frame !== undefined) frame.heard = true
    },
  }
  const lab = await Lab.start(topology, { clock, seed: 1, observer })
  const begun = clock.now()
  for (const { at, payload } of frames) {
    const bytes = udpFrame({
      ethSrc: parseMac('02:00:00:00:00:01'),
      ethDst: parseMac('02:00:00:00:00:02'),
      ipSrc: parseIpv4('10.0.0.1'),
      ipDst: parseIpv4('10.0.0.2'),
      srcPort: 1,
      dstPort: 2,
      payload: new Uint8Array(payload),
    })
    clock.schedule(begun + at, () => lab.inject('a:eth0', bytes, 'test'))
  }
  let moved = 0
  const move = async ({ vm, to, at, pause }: Plan['moves'][number]) => {
    await sleep(clock, at)
    try {
      if ((await lab.migrate(vm, to, pause)).state === 'done') moved++
    } catch (problem) {
      if (!(problem instanceof Conflict)) throw problem
    }
  }
  await clock.runUntil(Promise.all(moves.map(move)))
  await clock.run(begun + frames.at(-1)!.at + 100 * MILLISECOND)
  lab.judge.finish(new Set(lab.network.heldFrames()))
  expect(lab.judge.frames).toMatchObject({ lost: 0, duplicated: 0, leaked: 0, reordered: 0, held: 0 })
  return { passed, moved, begun }
}

/** By how many bits one bucket, full at first, would have to be fuller or emptier at any frame to have let through what was heard, and no more. */
function departure(passed: Passed, rate: number, burst: number): { most: number; least: number } {
  let [level, last, most, least] = [burst, 0, 0, 0]
  for (const { at, bits, heard } of [...passed.values()].sort((one, other) => one.at - other.at)) {
    level = Math.min(burst, level + ((at - last) * rate) / 1e9)
    last = at
    if (heard) most = Math.max(most, bits - level)
    else least = Math.max(least, level - bits)
    if (heard) level -= bits
  }
  return { most, least }
}

/** The level of a bucket is on its way for so long at most, each time that its guest moves. */
const ON_THE_WAY = 0.2e-3

const told = { moves: 0, dropped: 0, alike: 0 }
const SEEDS = seeds(2)

test.each(SEEDS)('one bucket, wherever the guest is (seed %i)', async (seed) => {
  const plan = randomPlan(seeded(seed))
  const still = await play({ ...plan, moves: [] })
  const moving = await play(plan)
  expect([still.passed.size, moving.passed.size]).toEqual([FRAMES, FRAMES])
  expect(departure(still.passed, plan.rate, plan.burst)).toEqual({ most: 0, least: 0 })
  const { most, least } = departure(moving.passed, plan.rate, plan.burst)
  const own = plan.moves.filter(({ vm }) => vm === 'a')
  expect(most).toBe(0)
  expect(least).toBeLessThanOrEqual(own.length * plan.rate * ON_THE_WAY)
  const until = moving.begun + Math.min(Infinity, ...own.map(({ at }) => at))
  const before = [...still.passed].filter(([, { at }]) => at < until).map(([id]) => id)
  const heardOf = ({ passed }: Run) => before.filter((id) => passed.get(id)!.heard)
  expect(heardOf(moving)).toEqual(heardOf(still))
  told.moves += moving.moved
  told.alike += before.length
  told.dropped += [...moving.passed.values()].filter(({ heard }) => !heard).length
})

test('there were moves, and limits that bound', () => {
  expect(told.moves).toBeGreaterThan(SEEDS.length / 2)
  expect(told.dropped).toBeGreaterThan(SEEDS.length * 10)
  expect(told.alike).toBeGreaterThan(SEEDS.length * 50)
})
