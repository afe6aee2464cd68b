// A host is drained: its VMs go to others that can have them, and what can not be moved is told.

import { describe, expect, test } from 'vitest'
import { Controller } from '../../../controller/controller.ts'
import { Occupancy } from '../../../controller/placement/occupancy.ts'
import { planDrain } from '../../../controller/placement/plan.ts'
import { MILLISECOND } from '../../../runtime/clock.ts'
import { seeded } from '../../../runtime/random.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'
import { switchName, type Topology } from '../../../topologies/topology.ts'
import { FakeSwitch } from '../../support/fake-switch.ts'
import { isSound, randomPlacement, slowlyFits } from '../../support/random-placements.ts'
import { RestartingFleet } from '../../support/restarting-fleet.ts'
import { threeHosts } from '../../support/controlled-fleet.ts'

const SEEDS = Array.from({ length: 40 }, (_, index) => index + 1)

describe('the plan of a drain', () => {
  test.each(SEEDS)(
    'breaks no capacity and no anti-affinity, and leaves only those for whom there is no place (seed %i)',
    (seed) => {
      const topology = randomPlacement(seeded(seed))
      const [{ name: drained }] = topology.hosts as [Topology['hosts'][number]]
      const leaving = topology.vms.filter(({ host }) => host === drained)
      const { moves, stuck } = planDrain(new Occupancy(topology), drained, leaving)
      let vms = topology.vms
      for (const { vm: name, from, to } of moves) {
        const vm = vms.find((one) => one.name === name)!
        const host = topology.hosts.find((one) => one.name === to)!
        expect({ from, fits: slowlyFits(vm, host, vms) }).toEqual({ from: drained, fits: true })
        expect(to).not.toBe(drained)
        vms = vms.map((one) => (one === vm ? { ...vm, host: to } : one))
      }
      expect([...moves, ...stuck].map(({ vm }) => vm).sort()).toEqual(leaving.map(({ name }) => name).sort())
      for (const { vm: name } of stuck) {
        const vm = vms.find((one) => one.name === name)!
        const others = topology.hosts.filter((host) => host.name !== drained)
        expect(others.filter((host) => slowlyFits(vm, host, vms))).toEqual([])
      }
    },
  )
})

async function start(topology: Topology) {
  const clock = new VirtualClock()
  const controller = new Controller({ clock, drain: () => 10_000 })
  const switches = topology.hosts.flatMap((host) =>
    host.bridges.map((bridge) => new FakeSwitch(switchName(host, bridge), clock)),
  )
  for (const device of switches) device.dial(controller)
  await clock.runUntil(controller.apply(topology))
  return { clock, controller, switches }
}

/** Hosts with the VMs that are there, be it on their way. */
const present = (controller: Controller, topology: Topology) =>
  topology.hosts.map((host) => {
    const coming = controller
      .migrations()
      .filter(({ endedAt, state, to }) => endedAt === undefined && state !== 'queued' && to === host.name)
      .map(({ vm }) => vm)
    return {
      host,
      vms: controller.topology.vms.filter(({ name, host: at }) => at === host.name || coming.includes(name)),
    }
  })

