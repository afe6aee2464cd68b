import { describe, expect, test } from 'vitest'
import { MICROSECOND, MILLISECOND, sleep } from '../../runtime/clock.ts'
import { seeded } from '../../runtime/random.ts'
import { WallClock } from '../../runtime/wall-clock.ts'

describe('the wall clock', () => {
  test.each([1, 2, 3])('runs each task at its own instant and in order, late as it may be (seed %i)', async (seed) => {
    const clock = new WallClock()
    const random = seeded(seed)
    const wanted: { at: number; order: number }[] = []
    const ran: { at: number; order: number }[] = []
    // From within a task, for which time stands still: no instant is past before it is scheduled.
    clock.schedule(clock.now(), () => {
      for (let order = 0; order < 200; order++) {
        const at = clock.now() + random.below(40) * 100 * MICROSECOND
        wanted.push({ at, order })
        clock.schedule(at, () => ran.push({ at: clock.now(), order }))
      }
      holdUp(3)
    })
    await sleep(clock, 10 * MILLISECOND)
    expect(ran).toEqual(wanted.sort((a, b) => a.at - b.at || a.order - b.order))
  })

  test('lets promises settle before the next task, however late both are', async () => {
    const clock = new WallClock()
    const ran: string[] = []
    void sleep(clock, MILLISECOND)
      .then(() => Promise.resolve())
      .then(() => ran.push('promise'))
    clock.schedule(clock.now() + 2 * MILLISECOND, () => ran.push('task'))
    holdUp(5)
    await sleep(clock, 3 * MILLISECOND)
    expect(ran).toEqual(['promise', 'task'])
  })

  test('never goes back, for tasks and for those who look on', async () => {
    const clock = new WallClock()
    const seen: number[] = []
    const look = () => seen.push(clock.now())
    for (let step = 0; step < 50; step++) {
      clock.schedule(clock.now() + step * 50 * MICROSECOND, look)
      look()
    }
    holdUp(2)
    for (let step = 0; step < 20; step++) {
      look()
      await sleep(clock, 200 * MICROSECOND)
    }
    expect(seen).toEqual([...seen].sort((a, b) => a - b))
  })

  test('runs nothing that was cancelled, and nothing at all once stopped', async () => {
    const clock = new WallClock()
    const ran: string[] = []
    clock.schedule(clock.now() + MILLISECOND, () => ran.push('cancelled')).cancel()
    await sleep(clock, 3 * MILLISECOND)
    clock.schedule(clock.now(), () => ran.push('stopped'))
    clock.stop()
    clock.schedule(clock.now(), () => ran.push('after the end'))
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(ran).toEqual([])
  })
})

/** Keeps the process busy, so that tasks become late. */
function holdUp(milliseconds: number): void {
  const end = process.hrtime.bigint() + BigInt(milliseconds * MILLISECOND)
  while (process.hrtime.bigint() < end);
}
