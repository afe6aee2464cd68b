// Runs of one subject share what they are made of, for speed. A run of a subject that is read anew, and shares nothing, is the slow
// twin of one that does.

import { expect, test } from 'vitest'
import { drawSchedule } from '../../../lab/explore/draw.ts'
import { profileOf } from '../../../lab/explore/explore.ts'
import { runSchedule } from '../../../lab/explore/run.ts'
import { Subject } from '../../../lab/explore/subject.ts'
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
