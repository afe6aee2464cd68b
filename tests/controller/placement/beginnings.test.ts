// A drain that is being written down, or can not be.

import { expect, test } from 'vitest'
import { MILLISECOND, SECOND } from '../../../runtime/clock.ts'
import { controlledFleet, threeHosts } from '../../support/controlled-fleet.ts'
import { RestartingFleet } from '../../support/restarting-fleet.ts'

test.each(['undrain', 'abort'])('%s stops a drain that has only just been asked for', async (how) => {
  const { controller, settle, clock } = await controlledFleet(threeHosts())
  const { relocations } = controller
  const drain = relocations.drain('h1', { pause: 10 * MILLISECOND })
  const stop = how === 'abort' ? relocations.abort('r1') : relocations.undrain('h1')
  await settle(Promise.all([drain, stop]))
  expect(await settle(relocations.done('r1'))).toMatchObject({ state: 'aborted' })
  await clock.run(clock.now() + SECOND)
  expect(controller.topology.vms.map(({ host }) => host)).toEqual(threeHosts().vms.map(({ host }) => host))
  expect(relocations.modeOf('h1')).toBe(how === 'abort' ? 'closed' : 'open')
})

test('drains that can not be kept leave nothing, whatever others begin meanwhile', async () => {
  const fleet = await RestartingFleet.start(threeHosts())
  const { relocations } = fleet.controller
  fleet.store.full = true
  const drains = ['h1', 'h2'].map((host) => relocations.drain(host).catch(() => 'refused'))
  expect(await fleet.settle(Promise.all(drains))).toEqual(['refused', 'refused'])
  expect(relocations.all()).toEqual([])
  expect(['h1', 'h2'].map((host) => relocations.modeOf(host))).toEqual(['open', 'open'])
  fleet.store.full = false
  const { id } = await fleet.settle(relocations.drain('h1', { pause: MILLISECOND }))
  expect(await fleet.settle(relocations.done(id))).toMatchObject({ state: 'done' })
})
