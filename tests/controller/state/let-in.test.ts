// A guest that is let in at its destination by hand, on a disk that fills up, and by a controller that is killed.

import { expect, test } from 'vitest'
import { buildServer } from '../../../controller/api/server.ts'
import { threeHosts } from '../../support/controlled-fleet.ts'
import { ask } from '../../support/live-lab.ts'
import { RestartingFleet } from '../../support/restarting-fleet.ts'

async function awaited() {
  const fleet = await RestartingFleet.start(threeHosts())
  const { id } = fleet.controller.migrate({ vm: 'a', to: 'h2', activation: ['explicit'] })
  await passes(fleet)
  const status = () => fleet.controller.migrations()[0]!
  expect(status()).toMatchObject({ state: 'switch-over' })
  return { fleet, id, status }
}

const passes = (fleet: RestartingFleet) => fleet.clock.run(fleet.clock.now() + 10_000_000_000)

test('a guest is not let in where that can not be kept, and is once there is room', async () => {
  const { fleet, id, status } = await awaited()
  const { controller, store } = fleet
  const before = { contents: fleet.contents(), status: status() }
  store.full = true
  const api = await buildServer(controller)
  const { status: refused, headers, body } = await ask(api, 'POST', `/migrations/${id}/activate`)
  expect({ refused, ...body }).toMatchObject({ refused: 503, type: 'urn:signalbox:problem:not-kept' })
  expect(headers['content-type']).toContain('application/problem+json')
  await passes(fleet)
  expect({ contents: fleet.contents(), status: status() }).toEqual(before)
  store.full = false
  await fleet.settle(controller.activateMigration(id, 'ben'))
  await passes(fleet)
  expect(status()).toMatchObject({ state: 'done', activatedBy: 'explicit' })
  const journal = await fleet.state.journal({ limit: 2 })
  expect(journal.map(({ by, operation, result }) => [by, operation, result])).toEqual([
    ['ben', 'activate migration', 'ok'],
    ['local', 'activate migration', 'no space is left'],
  ])
})

test.each([
  ['a guest is in after a restart, too, where that was kept', true, 'done'],
  ['a guest is awaited after a restart, where that was not kept yet', false, 'switch-over'],
] as const)('%s', async (_what, after, state) => {
  const { fleet, id, status } = await awaited()
  fleet.store.killAt = { batch: fleet.store.written + 1, after }
  void fleet.controller.activateMigration(id)
  await passes(fleet)
  await fleet.restart()
  await passes(fleet)
  expect(status()).toMatchObject({ state })
  expect(status().activatedBy).toBe(after ? 'explicit' : undefined)
})

test('a guest goes on where a restart has it go on, whenever the disk fills up', async () => {
  const places = new Set<string | undefined>()
  for (let writes = 1; writes < 12; writes++) {
    const fleet = await RestartingFleet.start(threeHosts())
    const full = fleet.store.written + writes
    fleet.controller.migrate({ vm: 'a', to: 'h2', activation: ['explicit'] })
    const end = fleet.clock.now() + 100_000_000
    while (fleet.store.written < full && fleet.clock.now() < end) await fleet.clock.run(fleet.clock.now() + 1000)
    fleet.store.full = true
    await passes(fleet)
    const place = fleet.guests.get('a')
    await fleet.restart()
    await passes(fleet)
    expect({ writes, place: fleet.guests.get('a') }).toEqual({ writes, place })
    places.add(place)
  }
  expect(places).toEqual(new Set(['h1', 'h2']))
})