describe('a drain', () => {
  test.each([1, 2, 3, 4, 5])(
    'at no time breaks a capacity or an anti-affinity, and empties the host as far as that goes (seed %i)',
    async (seed) => {
      const random = seeded(seed)
      const topology = randomPlacement(random)
      const { clock, controller } = await start(topology)
      let [most, breaches] = [0, 0]
      controller.subscribe(() => {
        for (const { host, vms } of present(controller, topology)) if (!isSound(host, vms)) breaches++
        most = Math.max(most, controller.migrations().filter(({ endedAt }) => endedAt === undefined).length)
      })
      const parallel = 1 + random.below(4)
      const planned = controller.relocations.planDrain('h1')
      const { id } = await clock.runUntil(controller.relocations.drain('h1', { parallel, pause: MILLISECOND }))
      const { state, moves } = await clock.runUntil(controller.relocations.done(id))
      expect(breaches).toBe(0)
      expect(most).toBeLessThanOrEqual(parallel)
      const left = controller.topology.vms.filter(({ host }) => host === 'h1').map(({ name }) => name)
      expect(left.sort()).toEqual(planned.stuck.map(({ vm }) => vm).sort())
      expect(
        moves
          .filter((move) => move.state === 'failed')
          .map(({ vm }) => vm)
          .sort(),
      ).toEqual(left)
      expect(state).toBe(left.length === 0 ? 'done' : 'failed')
      for (const { vm, to } of planned.moves)
        expect(controller.topology.vms.find(({ name }) => name === vm)?.host).toBe(to)
    },
  )

  test('closes the host to VMs until it is opened again', async () => {
    const { clock, controller } = await start(threeHosts())
    const { id } = await clock.runUntil(controller.relocations.drain('h1'))
    expect(() => controller.migrate({ vm: 'b', to: 'h1' })).toThrow('h1 is closed to new VMs')
    await clock.runUntil(controller.relocations.done(id))
    const more = { ...threeHosts(), vms: [...threeHosts().vms, { name: 'e', host: 'h1', nics: [] }] }
    await expect(clock.runUntil(controller.apply(more))).rejects.toThrow('e can not be at h1')
    await clock.runUntil(controller.apply(threeHosts()))
    expect(controller.topology.vms.some(({ host }) => host === 'h1')).toBe(false)
    await controller.relocations.undrain('h1')
    await clock.runUntil(controller.apply(more))
    const back = controller.migrate({ vm: 'a', to: 'h1' })
    expect(await clock.runUntil(controller.migrationDone(back.id))).toMatchObject({ state: 'done' })
  })

  test('that is aborted undoes what is under way, leaves what is done, and tells what stayed', async () => {
    const topology = threeHosts()
    topology.vms = topology.vms.map((vm) => ({ ...vm, host: 'h1' }))
    const { clock, controller } = await start(topology)
    const { id } = await clock.runUntil(controller.relocations.drain('h1', { parallel: 1, pause: 10 * MILLISECOND }))
    await clock.run(clock.now() + 15 * MILLISECOND)
    const { state, moves } = await clock.runUntil(controller.relocations.abort(id))
    expect(state).toBe('aborted')
    expect(moves.map((move) => move.state)).toEqual(['done', 'failed', 'failed', 'failed'])
    expect(controller.topology.vms.filter(({ host }) => host === 'h1')).toHaveLength(3)
    await clock.run(clock.now() + 1000 * MILLISECOND)
    expect(controller.migrations()).toHaveLength(2)
  })

  test('tries another host where the first does not take the VM', async () => {
    const { clock, controller, switches } = await start(threeHosts())
    const { id } = await clock.runUntil(controller.relocations.drain('h1', { parallel: 1, pause: 10 * MILLISECOND }))
    const [first] = controller.migrations()
    switches.find(({ name }) => name === `${first!.to}/br-int`)!.hangUp()
    const { state, moves } = await clock.runUntil(controller.relocations.done(id))
    const other = first!.to === 'h2' ? 'h3' : 'h2'
    expect({ state, hosts: moves.map(({ to }) => to) }).toEqual({ state: 'done', hosts: [other, other] })
    expect(moves.find(({ vm }) => vm === first!.vm)?.tried).toEqual([first!.to])
  })

  test.each([0, 1, 3, 8, 15, 22])('goes on after a restart of the controller %i ms in', async (span) => {
    const topology = threeHosts()
    topology.vms = topology.vms.map((vm) => ({ ...vm, host: 'h1' }))
    const fleet = await RestartingFleet.start(topology)
    const { id } = await fleet.settle(fleet.controller.relocations.drain('h1', { parallel: 2, pause: 5 * MILLISECOND }))
    await fleet.clock.run(fleet.clock.now() + span * MILLISECOND)
    await fleet.restart()
    await fleet.settled()
    expect(await fleet.settle(fleet.controller.relocations.done(id))).toMatchObject({ id, state: 'done', host: 'h1' })
    expect(fleet.controller.topology.vms.some(({ host }) => host === 'h1')).toBe(false)
    expect(fleet.controller.relocations.modeOf('h1')).toBe('closed')
    expect([...fleet.guests.values()]).not.toContain('h1')
    expect([...fleet.guests.values()]).not.toContain(undefined)
    const [entry] = await fleet.state
      .journal({ limit: 20 })
      .then((all) => all.filter((one) => one.operation === 'drain host'))
    expect(entry).toMatchObject({ arguments: { host: 'h1', parallel: 2 }, result: 'ok' })
  })
})
