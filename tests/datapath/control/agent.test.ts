import { describe, expect, test } from 'vitest'
import { ConnectionClosed } from '../../../protocols/control/connection.ts'
import type { Action, FlowFilter, Message, PortConfig } from '../../../protocols/control/messages.ts'
import { ReservedPort } from '../../../protocols/control/messages.ts'
import { udpFrame } from '../../../protocols/packet/compose.ts'
import { controlledSwitch } from '../../support/controlled-switch.ts'
import { flowMod, portConfig } from '../../support/test-switch.ts'

const add = (port: Partial<PortConfig>): Message => ({ type: 'portMod', command: 'add', port: portConfig(port) })
const output = (port: number): { apply: Action[]; clear: boolean; write: Action[] } => ({
  apply: [{ type: 'output', port }],
  clear: false,
  write: [],
})
const ALL: FlowFilter = { table: 255, match: [], cookie: 0n, cookieMask: 0n }
const FRAME = udpFrame({ ethSrc: 1n, ethDst: 2n, ipSrc: 1, ipDst: 2, srcPort: 1, dstPort: 2 })
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

async function connected(options: { maxFlows?: number } = {}) {
  const world = controlledSwitch(options)
  const controller = world.controller()
  controller.send({ type: 'hello', version: 1 })
  await controller.barrier()
  return { ...world, one: controller }
}

describe('a conversation', () => {
  test('begins with hello; features tell the switch and its ports', async () => {
    const { one, clock } = await connected()
    expect(one.of('hello')).toEqual([{ type: 'hello', version: 1 }])
    one.send(add({ number: 4, name: 'uplink' }))
    const features = await clock.runUntil(one.connection.request({ type: 'featuresRequest' }))
    expect(features).toMatchObject({ datapathId: 0x0123456789abcdefn, name: 'h1/br-int', host: 'h1', tables: 254 })
    expect(features.ports).toEqual([
      { number: 4, name: 'uplink', type: 'uplink', state: 'open', linkUp: true, mac: 0x02abcdef0004n, flags: {} },
    ])
  })

  test('echoes', async () => {
    const { one, clock } = await connected()
    const data = new Uint8Array([1, 2, 3])
    const reply = await clock.runUntil(one.connection.request({ type: 'echoRequest', data }))
    expect([...reply.data]).toEqual([1, 2, 3])
  })

  test('ends where the versions differ', async () => {
    const { controller, clock } = controlledSwitch()
    const one = controller()
    one.send({ type: 'hello', version: 9 })
    await clock.run(1e6)
    expect(one.errors()).toEqual([{ code: 'OFPHFC_INCOMPATIBLE', field: 'version', xid: 0 }])
    expect(one.connection.closed).toBe(true)
  })

  test('goes on after an envelope of the wrong shape, and ends with bytes that are none', async () => {
    const { one, clock, agent } = await connected()
    one.channel.send(new Uint8Array([0, 0, 0, 2, 0x08, 0x05]))
    await one.barrier()
    expect(one.errors()).toEqual([{ code: 'bad_request', field: 'body', xid: 5 }])
    one.channel.send(new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]))
    await clock.run(clock.now() + 1e6)
    expect(one.connection.closed).toBe(true)
    expect(agent.controllers).toBe(0)
  })

  test('a switch does not take what only switches say', async () => {
    const { one } = await connected()
    const xid = one.send({ type: 'portStatisticsReply', ports: [] })
    await one.barrier()
    expect(one.errors()).toEqual([{ code: 'OFPBRC_BAD_TYPE', field: '', xid }])
  })
})

describe('a barrier', () => {
  test('is answered when all before it is in effect, and after its errors', async () => {
    const { one, device } = await connected()
    for (let priority = 0; priority < 500; priority++) one.send(flowMod({ priority }))
    const bad = one.send(flowMod({ table: 254 }))
    await one.barrier()
    expect(device.tables.size).toBe(500)
    expect(one.errors()).toEqual([{ code: 'OFPFMFC_BAD_TABLE_ID', field: 'table', xid: bad }])
  })
})

