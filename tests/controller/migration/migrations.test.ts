// Moves in the plural: a VM that is moved again while it moves, and how many move at the same time.

import { describe, expect, test } from 'vitest'
import { Controller } from '../../../controller/controller.ts'
import type { MigrationStatus } from '../../../controller/model.ts'
import { Lab } from '../../../lab/lab.ts'
import { udpFrame } from '../../../protocols/packet/compose.ts'
import { MILLISECOND } from '../../../runtime/clock.ts'
import { seeded } from '../../../runtime/random.ts'
import { parseTopology } from '../../../topologies/load.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'
import { switchName, type Topology } from '../../../topologies/topology.ts'
import { controlledFleet, threeHosts } from '../../support/controlled-fleet.ts'
import { FakeSwitch } from '../../support/fake-switch.ts'
import { IP_1, IP_2, MAC_1, MAC_2 } from '../../support/frames.ts'
import { RestartingFleet } from '../../support/restarting-fleet.ts'
import { seeds } from '../../support/seeds.ts'

const PAUSE = 10 * MILLISECOND

const hostOf = (controller: Controller, vm: string) => controller.topology.vms.find(({ name }) => name === vm)?.host

describe('a VM that is moved again while it moves', () => {
  test('goes on from where the move before has ended', async () => {
    const { controller, settle } = await controlledFleet(threeHosts())
    const first = controller.migrate({ vm: 'a', to: 'h2', pause: PAUSE })
    const second = controller.migrate({ vm: 'a', to: 'h3' })
    const third = controller.migrate({ vm: 'a', to: 'h1' })
    expect([first.state, second.state, third.state]).toEqual(['prepare', 'queued', 'queued'])
    const ended = await settle(Promise.all([first, second, third].map(({ id }) => controller.migrationDone(id))))
    expect(ended).toMatchObject([
      { state: 'done', from: 'h1', to: 'h2' },
      { state: 'done', from: 'h2', to: 'h3', policy: 'identical' },
      { state: 'done', from: 'h3', to: 'h1' },
    ])
    expect(ended[1]!.steps.map(({ state }) => state)).toEqual(['queued', 'prepare', 'switch-over', 'commit', 'done'])
    expect(ended[1]!.startedAt).toBeGreaterThanOrEqual(ended[0]!.resumedAt!)
    expect(hostOf(controller, 'a')).toBe('h1')
  })

  test('goes elsewhere from where it was, where that move is to be replaced', async () => {
    const { controller, settle, guests } = await controlledFleet(threeHosts())
    const first = controller.migrate({ vm: 'a', to: 'h2', pause: PAUSE })
    const waiting = controller.migrate({ vm: 'a', to: 'h1' })
    const last = controller.migrate({ vm: 'a', to: 'h3', replace: true })
    const ended = await settle(Promise.all([first, waiting, last].map(({ id }) => controller.migrationDone(id))))
    expect(ended).toMatchObject([
      { state: 'aborted' },
      { state: 'aborted', problem: `replaced by ${last.id}` },
      { state: 'done', from: 'h1', to: 'h3' },
    ])
    expect(guests.at(-1)).toBe('resume a at h3')
  })

  test('can be left where it is: one that waits is withdrawn at once', async () => {
    const { controller, settle } = await controlledFleet(threeHosts())
    const first = controller.migrate({ vm: 'a', to: 'h2', pause: PAUSE })
    const { id } = controller.migrate({ vm: 'a', to: 'h3' })
    expect(await controller.abortMigration(id)).toMatchObject({ state: 'aborted', problem: 'aborted on request' })
    expect(controller.migrations()[0]!.endedAt).toBeUndefined()
    await settle(controller.migrationDone(first.id))
    expect(hostOf(controller, 'a')).toBe('h2')
  })

  test('stays where its host has gone by the time of its turn', async () => {
    const { controller, settle, switches } = await controlledFleet(threeHosts())
    const first = controller.migrate({ vm: 'a', to: 'h2', pause: PAUSE })
    const { id } = controller.migrate({ vm: 'a', to: 'h3' })
    switches.get('h3/br-int')!.hangUp()
    await settle(controller.migrationDone(first.id))
    expect(await settle(controller.migrationDone(id))).toMatchObject({
      state: 'aborted',
      problem: 'h3/br-int is not connected',
    })
    expect(hostOf(controller, 'a')).toBe('h2')
  })

  test('can not be taken away before its move has ended, nor can a host that it comes from', async () => {
    const fleet = await RestartingFleet.start(threeHosts())
    const { id } = fleet.controller.migrate({ vm: 'c', to: 'h2' })
    const state = () => fleet.controller.migrations()[0]!
    while (state().state !== 'commit' || hostOf(fleet.controller, 'c') !== 'h2')
      await fleet.clock.run(fleet.clock.now() + 250)
    expect(state().endedAt).toBeUndefined()
    const { vms, hosts, ...rest } = threeHosts()
    const without = { ...rest, hosts, vms: vms.filter(({ name }) => name !== 'c') }
    const elsewhere = hosts.filter(({ name }) => name !== 'h1')
    for (const less of [without, { ...rest, hosts: elsewhere, vms: vms.filter(({ host }) => host !== 'h1') }])
      await expect(fleet.settle(fleet.controller.apply(less))).rejects.toThrow(/c is being moved from h1 to h2/)
    await fleet.settle(fleet.controller.migrationDone(id))
    await fleet.settle(fleet.controller.apply(without))
    expect(fleet.controller.vms().map(({ name }) => name)).toEqual(['a', 'b', 'd'])
  })

  test('is forgotten, where it has gone while it waited, and others go on after a restart', async () => {
    const nineAtOne = crowd(9, 1)
    const fleet = await RestartingFleet.start(nineAtOne)
    const ids = nineAtOne.vms.map(({ name }) => fleet.controller.migrate({ vm: name, to: 'h2', pause: 50 * PAUSE }).id)
    await fleet.settle(Promise.all(ids.map((id) => fleet.controller.migrationStarted(id))))
    await fleet.clock.run(fleet.clock.now() + PAUSE)
    const [gone, ...others] = [...fleet.controller.migrations()].reverse()
    expect([gone!.state, ...others.map(({ state }) => state)]).toEqual(['queued', ...Array(8).fill('switch-over')])
    const vms = nineAtOne.vms.filter(({ name }) => name !== gone!.vm)
    await fleet.settle(fleet.controller.apply({ ...nineAtOne, vms }))
    await fleet.restart()
    await fleet.settled()
    const ended = fleet.controller.migrations().map(({ vm, state }) => [vm, state])
    expect(ended).toEqual([...vms.map(({ name }) => [name, 'aborted']), [gone!.vm, 'aborted']])
    expect(vms.map(({ name }) => hostOf(fleet.controller, name))).toEqual(vms.map(() => 'h1'))
  })

  test('moves on after a restart of the controller', async () => {
    const fleet = await RestartingFleet.start(threeHosts())
    fleet.controller.migrate({ vm: 'a', to: 'h2', pause: PAUSE })
    const { id } = fleet.controller.migrate({ vm: 'a', to: 'h3', pause: PAUSE })
    await fleet.settle(fleet.controller.migrationStarted(id))
    await fleet.restart()
    await fleet.settled()
    expect(fleet.controller.migrations()).toMatchObject([{ state: 'aborted' }, { state: 'done', from: 'h1', to: 'h3' }])
    expect(fleet.guests.get('a')).toBe('h3')
  })
})

