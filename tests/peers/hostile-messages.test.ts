import { expect, test } from 'vitest'
import type { Dialect } from '../../datapath/control/subscription.ts'
import { seeded } from '../../runtime/random.ts'
import { heapInUse } from '../support/heap.ts'
import { Siege } from '../support/siege.ts'

const MESSAGES = 100_000
/** In milliseconds; three minutes on a machine that is busy. */
const PATIENCE = 1_200_000
/** Tables have filled and emptied a few times, and code is compiled. */
const WARM_UP = 20_000

/** Of tables that happen to be fuller, with room to spare. */
const MOST_GROWTH = 16 << 20

test.each<Dialect>(['openflow', 'control'])(
  '100,000 messages in %s, half of them damaged, between frames: each batch answered or hung up, no memory kept',
  async (dialect) => {
    const siege = new Siege(seeded(7), dialect)
    const until = async (sent: number) => {
      while (siege.outcome.sent < sent) await siege.batch()
    }
    await until(WARM_UP)
    const before = heapInUse()
    await until(MESSAGES)
    expect(heapInUse() - before).toBeLessThan(MOST_GROWTH)
    await siege.end()
    const { sent, answers, errors, closed } = siege.outcome
    expect(Math.min(answers, errors)).toBeGreaterThan(sent / 10)
    expect(closed).toBeGreaterThan(50)
    expect(siege.device.agent.controllers).toBe(0)
    expect(siege.device.arena.live).toBe(0)
  },
  PATIENCE,
)
