import { describe, expect, test } from 'vitest'
import type { Action, FlowMod, PortConfig } from '../../protocols/control/messages.ts'
import { MAX_CLONE_DEPTH, ReservedPort } from '../../protocols/control/messages.ts'
import { Refused } from '../../protocols/control/refused.ts'
import { FrameArena } from '../../datapath/frames.ts'
import type { FrameHandle } from '../../datapath/frames.ts'
import { Switch } from '../../datapath/switch.ts'
import { udpFrame } from '../../protocols/packet/compose.ts'
import { seeded } from '../../runtime/random.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import { pick, randomActions } from '../support/random-flows.ts'
import { damagedFrame, randomFrame } from '../support/random-frames.ts'
import { keyOf, matchMetBy } from '../support/random-keys.ts'
import { flowMod, portConfig, testSwitch } from '../support/test-switch.ts'
import { seeds } from '../support/seeds.ts'

const frame = udpFrame({
  ethSrc: 1n,
  ethDst: 2n,
  ipSrc: 1,
  ipDst: 2,
  srcPort: 1,
  dstPort: 2,
  payload: new Uint8Array(40),
})
const hex = Buffer.from(frame).toString('hex')
const outputTo = (...ports: number[]): Partial<FlowMod> => ({
  instructions: { apply: ports.map((port) => ({ type: 'output', port })), clear: false, write: [] },
})

describe('a switch', () => {
  test('sends a frame out of the port that a flow names, and says which flow it was', () => {
    const heard: unknown[] = []
    const arena = new FrameArena()
    const sw = new Switch({
      name: 'h1/br-int',
      host: 'h1',
      datapathId: 1n,
      arena,
      clock: new VirtualClock(),
      events: {
        output: (_frame, port, flow, hits) => heard.push([port.name, flow?.spec.cookie, hits.length]),
        transmit: (port, out) => {
          heard.push(port.name)
          arena.release(out)
        },
        drop: () => heard.push('drop'),
        message: () => {},
      },
    })
    for (const number of [1, 2]) sw.ports.add(portConfig({ number }))
    sw.tables.applyBundle([flowMod({ cookie: 5n, ...outputTo(2) })])
    sw.receive([arena.allocateFrom(frame), arena.allocateFrom(frame)], 2, 1)
    expect(heard).toEqual([['p2', 5n, 1], 'p2', ['p2', 5n, 1], 'p2'])
    expect(arena.live).toBe(0)
  })

  test('names what it drops', () => {
    const { sw, receive } = testSwitch([{}])
    expect(receive(frame, 1)).toEqual(['drop table_miss'])
    expect(receive(frame, 7)).toEqual(['drop unknown_port'])
    expect(receive(frame.slice(0, 13), 1)).toEqual(['drop malformed at 1'])
    expect(sw.drops).toMatchObject({ table_miss: 1, unknown_port: 1, malformed: 1, rate_limited: 0 })
  })

  test('sends what the controller gives it', () => {
    const { sw, arena, heard } = testSwitch([{}, {}])
    sw.inject(arena.allocateFrom(frame), ReservedPort.Controller, [{ type: 'output', port: 2 }])
    expect(heard()).toEqual([`2: ${hex}`])
    sw.tables.applyBundle([flowMod(outputTo(1))])
    sw.inject(arena.allocateFrom(frame), 2, [{ type: 'output', port: ReservedPort.Table }])
    expect(heard()).toEqual([`1: ${hex}`])
    expect(arena.live).toBe(0)
  })

  test('lets no more through than a meter does', () => {
    const { sw, receive, arena } = testSwitch([{}, {}])
    sw.meters.set({ meter: 1, bands: [{ type: 'drop', rate: 1000n, burst: BigInt(frame.length * 8) }] }, 0)
    const { instructions } = outputTo(2)
    sw.tables.applyBundle([flowMod({ instructions: { ...instructions!, meter: 1 } })])
    expect(receive(frame, 1)).toEqual([`2: ${hex}`])
    expect(receive(frame, 1)).toEqual(['drop rate_limited'])
    sw.tables.deleteUsingMeter(1)
    expect(sw.tables.size).toBe(0)
    expect(arena.live).toBe(0)
  })

  test('brings a frame through a VXLAN tunnel to the other side, with its VNI', () => {
    const [near, far] = [0xc0000201, 0xc0000202]
    const tunnel = (localIp: number): Partial<PortConfig> => ({
      type: 'tunnel',
      tunnel: { localIp, remoteIp: 'flow', key: 'flow' },
    })
    const a = testSwitch([{}, tunnel(near)])
    a.sw.tables.applyBundle([
      flowMod({
        instructions: {
          apply: [
            { type: 'set_field', field: 'tun_id', value: 5001n },
            { type: 'set_field', field: 'tun_dst', value: BigInt(far) },
            { type: 'output', port: 2 },
          ],
          clear: false,
          write: [],
        },
      }),
    ])
    const [line] = a.receive(frame, 1)
    const outer = Buffer.from(line!.slice('2: '.length), 'hex')
    expect(outer.length).toBe(frame.length + 50)

    const b = testSwitch([{}, tunnel(far)])
    b.sw.tables.applyBundle([
      flowMod({
        match: [
          { field: 'tun_id', value: 5001n },
          { field: 'tun_src', value: BigInt(near) },
          { field: 'in_port', value: 2n },
        ],
        ...outputTo(1),
      }),
    ])
    b.sw.receiveTunnelled([b.arena.allocateFrom(outer)], 1)
    expect(b.heard()).toEqual([`1: ${hex}`])
    a.sw.receiveTunnelled([a.arena.allocateFrom(outer)], 1)
    expect(a.heard()).toEqual(['drop unknown_tunnel'])
    a.sw.receiveTunnelled([a.arena.allocateFrom(frame)], 1)
    expect(a.heard()).toEqual(['drop invalid_tunnel'])
  })
})

