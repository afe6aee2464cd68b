import { describe, expect, test } from 'vitest'
import type { UserFlow } from '../../../controller/model.ts'
import { range } from '../../../controller/network/numbers.ts'
import { cookieOf, Register } from '../../../controller/tables.ts'
import { parseFlow, parseFlowFilter } from '../../../protocols/flow-text/parse.ts'
import type { Match } from '../../../protocols/match.ts'
import { type Random, seeded } from '../../../runtime/random.ts'
import type { Topology } from '../../../topologies/topology.ts'
import { parseIpv4 } from '../../../protocols/address.ts'
import { igmpFrameOf } from '../../support/random-memberships.ts'
import { threeHosts } from '../../support/controlled-fleet.ts'
import { RestartingFleet } from '../../support/restarting-fleet.ts'
import { seeds } from '../../support/seeds.ts'

const H1 = 'h1/br-int'

const flow = (port: number, more = ''): UserFlow => ({
  switch: 'h1',
  flow: parseFlow(`table=0,priority=100,${more}udp,tp_dst=${port},actions=drop`),
})

const texts = ({ controller }: RestartingFleet) => controller.userFlows().map(({ flow: { match } }) => match[2]!.value)

describe('a controller that starts again', () => {
  test('sends nothing to switches that have everything, and closes no port', async () => {
    const topology = threeHosts()
    const source = { kind: 'port', port: topology.vms[0]!.nics[0]!.id } as const
    const target = { kind: 'file', file: 'm.pcapng' } as const
    const fleet = await RestartingFleet.start({
      ...topology,
      mirrors: [{ name: 'm', source, direction: 'both', target }],
    })
    await fleet.settle(fleet.controller.addFlows([flow(1), flow(2)]))
    const before = fleet.contents()
    await fleet.restart(false)
    for (const device of fleet.switches.values()) {
      device.history = []
      device.received = 0
    }
    fleet.dial()
    await fleet.settled()
    // Hello, who it is, that we are its primary, its flows, its meters.
    for (const device of fleet.switches.values())
      expect({ history: device.history, received: device.received }).toEqual({ history: [], received: 5 })
    expect(fleet.contents()).toEqual(before)
    expect(fleet.controller.switches().every(({ inSync }) => inSync)).toBe(true)
  })

  test('knows topology, places, flows and wires, and who did what', async () => {
    const fleet = await RestartingFleet.start(threeHosts())
    await fleet.settle(fleet.controller.addFlows([flow(1)], 'ann'))
    await fleet.settle(fleet.controller.attach('a', 'tap:tap0', 'h2', 'ben'))
    const { id } = fleet.controller.migrate({ vm: 'a', to: 'h2' }, 'cleo')
    await fleet.settle(fleet.controller.migrationDone(id))
    const failed = fleet.controller.addFlows([{ switch: 'h9', flow: flow(1).flow }], 'dan')
    await expect(fleet.settle(failed)).rejects.toThrow('h9')
    const { guestPlaces } = fleet.controller
    await fleet.settle(guestPlaces.set('b', { qmp: 'unix:/run/b' }, undefined, 'eve'))
    const nowhere = () => fleet.controller.migrate({ vm: 'b', to: 'h3' })
    expect(nowhere).toThrow('nobody has said which QEMU waits for b at h3')
    await fleet.settle(guestPlaces.set('b', { qmp: 'tcp:h2:4445', incoming: 'tcp:h2:4444' }, 'h3', 'eve'))
    const before = fleet.controller
    const asked = {
      topology: before.topology,
      flows: before.userFlows(),
      wires: before.wires(),
      vms: before.vms(),
      places: guestPlaces.all(),
    }
    await fleet.restart()
    await fleet.settled()
    const { controller } = fleet
    const now = {
      topology: controller.topology,
      flows: controller.userFlows(),
      wires: controller.wires(),
      vms: controller.vms(),
      places: controller.guestPlaces.all(),
    }
    expect(now).toEqual(asked)
    expect(controller.migrations()).toMatchObject([{ id: 'm1', vm: 'a', to: 'h2', state: 'done', policy: 'identical' }])
    expect(controller.migrate({ vm: 'a', to: 'h3' }).id).toBe('m2')
    const journal = await fleet.state.journal({ limit: 9 })
    expect(
      journal
        .map(({ by, operation, result }) => [by, operation, result])
        .reverse()
        .slice(0, 5),
    ).toEqual([
      ['local', 'apply topology', 'ok'],
      ['ann', 'add flows', 'ok'],
      ['ben', 'attach', 'ok'],
      ['cleo', 'migrate', 'ok'],
      ['dan', 'add flows', expect.stringContaining("no switch 'h9'")],
    ])
  })

  test('has nothing in its journal of a topology that is asked for again as it is', async () => {
    const fleet = await RestartingFleet.start(threeHosts())
    await fleet.settle(fleet.controller.apply(threeHosts()))
    await fleet.settle(fleet.controller.apply({ ...threeHosts(), name: 'other' }))
    const journal = await fleet.state.journal({ limit: 9 })
    expect(journal.map(({ arguments: details }) => (details as { topology: string }).topology)).toEqual([
      'other',
      'three-hosts',
    ])
  })

  test('asks switches to follow it with a generation that is greater each time', async () => {
    const fleet = await RestartingFleet.start(threeHosts())
    const seen = [fleet.switches.get(H1)!.generation]
    for (let start = 0; start < 3; start++) {
      await fleet.restart()
      await fleet.settled()
      seen.push(fleet.switches.get(H1)!.generation)
    }
    expect(seen).toEqual([...new Set(seen)].sort((a, b) => Number(a - b)))
  })

  test('takes flows whose time was up meanwhile for gone, and fills a switch that has started anew', async () => {
    const fleet = await RestartingFleet.start(threeHosts())
    await fleet.settle(fleet.controller.addFlows([flow(1, 'idle_timeout=5,'), flow(2, 'hard_timeout=5,'), flow(3)]))
    const device = fleet.switches.get(H1)!
    await fleet.clock.run(fleet.clock.now() + 2_000_000_000)
    fleet.kill()
    for (const [key, { hardTimeout }] of device.flows) if (hardTimeout > 0) device.flows.delete(key)
    await fleet.restart()
    await fleet.settled()
    expect(texts(fleet)).toEqual([1n, 3n])
    await fleet.clock.run(fleet.clock.now() + 2_000_000_000)
    device.flows.clear()
    await fleet.restart()
    await fleet.settled()
    expect(texts(fleet)).toEqual([1n, 3n])
    expect([...device.flows.values()].filter(({ idleTimeout }) => idleTimeout === 5)).toHaveLength(1)
  })

  test('keeps addresses that were learned, those of the last moment too', async () => {
    const fleet = await RestartingFleet.start(threeHosts())
    const device = fleet.switches.get(H1)!
    const heard = (mac: number) =>
      device.say({
        type: 'packetIn',
        reason: 'action',
        table: 0,
        cookie: cookieOf('learning'),
        inPort: 1,
        totalLength: 60,
        match: [{ field: Register.Network, value: 1n }],
        frame: new Uint8Array([2, 0, 0, 0, 0, 1, 2, 0, 0, 9, 9, mac]),
      })
    heard(1)
    await fleet.clock.run(fleet.clock.now() + 2_000_000_000)
    heard(2)
    await fleet.clock.run(fleet.clock.now() + 1_000_000)
    const before = fleet.contents()
    await fleet.restart(false)
    device.history = []
    fleet.dial()
    await fleet.settled()
    expect(device.history).toEqual([])
    expect(fleet.contents()).toEqual(before)
  })

  test('keeps who listens to multicast, from the very report on, and gives each a whole ageing time', async () => {
    const [blue, ...others] = threeHosts().networks
    const igmpSnooping = { tableSize: 8, agingTime: 10e9, floodUnregistered: true, fastLeave: true }
    const fleet = await RestartingFleet.start({ ...threeHosts(), networks: [{ ...blue!, igmpSnooping }, ...others] })
    const message = { type: 'report', version: 2, group: parseIpv4('239.1.1.1') } as const
    const { size } = fleet.switches.get(H1)!.flows
    fleet.switches.get(H1)!.say({
      type: 'packetIn',
      reason: 'action',
      table: 0,
      cookie: cookieOf('multicast'),
      inPort: 100,
      totalLength: 60,
      match: [{ field: Register.Network, value: 1n }],
      frame: igmpFrameOf(message),
    })
    while (fleet.switches.get(H1)!.flows.size === size) await fleet.clock.run(fleet.clock.now() + 10_000)
    const before = fleet.contents()
    await fleet.restart(false)
    for (const device of fleet.switches.values()) device.history = []
    fleet.dial()
    await fleet.settled()
    expect(fleet.contents()).toEqual(before)
    for (const device of fleet.switches.values()) expect(device.history).toEqual([])
    const listeners = () => fleet.controller.snooper.statusOf('blue').map(({ group, port }) => [group, port])
    expect(listeners()).toEqual([['239.1.1.1', 'a:eth0']])
    await fleet.clock.run(fleet.clock.now() + 11e9)
    expect(listeners()).toEqual([])
    expect(fleet.switches.get(H1)!.flows.size).toBe(size)
  })
})

