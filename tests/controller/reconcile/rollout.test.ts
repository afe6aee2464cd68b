import { expect, test } from 'vitest'
import { Rollout } from '../../../controller/reconcile/rollout.ts'
import { SECOND, sleep } from '../../../runtime/clock.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'

test('a switch that is not waited for, and confirms a step late, sets nobody back', async () => {
  const clock = new VirtualClock()
  const told: string[] = []
  const rollout = new Rollout(2, clock, 0, (stage, confirmed) => told.push(`${stage}: ${confirmed}`))
  const takes = async (span: number) => {
    for (const stage of [0, 1, 2] as const) await rollout.step(stage, () => sleep(clock, span))
  }
  await clock.runUntil(Promise.all([takes(0.1 * SECOND), takes(1.5 * SECOND)]))
  expect(told).toEqual(told.toSorted())
  expect(told).toEqual(expect.arrayContaining(['0: 0', '0: 1', '1: 0', '1: 1', '2: 0', '2: 1', '2: 2']))
})
