import { describe, expect, test } from 'vitest'
import { FrameArena } from '../../datapath/frames.ts'
import type { FrameHandle } from '../../datapath/frames.ts'
import { Decapsulation, decapsulate, NotReceived, outer, TunnelTable } from '../../datapath/tunnels.ts'
import type { Encapsulation } from '../../datapath/tunnels/outer-headers.ts'
import { encapsulate, OuterHeaders, VXLAN_OVERHEAD } from '../../datapath/tunnels/outer-headers.ts'
import type { TunnelOptions } from '../../protocols/control/messages.ts'
import { dissect } from '../../protocols/packet/packet.ts'
import { arpRequest, tcpFrame, udpFrame, vxlanFrame } from '../../protocols/packet/compose.ts'
import { wrongChecksums } from '../../protocols/packet/verify.ts'
import { seeded } from '../../runtime/random.ts'
import { randomFrame, SAMPLE_FRAMES } from '../support/frames.ts'

const LOCAL = 0xc0000201
const REMOTE = 0xc0000202
const OPTIONS: Encapsulation = {
  localIp: LOCAL,
  remoteIp: REMOTE,
  vni: 5001,
  destinationPort: 4789,
  ttl: 64,
  tos: 0,
}
const IP = { ethSrc: 1n, ethDst: 2n, ipSrc: 0x0a000001, ipDst: 0x0a000002, srcPort: 1000, dstPort: 2000 }
const IP6 = { ...IP, ipSrc: 1n, ipDst: 2n }

const arena = new FrameArena()
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

function encapsulated(inner: Uint8Array, options: Partial<Encapsulation> = {}): FrameHandle {
  const frame = arena.allocateFrom(inner)
  expect(encapsulate(arena, frame, { ...OPTIONS, ...options })).toBe(true)
  return frame
}

const outerIpv4 = (frame: FrameHandle) => {
  const layer = dissect(arena.read(frame)).find(({ name }) => name === 'ipv4')
  if (layer?.name !== 'ipv4') throw new Error('no outer IPv4 header')
  return layer.header
}

const sourcePort = (frame: FrameHandle) => arena.view.getUint16(arena.offset[frame]! + 34)

describe('encapsulation', () => {
  test.each([1, 2, 3])(
    'taking off gives the frame that was put in, and what the outer headers said (seed %i)',
    (seed) => {
      const random = seeded(seed)
      for (let round = 0; round < 500; round++) {
        const inner = randomFrame(random)
        const options = { localIp: random.uint32(), remoteIp: random.uint32(), vni: random.below(1 << 24), ttl: 9 }
        const frame = encapsulated(inner, options)
        expect(wrongChecksums(arena.read(frame))[0]).not.toBe('ipv4')
        expect(decapsulate(arena, frame)).toBe(Decapsulation.Done)
        expect(hex(arena.read(frame))).toBe(hex(inner))
        const { localIp: source, remoteIp: destination, vni, ttl } = options
        expect(outer).toMatchObject({ source, destination, vni, ttl, destinationPort: 4789 })
        arena.release(frame)
      }
    },
  )

  test('the bytes are those of a frame composed of the same headers, but for DF, MAC addresses and source port', () => {
    const inner = tcpFrame(IP)
    const frame = encapsulated(inner, { ttl: 17, tos: 0xb8 })
    const composed = vxlanFrame({
      ethSrc: 0n,
      ethDst: 0n,
      ipSrc: LOCAL,
      ipDst: REMOTE,
      srcPort: sourcePort(frame),
      vni: 5001,
      inner,
      ttl: 17,
      dscp: 46,
      identification: 0,
    })
    const got = arena.read(frame)
    expect(outerIpv4(frame)).toMatchObject({ dontFragment: true, identification: 0, ttl: 17 })
    const comparable = (bytes: Uint8Array) => [
      hex(bytes.subarray(0, 20)),
      hex(bytes.subarray(22, 24)),
      hex(bytes.subarray(26, 40)),
      hex(bytes.subarray(42)),
    ]
    expect(comparable(got)).toEqual(comparable(composed))
  })

  test('TTL and DSCP are the inner ones under inherit; ECN always is', () => {
    for (const inner of [
      tcpFrame({ ...IP, ttl: 7, dscp: 34, ecn: 3 }),
      tcpFrame({ ...IP6, ttl: 7, dscp: 34, ecn: 3 }),
    ]) {
      const inherited = encapsulated(inner, { ttl: 'inherit', tos: 'inherit' })
      expect(outerIpv4(inherited)).toMatchObject({ ttl: 7, dscp: 34, ecn: 3 })
      expect(outerIpv4(encapsulated(inner, { ttl: 64, tos: 0x28 }))).toMatchObject({ ttl: 64, dscp: 10, ecn: 3 })
    }
    const arp = encapsulated(arpRequest({ ethSrc: 1n, ipSrc: 1, ipDst: 2 }), { ttl: 'inherit', tos: 'inherit' })
    expect(outerIpv4(arp)).toMatchObject({ ttl: 64, dscp: 0, ecn: 0 })
  })

  test('a frame too long for IPv4 stays as it is', () => {
    const inner = new Uint8Array(65535 - 36 + 1)
    const frame = arena.allocateFrom(inner)
    expect(encapsulate(arena, frame, OPTIONS)).toBe(false)
    expect(arena.length[frame]).toBe(inner.length)
    const longest = arena.allocateFrom(inner.subarray(1))
    expect(encapsulate(arena, longest, OPTIONS)).toBe(true)
  })
})

