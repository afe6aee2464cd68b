// A VM that has one place again while its move only tidies up may be put elsewhere: what that was answered with holds, also after a restart.

import { expect, test } from 'vitest'
import { MILLISECOND } from '../../../runtime/clock.ts'
import type { Topology } from '../../../topologies/topology.ts'
import { threeHosts } from '../../support/controlled-fleet.ts'
import { RestartingFleet } from '../../support/restarting-fleet.ts'

/** `a` is at h2. */
function elsewhere(): Topology {
  const topology = threeHosts()
  return { ...topology, vms: topology.vms.map((vm) => (vm.name === 'a' ? { ...vm, host: 'h2' } : vm)) }
}

const placeOf = ({ controller }: RestartingFleet) => controller.topology.vms.find(({ name }) => name === 'a')!.host

test.each([
  ['commit', 'done', 'h1'],
  ['abort', 'aborted', 'h3'],
] as const)('where it was put during %s it stays after a restart', async (during, end, left) => {
  const fleet = await RestartingFleet.start(threeHosts())
  const { clock, controller, guests } = fleet
  const device = fleet.switches.get(`${left}/br-int`)!
  device.ignores = ({ type }) => type === 'portStatisticsRequest'
  const { id } = controller.migrate({ vm: 'a', to: 'h3', pause: 5 * MILLISECOND })
  await clock.run(clock.now() + MILLISECOND)
  if (during === 'abort') void controller.abortMigration(id)
  await clock.run(clock.now() + 20 * MILLISECOND)
  await fleet.settle(controller.apply(elsewhere()))
  expect(controller.migrations()).toMatchObject([{ state: during }])
  // Somebody begins it there.
  guests.set('a', 'h2')
  await fleet.restart(false)
  device.ignores = () => false
  fleet.dial()
  await fleet.settled()
  expect(placeOf(fleet)).toBe('h2')
  expect(guests.get('a')).toBe('h2')
  expect(fleet.openAt('a:eth0')).toEqual(['h2'])
  expect(fleet.controller.migrations()).toMatchObject([{ state: end, leftBehind: [] }])
})

test('nobody puts it elsewhere while its guest stands still', async () => {
  const fleet = await RestartingFleet.start(threeHosts())
  const { clock, controller, guests, switches } = fleet
  const { id } = controller.migrate({ vm: 'a', to: 'h3', pause: 5 * MILLISECOND })
  await clock.run(clock.now() + MILLISECOND)
  let tried: Promise<void> | undefined
  switches.get('h3/br-int')!.onChange = (change) => {
    if (tried !== undefined || change.type !== 'portMod' || change.command !== 'delete') return
    // The move goes back, and has settled it where it was.
    expect(guests.get('a')).toBeUndefined()
    tried = controller.apply(elsewhere())
    tried.catch(() => {})
  }
  await fleet.settle(controller.abortMigration(id))
  await expect(fleet.settle(tried!)).rejects.toThrow('a is being moved from h1 to h3')
  expect(guests.get('a')).toBe('h1')
})
