import { describe, expect, test } from 'vitest'
import { sleep } from '../../runtime/clock.ts'
import { seeded } from '../../runtime/random.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'

describe('the virtual clock', () => {
  test.each([1, 2, 3, 4, 5])('runs tasks by instant, and in order of scheduling within one (seed %i)', async (seed) => {
    const clock = new VirtualClock()
    const random = seeded(seed)
    const instants = Array.from({ length: 500 }, () => random.below(50))
    const ran: { at: number; order: number }[] = []
    instants.forEach((at, order) => clock.schedule(at, () => ran.push({ at: clock.now(), order })))
    await clock.run(Infinity)
    const expected = instants.map((at, order) => ({ at, order })).sort((a, b) => a.at - b.at || a.order - b.order)
    expect(ran).toEqual(expected)
  })

  test.each([1, 2, 3])('never runs a cancelled task, and all others (seed %i)', async (seed) => {
    const clock = new VirtualClock()
    const random = seeded(seed)
    const ran = new Set<number>()
    const timers = Array.from({ length: 200 }, (_, task) => clock.schedule(random.below(20), () => ran.add(task)))
    const cancelled = new Set([...timers.keys()].filter(() => random.below(3) === 0))
    for (const task of cancelled) timers[task]!.cancel()
    await clock.run(Infinity)
    for (const task of timers.keys()) expect(ran.has(task)).toBe(!cancelled.has(task))
  })

  test('never goes back: what is scheduled for the past runs now', async () => {
    const clock = new VirtualClock()
    const instants: number[] = []
    clock.schedule(100, () => clock.schedule(10, () => instants.push(clock.now())))
    await clock.run(200)
    expect(instants).toEqual([100])
    expect(clock.now()).toBe(200)
  })

  test('runs what falls on the end of a run, leaves the rest, and stands at the end', async () => {
    const clock = new VirtualClock()
    const ran: number[] = []
    for (const at of [9, 10, 11]) clock.schedule(at, () => ran.push(at))
    await clock.run(10)
    expect(ran).toEqual([9, 10])
    expect(clock.now()).toBe(10)
    expect(clock.next).toBe(11)
  })

  test('a run cut into pieces is the same as one run', async () => {
    const whole = await trace((clock) => clock.run(1000))
    const pieces = await trace(async (clock) => {
      for (let until = 0; until <= 1000; until += 7) await clock.run(until)
      await clock.run(1000)
    })
    expect(pieces).toEqual(whole)
  })

  test('lets what it woke run at the instant at which it was woken', async () => {
    const clock = new VirtualClock()
    const instants: number[] = []
    const work = async () => {
      for (let step = 0; step < 3; step++) {
        await sleep(clock, 5)
        await Promise.resolve()
        instants.push(clock.now())
      }
    }
    clock.schedule(6, () => instants.push(clock.now()))
    await clock.runUntil(work())
    expect(instants).toEqual([5, 6, 10, 15])
  })

  test('gives the result or the failure of what it ran for', async () => {
    const clock = new VirtualClock()
    await expect(clock.runUntil(sleep(clock, 5).then(() => 'done'))).resolves.toBe('done')
    const failing = sleep(clock, 5).then(() => Promise.reject(new Error('broken')))
    await expect(clock.runUntil(failing)).rejects.toThrow('broken')
  })

  test('says so when nothing is left that could wake what is awaited', async () => {
    const clock = new VirtualClock()
    await expect(clock.runUntil(new Promise(() => {}))).rejects.toThrow('virtual time ended')
  })
})

/** The instants of tasks that schedule further tasks, as `run` runs them. */
async function trace(run: (clock: VirtualClock) => Promise<void>): Promise<number[]> {
  const clock = new VirtualClock()
  const random = seeded(7)
  const instants: number[] = []
  const task = () => {
    instants.push(clock.now())
    if (instants.length < 300) clock.schedule(clock.now() + random.below(9), task)
  }
  clock.schedule(0, task)
  clock.schedule(3, task)
  await run(clock)
  return instants
}
