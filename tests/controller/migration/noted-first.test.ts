// A destination starts anew while its guest stands still. That it has lost what it was brought is durable before it is told of the
// port, whoever would tell it: a controller that takes over finds the port made, and could not know.

import { expect, test } from 'vitest'
import { MILLISECOND } from '../../../runtime/clock.ts'
import type { Batch } from '../../../runtime/store.ts'
import { threeHosts } from '../../support/controlled-fleet.ts'
import { RestartingFleet } from '../../support/restarting-fleet.ts'

const saysLost = ({ changes }: Batch) =>
  changes.some(({ kind, value }) => kind === 'migration' && String(value).includes('a:eth0 at h3/br-int'))

/** What was lost is not written before it may be. */
function withheld({ store }: RestartingFleet) {
  let goOn = () => {}
  const until = new Promise<void>((resolve) => (goOn = resolve))
  const write = store.write.bind(store)
  const told = { begun: false, goOn }
  store.write = async (batch) => {
    if (saysLost(batch)) {
      told.begun = true
      await until
    }
    return write(batch)
  }
  return told
}

test('a destination that dials again while that is being written is not told before it is', async () => {
  const fleet = await RestartingFleet.start(threeHosts())
  const { clock, controller } = fleet
  const device = fleet.switches.get('h3/br-int')!
  const { id } = controller.migrate({ vm: 'a', to: 'h3', pause: 50 * MILLISECOND })
  await clock.run(clock.now() + 20 * MILLISECOND)
  expect(device.ports.has('a:eth0')).toBe(true)
  const writing = withheld(fleet)
  device.hangUp()
  device.startAnew()
  device.dial(controller)
  await clock.run(clock.now() + MILLISECOND)
  expect(writing.begun).toBe(true)
  device.hangUp()
  device.dial(controller)
  await clock.run(clock.now() + 5 * MILLISECOND)
  expect(device.ports.has('a:eth0')).toBe(false)
  writing.goOn()
  expect(await fleet.settle(controller.migrationDone(id))).toMatchObject({ state: 'done' })
  expect(fleet.openAt('a:eth0')).toEqual(['h3'])
})
