// A move that goes back, and a controller that is killed meanwhile: memory is gone, the order of frames is not.

import { expect, test } from 'vitest'
import { profileOf } from '../../../lab/explore/explore.ts'
import { runSchedule } from '../../../lab/explore/run.ts'
import type { Perturbation } from '../../../lab/explore/schedule.ts'
import { Subject } from '../../../lab/explore/subject.ts'
import { MILLISECOND } from '../../../runtime/clock.ts'
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

test('a guest that speaks goes on at its source once its port is open there, whenever the connection breaks', async () => {
  const frame = 'udp,dl_dst=02:00:00:00:00:03,tp_dst=9'
  const steps = [
    { at: 0, step: { type: 'send', from: 'listener', frame, count: 600, rate: 10_000 } as const },
    { at: 11 * MILLISECOND, step: { type: 'fail', target: { kind: 'host', host: 'h3' } } as const },
  ]
  const subject = await Subject.read(movingListener({ steps }))
  const { start, all } = (await profileOf(subject)).profile.events
  const noticed = { switch: 30_000, controller: 20_000 }
  for (let event = start; event < all; event++) {
    const cut = { kind: 'cut', at: { event }, switch: 'h1/br-int', down: 0, up: 1, noticed, away: 20_000 } as const
    const { broken } = await runSchedule(subject, { seed: 3, perturbations: [cut] })
    expect({ event, broken }).toEqual({ event, broken: undefined })
  }
})

test('an abort at any step loses and doubles nothing and lets nothing be overtaken, whatever breaks right after', async () => {
  const { runs, exceptions } = await abortEverywhere('vlan', 47)
  expect(exceptions).toEqual([])
  expect(runs).toBeGreaterThan(15)
})
