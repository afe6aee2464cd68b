// Answers to those whom security groups with `reject` have denied something are owed, once, to them alone, and as the RFCs have them. The judge
// works out from the denied frame what is to be heard.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { rejectionOf } from '../../controller/rejections.ts'
import { RemoteSwitch } from '../../controller/southbound/remote-switch.ts'
import { owedQuote, quoteIn } from '../../lab/judge/groups/quotes.ts'
import { Judge } from '../../lab/judge/judge.ts'
import { Surroundings } from '../../lab/judge/surroundings.ts'
import { Lab } from '../../lab/lab.ts'
import { parseIpv4, parseIpv6, parseMac } from '../../protocols/address.ts'
import { internetChecksum } from '../../protocols/checksum.ts'
import { ipFrame, tcpFrame, udpFrame } from '../../protocols/packet/compose.ts'
import { TcpFlag } from '../../protocols/packet/tcp.ts'
import { MILLISECOND, SECOND } from '../../runtime/clock.ts'
import { seeded } from '../../runtime/random.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import { parseTopology } from '../../topologies/load.ts'
import { blueGuest } from '../support/blue-guests.ts'
import { oneOf } from '../support/frames.ts'
import { randomBytes } from '../support/random-frames.ts'
import { play, randomTalk } from '../support/talking-guests.ts'

const guest = (serial: number, host: string, policy: object) =>
  blueGuest(`vm${serial}`, host, serial, [`10.0.0.${serial}`], policy)

/** vm1 may say anything; vm2 hears nothing new and says so, vm3 keeps silent about it; vm4 may say nothing. */
const topology = parseTopology(
  JSON.stringify({
    version: 1,
    hosts: [{ name: 'h1' }, { name: 'h2' }],
    networks: [{ name: 'blue', type: 'vlan', segment: 10 }],
    securityGroups: [
      { name: 'speaks', rules: [{ direction: 'egress' }] },
      { name: 'silent', rules: [] },
    ],
    vms: [
      guest(1, 'h1', { securityGroups: ['speaks'], deny: 'reject' }),
      guest(2, 'h2', { securityGroups: ['silent'], deny: 'reject' }),
      guest(3, 'h2', { securityGroups: ['silent'] }),
      guest(4, 'h1', { securityGroups: ['silent'], deny: 'reject' }),
    ],
  }),
  'rejections.json',
)

const between = (from: number, to: number) => ({
  ethSrc: parseMac(`02:00:00:00:00:0${from}`),
  ethDst: parseMac(`02:00:00:00:00:0${to}`),
  ipSrc: parseIpv4(`10.0.0.${from}`),
  ipDst: parseIpv4(`10.0.0.${to}`),
})
const ports = { srcPort: 1000, dstPort: 80 }
const back = { srcPort: 80, dstPort: 1000 }
const { Syn, Ack, Rst } = TcpFlag
const syn = tcpFrame({ ...between(1, 2), ...ports, flags: Syn, sequence: 7 })
const reset = (more = {}) =>
  tcpFrame({ ...between(2, 1), ...back, flags: Rst | Ack, sequence: 0, acknowledgement: 8, window: 0, ...more })
const datagram = (from = 1, to = 2) => udpFrame({ ...between(from, to), ...ports, payload: new Uint8Array(20) })
const prohibited = (about: Uint8Array, from = 2, to = 1) => {
  const quoted = about.subarray(14)
  const segment = new Uint8Array(8 + quoted.length)
  segment.set([3, 13])
  segment.set(quoted, 8)
  return ipFrame({ ...between(from, to), protocol: 1, segment })
}

let judge: Judge
let frames: number
beforeEach(() => {
  frames = 0
  judge = new Judge(topology, new Surroundings(topology, (vm) => topology.vms.find(({ name }) => name === vm)?.host))
})

const send = (bytes: Uint8Array, at = 0, from = 1) =>
  judge.sent(++frames, `vm${from}:eth0`, at, bytes, { source: 'test', number: 0, made: false })
/** The frame sent last ends for the groups of somebody on the host. */
const deny = (at = 0, host = 'h2') => {
  judge.dropped(frames, 'security_group', `${host}/br-int`, at)
  judge.gone(frames)
}
const hear = (bytes: Uint8Array, who = 1, at = MILLISECOND) => judge.heard(0, `vm${who}:eth0`, at, bytes)
const finish = (held: number[] = []) => {
  judge.finish(new Set(held))
  return { ...judge.rejections, leaked: judge.frames.leaked, lost: judge.frames.lost }
}

