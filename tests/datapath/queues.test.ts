import { describe, expect, test } from 'vitest'
import type { QueueConfig } from '../../protocols/control/messages.ts'
import { PortQueues } from '../../datapath/queues.ts'
import { SECOND } from '../../runtime/clock.ts'
import type { Random } from '../../runtime/random.ts'
import { seeded } from '../../runtime/random.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'

const PORT = 7
const NO_DSCP = -1

interface Sent {
  frame: number
  at: number
}

/** A port with queues whose frames are numbers; `length[frame]` bytes long. */
function port(queues: QueueConfig[], maxRate?: number) {
  const clock = new VirtualClock()
  const sent: Sent[] = []
  const made = new PortQueues({ queues, maxRate, clock, send: (frame) => sent.push({ frame, at: clock.now() }) })
  return { clock, sent, made }
}

/** Bits sent in any interval, less what `rate` allows in it; at most one frame may be over. */
function largestExcess(sent: readonly Sent[], bitsOf: (frame: number) => number, rate: number): number {
  let worst = 0
  for (let first = 0; first < sent.length; first++) {
    let bits = 0
    for (let last = first; last < sent.length; last++) {
      bits += bitsOf(sent[last]!.frame)
      worst = Math.max(worst, bits - (rate * (sent[last]!.at - sent[first]!.at)) / SECOND)
    }
  }
  return worst
}

describe.each([1, 2, 3])('with seed %i', (seed) => {
  const lengths = (random: Random) => Array.from({ length: 400 }, () => 64 + random.below(1450))

  test('no interval sees more than its rate and one frame, of a queue and of the port', async () => {
    const random = seeded(seed)
    const length = lengths(random)
    const bitsOf = (frame: number) => length[frame]! * 8
    const maxRates = [3_000_000, 1_000_000]
    const { clock, sent, made } = port(
      maxRates.map((maxRate, queue) => ({ queue: queue + 1, maxRate })),
      3_500_000,
    )
    const queueOf = length.map(() => 1 + random.below(2))
    length.forEach((bytes, frame) => {
      clock.schedule(random.below(SECOND), () => made.enqueue(frame, bytes, PORT, queueOf[frame]!, NO_DSCP))
    })
    await clock.run(20 * SECOND)
    expect(sent).toHaveLength(length.length)
    expect(largestExcess(sent, bitsOf, 3_500_000)).toBeLessThanOrEqual(1514 * 8)
    maxRates.forEach((rate, index) => {
      const own = sent.filter(({ frame }) => queueOf[frame] === index + 1)
      expect(largestExcess(own, bitsOf, rate)).toBeLessThanOrEqual(1514 * 8)
    })
  })

  test('a queue keeps the order of its frames', async () => {
    const random = seeded(seed)
    const { clock, sent, made } = port([{ queue: 1, minRate: 100_000 }], 1_000_000)
    const queueOf = Array.from({ length: 300 }, () => random.below(2))
    queueOf.forEach((queue, frame) => made.enqueue(frame, 64 + random.below(1000), PORT, queue, NO_DSCP))
    await clock.run(60 * SECOND)
    for (const queue of [0, 1]) {
      const own = sent.map(({ frame }) => frame).filter((frame) => queueOf[frame] === queue)
      expect(own).toEqual([...own].sort((a, b) => a - b))
    }
    expect(sent).toHaveLength(300)
  })
})

test('a busy port gives each queue its minimum, and shares the rest in proportion', async () => {
  const { clock, sent, made } = port(
    [
      { queue: 1, minRate: 600_000 },
      { queue: 2, minRate: 200_000 },
    ],
    1_000_000,
  )
  for (let frame = 0; frame < 2000; frame++) made.enqueue(frame, 125, PORT, 1 + (frame % 2), NO_DSCP)
  await clock.run(SECOND)
  const bitsOf = (queue: number) => sent.filter(({ frame }) => 1 + (frame % 2) === queue).length * 1000
  expect(bitsOf(1)).toBeGreaterThan(740_000)
  expect(bitsOf(1)).toBeLessThan(760_000)
  expect(bitsOf(1) + bitsOf(2)).toBeGreaterThanOrEqual(1_000_000)
  expect(bitsOf(1) + bitsOf(2)).toBeLessThanOrEqual(1_001_000)
})

test('a full queue takes no more and counts it; one that nobody made is queue 0', () => {
  const { made, sent } = port([{ queue: 1, maxRate: 8 }])
  for (let frame = 0; frame < 1001; frame++) {
    expect(made.admits(1, NO_DSCP)).toBe(true)
    made.enqueue(frame, 1000, PORT, 1, NO_DSCP)
  }
  expect(made.admits(1, NO_DSCP)).toBe(false)
  expect(made.statistics()).toMatchObject([
    { queue: 0, sentPackets: 0n },
    { queue: 1, sentPackets: 1n, sentBytes: 1000n, sentErrors: 1n },
  ])
  made.enqueue(2000, 60, PORT, 77, NO_DSCP)
  expect(sent.map(({ frame }) => frame)).toEqual([0, 2000])
  expect(made.takeAll()).toHaveLength(1000)
  expect(made.waiting()).toEqual([])
})
