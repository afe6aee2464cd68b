// Busy hosts give VMs to less busy ones: no capacity and no anti-affinity is broken on the way, and a second time nothing is to be done.

import { describe, expect, test } from 'vitest'
import { Controller } from '../../../controller/controller.ts'
import { Occupancy } from '../../../controller/placement/occupancy.ts'
import { planRebalance } from '../../../controller/placement/plan.ts'
import { MILLISECOND } from '../../../runtime/clock.ts'
import { seeded } from '../../../runtime/random.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'
import { switchName, type Topology, type Vm } from '../../../topologies/topology.ts'
import { FakeSwitch } from '../../support/fake-switch.ts'
import { isSound, randomPlacement, slowlyFits } from '../../support/random-placements.ts'
import { RestartingFleet } from '../../support/restarting-fleet.ts'

const SEEDS = Array.from({ length: 60 }, (_, index) => index + 1)

const loadOf = (host: string, vms: readonly Vm[]) =>
  vms.filter((vm) => vm.host === host).reduce((sum, { nics }) => sum + nics.length, 0)

/** Of all loads: the smaller, the more alike they are. */
const unevenness = ({ hosts }: Topology, vms: readonly Vm[]) =>
  hosts.reduce((sum, { name }) => sum + loadOf(name, vms) ** 2, 0)

/** Every single move that would make two hosts more alike, found by trying all. */
const bettering = ({ hosts }: Topology, vms: readonly Vm[]) =>
  vms.flatMap((vm) =>
    hosts.filter(
      (host) =>
        host.name !== vm.host &&
        loadOf(host.name, vms) + vm.nics.length < loadOf(vm.host, vms) &&
        vm.nics.length > 0 &&
        slowlyFits(vm, host, vms),
    ),
  )

const movedTo = (vms: readonly Vm[], name: string, host: string) =>
  vms.map((vm) => (vm.name === name ? { ...vm, host } : vm))

describe('the plan of a rebalancing', () => {
  test.each(SEEDS)(
    'is sound at each step, makes loads more alike until no move does, and is done at once (seed %i)',
    (seed) => {
      const topology = randomPlacement(seeded(seed), 40)
      const { moves } = planRebalance(new Occupancy(topology))
      let { vms } = topology
      for (const { vm: name, from, to } of moves) {
        const vm = vms.find((one) => one.name === name)!
        const host = topology.hosts.find((one) => one.name === to)!
        expect({ from: vm.host, fits: slowlyFits(vm, host, vms) }).toEqual({ from, fits: true })
        const before = unevenness(topology, vms)
        vms = movedTo(vms, name, to)
        expect(unevenness(topology, vms)).toBeLessThan(before)
      }
      expect(bettering(topology, vms)).toEqual([])
      expect(planRebalance(new Occupancy({ ...topology, vms })).moves).toEqual([])
    },
  )

  test('has something to do for many of these', () => {
    const busy = SEEDS.filter(
      (seed) => planRebalance(new Occupancy(randomPlacement(seeded(seed), 40))).moves.length > 1,
    )
    expect(busy.length).toBeGreaterThan(SEEDS.length / 3)
  })
})

describe('a rebalancing', () => {
  test.each([1, 2, 3, 4, 5])(
    'keeps capacity and anti-affinity at every instant, and ends where its plan does (seed %i)',
    async (seed) => {
      const random = seeded(seed)
      const topology = randomPlacement(random, 40)
      const clock = new VirtualClock()
      const controller = new Controller({ clock, drain: () => 10_000 })
      for (const host of topology.hosts)
        for (const bridge of host.bridges) new FakeSwitch(switchName(host, bridge), clock).dial(controller)
      await clock.runUntil(controller.apply(topology))
      const { moves: planned } = await controller.relocations.planRebalance()
      let breaches = 0
      controller.subscribe(() => {
        const moving = controller
          .migrations()
          .filter(({ endedAt, state }) => endedAt === undefined && state !== 'queued')
        for (const host of topology.hosts) {
          const coming = moving.filter(({ to }) => to === host.name).map(({ vm }) => vm)
          const there = controller.topology.vms.filter((vm) => vm.host === host.name || coming.includes(vm.name))
          if (!isSound(host, there)) breaches++
        }
      })
      const { id } = await clock.runUntil(
        controller.relocations.rebalance({ parallel: 1 + random.below(5), pause: MILLISECOND }),
      )
      expect(await clock.runUntil(controller.relocations.done(id))).toMatchObject({ state: 'done' })
      expect(breaches).toBe(0)
      const ended = planned.reduce((vms, { vm, to }) => movedTo(vms, vm, to), topology.vms)
      expect(controller.topology.vms.map(({ host }) => host)).toEqual(ended.map(({ host }) => host))
      expect((await controller.relocations.planRebalance()).moves).toEqual([])
    },
  )

  test('gives up what follows a move that fails', async () => {
    const topology = randomPlacement(seeded(2), 40)
    const fleet = await RestartingFleet.start({
      ...topology,
      hosts: topology.hosts.map(({ capacity: _any, ...host }) => ({ ...host, vtep: host.vtep ?? '192.0.2.99' })),
      vms: topology.vms.map(({ antiAffinity: _none, ...vm }) => ({ ...vm, host: 'h1' })),
    })
    const { id } = await fleet.settle(fleet.controller.relocations.rebalance({ parallel: 1, pause: 5 * MILLISECOND }))
    const [first] = fleet.controller.migrations()
    fleet.switches.get(`${first!.to}/br-int`)!.hangUp()
    const { state, moves } = await fleet.settle(fleet.controller.relocations.done(id))
    expect(state).toBe('failed')
    expect(moves.length).toBeGreaterThan(1)
    expect(moves.every((move) => move.state === 'failed')).toBe(true)
    expect(fleet.controller.migrations()).toHaveLength(1)
  })
})