/** Many VMs on a VLAN of four hosts. */
function crowd(count: number, homes = 4): Topology {
  const { networks, vms, ...rest } = threeHosts()
  const [{ nics }] = vms as [Topology['vms'][number]]
  return {
    ...rest,
    hosts: ['h1', 'h2', 'h3', 'h4'].map((name) => ({ name, bridges: [{ name: 'br-int' }] })),
    networks: networks.slice(0, 1),
    vms: Array.from({ length: count }, (_, index) => ({
      name: `v${index}`,
      host: `h${1 + (index % homes)}`,
      nics: nics.map((nic) => ({
        ...nic,
        id: `v${index}:eth0`,
        vm: `v${index}`,
        mac: `02:00:00:00:01:${(16 + index).toString(16)}`,
        addresses: [`10.0.1.${index + 1}`],
      })),
    })),
  }
}

async function crowdedFleet(topology: Topology, parallel: number, parallelPerHost: number) {
  const clock = new VirtualClock()
  const controller = new Controller({ clock, drain: () => 10_000, moves: { parallel, parallelPerHost } })
  const switches = topology.hosts.flatMap((host) =>
    host.bridges.map((bridge) => new FakeSwitch(switchName(host, bridge), clock)),
  )
  for (const device of switches) device.dial(controller)
  await clock.runUntil(controller.apply(topology))
  return { clock, controller, switches }
}

