import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { rejectionOf } from '../../controller/rejections.ts'
import { Lab } from '../../lab/lab.ts'
import { parseIpv4, parseIpv6, parseMac } from '../../protocols/address.ts'
import * as compose from '../../protocols/packet/compose.ts'
import { TcpFlag } from '../../protocols/packet/tcp.ts'
import { MILLISECOND } from '../../runtime/clock.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import { parseTopology } from '../../topologies/load.ts'
import { blueAddresses, blueGuest } from '../support/blue-guests.ts'

const guest = (serial: number, host: string, policy: object) =>
  blueGuest(`vm${serial}`, host, serial, blueAddresses(serial), policy)

/** vm1 may say anything and hear nothing new; vm2, elsewhere, may neither; both tell who tries. vm3 keeps silent about it. */
const network = (type: 'vlan' | 'vxlan') =>
  parseTopology(
    JSON.stringify({
      version: 1,
      hosts: [
        { name: 'h1', vtep: '192.0.2.1' },
        { name: 'h2', vtep: '192.0.2.2' },
      ],
      networks: [{ name: 'blue', type, segment: 10 }],
      securityGroups: [
        { name: 'speaks', rules: [{ direction: 'egress' }, { direction: 'egress', ethertype: 'IPv6' }] },
        { name: 'silent', rules: [] },
      ],
      vms: [
        guest(1, 'h1', { securityGroups: ['speaks'], deny: 'reject' }),
        guest(2, 'h2', { securityGroups: ['silent'], deny: 'reject' }),
        guest(3, 'h2', { securityGroups: ['silent'] }),
      ],
    }),
    'rejections.json',
  )

const ends = (from: number, to: number) => ({
  ethSrc: parseMac(`02:00:00:00:00:0${from}`),
  ethDst: parseMac(`02:00:00:00:00:0${to}`),
})
const over4 = (from: number, to: number) => ({
  ...ends(from, to),
  ipSrc: parseIpv4(`10.0.0.${from}`),
  ipDst: parseIpv4(`10.0.0.${to}`),
})
const over6 = (from: number, to: number) => ({
  ...ends(from, to),
  ipSrc: parseIpv6(`2001:db8::${from}`),
  ipDst: parseIpv6(`2001:db8::${to}`),
})
const ports = { srcPort: 1000, dstPort: 80 }
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

async function running(type: 'vlan' | 'vxlan') {
  const clock = new VirtualClock()
  const heard: { nic: string; bytes: Uint8Array }[] = []
  const observer = {
    heard: (_at: number, nic: string, _id: number, bytes: Uint8Array) => void heard.push({ nic, bytes: bytes.slice() }),
  }
  const lab = await Lab.start(network(type), { clock, seed: 1, observer })
  const send = async (from: string, frame: Uint8Array) => {
    heard.length = 0
    lab.inject(`${from}:eth0`, frame, 'test')
    await clock.run(clock.now() + 50 * MILLISECOND)
    return heard.map(({ nic, bytes }) => [nic, hex(bytes)])
  }
  return { send, lab, heard, clock }
}

