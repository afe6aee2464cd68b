import { describe, expect, test } from 'vitest'
import type { ControllerEvent } from '../../../controller/model.ts'
import { Conflict, NotFound } from '../../../controller/model.ts'
import type { ControlledFleet } from '../../support/controlled-fleet.ts'
import { controlledFleet, threeHosts } from '../../support/controlled-fleet.ts'

const at = (fleet: ControlledFleet, host: string) => fleet.switches.get(`${host}/br-int`)!

/** Of each move, in all: one may be lost. */
const ANNOUNCEMENTS = 5

const frame = (id: number) => ({
  id: BigInt(id),
  bytes: new Uint8Array([1, 0, 94, 0, 0, 1, 2, 0, 0, 0, 0, 9, id]),
})

const move = async (fleet: ControlledFleet, vm: string, to: string, pause = 0) => {
  const { id } = fleet.controller.migrate({ vm, to, pause })
  return fleet.settle(fleet.controller.migrationDone(id))
}

/** Hosts at which the VM's port lets frames through. */
const openAt = (fleet: ControlledFleet, nic: string): string[] =>
  [...fleet.switches.values()]
    .filter(({ ports }) => ports.get(nic)?.state === 'open')
    .map(({ name }) => name.split('/')[0]!)

const portsOf = (fleet: ControlledFleet, nic: string): string[] =>
  [...fleet.switches.values()].filter(({ ports }) => ports.has(nic)).map(({ name }) => name.split('/')[0]!)

