import { describe, expect, test } from 'vitest'
import { Agent } from '../../../datapath/control/agent.ts'
import type { Action, Message, Role } from '../../../protocols/control/messages.ts'
import { ReservedPort } from '../../../protocols/control/messages.ts'
import { arpRequest, udpFrame } from '../../../protocols/packet/compose.ts'
import { decodeOpenFlow, encodeOpenFlow } from '../../../protocols/openflow/codec.ts'
import { OpenFlowConnection } from '../../../protocols/openflow/connection.ts'
import { HELLO, RawChannel } from '../../support/openflow-ends.ts'
import { controlledSwitch } from '../../support/controlled-switch.ts'
import { flowMod, portConfig, testSwitch } from '../../support/test-switch.ts'

const FRAME = udpFrame({
  ethSrc: 1n,
  ethDst: 2n,
  ipSrc: 1,
  ipDst: 2,
  srcPort: 1,
  dstPort: 2,
  payload: new Uint8Array(200),
})

async function twoControllers() {
  const world = controlledSwitch()
  const [first, second] = [world.controller(), world.controller()]
  for (const one of [first, second]) one.send({ type: 'hello', version: 1 })
  first.send({ type: 'portMod', command: 'add', port: portConfig({ number: 1 }) })
  await first.barrier()
  await second.barrier()
  const receive = () => world.device.receive([world.arena.allocateFrom(FRAME)], 1, 1)
  return { ...world, first, second, receive }
}

const claim = (role: Role, generationId: bigint): Message => ({ type: 'roleRequest', role, generationId })

describe('each of several controllers', () => {
  test('has its own settings, and hears of frames whole', async () => {
    const { first, second, receive, clock } = await twoControllers()
    first.send({ type: 'tableMod', table: 0, miss: 'controller' })
    second.send({ type: 'setConfig', fragments: 'normal', missSendLength: 33 })
    await first.barrier()
    await second.barrier()
    receive()
    first.send(flowMod({ instructions: { apply: [{ type: 'controller', maxLength: 0 }], clear: false, write: [] } }))
    await first.barrier()
    receive()
    await first.barrier()
    await second.barrier()
    const whole = [FRAME.length, FRAME.length]
    expect(first.of('packetIn').map(({ frame }) => frame.length)).toEqual(whole)
    expect(second.of('packetIn').map(({ frame }) => frame.length)).toEqual(whole)
    const settings = [first, second].map(({ connection }) => connection.request({ type: 'configRequest' }))
    expect(await clock.runUntil(Promise.all(settings))).toMatchObject([{ missSendLength: 128 }, { missSendLength: 33 }])
  })

  test('hears what a flow sends up from a port whose misses it is not told of', async () => {
    const { first, receive, device } = await twoControllers()
    first.send({ type: 'tableMod', table: 0, miss: 'controller' })
    await first.barrier()
    device.ports.setFlags(1, { noPacketIn: true })
    receive()
    first.send(flowMod({ instructions: { apply: [{ type: 'controller', maxLength: 0 }], clear: false, write: [] } }))
    await first.barrier()
    receive()
    await first.barrier()
    expect(first.of('packetIn').map(({ cookie }) => cookie)).toEqual([flowMod({}).cookie])
  })

  test('may be the primary, and then the one before is secondary and changes nothing', async () => {
    const { first, second, device } = await twoControllers()
    first.send(claim('primary', 5n))
    first.send({ type: 'bundleControl', bundle: 1, command: 'open' })
    first.send({ type: 'bundleAdd', bundle: 1, message: flowMod({}) })
    await first.barrier()
    second.send(claim('primary', 6n))
    await second.barrier()
    const refused = [first.send(flowMod({})), first.send({ type: 'bundleControl', bundle: 1, command: 'commit' })]
    await first.barrier()
    expect(first.errors()).toEqual(refused.map((xid) => ({ code: 'OFPBRC_IS_SECONDARY', field: '', xid })))
    expect(device.tables.size).toBe(0)
    const stale = first.send(claim('primary', 5n))
    await first.barrier()
    expect(first.errors().at(-1)).toEqual({ code: 'OFPRRFC_STALE', field: 'generationId', xid: stale })
    first.send(claim('equal', 0n))
    first.send(flowMod({}))
    await first.barrier()
    expect(device.tables.size).toBe(1)
  })

  test('hears that another has become the primary in its place', async () => {
    const { first, second } = await twoControllers()
    first.send(claim('primary', 5n))
    await first.barrier()
    second.send(claim('primary', 7n))
    second.send(claim('primary', 8n))
    await second.barrier()
    await first.barrier()
    expect(first.of('roleStatus')).toEqual([
      { type: 'roleStatus', role: 'secondary', reason: 'primary_request', generationId: 7n },
    ])
    expect(second.of('roleStatus')).toEqual([])
  })

  test('changes how fragments are seen, but for a secondary; a wish to reassemble them changes nothing', async () => {
    const { first, second, clock, device } = await twoControllers()
    first.send({ type: 'setConfig', fragments: 'drop', missSendLength: 1 })
    first.send({ type: 'setConfig', fragments: 'reassemble', missSendLength: 2 })
    second.send(claim('secondary', 1n))
    second.send({ type: 'setConfig', fragments: 'normal', missSendLength: 3 })
    await first.barrier()
    await second.barrier()
    const settings = [first, second].map(({ connection }) => connection.request({ type: 'configRequest' }))
    expect(await clock.runUntil(Promise.all(settings))).toEqual([
      { type: 'configReply', fragments: 'drop', missSendLength: 2 },
      { type: 'configReply', fragments: 'drop', missSendLength: 3 },
    ])
    expect(first.errors()).toEqual([])
    expect(device.fragments).toBe('drop')
  })

  test('may send frames too short for a header: they are dropped', async () => {
    const { first, device } = await twoControllers()
    for (const length of [0, 1, 13]) {
      const frame = FRAME.slice(0, length)
      first.send({ type: 'packetOut', inPort: 0, actions: [{ type: 'output', port: 1 }], frame })
    }
    await first.barrier()
    expect(first.errors()).toEqual([])
    expect(device.drops.malformed).toBe(3)
  })

  test('sends no frame from a port that receives none', async () => {
    const { first, sent, device } = await twoControllers()
    device.ports.setFlags(1, { noReceive: true })
    for (const inPort of [1, ReservedPort.Controller])
      first.send({ type: 'packetOut', inPort, actions: [{ type: 'output', port: 1 }], frame: FRAME })
    await first.barrier()
    expect(first.errors()).toEqual([])
    expect(sent).toHaveLength(1)
    expect(device.drops.no_recv).toBe(1)
  })

  test('hears what others change of ports, and of its own changes that a link has gone', async () => {
    const { first, second, device } = await twoControllers()
    const port = device.ports.byNumber(1)
    const mac = port === undefined ? 0n : device.ports.macOf(port)
    const heard = () => [first, second].map((one) => one.of('portStatus').length)
    const before = heard()
    first.send({ type: 'portFlagsMod', port: 1, mac, flags: { noFlood: true } })
    await first.barrier()
    await second.barrier()
    expect(heard()).toEqual(before.map((count, index) => count + index))
    second.send({ type: 'portFlagsMod', port: 1, mac, flags: { down: true } })
    await second.barrier()
    await first.barrier()
    expect(heard()).toEqual(before.map((count, index) => count + 1 + index))
  })

  test('no secondary hears of packets, until it asks', async () => {
    const { first, second, receive } = await twoControllers()
    first.send(
      flowMod({ instructions: { apply: [{ type: 'controller', maxLength: 65535 }], clear: false, write: [] } }),
    )
    second.send(claim('secondary', 1n))
    await first.barrier()
    await second.barrier()
    receive()
    second.send({
      type: 'setAsyncConfig',
      primary: { packetIn: [], portStatus: [], flowRemoved: [] },
      secondary: { packetIn: ['action'], portStatus: [], flowRemoved: [] },
    })
    await second.barrier()
    receive()
    await first.barrier()
    await second.barrier()
    expect([first, second].map((one) => one.of('packetIn').length)).toEqual([2, 1])
  })
})

