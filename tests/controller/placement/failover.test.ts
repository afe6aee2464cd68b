// A host dies: its VMs begin anew elsewhere, once, and it has none of them when it comes back.

import { describe, expect, test } from 'vitest'
import { Watchman } from '../../../controller/placement/watchman.ts'
import type { Action } from '../../../protocols/control/messages.ts'
import { MILLISECOND, SECOND } from '../../../runtime/clock.ts'
import type { Topology } from '../../../topologies/topology.ts'
import { controlledFleet, threeHosts, type ControlledFleet } from '../../support/controlled-fleet.ts'
import { RestartingFleet } from '../../support/restarting-fleet.ts'

const H1 = 'h1/br-int'

/** Switches at which the vNIC's port is open. */
const openAt = (switches: ControlledFleet['switches'], nic: string) =>
  [...switches.values()].filter(({ ports }) => ports.get(nic)?.state === 'open').map(({ name }) => name)

const placesOf = ({ vms }: Topology) => Object.fromEntries(vms.map(({ name, host }) => [name, host]))

async function failed() {
  const fleet = await controlledFleet(threeHosts())
  fleet.switches.get(H1)!.hangUp()
  await fleet.clock.run(fleet.clock.now() + MILLISECOND)
  const { id } = await fleet.settle(fleet.controller.relocations.failover('h1'))
  return { ...fleet, status: await fleet.settle(fleet.controller.relocations.done(id)) }
}