test('a frame that goes round in a ring of bridges ends', () => {
  const arena = new FrameArena()
  const clock = new VirtualClock()
  const bridges: Switch[] = []
  const heard: string[] = []
  for (const [index, name] of ['a', 'b'].entries()) {
    const peer = () => bridges[1 - index]!
    const bridge = new Switch({
      name,
      host: 'h1',
      datapathId: 1n,
      arena,
      clock,
      events: {
        transmit: (port, out) => peer().receive([out], 1, port.number),
        drop: (_frame, reason) => heard.push(reason),
        message: () => {},
      },
    })
    for (const number of [1, 2, 3]) bridge.ports.add(portConfig({ number, type: 'patch' }))
    bridge.tables.applyBundle([flowMod(outputTo(ReservedPort.Normal))])
    bridges.push(bridge)
  }
  bridges[0]!.receive([arena.allocateFrom(frame)], 1, 1)
  expect(heard).toContain('recursion_too_deep')
  expect(heard.length).toBeLessThan(20_000)
  expect(arena.live).toBe(0)
})

test('clones in clones fit the call stack, also in a frame that goes round in a ring of bridges', () => {
  const arena = new FrameArena()
  const bridges: Switch[] = []
  const heard: string[] = []
  for (const [index, name] of ['a', 'b'].entries()) {
    const bridge = new Switch({
      name,
      host: 'h1',
      datapathId: 1n,
      arena,
      clock: new VirtualClock(),
      events: {
        transmit: (port, out) => bridges[1 - index]!.receive([out], 1, port.number),
        drop: (_frame, reason) => heard.push(reason),
        message: () => {},
      },
    })
    bridge.ports.add(portConfig({ number: 1, type: 'patch' }))
    const back = { type: 'output', port: ReservedPort.InPort } as const
    bridge.tables.applyBundle([flowMod({ instructions: { apply: [cloned(back)], clear: false, write: [] } })])
    bridges.push(bridge)
  }
  bridges[0]!.receive([arena.allocateFrom(frame)], 1, 1)
  expect(heard).toEqual(['recursion_too_deep'])
  expect(arena.live).toBe(0)
})

/** In as many clones as there may be, each of which changes the frame first. */
const cloned = (action: Action, depth = 0): Action =>
  depth === MAX_CLONE_DEPTH
    ? action
    : {
        type: 'clone',
        actions: [{ type: 'set_field', field: 'eth_src', value: BigInt(depth) }, cloned(action, depth + 1)],
      }

const PORTS: Partial<PortConfig>[] = [
  { vlanMode: 'access', tag: 10 },
  { vlanMode: 'trunk' },
  { type: 'vnic', tag: 10, state: 'hold' },
  { type: 'vnic', state: 'closed' },
  { type: 'tunnel', tunnel: { localIp: 1, remoteIp: 2, key: 3, tos: 'inherit', ttl: 'inherit' } },
  { mtu: 60 },
]

test.each(seeds(3))('every frame is accounted for, whatever it is and whatever the flows (seed %i)', (seed) => {
  const random = seeded(seed)
  const { sw, arena, heard, clock } = testSwitch(PORTS)
  sw.meters.set({ meter: 1, bands: [{ type: 'drop', rate: 1n, burst: 20_000n }] }, clock.now())
  for (let priority = 1; sw.tables.size < 80; priority++) {
    const match = matchMetBy(random, keyOf(randomFrame(random), 1 + random.below(6)), 0.05)
    const apply = randomActions(random, match, 5, { tables: 3, ports: [1, 2, 3, 4, 5, 6, 7] })
    const instructions = { apply, clear: false, write: [], ...(random.below(8) === 0 && { meter: 1 }) }
    try {
      sw.tables.applyBundle([flowMod({ table: random.below(3), priority, match, instructions })])
    } catch (error) {
      if (!(error instanceof Refused)) throw error
    }
  }
  for (let round = 0; round < 2000; round++) {
    const sent: FrameHandle = arena.allocateFrom(damagedFrame(random))
    const before = sw.ports.heldFrames().length
    if (random.below(10) === 0) sw.receiveTunnelled([sent], 1)
    else sw.receive([sent], 1, pick(random, [1, 2, 3, 4, 5, 6]))
    const held = sw.ports.heldFrames().length
    expect(heard().length + held - before).toBeGreaterThan(0)
    expect(arena.live).toBe(held)
  }
})

test('tables count what frames looked up, and what they found, however often the answer was known', () => {
  const { sw, receive } = testSwitch([{}, {}])
  const goto = { apply: [], clear: false, write: [], gotoTable: 3 }
  sw.tables.applyBundle([
    flowMod({ match: [{ field: 'in_port', value: 1n }], instructions: goto }),
    flowMod({ table: 3, match: [{ field: 'in_port', value: 2n }] }),
  ])
  for (let sent = 0; sent < 5; sent++) receive(new Uint8Array(60), 1)
  receive(new Uint8Array(60), 2)
  const [first, , , third] = sw.tables.tableStatistics()
  expect(first).toMatchObject({ lookups: 6n, matched: 5n })
  expect(third).toMatchObject({ active: 1, lookups: 5n, matched: 0n })
})
