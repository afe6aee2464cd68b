import { beforeEach, describe, expect, test } from 'vitest'
import { Connection, ConnectionClosed, ControlError } from '../../../protocols/control/connection.ts'
import { encodeEnvelope } from '../../../protocols/control/codec.ts'
import { frame } from '../../../protocols/control/framing.ts'
import { signalbox } from '../../../protocols/control/generated/control.js'
import type { Message } from '../../../protocols/control/messages.ts'
import { seeded } from '../../../runtime/random.ts'
import type { Channel } from '../../../runtime/transport.ts'
import { memoryChannelPair } from '../../../runtime/transport.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'
import { damaged } from '../../support/damaged-bytes.ts'
import { randomMessage } from '../../support/random-messages.ts'

let clock: VirtualClock
let channels: [Channel, Channel]
let controller: Connection
let agent: Connection

beforeEach(() => {
  clock = new VirtualClock()
  channels = memoryChannelPair(clock, { latency: 1000, names: ['controller', 'switch'] })
  controller = new Connection(channels[0])
  agent = new Connection(channels[1])
})

const answering = (answer: (message: Message, xid: number) => void) => {
  agent.onMessage = answer
}

test('messages arrive in the order of sending, with their xid', async () => {
  const random = seeded(1)
  const sent = Array.from({ length: 200 }, () => randomMessage(random))
  const received: [Message, number][] = []
  answering((message, xid) => received.push([message, xid]))
  controller.batch(() => sent.slice(0, 100).forEach((message, index) => controller.send(message, index + 1)))
  sent.slice(100).forEach((message, index) => controller.send(message, index + 101))
  await clock.run(1000)
  expect(received).toEqual(sent.map((message, index) => [message, index + 1]))
})

test('a batch leaves in one write', () => {
  const writes: number[] = []
  channels[0].send = (bytes) => void writes.push(bytes.length)
  controller.batch(() => {
    for (let i = 0; i < 100; i++) controller.send({ type: 'barrierRequest' })
  })
  expect(writes).toHaveLength(1)
})

test('a notice goes out with xid 0, a command with a fresh one', () => {
  expect(controller.send({ type: 'hello', version: 1 })).toBe(0)
  expect(controller.send({ type: 'barrierRequest' })).toBe(1)
  expect(controller.send({ type: 'barrierRequest' })).toBe(2)
})

test('each request gets its own reply, whatever their order', async () => {
  const waiting: (() => void)[] = []
  answering((message, xid) => {
    if (message.type === 'echoRequest')
      waiting.unshift(() => agent.send({ type: 'echoReply', data: message.data }, xid))
    if (waiting.length === 3) waiting.forEach((reply) => reply())
  })
  const replies = [1, 2, 3].map((byte) => controller.request({ type: 'echoRequest', data: Uint8Array.of(byte) }))
  const answers = await clock.runUntil(Promise.all(replies))
  expect(answers.map((reply) => reply.data[0])).toEqual([1, 2, 3])
})

test('both ends may ask under the same xid', async () => {
  const answer = (connection: Connection, name: string) => (message: Message, xid: number) => {
    if (message.type === 'echoRequest') connection.send({ type: 'echoReply', data: Buffer.from(name) }, xid)
  }
  controller.onMessage = answer(controller, 'controller')
  agent.onMessage = answer(agent, 'switch')
  const both = [controller, agent].map((end) => end.request({ type: 'echoRequest', data: new Uint8Array() }))
  const replies = await clock.runUntil(Promise.all(both))
  expect(replies.map((reply) => Buffer.from(reply.data).toString())).toEqual(['switch', 'controller'])
})

test('a reply in parts is gathered', async () => {
  answering((_message, xid) => {
    agent.send({ type: 'flowStatisticsReply', flows: [], more: true }, xid)
    agent.send({ type: 'flowStatisticsReply', flows: [], more: false }, xid)
  })
  const filter = { table: 255, match: [], cookie: 0n, cookieMask: 0n }
  const parts = await clock.runUntil(controller.requestAll({ type: 'flowStatisticsRequest', filter }))
  expect(parts.map((part) => part.more)).toEqual([true, false])
})

