import { describe, expect, test } from 'vitest'
import type { ControllerEvent } from '../../controller/model.ts'
import { Conflict, NotFound, SwitchRefused } from '../../controller/model.ts'
import { cookieOf, Table } from '../../controller/tables.ts'
import type { FlowSpec } from '../../protocols/control/messages.ts'
import { InvalidField } from '../../protocols/errors.ts'
import { parseFlow, parseFlowFilter } from '../../protocols/flow-text/parse.ts'
import type { ControlledFleet } from '../support/controlled-fleet.ts'
import { controlledFleet, threeHosts } from '../support/controlled-fleet.ts'
import type { FakeSwitch } from '../support/fake-switch.ts'

const H1 = 'h1/br-int'
const H2 = 'h2/br-int'

const at = (fleet: ControlledFleet, name: string): FakeSwitch => fleet.switches.get(name)!

const userFlowsAt = (device: FakeSwitch): FlowSpec[] =>
  [...device.flows.values()].filter(({ cookie }) => cookie >> 48n !== 0x5b5bn)

describe('a vNIC port', () => {
  test('is made closed, and opens only after a bundle with its policy has been confirmed', async () => {
    const fleet = await controlledFleet(threeHosts())
    for (const device of fleet.switches.values()) {
      const opened = new Map<string, number>()
      const policed = new Map<string, number>()
      const made: string[] = []
      device.history.forEach((bundle, index) => {
        for (const change of bundle) {
          if (change.type === 'portMod' && change.port.type === 'vnic') {
            if (change.command === 'add') made.push(change.port.state)
            if (change.port.state === 'open') opened.set(change.port.name, index)
          }
          if (change.type !== 'flowMod') continue
          for (const port of device.ports.values())
            if (change.match.some(({ field, value }) => field === 'in_port' && value === BigInt(port.number)))
              policed.set(port.name, index)
        }
      })
      expect(new Set(made)).toEqual(new Set(['closed']))
      for (const [name, index] of opened) expect(policed.get(name)).toBeLessThan(index)
    }
    expect(at(fleet, H1).ports.get('a:eth0')?.state).toBe('open')
  })
})

describe('applying a topology', () => {
  test('is done when every switch has confirmed, and again changes nothing', async () => {
    const fleet = await controlledFleet(threeHosts())
    expect(fleet.controller.switches().map(({ inSync }) => inSync)).toEqual([true, true, true])
    const before = [...fleet.switches.values()].map(({ history }) => history.length)
    await fleet.settle(fleet.controller.apply(threeHosts()))
    expect([...fleet.switches.values()].map(({ history }) => history.length)).toEqual(before)
  })

  test('tells how many switches have confirmed which of its stages, and where it stopped', async () => {
    const fleet = await controlledFleet(threeHosts())
    const seen = new Set<string>()
    const look = () => {
      const { stage, confirmed, switches, state } = fleet.controller.topologies.change!
      seen.add(`${state}: ${stage}, ${confirmed} of ${switches}`)
    }
    for (const device of fleet.switches.values()) device.onReceived = look
    const [own, ...others] = threeHosts().networks
    const onSegment = (segment: number) => ({ ...threeHosts(), networks: [{ ...own!, segment }, ...others] })
    await fleet.settle(fleet.controller.apply(onSegment(11)))
    look()
    expect([...seen]).toEqual([
      'running: take in, 0 of 2',
      'running: switch over, 0 of 2',
      'running: let go, 0 of 2',
      'done: let go, 2 of 2',
    ])
    at(fleet, H2).refuses = (change) => change.type === 'flowMod'
    await expect(fleet.settle(fleet.controller.apply(onSegment(12)))).rejects.toThrow(SwitchRefused)
    expect(fleet.controller.topologies.change).toMatchObject({
      state: 'failed',
      stage: 'let go',
      confirmed: 1,
      switches: 2,
      problem: expect.stringContaining(H2) as string,
    })
  })

  test('touches only the switches that have the network of what changed', async () => {
    const fleet = await controlledFleet(threeHosts())
    const changed = threeHosts()
    changed.vms[1]!.nics[0]!.policy = { portSecurity: true, dscp: 20 }
    const before = at(fleet, 'h3/br-int').history.length
    await fleet.settle(fleet.controller.apply(changed))
    expect(at(fleet, 'h3/br-int').history.length).toBe(before)
    expect(at(fleet, H2).meters.size).toBe(0)
  })

  test('takes away what is no longer wanted', async () => {
    const fleet = await controlledFleet(threeHosts())
    await fleet.settle(fleet.controller.apply({ ...threeHosts(), vms: [], networks: [] }))
    expect([...at(fleet, H1).ports.keys()]).toEqual(['uplink', 'vxlan0'])
    expect(at(fleet, H1).meters.size).toBe(0)
  })

  test('reports what a switch refuses, and makes it good when it no longer does', async () => {
    const fleet = await controlledFleet(threeHosts())
    at(fleet, H2).refuses = (change) => change.type === 'meterMod'
    const changed = threeHosts()
    changed.vms[1]!.nics[0]!.policy = { portSecurity: true, ingressRate: 5e6 }
    await expect(fleet.settle(fleet.controller.apply(changed))).rejects.toThrow(SwitchRefused)
    expect(fleet.controller.switches()[1]).toMatchObject({
      inSync: false,
      problem: expect.stringContaining('OFPBAC_BAD_ARGUMENT') as string,
    })
    at(fleet, H2).refuses = () => false
    await fleet.settle(fleet.controller.inSync())
    expect(fleet.controller.switches()[1]).toMatchObject({ inSync: true })
    expect(fleet.controller.switches()[1]).not.toHaveProperty('problem')
  })
})