describe('who is denied', () => {
  test.each([
    ['a segment', syn, reset()],
    ['a datagram', datagram(), prohibited(datagram())],
  ])('%s has to hear so, once', (_, denied, answer) => {
    send(denied)
    deny()
    expect(hear(answer)).toBe('unknown')
    expect(hear(answer)).toBe('leaked')
    expect(finish()).toEqual({ heard: 1, missing: 0, leaked: 1, lost: 0 })
  })

  test('what he says is told by his own groups', () => {
    send(datagram(4, 1), 0, 4)
    deny(0, 'h1')
    expect(hear(prohibited(datagram(4, 1), 1, 4), 4)).toBe('unknown')
    expect(finish()).toEqual({ heard: 1, missing: 0, leaked: 0, lost: 0 })
  })

  test('and hears nothing, is missing that', () => {
    send(syn)
    deny()
    send(datagram(), 1)
    deny(1)
    expect(finish()).toEqual({ heard: 0, missing: 2, leaked: 0, lost: 0 })
  })

  test.each([
    ['another sequence number', reset({ sequence: 1 })],
    ['another acknowledgement', reset({ acknowledgement: 7 })],
    ['other ports', reset({ srcPort: 81 })],
    ['another source', reset({ ipSrc: parseIpv4('10.0.0.3') })],
    ['the MAC address of a third', reset({ ethSrc: parseMac('02:00:00:00:00:03') })],
    ['no reset, but an error', prohibited(syn)],
    ['a wrong checksum', reset().map((byte, at) => (at === 50 ? byte ^ 1 : byte))],
  ])('does not hear so by an answer with %s', (_, answer) => {
    send(syn)
    deny()
    expect(hear(answer)).toBe('leaked')
    expect(finish()).toEqual({ heard: 0, missing: 1, leaked: 1, lost: 0 })
    expect(judge.leaks[0]).toMatchObject({ from: 'controller', to: 'vm1:eth0', toNetwork: 'blue' })
  })

  const long = udpFrame({ ...between(1, 2), ...ports, payload: new Uint8Array(900).fill(9) })
  const quoteOf = (change: (quote: Uint8Array) => Uint8Array) => {
    const quote = change(long.subarray(14, 14 + 548).slice())
    return prohibited(new Uint8Array([...long.subarray(0, 14), ...quote]))
  }
  const altered = (at: number, value: number) =>
    quoteOf((quote) => {
      quote[at] = value
      return quote
    })
  const asIs = quoteOf((quote) => quote)
  /** Marked on the way, with the checksum that belongs to it. */
  const marked = quoteOf((quote) => {
    const view = new DataView(quote.buffer)
    quote[1] = 46 << 2
    view.setUint16(10, 0)
    view.setUint16(10, internetChecksum(quote, 0, 20))
    return quote
  })

  test.each([
    ['as it is', asIs],
    ['with a mark', marked],
  ])('has the packet quoted %s, as far as 576 octets hold it', (_, answer) => {
    send(long)
    deny()
    expect(hear(answer)).toBe('unknown')
    expect(finish()).toEqual({ heard: 1, missing: 0, leaked: 0, lost: 0 })
  })

  test.each([
    ['less than fits', quoteOf((quote) => quote.subarray(0, 547))],
    ['more than fits', prohibited(long.subarray(0, 14 + 549))],
    ['a payload of another', altered(500, 8)],
    ['another identification', altered(5, 77)],
    ['a wrong checksum', altered(11, 1)],
    ['ports, and no more', quoteOf((quote) => quote.subarray(0, 28))],
  ])('does not hear so by a quote that has %s', (_, answer) => {
    send(long)
    deny()
    expect(hear(answer)).toBe('leaked')
    expect(finish()).toEqual({ heard: 0, missing: 1, leaked: 1, lost: 0 })
  })

  test('has no padding quoted that came behind the packet', () => {
    const short = udpFrame({ ...between(1, 2), ...ports, payload: new Uint8Array(2) })
    const padded = new Uint8Array(60)
    padded.set(short)
    send(padded)
    deny()
    expect(hear(prohibited(padded))).toBe('leaked')
    expect(hear(prohibited(short))).toBe('unknown')
    expect(finish()).toEqual({ heard: 1, missing: 0, leaked: 1, lost: 0 })
  })

  test('is told himself, and nobody else', () => {
    send(syn)
    deny()
    expect(hear(reset(), 3)).toBe('leaked')
    expect(finish()).toMatchObject({ heard: 0, missing: 1, leaked: 1 })
  })
})

test.each([1, 2, 3])('what the controller quotes of a packet is what the judge asks for (seed %i)', (seed) => {
  const random = seeded(seed)
  for (let count = 0; count < 300; count++) {
    const payload = randomBytes(random, random.below(1500))
    const ip = oneOf(random, [
      between(1, 2),
      { ...between(1, 2), ipSrc: parseIpv6('fd00::1'), ipDst: parseIpv6('fd00::2') },
    ])
    const packet = udpFrame({ ...ip, ...ports, payload, identification: random.below(65536), dscp: random.below(64) })
    const frame = new Uint8Array(packet.length + random.below(30))
    frame.set(packet)
    const answer = rejectionOf(frame)!
    expect(quoteIn(answer, 0, answer.length)).toBe(owedQuote(frame, 0, frame.length))
  }
})

