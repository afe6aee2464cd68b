// What holds of any frames.

import { expect, test } from 'vitest'
import { Word } from '../../../protocols/fields.ts'
import { SECOND } from '../../../runtime/clock.ts'
import { seeded } from '../../../runtime/random.ts'
import { Traffic } from '../../support/connection-traffic.ts'
import { oneOf, randomBytes } from '../../support/frames.ts'
import { randomFrame } from '../../support/random-frames.ts'
import { Bench, N, nat, ping, udp, BACK } from './support.ts'
import { seeds } from '../../support/seeds.ts'

const TRACKED = 0x20

test.each(seeds(3))('any bytes get an answer or wait, and no frame is lost (seed %i)', (seed) => {
  const random = seeded(seed)
  const bench = new Bench()
  bench.tracker.fragments.smallest = { 4: 0, 6: 0 }
  const traffic = new Traffic(random, seed % 2 === 0 ? 4 : 6)
  let inside = 0
  for (let round = 0; round < 600; round++) {
    const bytes = oneOf(random, [
      () => randomBytes(random, random.below(100)),
      () => randomFrame(random),
      () => corrupted(oneOf(random, traffic.next()).bytes),
    ])()
    const request = {
      zone: random.below(2),
      commit: random.below(2) === 0,
      ...(random.below(2) === 0 && { nat: oneOf(random, ['restore' as const, nat('src', N), nat('dst', N, N + 5)]) }),
    }
    const answers = bench.all(bytes, request)
    inside += 1 - answers.length
    for (const answer of answers) expect(answer.word(Word.ctState) & TRACKED).toBe(TRACKED)
    expect(bench.arena.live).toBe(inside)
    expect(bench.tracker.fragments.waiting).toBe(inside)
  }
  bench.tracker.close()
  expect([bench.arena.live, bench.clock.next]).toEqual([0, Infinity])

  function corrupted(bytes: Uint8Array): Uint8Array {
    const copy = bytes.slice()
    for (let flips = random.below(4); flips > 0; flips--) copy[random.below(copy.length)]! ^= 1 << random.below(8)
    return copy
  }
})

/** The state of a connection without windows: who has spoken, and until when that is remembered. */
class PlainConnection {
  answered = false
  until: number

  constructor(now: number) {
    this.until = now + 60 * SECOND
  }

  hear(now: number, reply: boolean): string {
    if (reply) this.answered = true
    this.until = now + (this.answered ? 30 : 60) * SECOND
    if (!this.answered) return '+new+trk'
    return reply ? '+est+rpl+trk' : '+est+trk'
  }
}

test.each(seeds(3))('datagrams and echoes are what a plain list of them says (seed %i)', async (seed) => {
  const random = seeded(seed)
  const bench = new Bench()
  const plain = new Map<string, PlainConnection>()
  for (let round = 0; round < 500; round++) {
    if (random.below(4) === 0) await bench.clock.run(bench.clock.now() + random.below(40) * SECOND)
    const now = bench.clock.now()
    const [isEcho, side, number, zone] = [random.below(2), random.below(2), 1 + random.below(3), random.below(2)]
    const frame = isEcho
      ? ping(side === 1, number)
      : side === 0
        ? udp({ srcPort: number })
        : udp({ ...BACK, dstPort: number })
    const { state } = bench.commit(frame, { zone })
    const [key, other] = [side, 1 - side].map((opener) => `${isEcho} ${number} ${zone} ${opener}`) as [string, string]
    const alive = [plain.get(key), plain.get(other)].map((one) => (one && one.until > now ? one : undefined))
    const [same, turned] = alive
    const opens = !same && !turned && (!isEcho || side === 0)
    const expected = same?.hear(now, false) ?? turned?.hear(now, true) ?? (opens ? '+new+trk' : '+inv+trk')
    expect(state).toBe(expected)
    if (opens) {
      plain.delete(other)
      plain.set(key, new PlainConnection(now))
    }
    const left = [...plain.values()].filter(({ until }) => until > now)
    expect(bench.tracker.dump()).toHaveLength(left.length)
  }
})
