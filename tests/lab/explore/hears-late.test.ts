// That a controller was killed, or taken over from, is no excuse for what the source of a move has still, however late that hears of it: the
// next one waits for it, and asks.

import { expect, test } from 'vitest'
import { profileOf } from '../../../lab/explore/explore.ts'
import { runSchedule } from '../../../lab/explore/run.ts'
import type { Perturbation } from '../../../lab/explore/schedule.ts'
import { Subject } from '../../../lab/explore/subject.ts'
import { MILLISECOND } from '../../../runtime/clock.ts'
import { answeredAsker } from '../../support/explored-scenarios.ts'

/** Of the events of a move, one in so many is tried; STRIDE=1 tries all. */
const STRIDE = Number(process.env['STRIDE'] ?? 12)
const SOURCE = 'h1/br-int'

/** Long after all others: each message takes so long. */
const LATE = 400 * MILLISECOND

type Change = (event: number) => Perturbation

const CHANGES: readonly [what: string, change: Change][] = [
  [
    'killed, and nothing that it has said arrives',
    (event) => ({ kind: 'kill', at: { event }, share: 0, away: MILLISECOND }),
  ],
  ['killed, and all arrives', (event) => ({ kind: 'kill', at: { event }, share: 1, away: MILLISECOND })],
  ['taken over from', (event) => ({ kind: 'takeover', at: { event }, frozen: 3 * MILLISECOND })],
]

test.each(CHANGES)(
  'a controller that is %s leaves nothing at a source that hears late of it',
  async (_what, change) => {
    const subject = await Subject.read(answeredAsker('vlan'))
    const { start, all } = (await profileOf(subject)).profile.events
    const slow = { kind: 'slow', switch: SOURCE, latency: LATE, lasts: 5000 * MILLISECOND } as const
    let changed = 0
    for (let event = start; event < all; event += STRIDE) {
      const at = { event }
      const changing = change(event)
      const perturbations: Perturbation[] = [
        changing,
        { ...slow, at, direction: 'down' },
        { ...slow, at, direction: 'up' },
      ]
      const { broken, begun } = await runSchedule(subject, { seed: 3, perturbations })
      expect({ event, broken }).toEqual({ event, broken: undefined })
      if (begun.some((one) => one === changing)) changed++
    }
    expect(changed).toBeGreaterThan(5)
  },
)