describe.each(['vlan', 'vxlan'] as const)('on a %s network', (type) => {
  test('whoever is not heard hears a reset or an error, from where he sent to', async () => {
    const { send } = await running(type)
    const syn = { ...ports, flags: TcpFlag.Syn, sequence: 7 }
    const reset = {
      srcPort: 80,
      dstPort: 1000,
      flags: TcpFlag.Rst | TcpFlag.Ack,
      sequence: 0,
      acknowledgement: 8,
      window: 0,
    }
    for (const over of [over4, over6]) {
      const answer = hex(compose.tcpFrame({ ...over(2, 1), ...reset }))
      expect(await send('vm1', compose.tcpFrame({ ...over(1, 2), ...syn }))).toEqual([['vm1:eth0', answer]])
      const datagram = compose.udpFrame({ ...over(1, 2), ...ports })
      expect(await send('vm1', datagram)).toEqual([['vm1:eth0', hex(rejectionOf(datagram)!)]])
    }
  })

  test('and who may not speak, at once', async () => {
    const { send } = await running(type)
    const datagram = compose.udpFrame({ ...over4(2, 1), ...ports })
    expect(await send('vm2', datagram)).toEqual([['vm2:eth0', hex(rejectionOf(datagram)!)]])
  })

  test('where the receiver drops, nobody hears anything', async () => {
    const { send } = await running(type)
    expect(await send('vm1', compose.udpFrame({ ...over4(1, 3), ...ports }))).toEqual([])
  })

  test('of what a flood brings to others, and back to its sender, nobody', async () => {
    const { send, lab } = await running(type)
    const datagram = compose.udpFrame({ ...over4(1, 2), ...ports, ethDst: parseMac('02:00:00:00:00:77') })
    expect(await send('vm1', datagram)).toEqual([])
    lab.judge.finish(new Set())
    expect(lab.judge.rejections).toEqual({ heard: 0, missing: 0 })
  })

  test('of a flood only so many are answered as the meter lets', async () => {
    const { send, lab, heard, clock } = await running(type)
    await send('vm1', compose.arpRequest({ ...ends(1, 1), ipSrc: 0x0a000001, ipDst: 0x0a000001 }))
    const payload = new Uint8Array(1200)
    for (let port = 1; port <= 300; port++)
      lab.inject('vm1:eth0', compose.udpFrame({ ...over4(1, 2), srcPort: port, dstPort: 9, payload }), 'test')
    await clock.run(clock.now() + 100 * MILLISECOND)
    // 250,000 bits at once, and 100,000 in 100 ms.
    expect(heard.length).toBeGreaterThan(10)
    expect(heard.length).toBeLessThan(50)
  })
})

describe('no answer', () => {
  const error4 = compose.ipFrame({ ...over4(1, 2), protocol: 1, segment: new Uint8Array([3, 1, 0, 0, 0, 0, 0, 0]) })
  const error6 = compose.ipFrame({ ...over6(1, 2), protocol: 58, segment: new Uint8Array([1, 1, 0, 0, 0, 0, 0, 0]) })
  test.each([
    ['a reset', compose.tcpFrame({ ...over4(1, 2), ...ports, flags: TcpFlag.Rst })],
    ['an ICMP error', error4],
    ['an ICMPv6 error', error6],
    ['a broadcast', compose.udpFrame({ ...over4(1, 2), ...ports, ethDst: 0xffffffffffffn })],
    ['a multicast address', compose.udpFrame({ ...over4(1, 2), ...ports, ipDst: parseIpv4('224.0.0.1') })],
    ['nobody in particular', compose.udpFrame({ ...over6(1, 2), ...ports, ipSrc: 0n })],
    ['ARP', compose.arpRequest({ ethSrc: 2n, ipSrc: 1, ipDst: 2 })],
  ])('to %s', (_, frame) => {
    expect(rejectionOf(frame)).toBeUndefined()
  })

  test('or a sound one to whatever bytes', () => {
    const frames = fc.oneof(
      fc.uint8Array({ maxLength: 90 }),
      fc
        .tuple(
          fc.constantFrom(error4, compose.tcpFrame({ ...over6(1, 2), ...ports })),
          fc.nat(80),
          fc.nat(255),
          fc.nat(80),
        )
        .map(([frame, at, value, length]) => frame.with(at % frame.length, value).subarray(0, length + 1)),
    )
    fc.assert(
      fc.property(frames, (frame) => {
        expect(rejectionOf(frame)?.length ?? 60).toBeLessThanOrEqual(1294)
      }),
    )
  })
})

test('a reset of a segment that acknowledges stands where the other end expects it', () => {
  const ack = compose.tcpFrame({ ...over4(1, 2), ...ports, flags: TcpFlag.Ack, sequence: 100, acknowledgement: 5000 })
  const reset = { srcPort: 80, dstPort: 1000, flags: TcpFlag.Rst, sequence: 5000, window: 0 }
  expect(hex(rejectionOf(ack)!)).toBe(hex(compose.tcpFrame({ ...over4(2, 1), ...reset })))
})

test('an error quotes what it is about, and no more than fits', () => {
  const long = compose.udpFrame({ ...over4(1, 2), ...ports, payload: new Uint8Array(1400).fill(7) })
  const error = rejectionOf(long)!
  expect(error.length).toBe(14 + 576)
  expect([error[34], error[35]]).toEqual([3, 13])
  expect(hex(error.subarray(42))).toBe(hex(long.subarray(14, 14 + 548)))
})