describe('a failover', () => {
  test('has the VMs begin anew, with their whole policy, where they would have been made', async () => {
    const { controller, switches, status, guests } = await failed()
    expect(status).toMatchObject({ kind: 'failover', host: 'h1', state: 'done' })
    expect(status.moves.map(({ vm, restartedAt }) => [vm, typeof restartedAt])).toEqual([
      ['a', 'number'],
      ['c', 'number'],
    ])
    const { topology } = controller
    expect(topology.vms.map(({ host }) => host)).not.toContain('h1')
    // As though they had been moved.
    const twin = await controlledFleet(threeHosts())
    for (const { vm, to } of status.moves) {
      const { id } = twin.controller.migrate({ vm, to: to! })
      await twin.settle(twin.controller.migrationDone(id))
    }
    for (const name of ['h2/br-int', 'h3/br-int']) {
      const [one, other] = [switches, twin.switches].map((all) => all.get(name)!)
      expect(new Set(one!.flows.keys())).toEqual(new Set(other!.flows.keys()))
      expect(new Map(one!.ports)).toEqual(new Map(other!.ports))
    }
    expect(guests.sort()).toEqual(status.moves.map(({ vm, to }) => `restart ${vm} at ${to}`))
  })

  test('leaves the old host without them, should it return with all it had, and closed until somebody opens it', async () => {
    const { controller, switches, settle, clock } = await failed()
    const old = switches.get(H1)!
    expect([...old.ports.keys()].filter((port) => port.startsWith('a:') || port.startsWith('c:'))).toHaveLength(2)
    old.dial(controller)
    await settle(controller.inSync())
    expect([...old.ports.keys()].filter((port) => port.startsWith('a:') || port.startsWith('c:'))).toEqual([])
    for (const nic of ['a:eth0', 'c:eth0']) expect(openAt(switches, nic)).toHaveLength(1)
    expect(() => controller.migrate({ vm: 'a', to: 'h1' })).toThrow('h1 has failed')
    await settle(controller.relocations.undrain('h1'))
    const { id } = controller.migrate({ vm: 'a', to: 'h1' })
    expect(await settle(controller.migrationDone(id))).toMatchObject({ state: 'done' })
    await clock.run(clock.now() + SECOND)
    expect(openAt(switches, 'a:eth0')).toEqual([H1])
  })

  test('of a host that is connected is refused, or closes its ports before others open', async () => {
    const { controller, switches, settle, clock } = await controlledFleet(threeHosts())
    await expect(controller.relocations.failover('h1')).rejects.toThrow('h1 is connected')
    let most = 0
    const watch = () => {
      for (const nic of ['a:eth0', 'c:eth0']) most = Math.max(most, openAt(switches, nic).length)
      clock.schedule(clock.now() + 1000, watch)
    }
    watch()
    const { id } = await settle(controller.relocations.failover('h1', true))
    expect(await settle(controller.relocations.done(id))).toMatchObject({ state: 'done' })
    expect(most).toBe(1)
    for (const nic of ['a:eth0', 'c:eth0']) expect(openAt(switches, nic)).toHaveLength(1)
    expect(openAt(switches, 'a:eth0')).not.toEqual([H1])
  })

  test.each([0.1, 1, 5, 9, 12])(
    'takes up a VM that was moving when its host died, %f ms into the move',
    async (span) => {
      const { controller, switches, settle, clock } = await controlledFleet(threeHosts())
      const move = controller.migrate({ vm: 'a', to: 'h3', pause: 10 * MILLISECOND })
      await clock.run(clock.now() + span * MILLISECOND)
      switches.get(H1)!.hangUp()
      await clock.run(clock.now() + 10_000)
      const { id } = await settle(controller.relocations.failover('h1'))
      expect(await settle(controller.relocations.done(id))).toMatchObject({ state: 'done' })
      expect((await settle(controller.migrationDone(move.id))).endedAt).toBeDefined()
      expect(placesOf(controller.topology)['a']).not.toBe('h1')
      expect(openAt(new Map([...switches].filter(([name]) => name !== H1)), 'a:eth0')).toHaveLength(1)
    },
  )

  test('tells which VMs have no place, and leaves them to the host', async () => {
    const topology = threeHosts()
    for (const host of topology.hosts.slice(1)) host.capacity = 1
    topology.hosts[2]!.capacity = 2
    const { controller, switches, settle, clock } = await controlledFleet(topology)
    switches.get(H1)!.hangUp()
    await clock.run(clock.now() + MILLISECOND)
    const { id } = await settle(controller.relocations.failover('h1'))
    const { state, moves } = await settle(controller.relocations.done(id))
    expect({ state, ends: moves.map((move) => move.state).sort() }).toEqual({
      state: 'failed',
      ends: ['done', 'failed'],
    })
    const left = moves.find((move) => move.state === 'failed')!
    expect(left.problem).toContain('has room for')
    switches.get(H1)!.dial(controller)
    await settle(controller.inSync())
    expect(openAt(switches, `${left.vm}:eth0`)).toEqual([H1])
  })

  test('that fails is told in the journal with all that was asked for', async () => {
    const topology = threeHosts()
    for (const host of topology.hosts) host.capacity = 2
    topology.vms.push({ name: 'e', host: 'h2', nics: [] }, { name: 'f', host: 'h3', nics: [] })
    const fleet = await RestartingFleet.start(topology)
    const { id } = await fleet.settle(fleet.controller.relocations.failover('h1', true, 'olga'))
    await fleet.settle(fleet.controller.relocations.done(id))
    const [entry] = await fleet.state.journal({ limit: 1 })
    expect(entry).toMatchObject({ by: 'olga', operation: 'fail host', arguments: { host: 'h1', force: true } })
    expect(entry!.result).toMatch(/^failed: 2 of 2 VMs were not moved; .* has room for 2/)
  })

  test('tries another host where the guest does not begin, and tells why it nowhere does', async () => {
    for (const deadEnds of [['h2'], ['h2', 'h3']]) {
      const { controller, switches, hypervisor, guests, settle, clock } = await controlledFleet(threeHosts())
      const begins = hypervisor.restart.bind(hypervisor)
      hypervisor.restart = async (vm, host) => {
        if (deadEnds.includes(host)) throw new Error(`no disk at ${host}`)
        await begins(vm, host)
      }
      switches.get(H1)!.hangUp()
      await clock.run(clock.now() + MILLISECOND)
      const { id } = await settle(controller.relocations.failover('h1'))
      const { state, moves } = await settle(controller.relocations.done(id))
      expect(state).toBe(deadEnds.length === 1 ? 'done' : 'failed')
      expect(guests.sort()).toEqual(deadEnds.length === 1 ? ['restart a at h3', 'restart c at h3'] : [])
      const problems = moves.flatMap(({ problem }) => problem ?? [])
      expect(problems).toHaveLength(deadEnds.length === 1 ? 0 : 2)
      for (const problem of problems) expect(problem).toMatch(/no disk at h[23]/)
    }
  })

  test('announces guests once they have begun, where the physical network carries their networks', async () => {
    const { controller, switches, guests, settle, clock } = await controlledFleet(threeHosts())
    const announced: { by: string; begun: number; frame: Uint8Array; actions: Action[] }[] = []
    for (const device of switches.values())
      device.onReceived = (message) => {
        if (message.type !== 'packetOut') return
        const { frame, actions } = message
        announced.push({ by: device.name, begun: guests.length, frame, actions })
      }
    switches.get(H1)!.hangUp()
    await clock.run(clock.now() + MILLISECOND)
    const { id } = await settle(controller.relocations.failover('h1'))
    await settle(controller.relocations.done(id))
    // `a` is on a VLAN, `c` on an overlay.
    expect(announced).toHaveLength(1)
    const [{ by, begun, frame, actions }] = announced as [(typeof announced)[0]]
    expect(by).toBe(`${placesOf(controller.topology)['a']}/br-int`)
    expect(begun).toBeGreaterThan(0)
    expect(frame.slice(0, 14)).toEqual(new Uint8Array([...Array<number>(6).fill(0xff), 2, 0, 0, 0, 0, 1, 0x80, 0x35]))
    expect(actions.map(({ type }) => type)).toEqual(['push_vlan', 'set_field', 'output'])
    expect(actions[1]).toMatchObject({ field: 'vlan_vid', value: 0x1000n | 10n })
  })

  test.each([0, 0.05, 0.1, 0.15, 0.2, 0.3, 1])('goes on after a restart of the controller %f ms in', async (span) => {
    const fleet = await RestartingFleet.start(threeHosts())
    fleet.switches.get(H1)!.hangUp()
    await fleet.clock.run(fleet.clock.now() + MILLISECOND)
    const { id } = await fleet.settle(fleet.controller.relocations.failover('h1'))
    await fleet.clock.run(fleet.clock.now() + span * MILLISECOND)
    await fleet.restart(false)
    for (const [name, device] of fleet.switches) if (name !== H1) device.dial(fleet.controller)
    const status = await fleet.settle(fleet.controller.relocations.done(id))
    expect(status).toMatchObject({ state: 'done' })
    for (const vm of ['a', 'c']) expect(fleet.guests.get(vm)).toBe(placesOf(fleet.controller.topology)[vm])
    expect(fleet.controller.relocations.modeOf('h1')).toBe('failed')
  })
})

