import { describe, expect, test } from 'vitest'
import type { FlowStatistics, Message } from '../../../protocols/control/messages.ts'
import { decodeOpenFlow, encodeOpenFlow } from '../../../protocols/openflow/codec.ts'
import { OpenFlowConnection } from '../../../protocols/openflow/connection.ts'
import { seeded } from '../../../runtime/random.ts'
import { memoryChannelPair } from '../../../runtime/transport.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'
import { bytesOf, HELLO, rawEnd, unmetEnd } from '../../support/openflow-ends.ts'
import { asOpenFlowSays, soundly, WITHOUT_FORM } from '../../support/openflow-forms.ts'
import { MESSAGE_TYPES, randomMessageOf } from '../../support/random-messages.ts'

const CODE_AT = 8
const DATA_AT = 12

const errorIn = (bytes: Uint8Array | undefined) => decodeOpenFlow(bytes!).message as Extract<Message, { type: 'error' }>

describe('hello', () => {
  test.each([
    ['a bitmap with 1.3 in it', '04 00 0010 00000001 0001 0008 00000010'],
    ['a bitmap with 1.0 and 1.3, from one who speaks 1.5', '06 00 0010 00000001 0001 0008 00000052'],
    ['no bitmap, from one who speaks 1.5: the lower version counts', '06 00 0008 00000001'],
    ['an element that nobody knows before the bitmap', '01 00 0018 00000001 0007 0005 ff000000 0001 0008 00000010'],
    ['a bitmap cut short counts as none', '04 00 000e 00000001 0001 0008 0000'],
  ])('agrees: %s', (_, hex) => {
    const end = rawEnd(bytesOf(hex))
    end.asks({ type: 'barrierRequest' }, 7)
    expect(end.heard).toEqual([{ message: { type: 'barrierRequest' }, xid: 7 }])
    expect(end.channel).toMatchObject({ closed: false, sent: [] })
    expect(end.agreements).toBe(1)
  })

  test.each([
    ['a bitmap without 1.3, from one who speaks 1.4', '05 00 0010 00000001 0001 0008 00000022'],
    ['no bitmap, from one who speaks 1.0', '01 00 0008 00000001'],
    ['something else first', '04 02 0008 00000001'],
  ])('ends the channel with an explanation: %s', (_, hex) => {
    const { channel, agreements } = rawEnd(bytesOf(hex))
    expect(agreements).toBe(0)
    expect(channel.sent.map((bytes) => errorIn(bytes).code)).toEqual(['OFPHFC_INCOMPATIBLE'])
    expect(Buffer.from(channel.sent[0]!.subarray(DATA_AT)).toString('ascii')).toMatch(/^[ -~]+$/)
    expect(channel.closed).toBe(true)
  })

  test('offers OpenFlow 1.3 alone, and is said once', () => {
    const end = unmetEnd()
    const { channel } = end
    const other = new OpenFlowConnection(channel)
    other.send({ type: 'hello', version: 1 })
    expect(end.said()).toEqual([{ message: { type: 'hello', version: 4, versions: [4] }, xid: 1 }])
  })

  test('what was asked before the other end said hello is asked after it; what was told is not told', () => {
    const end = unmetEnd()
    end.connection.send({ type: 'featuresRequest' })
    end.connection.send(randomMessageOf(seeded(1), 'packetIn'))
    expect(end.channel.sent).toEqual([])
    end.hears(HELLO)
    expect(end.said().map(({ message }) => message.type)).toEqual(['featuresRequest'])
  })
})

