// What an attacker's frames may cost, and what they may not do to flows that are there: counted, not timed.

import { expect, test } from 'vitest'
import type { FlowCacheLimits } from '../../../datapath/cache/flow-cache.ts'
import { parseFlow } from '../../../protocols/flow-text/parse.ts'
import type { PortOptions } from '../../../protocols/packet/compose.ts'
import { udpFrame } from '../../../protocols/packet/compose.ts'
import type { Random } from '../../../runtime/random.ts'
import { seeded } from '../../../runtime/random.ts'
import { flowMod, testSwitch } from '../../support/test-switch.ts'

const ALICE = 0x020000000001n
const BOB = 0x020000000002n
const ESTABLISHED = 50
const ATTACK = 2500

/** Some are let through and all others dropped: as many kinds of answers as there are ways not to be one of them. */
const ALLOW_SOME = [
  'priority=400,udp,tp_dst=80,actions=2',
  'priority=300,udp,nw_src=10.0.0.1,actions=2',
  'priority=200,udp,tp_src=12345,actions=2',
  'priority=100,udp,nw_dst=10.2.0.7,actions=2',
  'priority=0,actions=drop',
]

const anyTuple = (random: Random) => ({
  ipSrc: random.below(2 ** 32),
  ipDst: random.below(2 ** 32),
  srcPort: random.below(2 ** 16),
  dstPort: random.below(2 ** 16),
})

function underAttack(flows: readonly string[], cache: Partial<FlowCacheLimits> = {}) {
  const made = testSwitch([{}, {}], { cache })
  const { sw, arena, clock } = made
  sw.tables.applyBundle(flows.map((flow) => flowMod(parseFlow(flow))))
  const receive = (frame: Partial<PortOptions>, port = 1) => {
    const bytes = udpFrame({ ethSrc: ALICE, ethDst: BOB, ipSrc: 1, ipDst: 2, srcPort: 3, dstPort: 4, ...frame })
    sw.receive([arena.allocateFrom(bytes)], 1, port)
  }
  const established = (flow: number) => receive({ ipSrc: 0x0a010000 + flow, ipDst: 0x0a020001, dstPort: 80 })
  const introduce = () => {
    for (let frame = 0; frame < 3 * ESTABLISHED; frame++) established(frame % ESTABLISHED)
  }
  /** So many frames of attackers, and established ones between them; gives where the answers to these came from. */
  const attack = async (frames: number, next: () => void) => {
    const answers = { microflow: 0, megaflow: 0, miss: 0 }
    for (let frame = 0; frame < frames; frame++) {
      await clock.run(clock.now() + 1000)
      next()
      const before = { ...sw.cache.statistics }
      established(frame % ESTABLISHED)
      for (const where of ['microflow', 'megaflow', 'miss'] as const)
        answers[where] += sw.cache.statistics[where] - before[where]
    }
    return answers
  }
  return { ...made, receive, introduce, attack }
}

test('random headers make masks without end, and yet look-ups find what there is, in few steps', () => {
  const random = seeded(1)
  const { sw, receive } = underAttack(ALLOW_SOME)
  const frames = Array.from({ length: ATTACK }, () => anyTuple(random))
  for (const frame of frames) receive(frame)
  const [entrance] = sw.cache.entrances()
  expect(entrance!.megaflows.masks).toBeGreaterThan(500)
  const { miss, probes, vainProbes } = { ...sw.cache.statistics }
  for (const frame of frames) receive(frame)
  expect(sw.cache.statistics.miss).toBe(miss)
  expect((sw.cache.statistics.probes + sw.cache.statistics.vainProbes - probes - vainProbes) / ATTACK).toBeLessThan(50)
})

test('no look-up takes more steps than it may; what is not found is asked for, and not kept twice', () => {
  const random = seeded(1)
  const steps = 5
  const { sw, receive } = underAttack(ALLOW_SOME, { steps })
  const frames = Array.from({ length: ATTACK }, () => anyTuple(random))
  const sizes = [1, 2].map(() => {
    for (const frame of frames) {
      const before = { ...sw.cache.statistics }
      receive(frame)
      const { probes, vainProbes } = sw.cache.statistics
      expect(probes + vainProbes - before.probes - before.vainProbes).toBeLessThanOrEqual(steps)
    }
    return sw.cache.size
  })
  expect(sizes[1]).toBe(sizes[0])
  expect(sw.cache.statistics.miss).toBeGreaterThan(ATTACK)
})

test.each([256, 10])('random headers do not send established flows to the pipeline, with %i steps', async (steps) => {
  const random = seeded(2)
  const { introduce, attack, receive } = underAttack(ALLOW_SOME, { steps })
  introduce()
  const { microflow, megaflow, miss } = await attack(ATTACK, () => receive(anyTuple(random)))
  // When bits of headers are to be compared that were not before, microflows are made anew.
  expect(megaflow + miss).toBeLessThan(5 * ESTABLISHED)
  expect(microflow).toBe(ATTACK - megaflow - miss)
  const later = await attack(ATTACK, () => receive(anyTuple(random)))
  expect(later).toEqual({ microflow: ATTACK, megaflow: 0, miss: 0 })
})

test('frames of which there is one alone get no microflow, and their megaflows are those that give way', async () => {
  let source = 0x0b000000
  const exact = Array.from({ length: 2 * ATTACK }, (_, index) => source + index).map(
    (address) => `priority=5,ip,nw_src=${[24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.')},actions=2`,
  )
  const { sw, introduce, attack, receive } = underAttack([...exact, 'priority=1,actions=2'], { megaflows: 500 })
  introduce()
  const [entrance] = sw.cache.entrances()
  const sizes = () => entrance!.allMicroflows().map(({ size }) => size)
  const before = sizes()
  const { miss } = await attack(2 * ATTACK, () => receive({ ipSrc: source++ }))
  expect(miss).toBe(0)
  expect(sw.cache.statistics.evicted).toBeGreaterThan(ATTACK)
  expect(sw.cache.size).toBe(500)
  expect(sizes()).toEqual(before)
})

test('made-up addresses drive out one another, not those that were learned of others', async () => {
  const { sw, attack, introduce, receive, heard } = underAttack(['actions=normal'], { megaflows: 1000 })
  receive({ ethSrc: BOB, ethDst: ALICE }, 2)
  introduce()
  const others = 10_000
  let mac = 0x040000000000n
  const { miss } = await attack(others, () => receive({ ethSrc: mac++ }))
  expect(miss).toBe(0)
  expect(heard().filter((copy) => copy.startsWith('1:'))).toHaveLength(1)
  expect(sw.macTable.lookup(0, Number(BOB), 0)).toBe(2)
})