describe('a failover that nobody says', () => {
  const AFTER = SECOND

  async function watched() {
    const fleet = await controlledFleet(threeHosts())
    const log: string[] = []
    const watchman = new Watchman(fleet.controller, { clock: fleet.clock, after: AFTER, log: (line) => log.push(line) })
    const wait = (span: number) => fleet.clock.run(fleet.clock.now() + span)
    return { ...fleet, log, watchman, wait, at: () => placesOf(fleet.controller.topology) }
  }

  test('comes once a host has been away for as long as was said, and no sooner', async () => {
    const { switches, wait, at, controller } = await watched()
    switches.get(H1)!.hangUp()
    await wait(0.9 * AFTER)
    expect(at()).toMatchObject({ a: 'h1', c: 'h1' })
    await wait(0.2 * AFTER)
    expect(Object.values(at())).not.toContain('h1')
    expect(controller.relocations.all()).toMatchObject([{ kind: 'failover', host: 'h1', state: 'done' }])
  })

  test('does not come to a host that has returned, nor twice', async () => {
    const { switches, wait, at, controller } = await watched()
    for (let times = 0; times < 3; times++) {
      switches.get(H1)!.hangUp()
      await wait(0.7 * AFTER)
      switches.get(H1)!.dial(controller)
      await wait(0.7 * AFTER)
    }
    expect(at()).toMatchObject({ a: 'h1', c: 'h1' })
    switches.get(H1)!.hangUp()
    await wait(5 * AFTER)
    expect(controller.relocations.all()).toHaveLength(1)
  })

  test('does not come while half of the hosts are away', async () => {
    const { switches, wait, at, log, controller } = await watched()
    switches.get(H1)!.hangUp()
    switches.get('h2/br-int')!.hangUp()
    await wait(3.5 * AFTER)
    expect(at()).toMatchObject({ a: 'h1', b: 'h2', c: 'h1' })
    expect(log[0]).toContain('2 of 3 hosts are away')
    switches.get('h2/br-int')!.dial(controller)
    await wait(AFTER)
    expect(at()).toMatchObject({ b: 'h2' })
    expect(Object.values(at())).not.toContain('h1')
  })

  test('does not come any more once nobody watches', async () => {
    const { switches, wait, at, watchman } = await watched()
    switches.get(H1)!.hangUp()
    await wait(0.5 * AFTER)
    watchman.stop()
    await wait(2 * AFTER)
    expect(at()).toMatchObject({ a: 'h1', c: 'h1' })
  })
})

test('a restart of the controller leaves a failover as long before the next move as it was', async () => {
  const fleet = await RestartingFleet.start(threeHosts())
  fleet.switches.get(H1)!.hangUp()
  await fleet.clock.run(fleet.clock.now() + MILLISECOND)
  const { id } = await fleet.settle(fleet.controller.relocations.failover('h1'))
  const { moves } = await fleet.settle(fleet.controller.relocations.done(id))
  const { vm, to } = moves[0]!
  const move = fleet.controller.migrate({ vm, to: to === 'h2' ? 'h3' : 'h2' })
  await fleet.settle(fleet.controller.migrationDone(move.id))
  const between = () =>
    fleet.controller.migrations()[0]!.endedAt! - fleet.controller.relocations.find(id).moves[0]!.restartedAt!
  const before = between()
  // While it is away, the wall's clock goes on by another span than its own.
  await fleet.restart(false)
  expect(between()).toBe(before)
  expect(fleet.controller.relocations.find(id).moves[0]!.restartedAt).not.toBe(moves[0]!.restartedAt)
})