describe('a migration', () => {
  test.each(['a', 'c'])('brings %s to its destination with its whole policy', async (vm) => {
    const fleet = await controlledFleet(threeHosts())
    const status = await move(fleet, vm, 'h2')
    expect(status).toMatchObject({ state: 'done', policy: 'identical', from: 'h1', to: 'h2' })
    expect(openAt(fleet, `${vm}:eth0`)).toEqual(['h2'])
    expect(portsOf(fleet, `${vm}:eth0`)).toEqual(['h2'])
    expect(fleet.guests).toEqual([`pause ${vm}`, `resume ${vm} at h2`])
    expect(fleet.controller.topology.vms.find(({ name }) => name === vm)?.host).toBe('h2')
    expect(fleet.controller.vms().find(({ name }) => name === vm)).toMatchObject({ host: 'h2', state: 'running' })
  })

  test('leaves the switches as they would be had the VM been made there', async () => {
    const fleet = await controlledFleet(threeHosts())
    await move(fleet, 'a', 'h3')
    await move(fleet, 'a', 'h1')
    const fresh = await controlledFleet(threeHosts())
    for (const host of ['h1', 'h2', 'h3'])
      expect(new Set(at(fleet, host).flows.keys())).toEqual(new Set(at(fresh, host).flows.keys()))
  })

  test('stays where it was taken when the same topology is applied again, and goes where a changed one says', async () => {
    const fleet = await controlledFleet(threeHosts())
    await move(fleet, 'a', 'h2')
    await fleet.settle(fleet.controller.apply(threeHosts()))
    expect(openAt(fleet, 'a:eth0')).toEqual(['h2'])
    const changed = threeHosts()
    changed.vms[0]!.host = 'h3'
    await fleet.settle(fleet.controller.apply(changed))
    expect(openAt(fleet, 'a:eth0')).toEqual(['h3'])
  })

  test('keeps the guest still for as long as was asked', async () => {
    const fleet = await controlledFleet(threeHosts())
    const { pausedAt, resumedAt } = await move(fleet, 'a', 'h2', 30_000_000)
    expect(resumedAt! - pausedAt!).toBeGreaterThanOrEqual(30_000_000)
  })

  test('delivers what the source held ahead of what came to the destination, and each frame once', async () => {
    const fleet = await controlledFleet(threeHosts())
    at(fleet, 'h1').keep('a:eth0', [frame(1), frame(2)])
    at(fleet, 'h2').keep('a:eth0', [frame(2), frame(3)])
    const { held } = await move(fleet, 'a', 'h2')
    expect(at(fleet, 'h2').delivered.map(({ id }) => Number(id))).toEqual([1, 2, 3])
    expect(held).toBe(3)
  })

  test('puts what only the destination kept where copies at both places say', async () => {
    const fleet = await controlledFleet(threeHosts())
    at(fleet, 'h1').keep('a:eth0', [1, 2, 5].map(frame))
    at(fleet, 'h2').keep('a:eth0', [2, 3, 4, 5, 6].map(frame))
    await move(fleet, 'a', 'h2')
    expect(at(fleet, 'h2').delivered.map(({ id }) => Number(id))).toEqual([1, 2, 3, 4, 5, 6])
  })

  test('never has two ports open, and opens the new one last', async () => {
    const fleet = await controlledFleet(threeHosts())
    const seen = new Set<string>()
    for (const device of fleet.switches.values()) device.onChange = () => seen.add(openAt(fleet, 'a:eth0').join())
    await move(fleet, 'a', 'h2')
    expect([...seen]).toEqual(['h1', '', 'h2'])
  })

  test.each([
    ['done', undefined, ['open hold', 'hold hold', 'hold open', 'gone open']],
    ['aborted', 500_000, ['open hold', 'hold hold', 'open hold', 'open gone']],
  ])('that ends as %s takes its two ports through these states', async (state, abortedAfter, expected) => {
    const fleet = await controlledFleet(threeHosts())
    const stateAt = (host: string) => at(fleet, host).ports.get('a:eth0')?.state ?? 'gone'
    const seen: string[] = []
    const look = () => {
      const both = `${stateAt('h1')} ${stateAt('h2')}`
      if (seen.at(-1) !== both) seen.push(both)
    }
    for (const host of ['h1', 'h2']) at(fleet, host).onChange = look
    const { id } = fleet.controller.migrate({ vm: 'a', to: 'h2', pause: 1_000_000 })
    const { clock, controller } = fleet
    if (abortedAfter !== undefined) {
      await clock.run(clock.now() + abortedAfter)
      void controller.abortMigration(id)
    }
    expect(await fleet.settle(controller.migrationDone(id))).toMatchObject({ state })
    expect(seen).toEqual(expected)
  })

  test('to the same host is done at once', async () => {
    const fleet = await controlledFleet(threeHosts())
    expect(await move(fleet, 'a', 'h1')).toMatchObject({ state: 'done', policy: 'identical' })
    expect(fleet.guests).toEqual([])
  })

  test('tells of its steps', async () => {
    const fleet = await controlledFleet(threeHosts())
    const states: string[] = []
    fleet.controller.subscribe((event: ControllerEvent) => {
      if (event.type === 'migration' && states.at(-1) !== event.migration.state) states.push(event.migration.state)
    })
    await move(fleet, 'a', 'h2')
    expect(states).toEqual(['prepare', 'switch-over', 'commit', 'done'])
  })
})

describe('a host whose integration bridge has another name', () => {
  const renamed = () => {
    const topology = threeHosts()
    topology.hosts[1]!.bridges = [{ name: 'br0' }]
    topology.vms[1]!.nics[0]!.bridge = 'br0'
    return topology
  }

  test.each(['a', 'c'])('takes %s in there, and gives it back', async (vm) => {
    const fleet = await controlledFleet(renamed())
    expect(await move(fleet, vm, 'h2')).toMatchObject({ state: 'done', policy: 'identical' })
    expect(fleet.switches.get('h2/br0')!.ports.get(`${vm}:eth0`)?.state).toBe('open')
    expect(portsOf(fleet, `${vm}:eth0`)).toEqual(['h2'])
    await fleet.settle(fleet.controller.apply(renamed()))
    expect(openAt(fleet, `${vm}:eth0`)).toEqual(['h2'])
    expect(await move(fleet, vm, 'h1')).toMatchObject({ state: 'done', policy: 'identical' })
    const fresh = await controlledFleet(renamed())
    for (const [name, { flows }] of fresh.switches)
      expect(new Set(fleet.switches.get(name)!.flows.keys())).toEqual(new Set(flows.keys()))
  })

  test('has the VM back at its source after an abort', async () => {
    const fleet = await controlledFleet(renamed())
    const { id } = fleet.controller.migrate({ vm: 'a', to: 'h2', pause: 1_000_000 })
    await fleet.clock.run(fleet.clock.now() + 500_000)
    at(fleet, 'h1').keep('a:eth0', [frame(1)])
    fleet.switches.get('h2/br0')!.keep('a:eth0', [frame(2)])
    expect(await fleet.settle(fleet.controller.abortMigration(id))).toMatchObject({ state: 'aborted' })
    expect(at(fleet, 'h1').delivered.map((one) => Number(one.id))).toEqual([1, 2])
    expect(portsOf(fleet, 'a:eth0')).toEqual(['h1'])
    expect(fleet.controller.topology.vms[0]!.nics[0]!.bridge).toBe('br-int')
  })
})