describe('writes', () => {
  /** One of what users do; resolves when it is answered. */
  async function doSomething(fleet: RestartingFleet, random: Random): Promise<void> {
    const { controller } = fleet
    const running = controller.topology
    switch (random.below(7)) {
      case 0:
      case 1:
        return controller.addFlows(Array.from({ length: 1 + random.below(3) }, () => flow(random.below(8))))
      case 2:
        return void (await controller.deleteFlows('h1', parseFlowFilter(`udp,tp_dst=${random.below(8)}`)))
      case 3: {
        const vm = running.vms[random.below(running.vms.length)]
        if (vm === undefined) return
        const { id } = controller.migrate({ vm: vm.name, to: `h${1 + random.below(3)}` })
        return void (await controller.migrationDone(id))
      }
      case 4:
        return void (await controller.attach('b', `tap:tap${random.below(9)}`, 'h2'))
      case 5: {
        const policy = { portSecurity: true, egressRate: 1e6 * (1 + random.below(3)) }
        const vm = running.vms[random.below(running.vms.length)]
        return vm && controller.setPolicy(`${vm.name}:eth0`, () => policy)
      }
      default:
        return controller.apply(changed(random))
    }
  }

  /** Some of the VMs, with some of their policies: numbers of ports depend on the order in which they came. */
  function changed(random: Random): Topology {
    const topology = threeHosts()
    topology.vms = topology.vms.filter(({ name }) => name === 'b' || random.below(3) > 0)
    for (const vm of topology.vms)
      for (const nic of vm.nics) if (random.below(2) === 0) nic.policy = { portSecurity: true, ingressRate: 2e6 }
    return topology
  }

  async function run(seed: number, restarts: boolean): Promise<unknown> {
    const [random, chance] = [seeded(seed), seeded(seed).fork('restarts')]
    const fleet = await RestartingFleet.start(threeHosts())
    for (let step = 0; step < 12; step++) {
      await fleet.settle(doSomething(fleet, random))
      if (!restarts || chance.below(3) > 0) continue
      await fleet.restart()
      await fleet.settled()
    }
    const { controller } = fleet
    return { contents: fleet.contents(), wires: controller.wires(), topology: controller.topology }
  }

  test.each(seeds(3))('leave the switches the same with restarts between as without (seed %i)', async (seed) => {
    expect(await run(seed, true)).toEqual(await run(seed, false))
  })
})

