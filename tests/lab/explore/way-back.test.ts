// A move that goes back, and a controller that is killed meanwhile: memory is gone, the order of frames is not.

import { expect, test } from 'vitest'
import { profileOf } from '../../../lab/explore/explore.ts'
import { runSchedule } from '../../../lab/explore/run.ts'
import type { Perturbation } from '../../../lab/explore/schedule.ts'
import { Subject } from '../../../lab/explore/subject.ts'
import { abortEverywhere } from '../../support/abort-law.ts'
import { movingListener } from '../../support/explored-scenarios.ts'

test('a controller killed at whatever step of a way back loses no frame, and lets none be overtaken', async () => {
  const subject = await Subject.read(movingListener())
  const { start, all } = (await profileOf(subject)).profile.events
  const undone = Math.round(start + 0.6 * (all - start))
  let killed = 0
  for (let later = 3; ; later += 4) {
    const perturbations: Perturbation[] = [
      { kind: 'abort', at: { event: undone } },
      { kind: 'kill', at: { event: undone + later }, share: 1, away: 37_000_000 },
    ]
    const { broken, begun } = await runSchedule(subject, { seed: 3, perturbations })
    expect({ undone, later, broken }).toEqual({ undone, later, broken: undefined })
    if (begun.length < perturbations.length) break
    killed++
  }
  expect(killed).toBeGreaterThan(5)
})

test('an abort at any step loses and doubles nothing and lets nothing be overtaken, whatever breaks right after', async () => {
  const { runs, exceptions } = await abortEverywhere('vlan', 47)
  expect(exceptions).toEqual([])
  expect(runs).toBeGreaterThan(15)
})
