// A switch whose controllers come and go, on the virtual clock: nothing here is a socket.

import { afterEach, describe, expect, test } from 'vitest'
import { Reconnect } from '../../../datapath/control/reconnect.ts'
import type { FailMode } from '../../../datapath/vswitchd/vswitchd.ts'
import { Vswitchd } from '../../../datapath/vswitchd/vswitchd.ts'
import { printFlow } from '../../../protocols/flow-text/print.ts'
import { OpenFlowConnection } from '../../../protocols/openflow/connection.ts'
import { SECOND } from '../../../runtime/clock.ts'
import { parseEndpoint } from '../../../runtime/endpoint.ts'
import { seeded } from '../../../runtime/random.ts'
import { memoryChannelPair } from '../../../runtime/transport.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'
import { flowMod } from '../../support/test-switch.ts'

const FIRST = 'tcp:127.0.0.1:1001'
const SECOND_ONE = 'tcp:127.0.0.1:1002'

const running: Vswitchd[] = []
afterEach(async () => {
  for (const daemon of running.splice(0)) await daemon.stop()
})

/** Which controllers can be reached just now is for the test to say. */
async function started(failMode: FailMode, ...controllers: string[]) {
  const clock = new VirtualClock()
  const reachable = new Set<string>()
  /** Those that take connections and say nothing. */
  const mute = new Set<string>()
  const connections = new Map<string, OpenFlowConnection>()
  const dialled: [string, number][] = []
  const log: string[] = []
  const daemon = await Vswitchd.start({
    name: 'br0',
    datapathId: 1n,
    clock,
    random: seeded(1),
    ports: [],
    controllers: controllers.map(parseEndpoint),
    listeners: [],
    snoopListeners: [],
    failMode,
    prepare: () => {},
    log: (line) => void log.push(line),
    dial: (endpoint) => {
      const name = `tcp:127.0.0.1:${endpoint.kind === 'unix' ? 0 : endpoint.port}`
      dialled.push([name, clock.now() / SECOND])
      if (!reachable.has(name)) return Promise.reject(new Error('refused'))
      const [near, far] = memoryChannelPair(clock, { latency: 1000, names: ['switch', name] })
      if (!mute.has(name)) connections.set(name, new OpenFlowConnection(far))
      return Promise.resolve(near)
    },
  })
  running.push(daemon)
  const flows = () => [...daemon.device.tables.statistics({ table: 255, match: [], cookie: 0n, cookieMask: 0n })]
  return {
    daemon,
    clock,
    reachable,
    mute,
    connections,
    dialled,
    log,
    flows: () => flows().map((flow) => printFlow(flow)),
    pass: (seconds: number) => clock.run(clock.now() + seconds * SECOND),
  }
}

describe('a controller that can not be reached', () => {
  test('is dialled again after 1, 2, 4, 8 and 8 seconds', async () => {
    const { dialled, pass } = await started('secure', FIRST)
    await pass(40)
    expect(dialled.map(([, at]) => at)).toEqual([0, 1, 3, 7, 15, 23, 31, 39])
  })

  test('is soon dialled again when a connection that held is lost', async () => {
    const { dialled, reachable, connections, pass } = await started('secure', FIRST)
    await pass(5)
    reachable.add(FIRST)
    await pass(3)
    const answering = connections.get(FIRST)!
    answering.onMessage = (message, xid) => {
      if (message.type === 'echoRequest') answering.send({ type: 'echoReply', data: message.data }, xid)
    }
    await pass(60)
    expect(answering.closed).toBe(false)
    const before = dialled.length
    answering.close()
    await pass(1.5)
    expect(dialled.length - before).toBe(1)
  })

  test('keeps no other from being heard', async () => {
    const { daemon, reachable, connections, pass } = await started('secure', FIRST, SECOND_ONE)
    reachable.add(SECOND_ONE)
    await pass(2)
    expect(daemon.connected).toBe(1)
    connections.get(SECOND_ONE)!.send(flowMod({ priority: 7 }))
    await pass(1)
    expect(daemon.device.tables.size).toBe(1)
  })
})