/** Moments at which a process can be killed, numbered from 1 on. */
interface Kill {
  /** Sets when the process is killed: at the moment of this number, counted from now. */
  arm: (fleet: RestartingFleet, moment: number) => void
  /** @returns the moments from now until it is called that are to be tried */
  watch: (fleet: RestartingFleet) => () => number[]
}

/** Of messages, beside the first of each kind to each switch, one in so many is tried; STRIDE=1 tries all. */
const STRIDE = Number(process.env['STRIDE'] ?? 3)

const atWrites = (after: boolean): Kill => ({
  arm: ({ store }, moment) => void (store.killAt = { batch: store.written + moment, after }),
  watch: ({ store }) => {
    const { written } = store
    return () => [...range(1, store.written - written)]
  },
})

/** What a bundle holds has no effect before it is committed. */
function onMessages({ switches }: RestartingFleet, hear: (kind: string) => void): void {
  for (const [name, device] of switches)
    device.onReceived = (message) => {
      const kind = message.type === 'bundleControl' ? `${message.type} ${message.command}` : message.type
      if (kind !== 'bundleAdd') hear(`${kind} to ${name}`)
    }
}

const KILLS: Record<string, Kill> = {
  'before a write': atWrites(false),
  'after a write': atWrites(true),
  'at a message': {
    arm: (fleet, moment) => {
      let messages = 0
      onMessages(fleet, () => {
        if (++messages === moment) fleet.kill()
      })
    },
    watch: (fleet) => {
      const kinds: string[] = []
      onMessages(fleet, (kind) => kinds.push(kind))
      const isTried = (moment: number) => moment % STRIDE === 0 || kinds.indexOf(kinds[moment - 1]!) === moment - 1
      return () => [...range(1, kinds.length)].filter(isTried)
    },
  },
}