describe('an error names the field, and nothing is half-applied', () => {
  const tunnel = { localIp: 1, remoteIp: 2, key: 3 }
  const cases: [string, Message, string, string][] = [
    ['flow: table', flowMod({ table: 254 }), 'OFPFMFC_BAD_TABLE_ID', 'table'],
    [
      'flow: prerequisite',
      flowMod({ match: [{ field: 'tcp_dst', value: 80n }] }),
      'OFPBMC_BAD_PREREQ',
      'match.tcp_dst',
    ],
    [
      'flow: field given twice',
      flowMod({ match: [1n, 2n].map((value) => ({ field: 'eth_src', value })) }),
      'OFPBMC_DUP_FIELD',
      'match.eth_src',
    ],
    [
      'flow: meter',
      flowMod({ instructions: { meter: 9, apply: [], clear: false, write: [] } }),
      'OFPMMFC_INVALID_METER',
      'instructions.meter',
    ],
    [
      'flow: action',
      flowMod({ instructions: output(ReservedPort.Any) }),
      'OFPBAC_BAD_OUT_PORT',
      'instructions.apply[0].port',
    ],
    ['port: name taken', add({ number: 9, name: 'uplink' }), 'port_exists', 'port.name'],
    ['port: number taken', add({ number: 1, name: 'other' }), 'port_exists', 'port.number'],
    ['port: number', add({ number: 0xff00, name: 'other' }), 'OFPBRC_BAD_PORT', 'port.number'],
    ['port: no name', add({ number: 2, name: '' }), 'OFPBRC_BAD_PORT', 'port.name'],
    ['port: tag', add({ number: 2, tag: 4095 }), 'OFPBRC_BAD_PORT', 'port.tag'],
    ['port: trunks', add({ number: 2, trunks: [1, 4096] }), 'OFPBRC_BAD_PORT', 'port.trunks[1]'],
    ['port: tunnel missing', add({ number: 2, type: 'tunnel' }), 'OFPBRC_BAD_PORT', 'port.tunnel'],
    ['port: tunnel out of place', add({ number: 2, tunnel }), 'OFPBRC_BAD_PORT', 'port.tunnel'],
    [
      'port: VNI',
      add({ number: 2, type: 'tunnel', tunnel: { ...tunnel, key: 1 << 24 } }),
      'OFPBRC_BAD_PORT',
      'port.tunnel.key',
    ],
    ['port: same tunnel', add({ number: 3, type: 'tunnel', tunnel }), 'port_exists', 'port.tunnel'],
    [
      'port: unknown',
      { type: 'portMod', command: 'modify', port: portConfig({ name: 'nobody' }) },
      'OFPBRC_BAD_PORT',
      'port.name',
    ],
    [
      'port: another type',
      { type: 'portMod', command: 'modify', port: portConfig({ name: 'uplink', type: 'vnic' }) },
      'OFPBRC_BAD_PORT',
      'port.type',
    ],
    ['meter: no band', { type: 'meterMod', command: 'add', meter: 2, bands: [] }, 'OFPMMFC_OUT_OF_BANDS', 'bands'],
    [
      'meter: rate',
      { type: 'meterMod', command: 'add', meter: 2, bands: [{ type: 'drop', rate: 0n, burst: 1n }] },
      'OFPMMFC_BAD_RATE',
      'bands[0].rate',
    ],
    [
      'meter: taken',
      { type: 'meterMod', command: 'add', meter: 1, bands: [{ type: 'drop', rate: 1n, burst: 1n }] },
      'OFPMMFC_METER_EXISTS',
      'meter',
    ],
    [
      'meter: unknown',
      { type: 'meterMod', command: 'modify', meter: 2, bands: [{ type: 'drop', rate: 1n, burst: 1n }] },
      'OFPMMFC_UNKNOWN_METER',
      'meter',
    ],
    [
      'packet-out: in_port',
      { type: 'packetOut', inPort: ReservedPort.All, actions: [], frame: FRAME },
      'OFPBRC_BAD_PORT',
      'inPort',
    ],
    [
      'packet-out: action',
      { type: 'packetOut', inPort: 1, actions: [{ type: 'push_vlan', etherType: 1 }], frame: FRAME },
      'OFPBAC_BAD_ARGUMENT',
      'actions[0].etherType',
    ],
    ['frames for nobody', { type: 'deliverFrames', port: 'nobody', frames: [], upTo: 0 }, 'OFPBRC_BAD_PORT', 'port'],
    ['bundle not open', { type: 'bundleAdd', bundle: 3, message: flowMod({}) }, 'OFPBFC_BAD_ID', 'bundle'],
  ]

  test.each(cases)('%s', async (_, message, code, field) => {
    const { one, device, sent } = await connected()
    one.send(add({ number: 1, name: 'uplink' }))
    one.send(add({ number: 5, name: 'vxlan0', type: 'tunnel', tunnel }))
    one.send({ type: 'meterMod', command: 'add', meter: 1, bands: [{ type: 'drop', rate: 1n, burst: 1n }] })
    await one.barrier()
    const told = one.of('portStatus').length
    const xid = one.send(message)
    await one.barrier()
    expect(one.errors()).toEqual([{ code, field, xid }])
    expect([device.tables.size, device.ports.size, sent.length]).toEqual([0, 2, 0])
    expect([device.meters.has(1), device.meters.has(2)]).toEqual([true, false])
    expect(one.of('portStatus').length).toBe(told)
  })

  test('a request is refused with the field too', async () => {
    const { one, clock } = await connected()
    const filter = { ...ALL, match: [{ field: 'tcp_dst', value: 1n }] as const }
    const statistics = one.connection.requestAll({ type: 'flowStatisticsRequest', filter })
    await expect(clock.runUntil(statistics)).rejects.toMatchObject({
      code: 'OFPBMC_BAD_PREREQ',
      field: 'filter.match.tcp_dst',
    })
    const held = one.connection.requestAll({ type: 'heldFramesRequest', port: 'nobody', after: 0 })
    await expect(clock.runUntil(held)).rejects.toMatchObject({ code: 'OFPBRC_BAD_PORT', field: 'port' })
  })
})