describe('nobody need be told', () => {
  test.each([
    ['of what ends elsewhere', datagram(), 'link_loss'],
    ['of a broadcast', udpFrame({ ...between(1, 2), ...ports, ethDst: 0xffffffffffffn }), 'security_group'],
    ['of a reset', tcpFrame({ ...between(1, 2), ...ports, flags: Rst }), 'security_group'],
    ['of an error', prohibited(datagram(2, 1), 1, 2), 'security_group'],
    ['where he is dropped without a word', datagram(1, 3), 'security_group'],
  ])('%s', (_, frame, reason) => {
    send(frame)
    judge.dropped(frames, reason, 'h2/br-int', 0)
    judge.gone(frames)
    expect(finish().missing).toBe(0)
  })

  test('of more than the meter lets through, while nobody is there to answer, or where the answer is on its way', () => {
    judge.break({ kind: 'controller' }, 0)
    send(datagram())
    deny()
    judge.mend({ kind: 'controller' }, 0)
    expect(finish().missing).toBe(0)
    for (let count = 0; count < 1000; count++) {
      send(udpFrame({ ...between(1, 2), ...ports, srcPort: 2000 + count, payload: new Uint8Array(1000) }), 9 * SECOND)
      deny(9 * SECOND)
    }
    const { missing } = finish()
    expect(missing).toBeGreaterThan(20)
    expect(missing).toBeLessThan(31)
    judge.dropped(0, 'link_loss', 'h1 - tor1')
    expect(finish().missing).toBe(missing - 1)
  })

  test('until switches have dialled again, however long nothing was heard before', () => {
    judge.break({ kind: 'controller' }, 0)
    judge.mend({ kind: 'controller' }, 5 * SECOND)
    send(datagram(), 5.5 * SECOND)
    deny(5.5 * SECOND)
    expect(finish().missing).toBe(0)
    send(datagram(), 6.5 * SECOND)
    deny(6.5 * SECOND)
    expect(finish().missing).toBe(1)
  })

  test('where one reason is over, before another is', () => {
    judge.break({ kind: 'controller' }, 0)
    judge.deafenController(SECOND)
    judge.mend({ kind: 'controller' }, 2 * SECOND)
    judge.controllerHearsAgain(2 * SECOND)
    send(datagram(), 2.5 * SECOND)
    deny(2.5 * SECOND)
    expect(finish().missing).toBe(0)
  })
})

test('what was due long before nobody was there to answer is missing', () => {
  send(datagram())
  deny()
  judge.break({ kind: 'controller' }, 5 * SECOND)
  judge.mend({ kind: 'controller' }, 6 * SECOND)
  expect(finish().missing).toBe(1)
})

test('a lab that has been silent tells its judge when a failure began, and when it was over', async () => {
  const clock = new VirtualClock()
  const lab = await Lab.start(topology, { clock, seed: 1 })
  const pass = (span: number) => clock.run(clock.now() + span)
  const missingAfter = async (failure: () => Promise<void>, later: number) => {
    await failure()
    lab.inject('vm1:eth0', datagram(), 'test')
    await pass(later)
    lab.judge.finish(new Set())
    return lab.judge.rejections
  }
  const away = async () => {
    lab.fail({ kind: 'controller' })
    await pass(5 * SECOND)
    lab.heal({ kind: 'controller' })
  }
  expect(await missingAfter(away, 3 * SECOND)).toEqual({ heard: 0, missing: 0 })
  expect(await missingAfter(async () => {}, SECOND)).toEqual({ heard: 1, missing: 0 })
})

describe('where guests talk', () => {
  afterEach(() => {
    vi.restoreAllMocks()
  })

  type PacketOut = RemoteSwitch['packetOut']
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called on its own object
  const whole = RemoteSwitch.prototype.packetOut
  const played = async (packetOut: (once: PacketOut) => PacketOut) => {
    vi.spyOn(RemoteSwitch.prototype, 'packetOut').mockImplementation(function (this: RemoteSwitch, ...all) {
      return packetOut(whole.bind(this))(...all)
    })
    const { lab } = await play(randomTalk(seeded(184)), [])
    return { ...lab.judge.rejections, leaked: lab.judge.frames.leaked }
  }

  test('all is answered', async () => {
    const { heard, ...rest } = await played((once) => once)
    expect(heard).toBeGreaterThan(20)
    expect(rest).toEqual({ missing: 0, leaked: 0 })
  })

  test('it is found out where nothing is, or all is answered twice', async () => {
    const never = await played(() => () => Promise.resolve())
    expect(never).toMatchObject({ heard: 0, leaked: 0 })
    expect(never.missing).toBeGreaterThan(20)
    const twice = await played((once) => async (...all) => {
      await once(...all)
      await once(...all)
    })
    expect(twice.leaked).toBeGreaterThan(20)
  })
})
