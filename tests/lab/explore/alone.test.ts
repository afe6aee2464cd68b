// Runs of one subject share what they are made of, for speed. A run of a subject that is read anew, and shares nothing, is the slow
// twin of one that does.

import { expect, test } from 'vitest'
import { drawSchedule } from '../../../lab/explore/draw.ts'
import { profileOf } from '../../../lab/explore/explore.ts'
import { runSchedule } from '../../../lab/explore/run.ts'
import { Subject } from '../../../lab/explore/subject.ts'
import { loadScenarioOrTopology } from '../../../topologies/load.ts'
import { MILLISECOND } from '../../../runtime/clock.ts'
import { movingListener } from '../../support/explored-scenarios.ts'

const read = () => Subject.read(movingListener({ policy: { ingressRate: '50Mbps' } }))

test('a run is the same alone and beside others', async () => {
  const subject = await read()
  const { profile } = await profileOf(subject)
  for (let seed = 1; seed <= 4; seed++) {
    const schedule = drawSchedule(seed, profile)
    const alone = await runSchedule(await read(), schedule, { alone: true })
    expect(await runSchedule(subject, schedule)).toEqual(alone)
  }
})

test('a place that could not be kept is taken back, also where another run has worked out the same', async () => {
  const subject = await Subject.read(await loadScenarioOrTopology('topologies/examples/failover.json'))
  // The failure of a host is kept; that its guests are elsewhere is not.
  const schedule = { seed: 1, perturbations: [{ kind: 'disk' as const, at: { event: 64 }, lasts: 6 * MILLISECOND }] }
  const alone = await runSchedule(subject, schedule, { alone: true })
  expect(alone.broken).toBeUndefined()
  for (let run = 0; run < 3; run++) expect(await runSchedule(subject, schedule)).toEqual(alone)
})