describe('a bundle', () => {
  const METER: Message = { type: 'meterMod', command: 'add', meter: 7, bands: [{ type: 'drop', rate: 1n, burst: 1n }] }
  const metered = flowMod({ instructions: { ...output(1), meter: 7 } })

  async function withBundle(messages: Message[], options: { maxFlows?: number } = {}) {
    const world = await connected(options)
    const { one, clock } = world
    await clock.runUntil(one.connection.request({ type: 'bundleControl', bundle: 1, command: 'open' }))
    const xids = messages.map((message) => {
      if (message.type !== 'flowMod' && message.type !== 'meterMod' && message.type !== 'portMod') throw new Error()
      return one.send({ type: 'bundleAdd', bundle: 1, message })
    })
    await one.barrier()
    const commit = () => clock.runUntil(one.connection.request({ type: 'bundleControl', bundle: 1, command: 'commit' }))
    const state = () => [world.device.tables.size, world.device.ports.size, world.device.meters.has(7)]
    return { ...world, xids, commit, state }
  }

  test('is visible at once, when it is committed and not before', async () => {
    const { commit, state, one } = await withBundle([METER, metered, add({ number: 1, name: 'uplink' })])
    expect(state()).toEqual([0, 0, false])
    await commit()
    expect(state()).toEqual([1, 1, true])
    expect(one.errors()).toEqual([])
  })

  test.each([
    ['a flow', flowMod({ table: 254 }), 'OFPFMFC_BAD_TABLE_ID', 'table'],
    ['a meter', METER, 'OFPMMFC_METER_EXISTS', 'meter'],
    ['a port', add({ number: 1, name: 'again' }), 'port_exists', 'port.number'],
  ])('leaves nothing where %s in it can not be', async (_, bad, code, field) => {
    const good = [METER, metered, add({ number: 1, name: 'uplink' })]
    const { commit, state, one, xids } = await withBundle([...good, bad, flowMod({ priority: 2 })])
    await expect(commit()).rejects.toMatchObject({ code: 'OFPBFC_MSG_FAILED', field: `messages[3].${field}` })
    expect(state()).toEqual([0, 0, false])
    expect(one.errors()).toEqual([{ code, field: `message.${field}`, xid: xids[3] }])
    expect(one.of('portStatus')).toEqual([])
  })

  test('leaves nothing where the tables have no room', async () => {
    const flows = [0, 1, 2].map((priority) => flowMod({ priority }))
    const { commit, state, one, xids } = await withBundle([METER, ...flows, add({ number: 1 })], { maxFlows: 2 })
    await expect(commit()).rejects.toMatchObject({ code: 'OFPBFC_MSG_FAILED', field: 'messages[3]' })
    expect(one.errors()).toEqual([{ code: 'OFPFMFC_TABLE_FULL', field: 'message', xid: xids[3] }])
    expect(state()).toEqual([0, 0, false])
  })

  test('is not committed where a message before could not be read', async () => {
    const { commit, state, one } = await withBundle([METER, metered])
    one.channel.send(new Uint8Array([0, 0, 0, 2, 0x08, 0x05]))
    await expect(commit()).rejects.toMatchObject({ code: 'OFPBFC_MSG_FAILED' })
    expect(state()).toEqual([0, 0, false])
  })

  test('holds to its order: a meter comes before the flow that uses it', async () => {
    const { commit, state } = await withBundle([metered, METER])
    await expect(commit()).rejects.toMatchObject({ field: 'messages[0].instructions.meter' })
    expect(state()).toEqual([0, 0, false])
  })

  test('takes a port away and gives its number and name to another', async () => {
    const { one, device, clock } = await connected()
    one.send(add({ number: 1, name: 'a' }))
    const request = { type: 'bundleControl', bundle: 4 } as const
    one.send({ ...request, command: 'open' })
    const bundled: Message[] = [
      { type: 'portMod', command: 'delete', port: portConfig({ name: 'a' }) },
      add({ number: 1, name: 'b' }),
      add({ number: 2, name: 'a' }),
    ]
    for (const message of bundled) if (message.type === 'portMod') one.send({ type: 'bundleAdd', bundle: 4, message })
    await clock.runUntil(one.connection.request({ ...request, command: 'commit' }))
    expect([...device.ports].map(({ number, name }) => `${number} ${name}`)).toEqual(['1 b', '2 a'])
  })

  test('that is discarded is gone, and so is one whose controller goes', async () => {
    const { one, state, clock } = await withBundle([METER, metered])
    await clock.runUntil(one.connection.request({ type: 'bundleControl', bundle: 1, command: 'discard' }))
    const late = one.connection.request({ type: 'bundleControl', bundle: 1, command: 'commit' })
    await expect(clock.runUntil(late)).rejects.toMatchObject({ code: 'OFPBFC_BAD_ID', field: 'bundle' })
    expect(state()).toEqual([0, 0, false])
  })

  test('is its connection’s own: a disconnect in the middle leaves nothing, and the next may use its number', async () => {
    const { one, state, clock, controller, agent } = await withBundle([METER, metered])
    const pending = one.connection.request({ type: 'echoRequest', data: new Uint8Array(0) })
    one.connection.close()
    await expect(pending).rejects.toBeInstanceOf(ConnectionClosed)
    await clock.run(clock.now() + 1e6)
    expect(agent.controllers).toBe(0)
    expect(state()).toEqual([0, 0, false])
    const two = controller()
    const commit = two.connection.request({ type: 'bundleControl', bundle: 1, command: 'commit' })
    await expect(clock.runUntil(commit)).rejects.toMatchObject({ code: 'OFPBFC_BAD_ID' })
    await clock.runUntil(two.connection.request({ type: 'bundleControl', bundle: 1, command: 'open' }))
    await clock.runUntil(two.connection.request({ type: 'bundleControl', bundle: 1, command: 'commit' }))
    expect(state()).toEqual([0, 0, false])
  })
})