test('a controller that falls silent is asked, and left after ten seconds', async () => {
  const { reachable, connections, log, pass } = await started('secure', FIRST)
  reachable.add(FIRST)
  await pass(2)
  const silent = connections.get(FIRST)!
  const heard: string[] = []
  silent.onMessage = ({ type }) => void heard.push(type)
  await pass(6)
  expect(heard).toEqual(['echoRequest'])
  expect(silent.closed).toBe(false)
  await pass(6)
  expect(silent.closed).toBe(true)
  expect(log.filter((line) => line.includes('connection lost'))).toHaveLength(1)
})

describe('without its controllers', () => {
  test('a secure switch keeps its flows, and makes none', async () => {
    const { daemon, flows, reachable, connections, pass } = await started('secure', FIRST)
    reachable.add(FIRST)
    await pass(2)
    connections.get(FIRST)!.send(flowMod({ priority: 7 }))
    await pass(1)
    const before = flows()
    expect(before).toHaveLength(1)
    reachable.clear()
    connections.get(FIRST)!.close()
    await pass(100)
    expect(daemon.connected).toBe(0)
    expect(flows()).toEqual(before)
  })

  test('a standalone switch forwards normally after 15 seconds, whatever they had it do, until one is back', async () => {
    const { flows, reachable, connections, pass } = await started('standalone', FIRST, SECOND_ONE)
    reachable.add(FIRST)
    await pass(2)
    connections.get(FIRST)!.send(flowMod({ priority: 0 }))
    await pass(1)
    reachable.clear()
    connections.get(FIRST)!.close()
    await pass(14)
    expect(flows()).toHaveLength(1)
    await pass(2)
    expect(flows().some((flow) => flow.includes('priority=61680') && flow.endsWith('actions=NORMAL'))).toBe(true)
    reachable.add(SECOND_ONE)
    await pass(10)
    expect(flows()).toHaveLength(1)
  })

  test('one that was back for a moment is waited for anew', async () => {
    const { flows, reachable, connections, pass } = await started('standalone', FIRST)
    await pass(7.5)
    reachable.add(FIRST)
    await pass(8)
    reachable.clear()
    expect(flows()).toEqual([])
    connections.get(FIRST)!.close()
    await pass(14)
    expect(flows()).toEqual([])
    await pass(2)
    expect(flows()).toHaveLength(1)
  })

  test('a standalone switch does not wait for one that takes the connection and says nothing', async () => {
    const { daemon, flows, dialled, reachable, mute, pass } = await started('standalone', FIRST)
    reachable.add(FIRST)
    mute.add(FIRST)
    await pass(16)
    expect(daemon.connected).toBe(0)
    expect(flows()).toHaveLength(1)
    expect(dialled.length).toBeGreaterThan(1)
  })
})

test('a standalone switch that dials nobody forwards normally at once, whoever may dial it', async () => {
  const daemon = await Vswitchd.start({
    name: 'br0',
    datapathId: 1n,
    clock: new VirtualClock(),
    random: seeded(1),
    ports: [],
    controllers: [],
    listeners: [parseEndpoint('ptcp:0:127.0.0.1')],
    snoopListeners: [],
    failMode: 'standalone',
    prepare: () => {},
    log: () => {},
    dial: () => Promise.reject(new Error('nobody is dialled')),
  })
  running.push(daemon)
  expect(daemon.device.standalone).toBe(true)
})

test('an attempt that nobody answers is given up after ten seconds', async () => {
  const clock = new VirtualClock()
  const attempts: number[] = []
  const reconnect = new Reconnect({
    clock,
    name: FIRST,
    dial: (signal) => {
      attempts.push(clock.now() / SECOND)
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('given up'))))
    },
    converse: (channel) => new OpenFlowConnection(channel),
    changed: () => {},
    log: () => {},
  })
  await clock.run(30 * SECOND)
  reconnect.close()
  expect(attempts).toEqual([0, 11, 23])
})