describe('the source port', () => {
  test('lies in 32768..60999, stays with its flow, and differs between flows', () => {
    const seen = new Set<number>()
    for (let srcPort = 0; srcPort < 2000; srcPort++) {
      const port = sourcePort(encapsulated(udpFrame({ ...IP, srcPort })))
      expect(port).toBeGreaterThanOrEqual(32768)
      expect(port).toBeLessThan(61000)
      expect(sourcePort(encapsulated(udpFrame({ ...IP, srcPort, payload: new Uint8Array(9), ttl: 3 })))).toBe(port)
      seen.add(port)
    }
    expect(seen.size).toBeGreaterThan(1800)
  })

  test('is the same for all fragments of a datagram', () => {
    const first = udpFrame({ ...IP, payload: new Uint8Array(16) })
    first[20] = 0x20
    const later = udpFrame({ ...IP, srcPort: 7, dstPort: 8, payload: new Uint8Array(16) })
    later[21] = 3
    expect(sourcePort(encapsulated(first))).toBe(sourcePort(encapsulated(later)))
  })
})

describe('many frames', () => {
  const random = seeded(1)
  /** The bytes of two frames, one of which has been dealt with alone, and one together with others. */
  const twins = () => {
    const bytes = Array.from({ length: 400 }, () => randomFrame(random)).filter(({ length }) => length >= 14)
    const copies = () => Int32Array.from(bytes, (frame) => arena.allocateFrom(frame))
    return [copies(), copies()] as const
  }
  const read = (frames: Int32Array) => [...frames].map((frame) => hex(arena.read(frame)))

  test.each([{}, { tos: 'inherit', ttl: 'inherit' }, { tos: 0x28, ttl: 3, vni: 0xfffffe }] as const)(
    'get the outer headers that each would get alone: %j',
    (options) => {
      const headers = new OuterHeaders({ ...OPTIONS, ...options })
      const [alone, together] = twins()
      for (const frame of alone) headers.putOnto(arena, frame)
      const before = arena.length[together[5]!]!
      expect(headers.putOntoAll(arena, together, 3, together.length)).toBe(VXLAN_OVERHEAD * (together.length - 3))
      expect(arena.length[together[5]!]).toBe(before + VXLAN_OVERHEAD)
      expect(read(together).slice(3)).toEqual(read(alone).slice(3))
    },
  )

  test('out of the same tunnel or another, right or damaged, come in where each would alone', () => {
    const table = new TunnelTable()
    table.add(1, { localIp: LOCAL, remoteIp: REMOTE, key: 5001 })
    table.add(2, { localIp: LOCAL, remoteIp: 'flow', key: 'flow' })
    const [alone, together] = twins()
    const tunnels = [
      OPTIONS,
      { ...OPTIONS, vni: 1 },
      { ...OPTIONS, remoteIp: 7 },
      { ...OPTIONS, tos: 'inherit' },
    ] as const
    let alike = 0
    for (const [index, frame] of alone.entries()) {
      const options = random.below(3) > 0 ? OPTIONS : tunnels[random.below(4)]!
      const twin = together[index]!
      for (const one of [frame, twin])
        encapsulate(arena, one, { ...options, localIp: options.remoteIp, remoteIp: LOCAL })
      if (random.below(2) === 0) {
        const at = 12 + random.below(VXLAN_OVERHEAD - 12)
        const bit = 1 << random.below(8)
        for (const one of [frame, twin]) arena.bytes[arena.offset[one]! + at]! ^= bit
      }
      // Who is asked for each frame has just been asked for one of OPTIONS.
      const first = arena.allocateFrom(udpFrame(IP))
      encapsulate(arena, first, { ...OPTIONS, localIp: REMOTE, remoteIp: LOCAL })
      expect(table.receive(arena, first)).toBe(1)
      const isAlike = table.receiveAlike(arena, twin)
      if (isAlike) alike++
      expect(isAlike ? 1 : table.receive(arena, twin)).toBe(table.receive(arena, frame))
    }
    expect(read(together)).toEqual(read(alone))
    expect(alike).toBeGreaterThan(50)
    table.remove(1)
    expect(table.receiveAlike(arena, encapsulated(udpFrame(IP), { localIp: REMOTE, remoteIp: LOCAL }))).toBe(false)
  })
})

