// Connections that a move had brought to its destination are gone from there once it has gone back, also where the controller is killed meanwhile.

import { expect, test } from 'vitest'
import { profileOf } from '../../../lab/explore/explore.ts'
import { runSchedule } from '../../../lab/explore/run.ts'
import type { Perturbation } from '../../../lab/explore/schedule.ts'
import { Subject } from '../../../lab/explore/subject.ts'
import { answeredAsker } from '../../support/explored-scenarios.ts'
import { isShown, SUBTLE_FAULTS } from '../../support/planted-faults.ts'

test('a controller that is killed on the way back clears the destination when it starts again', async () => {
  const subject = await Subject.read(answeredAsker('vlan'))
  const { start, all } = (await profileOf(subject)).profile.events
  const undone = Math.round(start + 0.4 * (all - start))
  let killed = 0
  for (let later = 30; ; later++) {
    const perturbations: Perturbation[] = [
      { kind: 'abort', at: { event: undone } },
      { kind: 'kill', at: { event: undone + later }, share: 1, away: 7_000_000 },
    ]
    const { broken, begun } = await runSchedule(subject, { seed: 3, perturbations })
    expect({ undone, later, broken }).toEqual({ undone, later, broken: undefined })
    if (begun.length < perturbations.length) break
    killed++
  }
  expect(killed).toBeGreaterThan(5)
})

test('connections that stay at such a destination are found', async () => {
  const fault = SUBTLE_FAULTS.find(({ breaks }) => breaks === 'nothing-left')!
  expect(await isShown(fault, 100)).toBe(true)
})
