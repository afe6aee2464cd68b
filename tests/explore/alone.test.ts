// What runs share makes them quicker, and nothing else: over all examples, under schedules with all kinds of faults, a run of a
// scenario that is read anew, and shares nothing, is the same.

import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { drawSchedule } from '../../lab/explore/draw.ts'
import { profileOf } from '../../lab/explore/explore.ts'
import { runSchedule } from '../../lab/explore/run.ts'
import { Subject } from '../../lab/explore/subject.ts'
import { loadScenarioOrTopology } from '../../topologies/load.ts'

const FOLDER = 'topologies/examples'
const SEEDS = 24

const examples = readdirSync(FOLDER).filter((name) => name.endsWith('.json'))

test.each(examples)('%s: a run is the same alone and beside others', async (name) => {
  const read = async () => Subject.read(await loadScenarioOrTopology(`${FOLDER}/${name}`))
  const subject = await read()
  const { profile } = await profileOf(subject)
  for (let seed = 1; seed <= SEEDS; seed++) {
    const schedule = drawSchedule(seed, profile)
    const alone = await runSchedule(await read(), schedule, { alone: true })
    expect(await runSchedule(subject, schedule)).toEqual(alone)
  }
})