describe('ECN at the exit (RFC 6040, figure 4)', () => {
  const NOT = 0
  const ECT1 = 1
  const ECT0 = 2
  const CE = 3
  // prettier-ignore
  const cases: [inner: number, outer: number, result: number | 'drop'][] = [
    [NOT, NOT, NOT], [NOT, ECT0, NOT], [NOT, ECT1, NOT], [NOT, CE, 'drop'],
    [ECT0, NOT, ECT0], [ECT0, ECT0, ECT0], [ECT0, ECT1, ECT1], [ECT0, CE, CE],
    [ECT1, NOT, ECT1], [ECT1, ECT0, ECT1], [ECT1, ECT1, ECT1], [ECT1, CE, CE],
    [CE, NOT, CE], [CE, ECT0, CE], [CE, ECT1, CE], [CE, CE, CE],
  ]
  test.each(cases)('inner %i, outer %i: %s', (innerEcn, outerEcn, result) => {
    for (const ip of [IP, IP6]) {
      const inner = tcpFrame({ ...ip, ecn: innerEcn, dscp: 10, vlan: [{ id: 5 }] })
      const tunnelled = { ethSrc: 0n, ethDst: 0n, ipSrc: LOCAL, ipDst: REMOTE, srcPort: 40000, vni: 1 }
      const frame = arena.allocateFrom(vxlanFrame({ ...tunnelled, inner, ecn: outerEcn }))
      const code = decapsulate(arena, frame)
      expect(code).toBe(result === 'drop' ? Decapsulation.Invalid : Decapsulation.Done)
      if (result === 'drop') continue
      expect(hex(arena.read(frame))).toBe(hex(tcpFrame({ ...ip, ecn: result, dscp: 10, vlan: [{ id: 5 }] })))
    }
  })

  test('a frame that is not IP passes, whatever the outer header says', () => {
    const inner = arpRequest({ ethSrc: 1n, ipSrc: 1, ipDst: 2 })
    const tunnelled = { ethSrc: 0n, ethDst: 0n, ipSrc: LOCAL, ipDst: REMOTE, srcPort: 40000, vni: 1 }
    const frame = arena.allocateFrom(vxlanFrame({ ...tunnelled, inner, ecn: CE }))
    expect(decapsulate(arena, frame)).toBe(Decapsulation.Done)
    expect(arena.read(frame)).toEqual(inner)
  })
})