describe('refusals', () => {
  test('an error rejects the request it answers', async () => {
    answering((_message, xid) =>
      agent.sendError({ code: 'OFPBFC_BAD_ID', field: 'bundle', message: 'no such bundle' }, xid),
    )
    const refused = clock.runUntil(controller.request({ type: 'bundleControl', bundle: 1, command: 'commit' }))
    await expect(refused).rejects.toEqual(new ControlError('OFPBFC_BAD_ID', 'bundle', 'no such bundle'))
    await expect(refused).rejects.toMatchObject({ code: 'OFPBFC_BAD_ID', field: 'bundle' })
  })

  test('an error about a message that was only sent comes to the handler with its xid', async () => {
    const heard: [Message, number][] = []
    controller.onMessage = (message, xid) => heard.push([message, xid])
    answering((_message, xid) => agent.sendError({ code: 'OFPBRC_BAD_PORT', message: 'no' }, xid))
    const xid = controller.send({ type: 'deliverFrames', port: 'web1:eth0', frames: [], upTo: 0 })
    await clock.run(10_000)
    expect(heard).toEqual([[{ type: 'error', code: 'OFPBRC_BAD_PORT', field: '', message: 'no' }, xid]])
  })

  test('a message of the wrong shape is answered by an error that names the field, and the next one is heard', async () => {
    const errors: Message[] = []
    const heard: string[] = []
    controller.onMessage = (message) => errors.push(message)
    answering((message) => heard.push(message.type))
    channels[0].send(frame(signalbox.control.Envelope.encode({ xid: 5, flowMod: { command: 1 } }).finish()))
    controller.send({ type: 'barrierRequest' })
    await clock.run(10_000)
    expect(errors).toMatchObject([{ type: 'error', code: 'bad_request', field: 'flow' }])
    expect(heard).toEqual(['barrierRequest'])
  })

  test('bytes that are no message close this channel', async () => {
    const errors: Message[] = []
    controller.onMessage = (message) => errors.push(message)
    channels[0].send(Uint8Array.of(0x16, 3, 1, 0, 0))
    await clock.run(10_000)
    expect(errors).toMatchObject([{ type: 'error', code: 'bad_request' }])
    expect([agent.closed, controller.closed]).toEqual([true, true])
  })

  test('a reply of the wrong shape rejects the request', async () => {
    answering((_message, xid) => {
      channels[1].send(frame(signalbox.control.Envelope.encode({ xid, error: {} }).finish()))
    })
    await expect(clock.runUntil(controller.request({ type: 'barrierRequest' }))).rejects.toThrow('code')
  })
})

test('each of 2,000 damaged envelopes is heard or refused by an error, and those that are none close the channel', async () => {
  const random = seeded(7)
  const count = { sent: 0, heard: 0, refused: 0, closed: 0 }
  while (count.sent < 2000) {
    const [near, far] = memoryChannelPair(clock, { latency: 0, names: ['stranger', 'switch'] })
    const end = new Connection(far)
    end.onMessage = () => count.heard++
    end.onClose = () => count.closed++
    new Connection(near).onMessage = () => count.refused++
    while (!end.closed && count.sent < 2000) {
      const envelope = damaged(random, encodeEnvelope({ xid: 0xffff, message: randomMessage(random) }))
      if (envelope.length === 0) continue
      near.send(frame(envelope))
      count.sent++
      await clock.run(clock.now())
    }
    end.close()
    await clock.run(clock.now())
  }
  expect(count.heard + count.refused).toBe(count.sent)
  expect(Math.min(count.heard, count.refused, count.closed)).toBeGreaterThan(100)
})

describe('closing', () => {
  test('rejects what is pending at both ends and tells each once', async () => {
    let closes = 0
    controller.onClose = () => closes++
    agent.onClose = () => closes++
    const pending = [controller.request({ type: 'barrierRequest' }), agent.request({ type: 'barrierRequest' })]
    const outcomes = Promise.allSettled(pending)
    controller.close()
    await clock.run(10_000)
    expect(
      (await outcomes).map((outcome) => outcome.status === 'rejected' && outcome.reason instanceof ConnectionClosed),
    ).toEqual([true, true])
    expect(closes).toBe(2)
  })

  test('a request afterwards rejects at once', async () => {
    controller.close()
    await expect(controller.request({ type: 'barrierRequest' })).rejects.toThrow(ConnectionClosed)
  })

  test('what was sent before still arrives', async () => {
    const heard: string[] = []
    answering((message) => heard.push(message.type))
    controller.send({ type: 'hello', version: 1 })
    controller.close()
    await clock.run(10_000)
    expect(heard).toEqual(['hello'])
  })
})

test('an envelope in several chunks is heard once whole', async () => {
  const heard: string[] = []
  answering((message) => heard.push(message.type))
  const bytes = frame(encodeEnvelope({ xid: 1, message: { type: 'echoRequest', data: new Uint8Array(1000) } }))
  for (let at = 0; at < bytes.length; at += 100) channels[0].send(bytes.subarray(at, at + 100))
  await clock.run(1000)
  expect(heard).toEqual(['echoRequest'])
})