describe('a switch that comes back', () => {
  test('with everything gets nothing', async () => {
    const fleet = await controlledFleet(threeHosts())
    const device = at(fleet, H1)
    device.hangUp()
    await fleet.clock.run(fleet.clock.now() + 1_000_000)
    expect(fleet.controller.switches()[0]).toMatchObject({ connected: false, inSync: false })
    device.history = []
    device.dial(fleet.controller)
    await fleet.settle(fleet.controller.inSync())
    expect(device.history.flat()).toEqual([])
  })

  test('gets what it missed, and loses what it has too much', async () => {
    const fleet = await controlledFleet(threeHosts())
    const device = at(fleet, H1)
    const whole = new Set(device.flows.keys())
    device.hangUp()
    await fleet.clock.run(fleet.clock.now() + 1_000_000)
    const [lost] = device.flows.keys()
    device.flows.delete(lost!)
    device.flows.set('strange', parseFlow('table=3,priority=7,udp,tp_dst=9,actions=drop'))
    device.dial(fleet.controller)
    await fleet.settle(fleet.controller.inSync())
    device.flows.delete('strange')
    expect(new Set(device.flows.keys())).toEqual(whole)
    expect(device.history.at(-1)!.filter(({ type }) => type === 'flowMod')).toHaveLength(2)
  })

  test('empty is filled again, ports closed until their policy is there', async () => {
    const fleet = await controlledFleet(threeHosts())
    const device = at(fleet, H1)
    const whole = new Set(device.flows.keys())
    device.hangUp()
    await fleet.clock.run(fleet.clock.now() + 1_000_000)
    device.flows.clear()
    device.meters.clear()
    for (const name of device.ports.keys()) if (name !== 'uplink') device.ports.delete(name)
    device.history = []
    device.dial(fleet.controller)
    await fleet.settle(fleet.controller.inSync())
    expect(new Set(device.flows.keys())).toEqual(whole)
    const [first, second] = device.history
    expect(
      first!.some((change) => change.type === 'portMod' && change.port.type === 'vnic' && change.port.state === 'open'),
    ).toBe(false)
    expect(second!.every((change) => change.type === 'portMod' && change.port.state === 'open')).toBe(true)
  })

  test.each([1, 2, 3, 10, 40, 80])('after hanging up at message %i has nothing half, and then all', async (message) => {
    const fleet = await controlledFleet(threeHosts())
    const device = at(fleet, H1)
    const reference = await controlledFleet({ ...threeHosts(), vms: threeHosts().vms.slice(0, 2) })
    const before = device.history.length
    device.hangUpAt = device.received + message
    await fleet.settle(fleet.controller.apply({ ...threeHosts(), vms: threeHosts().vms.slice(0, 2) }))
    expect(device.connected || device.history.length - before <= 1).toBe(true)
    device.hangUpAt = Infinity
    if (!device.connected) device.dial(fleet.controller)
    await fleet.settle(fleet.controller.inSync())
    expect(new Set(device.flows.keys())).toEqual(new Set(at(reference, H1).flows.keys()))
  })
})