describe('decapsulation refuses', () => {
  const bytesWith = (change: (bytes: Uint8Array) => void) => {
    const frame = encapsulated(tcpFrame(IP))
    const bytes = arena.read(frame).slice()
    change(bytes)
    return bytes
  }
  const sum = (bytes: Uint8Array) => {
    bytes.set([0, 0], 24)
    let total = 0
    for (let at = 14; at < 34; at += 2) total += bytes[at]! * 256 + bytes[at + 1]!
    while (total > 0xffff) total = (total & 0xffff) + (total >>> 16)
    bytes.set([(~total >> 8) & 255, ~total & 255], 24)
  }
  const verdict = (bytes: Uint8Array) => {
    const frame = arena.allocateFrom(bytes)
    const code = decapsulate(arena, frame)
    if (code === Decapsulation.NotTunnelled) expect(arena.read(frame)).toEqual(bytes)
    return code
  }
  const invalid: [string, (bytes: Uint8Array) => void][] = [
    ['a wrong IPv4 checksum', (bytes) => (bytes[22]! ^= 1)],
    ['a first fragment', (bytes) => (bytes.set([0x20], 20), sum(bytes))],
    ['a later fragment', (bytes) => (bytes.set([0, 1], 20), sum(bytes))],
    ['a total length beyond the frame', (bytes) => (bytes.set([0xff, 0xff], 16), sum(bytes))],
    ['a UDP length beyond the packet', (bytes) => bytes.set([0xff, 0xff], 38)],
    ['a UDP length without room for VXLAN', (bytes) => bytes.set([0, 15], 38)],
    ['a wrong UDP checksum', (bytes) => bytes.set([1, 2], 40)],
    ['no valid VNI', (bytes) => bytes.set([0], 42)],
  ]
  test.each(invalid)('%s', (_, change) => {
    expect(verdict(bytesWith(change))).toBe(Decapsulation.Invalid)
  })

  const foreign: [string, Uint8Array][] = [
    ['another UDP port', bytesWith((bytes) => bytes.set([0, 53], 36))],
    ['ARP', SAMPLE_FRAMES['arpRequest']!],
    ['TCP', tcpFrame(IP)],
    ['nothing', new Uint8Array(0)],
  ]
  test.each(foreign)('to touch %s', (_, bytes) => {
    expect(verdict(bytes)).toBe(Decapsulation.NotTunnelled)
  })

  test('no reserved bit, no padding behind the packet', () => {
    const bytes = bytesWith((whole) => (whole.set([0xff, 1, 2, 3], 42), whole.set([0xff], 49)))
    expect(verdict(Uint8Array.from([...bytes, 0, 0, 0]))).toBe(Decapsulation.Done)
    const frame = arena.allocateFrom(Uint8Array.from([...bytes, 0, 0, 0]))
    decapsulate(arena, frame)
    expect(arena.length[frame]).toBe(bytes.length - VXLAN_OVERHEAD)
  })

  test.each([1, 2])('nothing by throwing, however a frame is damaged (seed %i)', (seed) => {
    const random = seeded(seed)
    const whole = bytesWith(() => {})
    for (let round = 0; round < 5000; round++) {
      const bytes = whole.slice(0, random.below(whole.length + 1))
      for (let hits = random.below(4); hits > 0 && bytes.length > 0; hits--)
        bytes[random.below(bytes.length)] = random.below(256)
      const frame = arena.allocateFrom(bytes)
      decapsulate(arena, frame)
      const length = arena.length[frame]!
      encapsulate(arena, frame, { ...OPTIONS, ttl: 'inherit', tos: 'inherit' })
      expect(arena.length[frame]).toBe(length + VXLAN_OVERHEAD)
      arena.release(frame)
    }
  })
})

describe('the table of tunnels', () => {
  const tunnel = (given: Partial<TunnelOptions>): TunnelOptions => ({
    localIp: LOCAL,
    remoteIp: REMOTE,
    key: 5001,
    ...given,
  })
  const find = (table: TunnelTable, vni: number, remote: number, local = LOCAL) => table.find(vni, remote, local, 4789)

  test('an exact key goes before flow, then an exact remote endpoint before flow', () => {
    const table = new TunnelTable()
    table.add(1, tunnel({}))
    table.add(2, tunnel({ remoteIp: 'flow' }))
    table.add(3, tunnel({ key: 'flow' }))
    table.add(4, tunnel({ key: 'flow', remoteIp: 'flow' }))
    expect(find(table, 5001, REMOTE)).toBe(1)
    expect(find(table, 5001, REMOTE + 1)).toBe(2)
    expect(find(table, 5002, REMOTE)).toBe(3)
    expect(find(table, 5002, REMOTE + 1)).toBe(4)
    expect(find(table, 5001, REMOTE, LOCAL + 9)).toBe(NotReceived.Unknown)
    table.remove(1)
    expect(find(table, 5001, REMOTE)).toBe(2)
    table.remove(4)
    expect(find(table, 5002, REMOTE + 1)).toBe(NotReceived.Unknown)
  })

  test('two ports can not have the same tunnel; a port can be given another', () => {
    const table = new TunnelTable()
    expect(table.add(1, tunnel({}))).toBe(true)
    expect(table.add(2, tunnel({}))).toBe(false)
    expect(table.add(1, tunnel({ key: 7 }))).toBe(true)
    expect(table.add(2, tunnel({}))).toBe(true)
    expect(find(table, 7, REMOTE)).toBe(1)
  })

  test('frames come in at the port whose tunnel they took', () => {
    const table = new TunnelTable()
    table.add(7, tunnel({ localIp: REMOTE, remoteIp: LOCAL, destinationPort: 8472 }))
    const inner = tcpFrame(IP)
    const frame = encapsulated(inner, { destinationPort: 8472 })
    expect(table.receive(arena, frame)).toBe(7)
    expect(arena.read(frame)).toEqual(inner)
    expect(table.receive(arena, encapsulated(inner, { destinationPort: 8472, vni: 9 }))).toBe(NotReceived.Unknown)
    expect(table.receive(arena, encapsulated(inner))).toBe(NotReceived.NotTunnelled)
  })
})
