// A controller that ends before it has said all announcements of a guest: the link to the guest's new place is down for the first of them.

import { expect, test } from 'vitest'
import { runSchedule } from '../../../lab/explore/run.ts'
import type { Perturbation } from '../../../lab/explore/schedule.ts'
import { Subject } from '../../../lab/explore/subject.ts'
import { MILLISECOND } from '../../../runtime/clock.ts'
import { movingListener } from '../../support/explored-scenarios.ts'

/** The fabric knows the listener's old place, and hears nothing of it but announcements from then on. */
const scenario = movingListener({
  steps: [
    {
      at: 0,
      step: { type: 'send', from: 'listener', frame: 'udp,dl_dst=02:00:00:00:00:03,tp_dst=7', count: 1, rate: 1 },
    },
    {
      at: 60 * MILLISECOND,
      step: { type: 'send', from: 'far', frame: 'udp,dl_dst=02:00:00:00:00:01,tp_dst=7', count: 60, rate: 100 },
    },
  ],
})

const isDown: Perturbation = {
  kind: 'link',
  at: { time: 11 * MILLISECOND },
  endpoints: scenario.topology.fabric.links.find(({ endpoints }) => endpoints.includes('h3'))!.endpoints,
  away: 80 * MILLISECOND,
}

test.each([
  ['that is ending', 15],
  ['that has ended', 70],
])('the one after it says those of a move %s', async (_which, at) => {
  const subject = await Subject.read(scenario)
  const kill = { kind: 'kill', at: { time: at * MILLISECOND }, share: 1, away: 20 * MILLISECOND } as const
  const { broken, begun } = await runSchedule(subject, { seed: 1, perturbations: [isDown, kill] })
  expect({ broken, begun: begun.length }).toEqual({ broken: undefined, begun: 2 })
})
