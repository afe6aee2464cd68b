// A move that may take only so long.

import { expect, test } from 'vitest'
import { Controller, type ControllerOptions } from '../../../controller/controller.ts'
import type { Hypervisor, MoveRequest } from '../../../controller/model.ts'
import { Lab } from '../../../lab/lab.ts'
import { MILLISECOND, type Nanoseconds, SECOND } from '../../../runtime/clock.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'
import { threeHosts } from '../../support/controlled-fleet.ts'
import { RestartingFleet } from '../../support/restarting-fleet.ts'

const DEADLINE = 100 * MILLISECOND

/** A guest whose memory is never over, as one's that writes faster than it is copied. */
const busyGuest = (guest: { at: string | undefined }): Hypervisor => ({
  pause: async (_vm, { aborted }) => {
    await aborted
    throw new Error('given up on request')
  },
  resume: async (_vm, host) => void (guest.at = host),
})

async function moved(request: Partial<MoveRequest>, span: Nanoseconds, hypervisor?: Hypervisor) {
  const clock = new VirtualClock()
  const makeController = (options: ControllerOptions) =>
    new Controller({ ...options, ...(hypervisor && { hypervisor }) })
  const lab = await Lab.start(threeHosts(), { clock, seed: 1, makeController })
  const { id } = lab.controller.migrate({ vm: 'a', to: 'h2', deadline: DEADLINE, ...request })
  await clock.run(clock.now() + span)
  return { clock, controller: lab.controller, id, status: lab.controller.migrations()[0]! }
}

test('goes back when it is over, and says so', async () => {
  const guest = { at: undefined }
  const { status, controller } = await moved({}, 2 * DEADLINE, busyGuest(guest))
  expect(status).toMatchObject({ state: 'aborted', problem: 'it was not at h2 within 100ms', leftBehind: [] })
  expect(status.endedAt! - status.startedAt).toBeGreaterThanOrEqual(DEADLINE)
  expect({ host: controller.vms()[0]!.host, guest: guest.at }).toEqual({ host: 'h1', guest: 'h1' })
})

test('goes back where its guest stands still for too long', async () => {
  const { status } = await moved({ pause: SECOND }, 2 * DEADLINE)
  expect(status).toMatchObject({ state: 'aborted', problem: 'it was not at h2 within 100ms' })
})

test('does not once the guest has been told to go on', async () => {
  const { clock, controller, id, status } = await moved({ activation: ['explicit'] }, 10 * DEADLINE)
  expect(status).toMatchObject({ state: 'switch-over' })
  await clock.runUntil(controller.activateMigration(id))
  expect(await clock.runUntil(controller.migrationDone(id))).toMatchObject({ state: 'done' })
})

test('may take its time while it waits for its turn, over a restart too', async () => {
  const fleet = await RestartingFleet.start(threeHosts())
  fleet.controller.migrate({ vm: 'a', to: 'h2', pause: SECOND })
  fleet.controller.migrate({ vm: 'a', to: 'h3', pause: SECOND, deadline: 500 * MILLISECOND })
  fleet.controller.migrate({ vm: 'a', to: 'h3', deadline: 500 * MILLISECOND })
  await fleet.clock.run(fleet.clock.now() + DEADLINE)
  await fleet.restart()
  await fleet.settled()
  expect(fleet.controller.migrations()).toMatchObject([
    { state: 'aborted', problem: 'the controller was restarted' },
    { state: 'aborted', problem: 'it was not at h3 within 500ms' },
    { state: 'done', to: 'h3' },
  ])
})