test('a conversation: every message arrives with its xid, in order, however the stream is cut', async () => {
  const clock = new VirtualClock()
  const [near, far] = memoryChannelPair(clock, { latency: 1000, names: ['near', 'far'] })
  const random = seeded(3)
  const heard: { message: Message; xid: number }[] = []
  const sender = new OpenFlowConnection(near)
  const receiver = new OpenFlowConnection(far)
  receiver.onMessage = (message, xid) => heard.push({ message, xid })
  const whole = far.onData
  far.onData = (bytes) => {
    for (let at = 0; at < bytes.length;) {
      const end = at + 1 + random.below(200)
      whole(bytes.subarray(at, end))
      at = end
    }
  }
  const messages = MESSAGE_TYPES.filter(
    (type) => !WITHOUT_FORM.has(type) && type !== 'hello' && type !== 'setPacketInFormat',
  ).map((type) => soundly(randomMessageOf(random, type)))
  await clock.run(1_000_000)
  sender.batch(() => messages.forEach((message, index) => sender.send(message, 1000 + index)))
  await clock.run(2_000_000)
  const expected = messages.map((message, index) => ({ message: asOpenFlowSays(message), xid: 1000 + index }))
  const finished = ({ message }: { message: Message }) => !('more' in message)
  expect(heard.filter(finished)).toEqual(expected.filter(finished))
})

describe('what nobody knows is refused by name, and the channel stays', () => {
  test.each([
    ['a type', '04 63 0008 00000005', 'OFPBRC_BAD_TYPE'],
    ['a multipart type', '04 12 0010 00000005 00ee 0000 00000000', 'OFPBRC_BAD_MULTIPART'],
    ['an experimenter', '04 04 0010 00000005 00123456 00000001', 'OFPBRC_BAD_EXPERIMENTER'],
    ["an experimenter's message", '04 04 0010 00000005 00002320 0000ffff', 'OFPBRC_BAD_EXP_TYPE'],
    ["an experimenter's multipart", '04 12 0018 00000005 ffff 0000 00000000 00002320 00000003', 'OFPBRC_BAD_EXP_TYPE'],
    ['a version', '05 02 0008 00000005', 'OFPBRC_BAD_VERSION'],
    ['a body too short', '04 09 000a 00000005 0000', 'OFPBRC_BAD_LEN'],
    ['a body too long', '04 14 000a 00000005 0000', 'OFPBRC_BAD_LEN'],
    ['flags', '04 09 000c 00000005 00ff 0000', 'OFPSCFC_BAD_FLAGS'],
    [
      'a flow command',
      `04 0e 0038 00000005 ${'00'.repeat(17)}09 ${'00'.repeat(22)} 0001000400000000`,
      'OFPFMFC_BAD_COMMAND',
    ],
    ['a group type', '04 0f 0010 00000005 0000 09 00 00000001', 'OFPGMFC_BAD_TYPE'],
    ['a meter band', '04 1d 0020 00000005 0000 0001 00000001 0009 0010 00000001 00000001 00000000', 'OFPMMFC_BAD_BAND'],
    ['a role', '04 18 0018 00000005 00000009 00000000 0000000000000000', 'OFPRRFC_BAD_ROLE'],
    [
      'a bundle within a bundle',
      '04 04 0020 00000005 4f4e4600 000008fd 00000001 0000 0000 04 14 0008 00000005',
      'OFPBFC_MSG_UNSUP',
    ],
    [
      'another xid in a bundle',
      '04 04 0020 00000005 4f4e4600 000008fd 00000001 0000 0000 04 0e 0008 00000006',
      'OFPBFC_MSG_BAD_XID',
    ],
  ])('%s', (_, hex, code) => {
    const end = rawEnd()
    const bytes = bytesOf(hex)
    end.hears(bytes)
    const [error] = end.channel.sent
    expect(errorIn(error)).toMatchObject({ type: 'error', code })
    const dataAt = code.startsWith('OFPBFC') ? DATA_AT + 4 : DATA_AT
    expect(error!.subarray(dataAt)).toEqual(bytes)
    expect(end.refused).toEqual([5])
    expect(end.channel.closed).toBe(false)
    end.asks({ type: 'echoRequest', data: Uint8Array.of(1) }, 6)
    expect(end.heard).toHaveLength(1)
  })

  test('a message shorter than its header ends the channel, once what came before it has been heard', () => {
    const end = rawEnd()
    end.hears(bytesOf('04 14 0008 00000005  04 14 0004 00000006  04 14 0008 00000007'))
    expect(end.heard.map(({ xid }) => xid)).toEqual([5])
    end.hears(bytesOf('00'))
    expect(end.connection.closed).toBe(true)
    expect(end.channel.sent).toEqual([])
  })

  test('an error that does not make sense is not answered by another one', () => {
    const end = rawEnd()
    end.hears(bytesOf('04 01 000a 00000005 0000'))
    expect(end.channel.sent).toEqual([])
    expect(end.refused).toEqual([5])
  })
})