describe('moves at the same time', () => {
  test.each(seeds(3))(
    'are no more than the limits, and each VM comes to where it was last sent (seed %i)',
    async (seed) => {
      const random = seeded(seed)
      const [parallel, parallelPerHost] = [1 + random.below(5), 1 + (seed % 3)]
      const { clock, controller, switches } = await crowdedFleet(crowd(10), parallel, parallelPerHost)
      let [most, mostAtHost] = [0, 0]
      controller.subscribe(() => {
        const open = controller
          .migrations()
          .filter(({ endedAt, state, from, to }) => endedAt === undefined && state !== 'queued' && from !== to)
        const at = (host: string) => open.filter(({ from, to }) => from === host || to === host).length
        most = Math.max(most, open.length)
        mostAtHost = Math.max(mostAtHost, ...['h1', 'h2', 'h3', 'h4'].map(at))
      })
      const last = new Map<string, MigrationStatus>()
      for (let count = 0; count < 40; count++) {
        const vm = `v${random.below(10)}`
        const to = `h${1 + random.below(4)}`
        last.set(
          vm,
          controller.migrate({ vm, to, pause: random.below(5) * MILLISECOND, replace: random.below(3) === 0 }),
        )
        await clock.run(clock.now() + random.below(3 * MILLISECOND))
      }
      const all = controller.migrations()
      const ended = await clock.runUntil(Promise.all(all.map(({ id }) => controller.migrationDone(id))))
      expect(most).toBeLessThanOrEqual(parallel)
      expect(mostAtHost).toBeLessThanOrEqual(parallelPerHost)
      expect(most === parallel || mostAtHost === parallelPerHost).toBe(true)
      for (const [vm, { id, to }] of last) {
        expect(ended.find((one) => one.id === id)).toMatchObject({ state: 'done', to })
        expect(hostOf(controller, vm)).toBe(to)
      }
      const where = switches.flatMap(({ name, ports }) =>
        [...ports.values()].filter(({ state }) => state === 'open').map((port) => [port.name, name] as const),
      )
      for (const { name, host } of controller.topology.vms)
        expect(where.filter(([port]) => port === `${name}:eth0`)).toEqual([[`${name}:eth0`, `${host}/br-int`]])
    },
  )
})

const talker = (name: string, host: string, serial: number) => ({
  name,
  host,
  nics: [{ name: 'eth0', network: 'blue', mac: `02:00:00:00:00:0${serial}`, addresses: [`10.0.0.${serial}`] }],
})

const talking = () =>
  parseTopology(
    JSON.stringify({
      version: 1,
      name: 'talking',
      hosts: ['h1', 'h2', 'h3', 'h4'].map((name) => ({ name })),
      networks: [{ name: 'blue', type: 'vlan', segment: 10, subnets: [{ cidr: '10.0.0.0/24' }] }],
      vms: [talker('a', 'h1', 1), talker('b', 'h2', 2)],
    }),
    'talking',
  )

const COUNT = 300
const PACE = MILLISECOND / 2

/** `b` sends 2000 frames a second to `a`, which moves to h3 from 20 ms on, and is sent to h4 `span` later. */
async function movedAgain(replace: boolean, span: number) {
  const clock = new VirtualClock()
  const lab = await Lab.start(talking(), { clock, seed: 1 })
  const bytes = udpFrame({ ethSrc: MAC_2, ethDst: MAC_1, ipSrc: IP_2, ipDst: IP_1, srcPort: 9, dstPort: 9 })
  const start = clock.now()
  for (let index = 0; index < COUNT; index++)
    clock.schedule(start + index * PACE, () => lab.inject('b:eth0', bytes, 'test'))
  await clock.run(start + 20 * MILLISECOND)
  const first = lab.controller.migrate({ vm: 'a', to: 'h3', pause: 10 * MILLISECOND })
  await clock.run(clock.now() + span * MILLISECOND)
  const second = lab.controller.migrate({ vm: 'a', to: 'h4', pause: 10 * MILLISECOND, replace })
  await clock.run(start + 1_000 * MILLISECOND)
  lab.judge.finish(new Set(lab.network.heldFrames()))
  const states = await Promise.all([first, second].map(({ id }) => lab.controller.migrationDone(id)))
  return { states: states.map(({ state }) => state), frames: lab.judge.frames, at: lab.network.hostOf('a') }
}

const ALL = { delivered: COUNT, lost: 0, duplicated: 0, reordered: 0, leaked: 0, held: 0 }

test.each([
  [false, 5, 'done'],
  [true, 0, 'aborted'],
  [true, 5, 'aborted'],
  [true, 9, 'aborted'],
  [true, 17, 'done'],
])(
  'no frame is lost, doubled or overtaken where it is moved again (replace %s, %i ms later)',
  async (replace, span, end) => {
    const { states, frames, at } = await movedAgain(replace, span)
    expect(states).toEqual([end, 'done'])
    expect(at).toBe('h4')
    expect(frames).toMatchObject(ALL)
  },
)