describe('what a switch says of its own accord', () => {
  test('goes to every controller, and nowhere where there is none', async () => {
    const world = await connected()
    const { one, device, arena, clock, agent } = world
    const two = world.controller()
    one.send(add({ number: 1, name: 'uplink' }))
    const toController: Action[] = [{ type: 'controller', maxLength: 20 }]
    one.send(flowMod({ cookie: 9n, instructions: { apply: toController, clear: false, write: [] } }))
    await one.barrier()
    device.receive([arena.allocateFrom(FRAME)], 1, 1)
    await clock.run(clock.now() + 1e6)
    for (const controller of [one, two]) {
      expect(controller.of('portStatus')).toMatchObject([{ reason: 'add', port: { number: 1, name: 'uplink' } }])
      const [packetIn] = controller.of('packetIn')
      expect(packetIn).toMatchObject({ reason: 'action', cookie: 9n, inPort: 1, totalLength: FRAME.length })
      expect(hex(packetIn!.frame)).toBe(hex(FRAME))
    }
    one.connection.close()
    two.connection.close()
    await clock.run(clock.now() + 1e6)
    expect(agent.controllers).toBe(0)
    device.receive([arena.allocateFrom(FRAME)], 1, 1)
    expect(device.tables.size).toBe(1)
    expect(arena.live).toBe(0)
  })

  test('tells of flows that asked for it when they are gone, also with their meter', async () => {
    const { one, device } = await connected()
    one.send({ type: 'meterMod', command: 'add', meter: 1, bands: [{ type: 'drop', rate: 1n, burst: 1n }] })
    one.send(flowMod({ flags: { sendFlowRemoved: true }, instructions: { ...output(1), meter: 1 } }))
    one.send({ type: 'meterMod', command: 'delete', meter: 1, bands: [] })
    await one.barrier()
    expect(device.tables.size).toBe(0)
    expect(one.of('flowRemoved')).toMatchObject([{ reason: 'meter_delete', flow: { table: 0, priority: 1 } }])
  })
})

