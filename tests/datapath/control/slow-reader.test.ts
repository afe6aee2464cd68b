// Controllers that ask for much and read little, over both wires: what was asked for waits for them, whole and in order.

import { describe, expect, test } from 'vitest'
import { applyChanges } from '../../../datapath/control/handlers/changes.ts'
import type { Dialect } from '../../../datapath/control/subscription.ts'
import { Connection } from '../../../protocols/control/connection.ts'
import type { Conversation } from '../../../protocols/control/conversation.ts'
import type { Message } from '../../../protocols/control/messages.ts'
import { ALL_TABLES } from '../../../protocols/control/messages.ts'
import { OpenFlowConnection } from '../../../protocols/openflow/connection.ts'
import type { Channel } from '../../../runtime/transport.ts'
import { memoryChannelPair } from '../../../runtime/transport.ts'
import { controlledSwitch } from '../../support/controlled-switch.ts'
import { flowMod, portConfig } from '../../support/test-switch.ts'

const LATENCY = 1000
const FLOWS = 4000
const DUMPS = 6
/** What may wait for one reader: a mark, a write, and a part of a reply. */
const BOUND = 1 << 20

const DUMP: Message = {
  type: 'flowStatisticsRequest',
  filter: { table: ALL_TABLES, match: [], cookie: 0n, cookieMask: 0n },
}

function worldOf(flows: number) {
  const world = controlledSwitch()
  const { device, agent, clock } = world
  device.ports.add(portConfig({ number: 1 }))
  const cookies = Array.from({ length: flows }, (_, index) => BigInt(index + 1))
  const toController = { apply: [{ type: 'controller' as const, maxLength: 0xffff }], clear: false, write: [] }
  applyChanges(
    device,
    cookies.map((cookie, index) => flowMod({ table: 1, priority: index, cookie, match: [] })),
  )
  applyChanges(device, [flowMod({ match: [], instructions: toController })])
  /** A controller's end, the channel that it reads from, and the one that the switch writes to. */
  const join = (dialect: Dialect): { end: Conversation; near: Channel; far: Channel } => {
    const [near, far] = memoryChannelPair(clock, { latency: LATENCY, names: ['switch', 'controller'] })
    if (dialect === 'control') agent.connect(far)
    else agent.converse(new OpenFlowConnection(far), 'openflow')
    const end = dialect === 'control' ? new Connection(near) : new OpenFlowConnection(near)
    if (dialect === 'control') end.send({ type: 'hello', version: 1 })
    return { end, near, far }
  }
  const receive = (bytes: number) => device.receive([world.arena.allocateFrom(new Uint8Array(bytes))], 1, 1)
  return { ...world, join, receive, pass: () => clock.run(clock.now() + 4 * LATENCY) }
}

/** What it hears: how many flows in each whole reply, by xid, and every other reply. */
function listen(end: Conversation): string[] {
  const heard: string[] = []
  let flows = 0
  end.onMessage = (message, xid) => {
    if (message.type === 'hello' || message.type === 'packetIn') return
    if (message.type !== 'flowStatisticsReply') return void heard.push(`${xid} ${message.type}`)
    flows += message.flows.length
    if (message.more) return
    heard.push(`${xid} ${flows} flows`)
    flows = 0
  }
  return heard
}

describe.each(['openflow', 'control'] as const)('over %s', (dialect) => {
  test('a long dump is made little by little, and frames have their turn in between', async () => {
    const { join, pass } = worldOf(FLOWS)
    const { end, far } = join(dialect)
    const heard = listen(end)
    await pass()
    const turns: number[] = []
    let sent = 0
    const [send, later] = [far.send.bind(far), far.later.bind(far)]
    far.send = (bytes) => {
      sent += bytes.length
      send(bytes)
    }
    far.later = (work) =>
      later(() => {
        turns.push(sent)
        sent = 0
        work()
      })
    end.send(DUMP, 1000)
    while (heard.length === 0) await pass()
    expect(heard).toEqual([`1000 ${FLOWS + 1} flows`])
    expect(Math.max(...turns)).toBeLessThan(2048)
    expect(turns.length).toBeGreaterThan(FLOWS / 40)
  })

  test('one that asks for dumps without end and reads a little at a time gets all, and takes little memory', async () => {
    const { join, pass } = worldOf(FLOWS)
    const slow = join(dialect)
    const other = join(dialect)
    const heard = listen(slow.end)
    const otherHeard = listen(other.end)
    await pass()
    slow.near.pause()
    const expected: string[] = []
    for (let index = 0; index < DUMPS; index++) {
      expected.push(`${1000 + index} ${FLOWS + 1} flows`, `${5000 + index} barrierReply`)
      slow.end.send(DUMP, 1000 + index)
      slow.end.send({ type: 'barrierRequest' }, 5000 + index)
    }
    let largest = 0
    for (let round = 0; heard.length < expected.length && round < 10_000; round++) {
      await pass()
      largest = Math.max(largest, slow.far.backlog)
      // The others are served meanwhile.
      other.end.send({ type: 'barrierRequest' }, round + 1)
      await pass()
      expect(otherHeard.pop()).toBe(`${round + 1} barrierReply`)
      slow.near.resume()
      await pass()
      slow.near.pause()
    }
    expect(heard).toEqual(expected)
    expect(largest).toBeGreaterThan(1 << 17)
    expect(largest).toBeLessThan(BOUND)
  })

  test('one that does not read loses packet-ins, counted, and nothing else', async () => {
    const { join, pass, receive, device, agent } = worldOf(0)
    const { end, near, far } = join(dialect)
    let packetIns = 0
    const events: string[] = []
    end.onMessage = (message) => {
      if (message.type === 'packetIn') packetIns++
      if (message.type === 'portStatus') events.push(message.reason)
    }
    await pass()
    near.pause()
    const sent = 3000
    for (let frame = 0; frame < sent; frame++) receive(1000)
    device.ports.add(portConfig({ number: 2, name: 'late' }))
    await pass()
    expect(far.backlog).toBeLessThan(2 << 20)
    near.resume()
    await pass()
    expect(events).toEqual(['add'])
    expect(packetIns).toBeGreaterThan(900)
    expect(packetIns + agent.lostPacketIns).toBe(sent)
  })
})