describe('parts', () => {
  const flows = (count: number): FlowStatistics[] => {
    const one = randomMessageOf(seeded(4), 'flowRemoved', {}).flow
    return Array.from({ length: count }, (_, index) => ({ ...one, cookie: BigInt(index), idleAge: 0n }))
  }

  test('a long reply goes out in messages that fit, all but the last saying that more follow', () => {
    const end = rawEnd()
    end.connection.send({ type: 'flowStatisticsReply', flows: flows(2000), more: false }, 9)
    const sizes = end.channel.sent.map(({ length }) => length)
    const parts = end.said().map(({ message }) => message as Extract<Message, { type: 'flowStatisticsReply' }>)
    expect(Math.max(...sizes)).toBeLessThan(0x10000)
    expect(Math.min(...sizes.slice(0, -1))).toBeGreaterThan(0xf000)
    expect(parts.map(({ more }) => more)).toEqual(parts.map((_, index) => index < parts.length - 1))
    expect(parts.flatMap((part) => part.flows.map(({ cookie }) => Number(cookie)))).toEqual([...Array(2000).keys()])
  })

  test('the features of all tables arrive as one message', () => {
    const tables = Array.from({ length: 254 }, (_, table) => ({
      table,
      name: `table${table}`,
      metadataMatch: 2n ** 64n - 1n,
      metadataWrite: 2n ** 64n - 1n,
      maxFlows: 1_000_000,
    }))
    const reply: Message = { type: 'tableFeaturesReply', tables }
    expect(encodeOpenFlow({ xid: 5, message: reply }).length).toBeGreaterThan(5)
    const end = rawEnd()
    end.asks(reply, 5)
    expect(end.heard).toEqual([{ message: reply, xid: 5 }])
    end.asks({ type: 'tableFeaturesRequest', features: tables }, 6)
    expect(end.heard.at(-1)).toEqual({ message: { type: 'tableFeaturesRequest', features: tables }, xid: 6 })
  })

  const part = (xid: string, more: 0 | 1, bytes: number) =>
    bytesOf(`04 12 ${(16 + bytes).toString(16).padStart(4, '0')} ${xid} 000c 000${more} 00000000 ${'00'.repeat(bytes)}`)

  test('a request in more parts than there is room for is refused, all of it, and the next one is not', () => {
    const end = rawEnd()
    for (let sent = 0; sent < 100; sent++) end.hears(part('00000009', 1, 0xff00))
    expect(end.said().map(({ message }) => 'code' in message && message.code)).toEqual([
      'OFPBRC_MULTIPART_BUFFER_OVERFLOW',
    ])
    end.hears(part('00000009', 0, 0))
    expect([end.heard, end.channel.sent]).toEqual([[], []])
    end.hears(part('0000000a', 1, 0))
    end.hears(part('0000000a', 0, 0))
    expect(end.heard).toEqual([{ message: { type: 'tableFeaturesRequest' }, xid: 10 }])
  })

  test('a part of another message under the same xid is refused', () => {
    const end = rawEnd()
    end.hears(part('00000009', 1, 0))
    end.hears(bytesOf('04 12 0010 00000009 0000 0000 00000000'))
    expect(end.said().map(({ message }) => 'code' in message && message.code)).toEqual(['OFPBRC_BAD_MULTIPART'])
  })
})