describe("users' flows", () => {
  const drop = parseFlow('table=0,priority=100,udp,tp_dst=9,actions=drop')
  const flood = parseFlow('table=0,priority=100,tcp,tp_dst=80,actions=FLOOD')

  test('are added beside the plan, found, and deleted by match', async () => {
    const fleet = await controlledFleet(threeHosts())
    await fleet.settle(
      fleet.controller.addFlows([
        { switch: 'h1', flow: drop },
        { switch: H1, flow: flood },
        { switch: H2, flow: drop },
      ]),
    )
    expect(userFlowsAt(at(fleet, H1))).toHaveLength(2)
    expect(userFlowsAt(at(fleet, H2))).toHaveLength(1)
    expect(fleet.controller.userFlows()).toHaveLength(3)
    expect(await fleet.settle(fleet.controller.deleteFlows(H1, parseFlowFilter('udp')))).toBe(1)
    expect(userFlowsAt(at(fleet, H1))).toHaveLength(1)
    expect(await fleet.settle(fleet.controller.deleteFlows(H1, parseFlowFilter(''), flood))).toBe(1)
    expect(userFlowsAt(at(fleet, H1))).toEqual([])
    expect(at(fleet, H1).flows.size).toBe(fleet.controller.switches()[0]!.flows)
  })

  test('are added to all switches or to none', async () => {
    const fleet = await controlledFleet(threeHosts())
    at(fleet, H2).refuses = (change) => change.type === 'flowMod' && change.command === 'add'
    const added = fleet.controller.addFlows([
      { switch: H1, flow: drop },
      { switch: H2, flow: drop },
    ])
    await expect(fleet.settle(added)).rejects.toMatchObject({
      name: 'SwitchRefused',
      switchName: H2,
      code: 'OFPBAC_BAD_ARGUMENT',
      field: 'instructions',
    })
    expect(userFlowsAt(at(fleet, H1))).toEqual([])
    expect(fleet.controller.userFlows()).toEqual([])
    expect(fleet.controller.switches().every(({ inSync }) => inSync)).toBe(true)
  })

  test('are refused while a switch is away', async () => {
    const fleet = await controlledFleet(threeHosts())
    at(fleet, H2).hangUp()
    await fleet.clock.run(fleet.clock.now() + 1_000_000)
    const added = fleet.controller.addFlows([
      { switch: H1, flow: drop },
      { switch: H2, flow: drop },
    ])
    await expect(fleet.settle(added)).rejects.toThrow(Conflict)
    expect(userFlowsAt(at(fleet, H1))).toEqual([])
  })

  test('stay out of the plan and its cookies, and name switches that are there', async () => {
    const fleet = await controlledFleet(threeHosts())
    const add = (name: string, flow: FlowSpec) => fleet.settle(fleet.controller.addFlows([{ switch: name, flow }]))
    await expect(add(H1, { ...drop, table: 10 })).rejects.toThrow(InvalidField)
    await expect(add(H1, { ...drop, cookie: cookieOf('egress') })).rejects.toThrow(InvalidField)
    await expect(add('h9', drop)).rejects.toThrow(NotFound)
  })

  test('take the place of the way out of their table, and give it back', async () => {
    const fleet = await controlledFleet(threeHosts())
    const catchAll = parseFlow('table=0,priority=0,actions=drop')
    await fleet.settle(fleet.controller.addFlows([{ switch: H1, flow: catchAll }]))
    const missOf = () => [...at(fleet, H1).flows.values()].find(({ table, priority }) => table === 0 && priority === 0)
    expect(missOf()?.instructions.gotoTable).toBeUndefined()
    await fleet.settle(fleet.controller.deleteFlows(H1, parseFlowFilter('table=0')))
    expect(missOf()?.instructions.gotoTable).toBe(10)
  })

  test('are forgotten when their time is up', async () => {
    const fleet = await controlledFleet(threeHosts())
    const events: ControllerEvent[] = []
    fleet.controller.subscribe((event) => events.push(event))
    const brief = parseFlow('table=0,idle_timeout=5,udp,actions=drop')
    await fleet.settle(fleet.controller.addFlows([{ switch: H1, flow: brief }]))
    const [flow] = userFlowsAt(at(fleet, H1))
    const counters = { duration: 0n, idleAge: 0n, packets: 0n, bytes: 0n }
    at(fleet, H1).say({ type: 'flowRemoved', reason: 'idle_timeout', flow: { ...flow!, ...counters } })
    await fleet.clock.run(fleet.clock.now() + 1_000_000)
    expect(fleet.controller.userFlows()).toEqual([])
    expect(events.flatMap((event) => (event.type === 'flow' ? [event.command] : []))).toEqual(['add', 'removed'])
  })
})

