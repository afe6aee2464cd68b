// What is at the other end of a channel, on the virtual clock: one that answers, one that stops, one that never begins.

import { expect, test } from 'vitest'
import { converseProbed } from '../../../protocols/control/probe.ts'
import { OpenFlowConnection } from '../../../protocols/openflow/connection.ts'
import { SECOND } from '../../../runtime/clock.ts'
import { memoryChannelPair } from '../../../runtime/transport.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'

function probed() {
  const clock = new VirtualClock()
  const [near, far] = memoryChannelPair(clock, { latency: 1000, names: ['switch', 'controller'] })
  const conversation = converseProbed(near, clock, (channel) => new OpenFlowConnection(channel))
  return { conversation, far, pass: (seconds: number) => clock.run(clock.now() + seconds * SECOND) }
}

test('one that answers echo requests stays', async () => {
  const { conversation, far, pass } = probed()
  const controller = new OpenFlowConnection(far)
  let asked = 0
  controller.onMessage = (message, xid) => {
    if (message.type !== 'echoRequest') return
    asked++
    controller.send({ type: 'echoReply', data: message.data }, xid)
  }
  await pass(101)
  expect(conversation.closed).toBe(false)
  expect(asked).toBeGreaterThan(5)
})

test('one that falls silent is asked after five seconds, and left after ten', async () => {
  const { conversation, far, pass } = probed()
  const heard: string[] = []
  new OpenFlowConnection(far).onMessage = ({ type }) => void heard.push(type)
  await pass(4.9)
  expect(heard).toEqual([])
  await pass(0.2)
  expect(heard).toEqual(['echoRequest'])
  await pass(4.8)
  expect(conversation.closed).toBe(false)
  await pass(0.2)
  expect(conversation.closed).toBe(true)
})

test('one that does not come to its hello is left after ten seconds, though it sends', async () => {
  const { conversation, far, pass } = probed()
  // A hello of 64 bytes, of which one comes each second.
  for (const byte of [4, 0, 0, 64, 0, 0, 0, 1, 0, 1]) {
    expect(conversation.closed).toBe(false)
    far.send(Uint8Array.of(byte))
    await pass(1)
  }
  await pass(0.1)
  expect(conversation.closed).toBe(true)
})