describe('what can not be', () => {
  test('includes a secondary bridge that the destination has not', async () => {
    const topology = threeHosts()
    topology.hosts[0]!.bridges.push({ name: 'br-web', peer: 'br-int' })
    topology.vms[0]!.nics[0]!.bridge = 'br-web'
    const fleet = await controlledFleet(topology)
    expect(() => fleet.controller.migrate({ vm: 'a', to: 'h2' })).toThrow(
      "h2 has no bridge 'br-web', on which a:eth0 is",
    )
  })

  test('is refused before anything changes', async () => {
    const topology = threeHosts()
    delete topology.hosts[1]!.vtep
    const fleet = await controlledFleet(topology)
    expect(() => fleet.controller.migrate({ vm: 'x', to: 'h2' })).toThrow(NotFound)
    expect(() => fleet.controller.migrate({ vm: 'a', to: 'h9' })).toThrow(NotFound)
    expect(() => fleet.controller.migrate({ vm: 'c', to: 'h2' })).toThrow(Conflict)
    fleet.controller.migrate({ vm: 'a', to: 'h2' })
    await expect(fleet.settle(fleet.controller.apply({ ...topology, vms: [] }))).rejects.toThrow(Conflict)
  })

  test.each([
    ['b', undefined, "h3 has no uplink, and b:eth0 is on 'blue'"],
    ['b', 1400, "frames of 'blue' need an mtu of 1500, and h3 has no such uplink"],
    ['c', 1499, "frames of 'green' need an mtu of 1500, and h3 has no such uplink"],
    ['c', 1500, undefined],
  ])('includes a host that %s can not be reached at: uplink of %s', async (vm, mtu, problem) => {
    const topology = threeHosts()
    const link = (host: string, size: number) => ({
      endpoints: [host, 'tor'] as [string, string],
      delay: 0,
      jitter: 0,
      loss: 0,
      mtu: size,
      queue: 1000,
    })
    const links = [link('h1', 9000), link('h2', 9000), ...(mtu === undefined ? [] : [link('h3', mtu)])]
    topology.fabric = { switches: [{ name: 'tor' }], links }
    const fleet = await controlledFleet(topology)
    const problemOf = () => {
      try {
        fleet.controller.migrate({ vm, to: 'h3' })
        return undefined
      } catch (error) {
        return (error as Error).message
      }
    }
    expect(problemOf()).toBe(problem)
  })

  test('includes a destination that is away', async () => {
    const fleet = await controlledFleet(threeHosts())
    at(fleet, 'h2').hangUp()
    await fleet.clock.run(fleet.clock.now() + 1_000_000)
    expect(() => fleet.controller.migrate({ vm: 'a', to: 'h2' })).toThrow(Conflict)
  })
})