describe('learning', () => {
  const frame = new Uint8Array([0, 0, 0, 0, 0, 1, 2, 0, 0xaa, 0, 0, 1, 8, 0])
  const mac = 0x0200aa000001n
  const seen = (inPort: number, network: number) =>
    ({
      type: 'packetIn',
      reason: 'action',
      table: Table.Learning,
      cookie: cookieOf('learning'),
      inPort,
      totalLength: frame.length,
      match: [{ field: 'reg0', value: BigInt(network) }],
      frame,
    }) as const
  const knows = (device: FakeSwitch) =>
    [...device.flows.values()].some(
      ({ table, match }) => table === 20 && match.some((part) => part.field === 'eth_dst' && part.value === mac),
    )

  test('tells every switch of the network, until the address falls silent', async () => {
    const fleet = await controlledFleet(threeHosts())
    at(fleet, H1).say(seen(1, 1))
    at(fleet, H2).say(seen(1, 1))
    await fleet.clock.run(fleet.clock.now() + 1_000_000)
    expect([H1, H2, 'h3/br-int'].map((name) => knows(at(fleet, name)))).toEqual([true, true, false])
    const remembered = [...at(fleet, H1).flows.values()].find(({ idleTimeout }) => idleTimeout > 0)!
    const counters = { duration: 0n, idleAge: 0n, packets: 0n, bytes: 0n }
    const removed = { type: 'flowRemoved', reason: 'idle_timeout', flow: { ...remembered, ...counters } } as const
    at(fleet, H1).say(removed)
    await fleet.clock.run(fleet.clock.now() + 1_000_000)
    expect(knows(at(fleet, H1))).toBe(true)
    at(fleet, H2).say(removed)
    await fleet.clock.run(fleet.clock.now() + 1_000_000)
    expect(knows(at(fleet, H1))).toBe(false)
  })

  test('never takes what the topology knows', async () => {
    const fleet = await controlledFleet(threeHosts())
    const before = at(fleet, H2).history.length
    at(fleet, H2).say({ ...seen(1, 1), frame: new Uint8Array([0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 1, 8, 0]) })
    await fleet.clock.run(fleet.clock.now() + 1_000_000)
    expect(at(fleet, H2).history.length).toBe(before)
  })
})
