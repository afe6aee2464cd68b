// A disk on which nothing can be written for an instant, while two guests change places: what could not be kept of the one move is not
// told to anybody with the next step of the other.

import { expect, test } from 'vitest'
import { MICROSECOND, MILLISECOND } from '../../../runtime/clock.ts'
import { runSchedule } from '../../../lab/explore/run.ts'
import type { Perturbation } from '../../../lab/explore/schedule.ts'
import { Subject } from '../../../lab/explore/subject.ts'
import { movingListener } from '../../support/explored-scenarios.ts'

test('a step of two moves at once that can not be kept is taken by neither', async () => {
  const back = { type: 'migrate', vm: 'beside', to: 'h1', pause: 2 * MILLISECOND } as const
  const subject = await Subject.read(movingListener({ beside: true, steps: [{ at: 10 * MILLISECOND, step: back }] }))
  const { happenings } = await runSchedule(subject, { seed: 1, perturbations: [] }, { keep: true })
  const steps = happenings.flatMap(({ event, what }) => (/^write: .*\bmove listener\b/.test(what) ? [event!] : []))
  expect(steps.length).toBeGreaterThan(4)
  for (const event of steps) {
    // One of the moves is behind the other as both go back.
    const slow = { latency: 330 * MICROSECOND, lasts: 3 * MILLISECOND }
    const perturbations: Perturbation[] = [
      { kind: 'slow', at: { event: event - 1 }, switch: 'h1/br-int', direction: 'down', ...slow },
      { kind: 'disk', at: { event }, lasts: 20 * MICROSECOND },
    ]
    const { broken } = await runSchedule(subject, { seed: 1, perturbations })
    expect({ event, broken }).toEqual({ event, broken: undefined })
  }
})