/**
 * Does `work` again and again, each time with a fleet that is killed at another moment, and at last with one that is killed once it is
 * answered; and starts the controller again after each kill.
 * @returns how often it was killed before
 */
async function killedAtEachMoment(
  { arm, watch }: Kill,
  work: (fleet: RestartingFleet) => Promise<void>,
  check: (fleet: RestartingFleet, answered: boolean, moment: number) => void | Promise<void>,
): Promise<number> {
  const undisturbed = await RestartingFleet.start(threeHosts())
  const seen = watch(undisturbed)
  await undisturbed.settle(work(undisturbed))
  const moments = seen()
  for (const moment of [...moments, Infinity]) {
    const fleet = await RestartingFleet.start(threeHosts())
    let answered = false
    const killed = new Promise<void>((resolve) => {
      fleet.onKilled = resolve
    })
    arm(fleet, moment)
    const done = (async () => {
      await work(fleet)
      answered = true
    })()
    await fleet.settle(Promise.race([done, killed]))
    for (const device of fleet.switches.values()) device.onReceived = () => {}
    expect({ moment, answered }).toEqual({ moment, answered: moment === Infinity })
    await fleet.restart()
    await fleet.settled()
    await check(fleet, answered, moment)
  }
  return moments.length
}

describe.each(Object.entries(KILLS))('killed %s', (_kind, kill) => {
  test('a migration is finished or rolled back, never left half', async () => {
    const fresh = async (host: string) => {
      const fleet = await RestartingFleet.start(threeHosts())
      if (host !== 'h1') await fleet.settle(moveA(fleet))
      return fleet.contents()
    }
    const expected = { h1: await fresh('h1'), h2: await fresh('h2') }
    const ends = new Set<string>()
    const kills = await killedAtEachMoment(kill, moveA, (fleet, answered, moment) => {
      const [migration] = fleet.controller.migrations()
      const at = fleet.controller.topology.vms.find(({ name }) => name === 'a')!.host as 'h1' | 'h2'
      const what = { moment, state: migration?.state, at, open: fleet.openAt('a:eth0'), guest: fleet.guests.get('a') }
      const state = migration === undefined ? undefined : at === 'h2' ? 'done' : 'aborted'
      expect(what).toEqual({ moment, state, at, open: [at], guest: at })
      expect(fleet.contents()).toEqual(expected[at])
      expect(['identical', 'unknown', undefined]).toContain(migration?.policy)
      expect(answered ? 'h2' : at).toBe(at)
      ends.add(at)
    })
    expect(ends).toEqual(new Set(['h1', 'h2']))
    expect(kills).toBeGreaterThanOrEqual(10)
  })

  test('no write that was answered is lost, and no other is half done', async () => {
    const steps = [' three-hosts', '1 three-hosts', '1,2,3 three-hosts', '2,3 three-hosts', '2,3 renamed']
    const portsOf = (matches: Match[]) => matches.map((match) => Number(match[2]!.value)).sort((a, b) => a - b)
    let answers = 0
    const kills = await killedAtEachMoment(
      kill,
      async (fleet) => {
        answers = 0
        const writes = [
          () => fleet.controller.addFlows([flow(1)]),
          () => fleet.controller.addFlows([flow(2), { ...flow(3), switch: 'h2' }]),
          () => fleet.controller.deleteFlows('h1', parseFlowFilter('udp,tp_dst=1')),
          () => fleet.controller.apply({ ...threeHosts(), name: 'renamed' }),
        ]
        for (const write of writes) {
          await write()
          answers++
        }
      },
      async (fleet, _answered, moment) => {
        const wanted = portsOf(fleet.controller.userFlows().map((one) => one.flow.match))
        const step = steps.indexOf(`${wanted.join()} ${fleet.controller.topology.name}`)
        expect({ moment, step: step >= answers }).toEqual({ moment, step: true })
        const found = [...fleet.switches.values()].flatMap(({ flows }) => [...flows.values()])
        const there = portsOf(found.filter(({ cookie }) => cookie === 0n).map(({ match }) => match))
        expect({ moment, there }).toEqual({ moment, there: wanted })
        // Nothing stays under way, and nothing that was answered is without its entry.
        await fleet.clock.run(fleet.clock.now() + 2_000_000_000)
        const journal = await fleet.state.journal({ limit: 99 })
        expect(journal.filter(({ result }) => result !== 'ok')).toEqual([])
        expect(journal.length).toBeGreaterThan(step)
      },
    )
    expect(kills).toBeGreaterThanOrEqual(4)
  })
})