describe('statistics', () => {
  test('of many flows come in parts, all of them and in order', async () => {
    const { one, clock } = await connected()
    const match = (index: number) => [
      { field: 'eth_type', value: 0x0800n } as const,
      { field: 'nw_src', value: BigInt(index) } as const,
    ]
    one.connection.batch(() => {
      for (let index = 0; index < 10_000; index++) one.send(flowMod({ match: match(index), instructions: output(1) }))
    })
    const parts = await clock.runUntil(one.connection.requestAll({ type: 'flowStatisticsRequest', filter: ALL }))
    expect(parts.length).toBeGreaterThan(1)
    expect(parts.map(({ more }) => more)).toEqual(parts.map((_, index) => index < parts.length - 1))
    const sources = parts.flatMap(({ flows }) => flows.map((flow) => Number(flow.match[1]!.value)))
    expect(sources.sort((a, b) => a - b)).toEqual(Array.from({ length: 10_000 }, (_, index) => index))
  })

  test('of no flow and of ports', async () => {
    const { one, clock, device, arena, sent } = await connected()
    const none = await clock.runUntil(one.connection.requestAll({ type: 'flowStatisticsRequest', filter: ALL }))
    expect(none).toEqual([{ type: 'flowStatisticsReply', flows: [], more: false }])
    one.send(add({ number: 1, name: 'a' }))
    one.send(add({ number: 2, name: 'b' }))
    one.send(flowMod({ instructions: output(2) }))
    await one.barrier()
    device.receive([arena.allocateFrom(FRAME)], 1, 1)
    expect(sent).toEqual([`2: ${hex(FRAME)}`])
    const { ports } = await clock.runUntil(one.connection.request({ type: 'portStatisticsRequest' }))
    expect(ports).toMatchObject([
      { port: 1, name: 'a', receivedPackets: 1n, receivedBytes: BigInt(FRAME.length), sentPackets: 0n },
      { port: 2, name: 'b', receivedPackets: 0n, sentPackets: 1n, sentBytes: BigInt(FRAME.length) },
    ])
  })
})

describe('frames', () => {
  test('of the controller’s own go where their actions say', async () => {
    const { one, sent } = await connected()
    one.send(add({ number: 1, name: 'a' }))
    one.send(add({ number: 2, name: 'b' }))
    one.send({ type: 'packetOut', inPort: ReservedPort.Controller, actions: output(2).apply, frame: FRAME })
    await one.barrier()
    expect(sent).toEqual([`2: ${hex(FRAME)}`])
  })

  test('that a port holds go to another, keep their identity, and leave in order', async () => {
    const { one, clock, device, arena, sent } = await connected()
    one.send(add({ number: 1, name: 'in' }))
    one.send(add({ number: 2, name: 'source', state: 'hold' }))
    one.send(add({ number: 3, name: 'destination', state: 'hold' }))
    one.send(flowMod({ instructions: output(2) }))
    await one.barrier()
    const numbered = (id: number) => Uint8Array.from([...FRAME.slice(0, 59), id])
    for (const id of [1, 2, 3]) {
      const frame = arena.allocateFrom(numbered(id))
      arena.id[frame] = id
      device.receive([frame], 1, 1)
    }
    const parts = await clock.runUntil(
      one.connection.requestAll({ type: 'heldFramesRequest', port: 'source', after: 0 }),
    )
    const frames = parts.flatMap((part) => part.frames)
    expect(frames.map(({ id }) => id)).toEqual([1n, 2n, 3n])
    expect(arena.live).toBe(3)
    one.send({ type: 'forgetFrames', port: 'source', upTo: frames.at(-1)!.sequence })
    await one.barrier()
    expect(arena.live).toBe(0)
    const moved = frames.map((frame) => ({ ...frame, origin: 'elsewhere' }))
    one.send({ type: 'deliverFrames', port: 'destination', frames: moved, upTo: 0 })
    await one.barrier()
    expect(sent).toEqual([])
    one.send({ type: 'portMod', command: 'modify', port: portConfig({ name: 'destination', state: 'open' }) })
    await one.barrier()
    expect(sent).toEqual([1, 2, 3].map((id) => `3: ${hex(numbered(id))}`))
    expect(arena.live).toBe(0)
  })
})