/** However it ended: the guest runs at one place, its port is open there and nowhere else, and all switches agree. */
async function expectWhole(fleet: ControlledFleet, vm: string): Promise<void> {
  for (const device of fleet.switches.values()) {
    device.hangUpAt = Infinity
    device.refuses = () => false
    if (!device.connected) device.dial(fleet.controller)
  }
  await fleet.settle(fleet.controller.inSync())
  const { host } = fleet.controller.topology.vms.find(({ name }) => name === vm)!
  expect(openAt(fleet, `${vm}:eth0`)).toEqual([host])
  expect(portsOf(fleet, `${vm}:eth0`)).toEqual([host])
  expect([undefined, `resume ${vm} at ${host}`]).toContain(fleet.guests.at(-1))
  const topology = threeHosts()
  topology.vms.find(({ name }) => name === vm)!.host = host
  const fresh = await controlledFleet(topology)
  for (const [name, device] of fleet.switches) {
    const wanted = fresh.switches.get(name)!
    const kinds = (flows: typeof device.flows) =>
      [...flows.values()].map(({ table, priority }) => `${table}/${priority}`).sort()
    expect(kinds(device.flows)).toEqual(kinds(wanted.flows))
  }
}

describe('a switch that hangs up in the middle', () => {
  const places = ['h1', 'h2', 'h3'].flatMap((host) =>
    Array.from({ length: 12 }, (_, index) => [host, 1 + 8 * index] as const),
  )

  test.each(places)('%s at message %i leaves nothing half', async (host, message) => {
    const fleet = await controlledFleet(threeHosts())
    const device = at(fleet, host)
    device.hangUpAt = device.received + message
    const status = await move(fleet, 'a', 'h2')
    expect(['done', 'aborted', 'failed']).toContain(status.state)
    expect(status.state === 'done' || status.problem !== undefined).toBe(true)
    await expectWhole(fleet, 'a')
  })
})

describe('a switch that refuses a step', () => {
  const places = ['h1', 'h2', 'h3'].flatMap((host) => [1, 2, 5, 12, 25].map((change) => [host, change] as const))

  test.each(places)('%s at change %i leaves nothing half', async (host, change) => {
    const fleet = await controlledFleet(threeHosts())
    let changes = 0
    at(fleet, host).refuses = () => ++changes === change
    const status = await move(fleet, 'c', 'h2')
    expect(['done', 'aborted']).toContain(status.state)
    expect(status.problem !== undefined).toBe(changes >= change)
    await expectWhole(fleet, 'c')
  })
})

describe('a switch that is away for a while', () => {
  const away = async (host: string, span: number) => {
    const fleet = await controlledFleet(threeHosts())
    const { id } = fleet.controller.migrate({ vm: 'a', to: 'h2', pause: 1_000_000 })
    await fleet.clock.run(fleet.clock.now() + 500_000)
    at(fleet, 'h1').keep('a:eth0', [frame(1)])
    at(fleet, 'h2').keep('a:eth0', [frame(2)])
    at(fleet, host).hangUp()
    fleet.clock.schedule(fleet.clock.now() + span, () => at(fleet, host).dial(fleet.controller))
    const status = await fleet.settle(fleet.controller.migrationDone(id))
    return { fleet, status }
  }

  test.each(['h1', 'h2'])('%s: the move is undone when it has returned, and no frame is lost', async (host) => {
    const { fleet, status } = await away(host, 700_000_000)
    expect(status).toMatchObject({ state: 'aborted', problem: `${host}/br-int is not connected` })
    expect(at(fleet, 'h1').delivered.map(({ id }) => Number(id))).toEqual([1, 2])
    await expectWhole(fleet, 'a')
  })

  test('a source that is away for too long is announced from when it has returned', async () => {
    const { fleet, status } = await away('h1', 20_000_000_000)
    expect(status).toMatchObject({ state: 'failed', problem: 'h1/br-int is not connected' })
    expect(fleet.guests.at(-1)).toBe('resume a at h1')
    const before = at(fleet, 'h1').packetsOut
    await fleet.clock.run(fleet.clock.now() + 20_000_000_000)
    expect(at(fleet, 'h1').packetsOut).toBe(before + ANNOUNCEMENTS)
    await expectWhole(fleet, 'a')
  })
})

