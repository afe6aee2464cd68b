// A controller is killed at each step of a failover, and a host that it gives VMs to loses its connection at some step of the next one's start.

import { expect, test } from 'vitest'
import { runSchedule } from '../../lab/explore/run.ts'
import type { Perturbation } from '../../lab/explore/schedule.ts'
import { Subject } from '../../lab/explore/subject.ts'
import { MICROSECOND, MILLISECOND, SECOND } from '../../runtime/clock.ts'
import { loadScenarioOrTopology } from '../../topologies/load.ts'

/** From one step of the start that is tried to the next. */
const STRIDE = Number(process.env['STRIDE'] ?? 5)

const NOTICED = { switch: 2 * MICROSECOND, controller: 50 * MICROSECOND }

/** Longer than a place that is to open ports is waited for; the scenario lets the host that has failed return later. */
const LONG = 1.2 * SECOND

test.each([
  ['h4', 38 * MILLISECOND],
  ['h4', LONG],
  ['h2', 38 * MILLISECOND],
])('%s, away for %d ns after a kill, has no port open that is open elsewhere', async (host, away) => {
  const subject = await Subject.read(await loadScenarioOrTopology('topologies/examples/failover.json'))
  const { happenings } = await runSchedule(subject, { seed: 1, perturbations: [] }, { keep: true })
  const of = (what: string) => happenings.filter((one) => one.what.includes(what)).map(({ event }) => event ?? 0)
  const [first, last] = [Math.min(...of('relocation r1')), Math.max(...of('begins anew'))]
  const kills = last - first + 1
  expect(kills).toBeGreaterThan(10)
  // A start is some 90 events; the stride is counted over all pairs, so that each kill meets other steps.
  for (let pair = 0; pair < kills * 90; pair += STRIDE) {
    const kill = first + (pair % kills)
    const lost = kill + 1 + Math.floor(pair / kills)
    const perturbations: Perturbation[] = [
      { kind: 'kill', at: { event: kill }, share: 1, away: 7 * MILLISECOND },
      { kind: 'cut', at: { event: lost }, switch: `${host}/br-int`, down: 1, up: 1, noticed: NOTICED, away },
    ]
    const { broken } = await runSchedule(subject, { seed: 1, perturbations })
    expect({ kill, lost, broken }).toEqual({ kill, lost, broken: undefined })
  }
})
