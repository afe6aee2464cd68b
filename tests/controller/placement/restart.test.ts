// What goes wrong while VMs of a host that has failed begin anew, and does not keep them from it.

import { describe, expect, test } from 'vitest'
import { bareIntent } from '../../../controller/network/intent.ts'
import { withVm } from '../../../controller/network/vm-changes.ts'
import { restart, type RestartWorld } from '../../../controller/placement/restart.ts'
import type { BundledMessage } from '../../../protocols/control/messages.ts'
import { MILLISECOND, SECOND } from '../../../runtime/clock.ts'
import { controlledFleet, threeHosts, type ControlledFleet } from '../../support/controlled-fleet.ts'

async function without(host: string, { switches, clock }: ControlledFleet): Promise<void> {
  switches.get(`${host}/br-int`)!.hangUp()
  await clock.run(clock.now() + MILLISECOND)
}

async function failover({ controller, settle }: ControlledFleet, host: string) {
  const { id } = await settle(controller.relocations.failover(host, true))
  return settle(controller.relocations.done(id))
}

const hostOf = ({ controller }: ControlledFleet, vm: string) =>
  controller.topology.vms.find(({ name }) => name === vm)?.host

/** Where each guest was told to begin anew, last first. */
const begun = ({ guests }: ControlledFleet, vm: string) =>
  guests.flatMap((line) => (line.startsWith(`restart ${vm} at `) ? line.slice(-2) : [])).toReversed()

const ofNic = (change: BundledMessage, nic: string) => change.type === 'portMod' && change.port.name === nic

describe('a failover', () => {
  test('does not heed what a switch says that has nothing to do with it', async () => {
    const topology = threeHosts()
    topology.hosts.push({ name: 'h4', vtep: '192.0.2.4', bridges: [{ name: 'br-int' }] })
    // Nobody fits there, and it has to be told where they are.
    topology.hosts[2]!.capacity = 1
    const fleet = await controlledFleet(topology)
    await without('h1', fleet)
    fleet.switches.get('h3/br-int')!.refuses = () => true
    expect((await failover(fleet, 'h1')).state).toBe('done')
    for (const vm of ['a', 'c']) expect(begun(fleet, vm)).toEqual([hostOf(fleet, vm)])
  })

  test.each(['hangs up', 'refuses'])('tries another host where the first %s once the VM has its place', async (how) => {
    const fleet = await controlledFleet(threeHosts())
    const { controller, switches, clock } = fleet
    await without('h1', fleet)
    const [first] = controller.relocations.planDrain('h1').moves
    const device = switches.get(`${first!.to}/br-int`)!
    if (how === 'refuses') device.refuses = (change) => ofNic(change, `${first!.vm}:eth0`)
    else device.hangUpAt = device.received + 1
    const { state, moves } = await failover(fleet, 'h1')
    const move = moves.find(({ vm }) => vm === first!.vm)
    expect({ state, move }).toMatchObject({ state: 'done', move: { tried: [first!.to], at: move!.to } })
    expect(move!.to).not.toBe(first!.to)
    await clock.run(clock.now() + SECOND)
    for (const vm of ['a', 'c']) expect(begun(fleet, vm)[0]).toBe(hostOf(fleet, vm))
  })

  test('tells where the VM is, and why, if no host has it begin', async () => {
    const topology = threeHosts()
    topology.vms = topology.vms.filter(({ name }) => name !== 'c')
    const fleet = await controlledFleet(topology)
    await without('h1', fleet)
    for (const host of ['h2', 'h3']) fleet.switches.get(`${host}/br-int`)!.refuses = (change) => ofNic(change, 'a:eth0')
    const { state, moves } = await failover(fleet, 'h1')
    expect({ state, moves }).toMatchObject({
      state: 'failed',
      moves: [{ vm: 'a', from: 'h1', at: hostOf(fleet, 'a') }],
    })
    expect(hostOf(fleet, 'a')).not.toBe('h1')
    expect(moves[0]!.problem).toContain('refuse')
    expect(begun(fleet, 'a')).toEqual([])
  })

  test('leaves a guest going on where its move has brought it', async () => {
    for (const to of ['h2', 'h3']) {
      const topology = threeHosts()
      // Its plan is to have it begin anew there.
      topology.hosts[to === 'h2' ? 2 : 1]!.capacity = 1
      const fleet = await controlledFleet(topology)
      const { controller, clock } = fleet
      controller.migrate({ vm: 'a', to, pause: 10 * MILLISECOND })
      await clock.run(clock.now() + 9 * MILLISECOND)
      while (controller.migrations()[0]!.resumedAt === undefined) await clock.run(clock.now() + 1000)
      fleet.switches.get('h1/br-int')!.hangUp()
      const { state, moves } = await failover(fleet, 'h1')
      const move = moves.find(({ vm }) => vm === 'a')
      expect({ state, move }).toMatchObject({ state: 'done', move: { state: 'done', to } })
      expect(move!.restartedAt).toBeUndefined()
      expect(begun(fleet, 'a')).toEqual([])
    }
  })
})

test('a VM that is taken out as the place that it leaves is told of it is not waited for', async () => {
  let intent = bareIntent(threeHosts())
  const never = new Promise<never>(() => undefined)
  const world = {
    intent: () => intent,
    amend: (change: object) => (intent = { ...intent, ...change }),
    writes: { save: () => Promise.resolve() },
    formerHosts: {
      with: () => new Map([['a', ['h1']]]),
      of: (vm: string) => intent.formerHosts.get(vm) ?? [],
      left: () => never,
    },
    fleet: {
      has: () => false,
      pushEach: () => {
        const a = intent.topology.vms.find(({ name }) => name === 'a')
        intent = { ...intent, topology: withVm(intent.topology, a, undefined) }
        return Promise.resolve()
      },
    },
  } as unknown as RestartWorld
  const waited: (string | undefined)[] = []
  const request = { to: 'h2', given: () => undefined, waits: (why?: string) => void waited.push(why), aborted: never }
  const ended = restart(world, 'a', request)
  await expect(Promise.race([ended, new Promise(setImmediate)])).rejects.toThrow('there is no a any more')
  expect(waited).toEqual([])
})