describe('an announcement', () => {
  const announced = (fleet: ControlledFleet) => ['h1', 'h2', 'h3'].map((host) => at(fleet, host).packetsOut)
  const runFor = (fleet: ControlledFleet, span: number) => fleet.clock.run(fleet.clock.now() + span)

  test('is said again a few times', async () => {
    const fleet = await controlledFleet(threeHosts())
    await move(fleet, 'a', 'h2')
    expect(announced(fleet)).toEqual([0, 1, 0])
    await runFor(fleet, 220_000_000)
    expect(announced(fleet)).toEqual([0, 3, 0])
    await runFor(fleet, 20_000_000_000)
    expect(announced(fleet)).toEqual([0, ANNOUNCEMENTS, 0])
  })

  test('is not said again from where the VM has left', async () => {
    const fleet = await controlledFleet(threeHosts())
    await move(fleet, 'a', 'h2')
    await runFor(fleet, 60_000_000)
    await move(fleet, 'a', 'h3')
    await runFor(fleet, 20_000_000_000)
    expect(announced(fleet)).toEqual([0, 2, ANNOUNCEMENTS])
  })

  test('is not said again of a VM that has gone', async () => {
    const fleet = await controlledFleet(threeHosts())
    await move(fleet, 'a', 'h2')
    await runFor(fleet, 60_000_000)
    await fleet.settle(fleet.controller.apply({ ...threeHosts(), vms: [] }))
    await runFor(fleet, 20_000_000_000)
    expect(announced(fleet)).toEqual([0, 2, 0])
  })
})

describe('an abort', () => {
  test.each([1_000, 5_000, 12_000, 20_000, 30_000, 40_000, 60_000, 80_000])(
    'asked %i ns after the start leaves the VM whole at one place',
    async (span) => {
      const fleet = await controlledFleet(threeHosts())
      const { id } = fleet.controller.migrate({ vm: 'a', to: 'h2' })
      await fleet.clock.run(fleet.clock.now() + span)
      const status = await fleet.settle(fleet.controller.abortMigration(id))
      expect(['done', 'aborted']).toContain(status.state)
      await expectWhole(fleet, 'a')
    },
  )

  test('wakes a guest that is to stand still for long', async () => {
    const fleet = await controlledFleet(threeHosts())
    const { id } = fleet.controller.migrate({ vm: 'a', to: 'h2', pause: 2_000_000_000 })
    await fleet.clock.run(fleet.clock.now() + 1_000_000)
    const { state, pausedAt, resumedAt } = await fleet.settle(fleet.controller.abortMigration(id))
    expect(state).toBe('aborted')
    expect(resumedAt! - pausedAt!).toBeLessThan(10_000_000)
  })

  test('takes back from the destination what it was handed, ahead of what came later', async () => {
    const fleet = await controlledFleet(threeHosts())
    const target = at(fleet, 'h2')
    at(fleet, 'h1').keep('a:eth0', [frame(1), frame(2)])
    target.refuses = (change) => {
      const opens = change.type === 'portMod' && change.port.name === 'a:eth0' && change.port.state === 'open'
      if (opens) target.keep('a:eth0', [...target.delivered, frame(3)])
      return opens
    }
    const { state } = await move(fleet, 'a', 'h2')
    expect(state).toBe('aborted')
    expect(at(fleet, 'h1').delivered.map(({ id }) => Number(id))).toEqual([1, 2, 3])
  })

  test('gives the source its frames back in the order in which they were sent', async () => {
    const fleet = await controlledFleet(threeHosts())
    const { id } = fleet.controller.migrate({ vm: 'a', to: 'h2', pause: 1_000_000 })
    await fleet.clock.run(fleet.clock.now() + 500_000)
    at(fleet, 'h1').keep('a:eth0', [frame(1)])
    at(fleet, 'h2').keep('a:eth0', [frame(2)])
    const status = await fleet.settle(fleet.controller.abortMigration(id))
    expect(status.state).toBe('aborted')
    expect(at(fleet, 'h1').delivered.map((one) => Number(one.id))).toEqual([1, 2])
  })
})
