// What the source of a move has still when it has ended is asked of its switch, and told.

import { expect, test } from 'vitest'
import { leftBehind } from '../../../controller/migration/left-behind.ts'
import type { RemoteSwitch } from '../../../controller/southbound/remote-switch.ts'
import { cookieOf, Register } from '../../../controller/tables.ts'
import type { Action, FlowSpec } from '../../../protocols/control/messages.ts'
import { parseFlow } from '../../../protocols/flow-text/parse.ts'
import { MILLISECOND, SECOND, sleep } from '../../../runtime/clock.ts'
import type { Topology } from '../../../topologies/topology.ts'
import { controlledFleet, threeHosts } from '../../support/controlled-fleet.ts'
import { RestartingFleet } from '../../support/restarting-fleet.ts'

const H1 = 'h1/br-int'

type Fleet = Awaited<ReturnType<typeof controlledFleet>>

/** What the report says where this is done to the source just before it is asked what it has still. */
async function left(spoil: (device: NonNullable<ReturnType<Fleet['switches']['get']>>, port: number) => void) {
  const fleet = await controlledFleet(threeHosts())
  const device = fleet.switches.get(H1)!
  const port = device.ports.get('a:eth0')!.number
  device.onReceived = ({ type }) => {
    if (type === 'portStatisticsRequest') spoil(device, port)
  }
  const { id } = fleet.controller.migrate({ vm: 'a', to: 'h3' })
  return (await fleet.settle(fleet.controller.migrationDone(id))).leftBehind
}

function sending(app: 'multicast' | 'mirrors' | 'neighbours', apply: Action[], match = ''): FlowSpec {
  const flow = parseFlow(`table=9,priority=7,udp${match},actions=drop`)
  return { ...flow, cookie: cookieOf(app), instructions: { ...flow.instructions, apply } }
}

test('a switch that has nothing more is not blamed', async () => {
  expect(await left(() => {})).toEqual([])
  // What others are sent is nobody's business here.
  const other = (port: number): Action[] => [{ type: 'output', port: port + 1 }]
  expect(await left((device, port) => device.flows.set('x', sending('multicast', other(port))))).toEqual([])
})

test.each<[string, Parameters<typeof left>[0], string]>([
  [
    'a multicast group',
    (device, port) =>
      device.flows.set(
        'x',
        sending('multicast', [
          { type: 'clone', actions: [{ type: 'set_field', field: Register.To, value: BigInt(port) }] },
        ]),
      ),
    '1 memberships of multicast groups',
  ],
  [
    'a mirror',
    (device, port) => device.flows.set('x', sending('mirrors', [{ type: 'output', port }])),
    '1 sessions of mirrors',
  ],
  [
    'a flow',
    (device, port) => device.flows.set('x', sending('neighbours', [], `,in_port=${port}`)),
    '1 flows for a:eth0',
  ],
])('%s that goes on sending there is told', async (_, spoil, what) => {
  const found = await left(spoil)
  expect(found).toHaveLength(1)
  expect(found[0]).toContain(`${H1} has still ${what}`)
})

test('answers for a network that nobody there is in are told', async () => {
  const found = await left((device) => {
    // `c` is there still, and is on one of them.
    for (const network of [1, 2])
      device.flows.set(`x${network}`, sending('neighbours', [], `,${Register.Network}=${network}`))
  })
  expect(found).toHaveLength(1)
  expect(found[0]).toContain('1 flows of networks, with answers to neighbours,')
})

test('the destination of a move that goes back is asked, too', async () => {
  const fleet = await controlledFleet(threeHosts())
  const destination = fleet.switches.get('h3/br-int')!
  let port = 0
  destination.onReceived = ({ type }) => {
    port ||= destination.ports.get('a:eth0')?.number ?? 0
    if (type === 'portStatisticsRequest') destination.flows.set('x', sending('mirrors', [{ type: 'output', port }]))
  }
  const { id } = fleet.controller.migrate({ vm: 'a', to: 'h3', pause: SECOND })
  await fleet.settle(sleep(fleet.clock, SECOND / 2))
  await fleet.settle(fleet.controller.abortMigration(id))
  expect(await fleet.settle(fleet.controller.migrationDone(id))).toMatchObject({
    state: 'aborted',
    leftBehind: ['h3/br-int has still 1 sessions of mirrors for a:eth0'],
  })
})

/** Zones that are flushed where the port's number is another's by now, and the zone, asked about again and again, is free as these say. */
async function flushed(...free: boolean[]): Promise<number[]> {
  const zones: number[] = []
  const remote = {
    name: H1,
    portStatistics: async () => [{ name: 'other:eth0', port: 7 }],
    vnicState: async () => ({ connections: [] }),
    flushConnections: async (zone: number) => void zones.push(zone),
  } as unknown as RemoteSwitch
  const place = { nic: 'a:eth0', switch: H1, port: 7, zone: 4096 }
  await leftBehind(remote, place, { networks: [], isFree: () => free.shift() ?? false })
  return zones
}

