// A VM that a topology puts at a host that is away: it is announced there, whatever happens between the host's return and that.

import { expect, test } from 'vitest'
import { MILLISECOND, SECOND } from '../../../runtime/clock.ts'
import type { Topology } from '../../../topologies/topology.ts'
import { controlledFleet, threeHosts } from '../../support/controlled-fleet.ts'

const elsewhere = (topology: Topology, name: string, host: string): Topology => ({
  ...topology,
  vms: topology.vms.map((vm) => (vm.name === name ? { ...vm, host } : vm)),
})

/** `b` is to be at h3, which is away. */
async function awaited() {
  const fleet = await controlledFleet(threeHosts())
  const { clock, controller } = fleet
  const h3 = fleet.switches.get('h3/br-int')!
  const passes = (span: number) => clock.run(clock.now() + span)
  h3.hangUp()
  await passes(MILLISECOND)
  await fleet.settle(controller.apply(elsewhere(threeHosts(), 'b', 'h3')))
  const noted = () => [...controller.topologies.arrivals.noted]
  expect(noted()).toEqual([['b', 'h3']])
  return { ...fleet, h3, passes, noted }
}

test.each(['flowStatisticsRequest', 'bundleControl', 'packetOut'])(
  'the host goes again at its first %s',
  async (type) => {
    const { controller, h3, passes, noted } = await awaited()
    let isThere = true
    h3.onReceived = (message) => {
      if (!isThere || message.type !== type) return
      isThere = false
      h3.hangUp()
    }
    h3.dial(controller)
    await passes(3 * SECOND)
    expect([isThere, h3.packetsOut]).toEqual([false, 0])
    h3.dial(controller)
    await passes(3 * SECOND)
    expect(h3.packetsOut).toBe(5)
    expect(noted()).toEqual([])
  },
)

test('the host refuses something', async () => {
  const { controller, h3, passes, noted } = await awaited()
  h3.refuses = (change) => change.type === 'meterMod'
  h3.dial(controller)
  await passes(3 * SECOND)
  expect(controller.switches().find(({ name }) => name === h3.name)!.problem).toContain('refused')
  expect(h3.packetsOut).toBe(5)
  expect(noted()).toEqual([])
})

test('the host refuses to say it for a while', async () => {
  const { controller, h3, passes, noted } = await awaited()
  let asked = 0
  h3.onPacketOut = () => ++asked > 4
  h3.dial(controller)
  await passes(8 * SECOND)
  expect([asked, h3.packetsOut, noted()]).toEqual([4, 0, [['b', 'h3']]])
  await passes(10 * SECOND)
  expect([h3.packetsOut, noted()]).toEqual([5, []])
})

test('the host refuses to say it, and the VM goes elsewhere', async () => {
  const { controller, h3, passes, noted, settle } = await awaited()
  let asked = 0
  h3.onPacketOut = () => {
    asked++
    return false
  }
  h3.dial(controller)
  await passes(3 * SECOND)
  await settle(controller.apply(threeHosts()))
  const before = asked
  await passes(300 * SECOND)
  expect([asked, h3.packetsOut, noted()]).toEqual([before, 0, []])
})

test('the VM begins to move as the host returns, and stays', async () => {
  const { controller, switches, h3, passes, noted } = await awaited()
  let move: string | undefined
  h3.onReceived = ({ type }) => {
    if (type === 'flowStatisticsRequest') move ??= controller.migrate({ vm: 'b', to: 'h2' }).id
  }
  // Nobody has been told to send elsewhere: the move itself has nothing to announce.
  switches.get('h2/br-int')!.onReceived = ({ type }) => {
    if (type === 'bundleControl' && move !== undefined) void controller.abortMigration(move)
  }
  h3.dial(controller)
  await passes(3 * SECOND)
  expect(controller.migrations()).toMatchObject([{ state: 'aborted', to: 'h2' }])
  expect([noted(), h3.packetsOut]).toEqual([[], 5])
})

test('the VM begins to move as the host returns, and has gone from there', async () => {
  const { controller, h3, passes, noted, settle } = await awaited()
  let move: string | undefined
  h3.onReceived = ({ type }) => {
    if (type === 'flowStatisticsRequest') move ??= controller.migrate({ vm: 'b', to: 'h2' }).id
  }
  h3.dial(controller)
  await passes(MILLISECOND)
  await settle(controller.migrationDone(move!))
  await passes(3 * SECOND)
  expect([noted(), h3.packetsOut]).toEqual([[], 0])
})