test('a commit blames messages of its bundle by their heads, until it has been answered', () => {
  const end = rawEnd()
  const message = soundly(randomMessageOf(seeded(8), 'flowMod', {})) as Extract<Message, { type: 'flowMod' }>
  const [inner] = encodeOpenFlow({ xid: 21, message })
  const blame = () => {
    end.connection.sendError({ code: 'OFPFMFC_OVERLAP', message: '' }, 21)
    return end.channel.sent.splice(0)[0]!.subarray(DATA_AT)
  }
  end.asks({ type: 'bundleControl', bundle: 3, command: 'open' }, 20)
  end.asks({ type: 'bundleAdd', bundle: 3, message }, 21)
  end.asks({ type: 'bundleControl', bundle: 3, command: 'commit' }, 22)
  expect(blame()).toEqual(inner!.subarray(0, 64))
  end.connection.sendError({ code: 'OFPBFC_MSG_FAILED', message: '' }, 22)
  end.channel.sent.splice(0)
  expect(blame()).toHaveLength(0)
})

test("errors of bundles are the experimenter's, as on Open vSwitch", () => {
  const end = rawEnd()
  end.connection.sendError({ code: 'OFPBFC_BAD_ID', message: '' }, 5)
  const [bytes] = end.channel.sent
  expect(Buffer.from(bytes!.subarray(CODE_AT)).toString('hex')).toBe('ffff08fe4f4e4600')
  expect(errorIn(bytes).code).toBe('OFPBFC_BAD_ID')
})

test("Open vSwitch's words are answered in kind", () => {
  const end = rawEnd()
  end.hears(bytesOf('04 04 0014 00000030 00002320 0000000a 00000001'))
  expect(end.heard).toMatchObject([{ message: { type: 'roleRequest', role: 'primary' }, xid: 0x30 }])
  end.connection.send({ type: 'roleReply', role: 'primary', generationId: 0n }, 0x30)
  expect(Buffer.from(end.channel.sent.splice(0)[0]!).toString('hex')).toBe('0404001400000030000023200000000b00000001')
  end.hears(bytesOf('04 04 0010 00000031 00002320 00000019'))
  expect(Buffer.from(end.channel.sent.splice(0)[0]!).toString('hex')).toBe(
    '0404002000000031000023200000001a00000100004000000000000000000000',
  )
  for (const silent of ['0000000c 00000000', '0000000f 0100000000000000', '00000012'])
    end.hears(
      bytesOf(
        `04 04 ${(12 + silent.replaceAll(' ', '').length / 2).toString(16).padStart(4, '0')} 00000032 00002320 ${silent}`,
      ),
    )
  expect(end.said()).toEqual([])
  expect(end.heard).toHaveLength(1)
})

test.each(['openflow', 'nxt_packet_in', 'nxt_packet_in2'] as const)('packet-ins as %s, where asked for', (format) => {
  const end = rawEnd()
  end.asks({ type: 'setPacketInFormat', format }, 2)
  const random = seeded(5)
  for (let round = 0; round < 50; round++) {
    const packet = randomMessageOf(random, 'packetIn')
    const { controllerId: _, userdata, ...told } = { ...packet, totalLength: packet.frame.length + random.below(100) }
    end.connection.send({ ...told, ...(userdata && { userdata }) })
    const expected = { ...asOpenFlowSays(told), ...(format === 'nxt_packet_in2' && userdata && { userdata }) }
    expect(end.said()).toEqual([{ message: expected, xid: 0 }])
  }
})

test('what OpenFlow has no form for is a mistake of the one who says it', () => {
  const end = rawEnd()
  for (const type of WITHOUT_FORM)
    expect(() => end.connection.send(randomMessageOf(seeded(6), type))).toThrow(RangeError)
  expect(end.channel.sent).toEqual([])
})