test('connections end also where another vNIC has the number of their port by now', async () => {
  expect(await flushed(true, true)).toEqual([4096])
})

test('connections of whoever has been given the zone meanwhile are left alone', async () => {
  expect(await flushed(false, false)).toEqual([])
  expect(await flushed(true, false)).toEqual([])
})

/** Connections of `a` are tracked. */
function filtered(): Topology {
  const topology = threeHosts()
  const vms = topology.vms.map((vm) => {
    if (vm.name !== 'a') return vm
    return { ...vm, nics: vm.nics.map((nic) => ({ ...nic, policy: { portSecurity: true, securityGroups: [] } })) }
  })
  return { ...topology, vms }
}

test.each(['h1', 'h3'])('connections end once the place that was left is back: %s', async (away) => {
  const { clock, controller, switches, settle } = await controlledFleet(filtered())
  const device = switches.get(`${away}/br-int`)!
  const { id } = controller.migrate({ vm: 'a', to: 'h3', pause: SECOND })
  switches.get('h3/br-int')!.onChange = (change) => {
    if (change.type === 'portMod' && change.port.state === 'open') device.hangUp()
  }
  if (away === 'h3') {
    await settle(sleep(clock, SECOND / 2))
    device.hangUp()
    await settle(controller.abortMigration(id))
  }
  const { leftBehind: found, problem } = await settle(controller.migrationDone(id))
  expect([...found, problem].join()).toContain(`what ${away} has still is not known: it can not be asked`)
  expect(device.connected).toBe(false)
  const ended: unknown[] = []
  device.onReceived = (message) => message.type === 'flushConnections' && ended.push(message.filter)
  device.dial(controller)
  await settle(sleep(clock, SECOND))
  expect(controller.topology.vms.find(({ name }) => name === 'a')!.host).not.toBe(away)
  expect(ended).toEqual([{ zone: 4096 }])
})

test.each(['h1', 'h3'])(
  'a controller that starts again asks the place that was left once it is there: %s',
  async (late) => {
    const fleet = await RestartingFleet.start(filtered())
    const { clock, controller, switches } = fleet
    const device = switches.get(`${late}/br-int`)!
    device.onReceived = ({ type }) => type === 'portStatisticsRequest' && fleet.kill()
    const { id } = controller.migrate({ vm: 'a', to: 'h3', pause: SECOND })
    await clock.run(clock.now() + SECOND / 2)
    if (late === 'h3') void controller.abortMigration(id)
    await clock.run(clock.now() + SECOND)
    device.onReceived = () => {}
    await fleet.restart(false)
    for (const other of switches.values()) if (other !== device) other.dial(fleet.controller)
    await clock.run(clock.now() + SECOND)
    const ended: unknown[] = []
    device.onReceived = (message) => message.type === 'flushConnections' && ended.push(message.filter)
    device.dial(fleet.controller)
    await fleet.settled()
    expect(fleet.controller.migrations()).toMatchObject([{ id, leftBehind: [] }])
    expect(ended).toEqual([{ zone: 4096 }])
  },
)

/**
 * What comes of a move of `a` from h1 to h3 where the controller is killed once it has written so often, and the place that is left dials
 * 20 ms after the others; undefined where it does not write so often.
 */
async function killed(after: number, isUndone: boolean) {
  const fleet = await RestartingFleet.start(filtered())
  const { clock, store, switches } = fleet
  const { id } = fleet.controller.migrate({ vm: 'a', to: 'h3', pause: 5 * MILLISECOND })
  store.killAt = { batch: store.written + after, after: true }
  if (isUndone) {
    await clock.run(clock.now() + MILLISECOND)
    void fleet.controller.abortMigration(id)
  }
  await clock.run(clock.now() + SECOND)
  if (!store.killed) return undefined
  await fleet.restart(false)
  const goesOn = !isUndone && fleet.state.restored.moves.get('a')?.targetState !== 'hold'
  const late = switches.get(goesOn ? H1 : 'h3/br-int')!
  for (const device of switches.values()) if (device !== late) device.dial(fleet.controller)
  await clock.run(clock.now() + 20 * MILLISECOND)
  late.dial(fleet.controller)
  await fleet.settled()
  return fleet.controller.migrations()[0]!
}

test.each([false, true])(
  'the place that is left may be there later than the others after a restart (undone: %s)',
  async (isUndone) => {
    const problems = [undefined, 'the controller was restarted', 'aborted on request']
    let after = 1
    for (let ended; (ended = await killed(after, isUndone)) !== undefined; after++) {
      expect({ after, leftBehind: ended.leftBehind }).toEqual({ after, leftBehind: [] })
      expect(problems).toContain(ended.problem)
    }
    expect(after).toBeGreaterThan(5)
  },
)
