// A move that goes back, and a controller that is killed meanwhile: memory is gone, the order of frames is not.

import { expect, test } from 'vitest'
import { Controller } from '../../../controller/controller.ts'
import { profileOf } from '../../../lab/explore/explore.ts'
import { type Interposed, runSchedule } from '../../../lab/explore/run.ts'
import type { Perturbation } from '../../../lab/explore/schedule.ts'
import { Subject } from '../../../lab/explore/subject.ts'
import { MILLISECOND } from '../../../runtime/clock.ts'
import { abortEverywhere, killedOnWayBack } from '../../support/abort-law.ts'
import { answeredAsker, movingListener } from '../../support/explored-scenarios.ts'

/** Of the events of a move, and of a way back, one in so many is tried; STRIDE=1 tries all. */
const STRIDE = Number(process.env['STRIDE'] ?? 4)

/** Everybody sends to the destination, and the source is asked what it has kept. */
const COLLECTING = /^to h1\/br-int: held frames of/

/** Finds the control events of a run by what happens. */
async function traced(subject: Subject, perturbations: Perturbation[] = []) {
  const { happenings } = await runSchedule(subject, { seed: 3, perturbations }, { keep: true })
  return (what: RegExp, from = 0): number => {
    const found = happenings.find((one) => one.event !== undefined && one.event >= from && what.test(one.what))
    if (found?.event === undefined) throw new Error(`nothing like ${what.source} happens`)
    return found.event
  }
}

test('a controller killed at whatever step of a way back loses no frame, and lets none be overtaken', async () => {
  const subject = await Subject.read(movingListener())
  const undone = (await traced(subject))(COLLECTING)
  const abort: Perturbation = { kind: 'abort', at: { event: undone } }
  const wayBack = await traced(subject, [abort])
  const turned = wayBack(/^to h1\/br-int: bundle/, undone)
  const handedBack = wayBack(/^to h1\/br-int: [1-9]\d* frames to deliver/, turned)
  const killed = await killedOnWayBack(subject, { undone, first: undone + 3, stride: STRIDE, away: 37_000_000 })
  // While nobody but the destination has what it had kept, and the source keeps what comes now.
  expect(killed.filter((event) => event > turned && event <= handedBack).length).toBeGreaterThan(1)
  expect(killed.at(-1)).toBeGreaterThan(handedBack)
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
  for (let event = start; event < all; event += STRIDE) {
    const cut = { kind: 'cut', at: { event }, switch: 'h1/br-int', down: 0, up: 1, noticed, away: 20_000 } as const
    const { broken } = await runSchedule(subject, { seed: 3, perturbations: [cut] })
    expect({ event, broken }).toEqual({ event, broken: undefined })
  }
})

test('a guest that speaks goes on at its source only once its port is open there, too, where another host is away', async () => {
  const frame = 'udp,dl_dst=02:00:00:00:00:02,tp_dst=9'
  const steps = [{ at: 0, step: { type: 'send', from: 'listener', frame, count: 600, rate: 10_000 } as const }]
  const subject = await Subject.read(movingListener({ type: 'vxlan', steps }))
  const noticed = { switch: 30_000, controller: 20_000 }
  const cut = (event: number, host: string, away: number) =>
    ({ kind: 'cut', at: { event }, switch: `${host}/br-int`, down: 0, up: 1, noticed, away }) as const
  const undone = (await traced(subject))(COLLECTING)
  // Who is not told of the way back goes on sending to the destination.
  const before = [cut(undone, 'h2', 20 * MILLISECOND), { kind: 'abort', at: { event: undone + 1 } } as const]
  const wayBack = await traced(subject, before)
  const handedBack = wayBack(/^to h1\/br-int: [1-9]\d* frames to deliver/, undone)
  const goesOn = wayBack(/^guest listener goes on at h1$/, handedBack)
  // What that host has sent meanwhile is brought after the guest.
  expect(wayBack(/^to h1\/br-int: [1-9]\d* frames to deliver/, goesOn)).toBeGreaterThan(goesOn)
  for (let event = handedBack; event <= goesOn; event++) {
    const { broken } = await runSchedule(subject, { seed: 3, perturbations: [...before, cut(event, 'h1', 20_000)] })
    expect({ event, broken }).toEqual({ event, broken: undefined })
  }
})

test('a source that is away for a moment, while both places are brought into one order, takes what it is brought once it is back', async () => {
  const subject = await Subject.read(answeredAsker('vxlan'))
  const run = async (perturbations: Perturbation[]) => {
    let controller: Controller | undefined
    const makeController: Interposed['makeController'] = (options) => (controller = new Controller(options))
    const outcome = await runSchedule(subject, { seed: 3, perturbations }, { keep: true, makeController })
    const goesOn = outcome.happenings.find(({ what }) => what === 'guest asker goes on at h1')
    return { ...outcome, goesOn, state: controller!.migrations()[0]!.state }
  }
  const opens = (await traced(subject))(/to h3\/br-int: .* asker:eth0 open/)
  const abort: Perturbation = { kind: 'abort', at: { event: opens - 12 } }
  const undisturbed = await run([abort])
  const noticed = { switch: 10_000, controller: 10_000 }
  for (let event = opens + 12; event < undisturbed.goesOn!.event!; event += STRIDE) {
    const cut = { kind: 'cut', at: { event }, switch: 'h1/br-int', down: 1, up: 1, noticed, away: 20_000 } as const
    const { broken, begun, state, goesOn } = await run([abort, cut])
    expect({ event, broken, begun: begun.length, state }).toEqual({
      event,
      broken: undefined,
      begun: 2,
      state: 'aborted',
    })
    expect(goesOn!.at - undisturbed.goesOn!.at).toBeLessThan(3 * MILLISECOND)
  }
})

test('an abort at any step loses and doubles nothing and lets nothing be overtaken, whatever breaks right after', async () => {
  const { runs, exceptions } = await abortEverywhere('vlan', 47)
  expect(exceptions).toEqual([])
  expect(runs).toBeGreaterThan(15)
})