describe('what a switch refuses', () => {
  test('is not wanted after a restart either, and the journal says why', async () => {
    const fleet = await RestartingFleet.start(threeHosts())
    fleet.switches.get(H1)!.refuses = (change) => change.type === 'flowMod' && change.cookie === 0n
    const adding = fleet.controller.addFlows([flow(1), flow(2)])
    await expect(fleet.settle(adding)).rejects.toThrow('OFPBAC_BAD_ARGUMENT')
    await fleet.restart()
    await fleet.settled()
    expect(texts(fleet)).toEqual([])
    expect((await fleet.state.journal({ limit: 1 }))[0]).toMatchObject({
      operation: 'add flows',
      result: expect.stringContaining('OFPBAC_BAD_ARGUMENT') as string,
    })
  })

  test('is taken back where the process was killed before the switch could say so', async () => {
    const fleet = await RestartingFleet.start(threeHosts())
    await fleet.settle(fleet.controller.addFlows([flow(1)]))
    const device = fleet.switches.get(H1)!
    device.refuses = (change) => change.type === 'flowMod' && change.cookie === 7n
    fleet.store.killAt = { batch: fleet.store.written + 1, after: true }
    const killed = new Promise<void>((resolve) => {
      fleet.onKilled = resolve
    })
    const bad = { ...flow(1), flow: { ...flow(1).flow, cookie: 7n } }
    void fleet.controller.addFlows([bad, flow(2)])
    await fleet.settle(killed)
    await fleet.restart()
    await fleet.settled()
    expect(fleet.controller.userFlows().map(({ flow: { cookie } }) => cookie)).toEqual([0n])
    expect((await fleet.state.journal({ limit: 1 }))[0]!.result).toContain('OFPBAC_BAD_ARGUMENT')
    expect(fleet.controller.switches().every(({ inSync }) => inSync)).toBe(true)
  })
})

test('what can not be kept is refused, changes nothing, and can be done once there is room', async () => {
  const fleet = await RestartingFleet.start(threeHosts())
  const { controller, store } = fleet
  const before = fleet.contents()
  store.full = true
  const told = (work: Promise<unknown>) => expect(fleet.settle(work)).rejects.toThrow('no space is left')
  await told(controller.addFlows([flow(1)]))
  await told(controller.apply({ ...threeHosts(), vms: [] }))
  await told(controller.attach('a', 'tap:tap0'))
  const { id } = controller.migrate({ vm: 'a', to: 'h2' })
  await told(controller.migrationStarted(id))
  expect(await fleet.settle(controller.migrationDone(id))).toMatchObject({ state: 'aborted' })
  expect({ flows: controller.userFlows(), wires: controller.wires() }).toEqual({ flows: [], wires: [] })
  expect(fleet.contents()).toEqual(before)
  store.full = false
  await fleet.settle(controller.addFlows([flow(2)]))
  await fleet.restart()
  await fleet.settled()
  expect(texts(fleet)).toEqual([2n])
  expect(fleet.contents()).not.toEqual(before)
})

const moveA = async (fleet: RestartingFleet): Promise<void> => {
  const { id } = fleet.controller.migrate({ vm: 'a', to: 'h2' })
  await fleet.controller.migrationDone(id)
}