test('a group that would come back to itself is a loop, the first time too', async () => {
  const { first, device } = await twoControllers()
  const buckets = [{ actions: [{ type: 'group', group: 7 } as const] }]
  const xid = first.send({ type: 'groupMod', command: 'add', group: 7, groupType: 'all', buckets })
  await first.barrier()
  expect(first.errors()).toEqual([{ code: 'OFPGMFC_LOOP', field: 'buckets', xid }])
  expect(device.groups.size).toBe(0)
})

test('on OpenFlow, the actions of a packet-out must suit its frame', () => {
  const { sw } = testSwitch([{ number: 1 }])
  const channel = new RawChannel()
  new Agent(sw).converse(new OpenFlowConnection(channel), 'openflow')
  channel.onData(HELLO)
  channel.sent.splice(0)
  const refusals = (frame: Uint8Array, ...actions: Action[]) => {
    const message: Message = { type: 'packetOut', inPort: 1, actions: [...actions, { type: 'output', port: 1 }], frame }
    for (const bytes of encodeOpenFlow({ xid: 7, message })) channel.onData(bytes)
    return channel.sent.splice(0).map((bytes) => decodeOpenFlow(bytes).message)
  }
  const inconsistent = [{ type: 'error', code: 'OFPBAC_MATCH_INCONSISTENT' }]
  const arp = arpRequest({ ethSrc: 1n, ipSrc: 1, ipDst: 2 })
  const tagged = Uint8Array.from([...FRAME.subarray(0, 12), 0x81, 0, 0, 5, ...FRAME.subarray(12)])
  expect(refusals(arp, { type: 'dec_ttl' })).toMatchObject(inconsistent)
  expect(refusals(FRAME, { type: 'dec_ttl' })).toEqual([])
  expect(refusals(FRAME, { type: 'set_field', field: 'tcp_dst', value: 1n })).toMatchObject(inconsistent)
  expect(refusals(FRAME, { type: 'set_field', field: 'udp_dst', value: 1n })).toEqual([])
  expect(refusals(FRAME, { type: 'pop_vlan' })).toMatchObject(inconsistent)
  expect(refusals(tagged, { type: 'pop_vlan' }, { type: 'dec_ttl' })).toEqual([])
  expect(refusals(tagged, { type: 'pop_vlan' }, { type: 'pop_vlan' })).toMatchObject(inconsistent)
})
