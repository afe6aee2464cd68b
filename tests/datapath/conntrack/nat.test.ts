import { describe, expect, test } from 'vitest'
import { internetChecksum } from '../../../protocols/checksum.ts'
import { IpProtocol } from '../../../protocols/match.ts'
import { icmpEchoFrame, icmpv6EchoFrame, ipFrame, tcpFrame, udpFrame } from '../../../protocols/packet/compose.ts'
import { TcpFlag } from '../../../protocols/packet/tcp.ts'
import { parseIpv6 } from '../../../protocols/address.ts'
import type { Random } from '../../../runtime/random.ts'
import { seeded } from '../../../runtime/random.ts'
import { oneOf } from '../../support/frames.ts'
import { A, B, BACK, Bench, ETHERNET, N, nat, ping, THERE, udp } from './support.ts'
import { seeds } from '../../support/seeds.ts'

const RESTORE = { nat: 'restore' } as const
const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

/** Addresses and ports of an IPv4 frame. */
function ends(bytes: Uint8Array) {
  const frame = view(bytes)
  const [ipSrc, ipDst] = [frame.getUint32(26), frame.getUint32(30)]
  return { ipSrc, ipDst, srcPort: frame.getUint16(34), dstPort: frame.getUint16(36) }
}

/** The frame's own answer, checksums right. */
function answer(bytes: Uint8Array): Uint8Array {
  const { ipSrc, ipDst, srcPort, dstPort } = ends(bytes)
  const turned = { ...ETHERNET, ipSrc: ipDst, ipDst: ipSrc, srcPort: dstPort, dstPort: srcPort }
  return bytes[23] === IpProtocol.Tcp ? tcpFrame({ ...turned, flags: TcpFlag.Ack }) : udpFrame(turned)
}

describe('a source that is another', () => {
  test('keeps its port, and is itself again to those who answer', () => {
    const bench = new Bench()
    const there = bench.commit(udp(), { nat: nat('src', N) })
    expect(there.state).toBe('+new+trk+snat')
    expect(there.bytes).toEqual(udp({ ipSrc: N }))
    const back = bench.one(udp({ ...BACK, ipDst: N }), RESTORE)
    expect(back.state).toBe('+est+rpl+trk+dnat')
    expect(back.bytes).toEqual(udp(BACK))
    expect(bench.one(udp(), RESTORE).bytes).toEqual(udp({ ipSrc: N }))
    expect(bench.one(udp()).bytes).toEqual(udp())
  })

  test.each([
    [40000, 1024, 65535],
    [700, 600, 1023],
    [300, 1, 511],
  ])('is given another port of its kind where its own is taken (%i)', (srcPort, low, high) => {
    const bench = new Bench()
    bench.commit(udp({ srcPort }), { nat: nat('src', N) })
    const given = ends(bench.commit(udp({ ipSrc: A + 1, srcPort }), { nat: nat('src', N) }).bytes)
    expect([given.ipSrc, given.srcPort === srcPort]).toEqual([N, false])
    expect(given.srcPort).toBeGreaterThanOrEqual(low)
    expect(given.srcPort).toBeLessThanOrEqual(high)
  })

  test('is left alone, and the frame new, where all is taken', () => {
    const bench = new Bench()
    const request = { nat: nat('src', N, N, { first: 5000, last: 5002 }) }
    const given = [1, 2, 3].map((srcPort) => ends(bench.commit(udp({ srcPort }), request).bytes).srcPort)
    expect(new Set(given)).toEqual(new Set([5000, 5001, 5002]))
    const late = bench.commit(udp({ srcPort: 4 }), request)
    expect([late.state, late.bytes]).toEqual(['+new+trk', udp({ srcPort: 4 })])
    expect(bench.tracker.dump()).toHaveLength(3)
  })

  test('is of the whole range, and the same for a client where that is asked for', () => {
    const bench = new Bench()
    const given = (srcPort: number, persistent: boolean) =>
      ends(bench.commit(udp({ srcPort }), { zone: srcPort, nat: { ...nat('src', N, N + 3), persistent } }).bytes).ipSrc
    const many = Array.from({ length: 200 }, (_, index) => index + 1)
    expect(new Set(many.map((port) => given(port, false)))).toEqual(new Set([N, N + 1, N + 2, N + 3]))
    expect(new Set(many.map((port) => given(port + 1000, true))).size).toBe(1)
  })
})

test('a destination that is another, at another port, and hairpinned', () => {
  const bench = new Bench()
  const there = bench.commit(udp({ ipDst: N }), { nat: nat('dst', B, B, { first: 8080, last: 8080 }) })
  expect(there.state).toBe('+new+trk+dnat')
  expect(there.bytes).toEqual(udp({ dstPort: 8080 }))
  const back = bench.one(udp({ ...BACK, srcPort: 8080 }), RESTORE)
  expect([back.state, back.bytes]).toEqual(['+est+rpl+trk+snat', udp({ ...BACK, ipSrc: N })])
  // The server itself comes by the address that it is known by outside: source and destination change in two zones.
  const own = udp({ ipSrc: B, ipDst: N })
  const first = bench.commit(own, { zone: 1, nat: nat('dst', B) })
  const second = bench.commit(first.bytes, { zone: 2, nat: nat('src', N) })
  expect(second.bytes).toEqual(udp({ ipSrc: N, ipDst: B }))
  const reply = bench.one(answer(second.bytes), { zone: 2, ...RESTORE })
  expect(ends(bench.one(reply.bytes, { zone: 1, ...RESTORE }).bytes)).toEqual(ends(answer(own)))
})

test('a frame is translated once in a zone, and known by what it was', () => {
  const bench = new Bench()
  const first = bench.commit(udp(), { nat: nat('src', N) })
  const again = bench.one(first.bytes, RESTORE, first.tracked)
  expect([again.state, again.bytes]).toEqual(['+new+trk+snat', udp({ ipSrc: N })])
  expect(bench.tracker.dump()).toHaveLength(1)
})

test('echoes are translated by address alone', () => {
  const bench = new Bench()
  expect(ends(bench.commit(ping(), { nat: nat('src', N) }).bytes).ipSrc).toBe(N)
  const other = icmpEchoFrame({ ...ETHERNET, ipSrc: A + 1, ipDst: B, identifier: 1, sequence: 1 })
  expect(bench.commit(other, { nat: nat('src', N) }).state).toBe('+new+trk')
  expect(bench.commit(other, { nat: nat('src', N, N + 1) }).state).toBe('+new+trk+snat')
})

test('what an ICMP error quotes is what its receiver sent', () => {
  const bench = new Bench()
  const there = bench.commit(udp(), { nat: nat('src', N) }).bytes
  const error = (ipDst: number, quoted: Uint8Array) => {
    const segment = Uint8Array.of(11, 0, 0, 0, 0, 0, 0, 0, ...quoted.subarray(14))
    return ipFrame({ ...ETHERNET, ipSrc: 0x0a000707, ipDst, protocol: IpProtocol.Icmp, segment })
  }
  const back = bench.one(error(N, there), RESTORE)
  expect([back.state, back.bytes]).toEqual(['+rel+rpl+trk+dnat', error(A, udp())])
})

test('eight bytes of a quoted TCP header are enough', () => {
  const bench = new Bench()
  const syn = (ipSrc: number) => tcpFrame({ ...THERE, ipSrc, flags: TcpFlag.Syn })
  bench.commit(syn(A), { nat: nat('src', N) })
  const error = (ipDst: number) => {
    const segment = Uint8Array.of(3, 1, 0, 0, 0, 0, 0, 0, ...syn(ipDst).subarray(14, 42))
    return ipFrame({ ...ETHERNET, ipSrc: 0x0a000707, ipDst, protocol: IpProtocol.Icmp, segment })
  }
  expect(bench.one(error(N), RESTORE).bytes).toEqual(error(A))
})

test('to translate a new connection as it has been leaves it as it is', () => {
  const bench = new Bench()
  expect(bench.commit(udp(), RESTORE).state).toBe('+new+trk')
  expect(bench.one(udp(BACK), RESTORE).state).toBe('+est+rpl+trk')
})

test.each(['udp', 'tcp'] as const)('the same for IPv6 (%s)', (kind) => {
  const [from, to, other] = ['fd00::1', 'fd01::1', 'fd09::9'].map((text) => parseIpv6(text)) as [bigint, bigint, bigint]
  const bench = new Bench()
  const payload = new Uint8Array(20)
  const frame = (ipSrc: bigint, ipDst: bigint) => {
    const between = { ...THERE, ipSrc, ipDst, payload }
    return kind === 'udp' ? udpFrame(between) : tcpFrame({ ...between, flags: TcpFlag.Syn })
  }
  const range = { family: 6, first: other, last: other } as const
  const request = { nat: { direction: 'src', addresses: range, persistent: false, algorithm: undefined } } as const
  const there = bench.commit(frame(from, to), request)
  expect(there.bytes).toEqual(frame(other, to))
  const error = (ipDst: bigint, quoted: Uint8Array) => {
    const segment = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, ...quoted.subarray(14))
    return ipFrame({ ...ETHERNET, ipSrc: parseIpv6('fd07::7'), ipDst, protocol: IpProtocol.Icmpv6, segment })
  }
  const back = bench.one(error(other, there.bytes), RESTORE)
  expect([back.state, back.bytes]).toEqual(['+rel+rpl+trk+dnat', error(from, frame(from, to))])
  const echo = (ipSrc: bigint) => icmpv6EchoFrame({ ...ETHERNET, ipSrc, ipDst: to, identifier: 1, sequence: 1 })
  expect(bench.commit(echo(from), request).bytes).toEqual(echo(other))
})

function randomRequest(random: Random) {
  const ports = oneOf(random, [undefined, { first: 7000, last: 7003 }, { first: 9000, last: 9000 }])
  const request = nat(oneOf(random, ['src', 'dst']), N, N + random.below(3), ports)
  return {
    ...request,
    persistent: random.below(2) === 0,
    algorithm: oneOf(random, ['hash' as const, 'random' as const, undefined]),
  }
}

test.each(seeds(3))('every answer comes back to who asked, and no two are alike (seed %i)', (seed) => {
  const random = seeded(seed)
  const bench = new Bench({ random: random.fork('tracker') })
  const asked = new Map<string, Uint8Array>()
  for (let round = 0; round < 400; round++) {
    const between = {
      ...ETHERNET,
      ipSrc: A + random.below(3),
      ipDst: B + random.below(2),
      srcPort: oneOf(random, [100, 600, 2000 + random.below(20)]),
      dstPort: 80 + random.below(2),
    }
    const bytes = random.below(2) === 0 ? udpFrame(between) : tcpFrame({ ...between, flags: TcpFlag.Ack })
    const there = bench.commit(bytes, { nat: randomRequest(random) })
    if (!/snat|dnat/.test(there.state)) continue
    expect(isSealed(there.bytes)).toBe(true)
    const back = answer(there.bytes)
    const key = `${bytes[23]} ${JSON.stringify(ends(back))}`
    expect(ends(asked.get(key) ?? bytes)).toEqual(ends(bytes))
    asked.set(key, bytes)
  }
  expect(asked.size).toBeGreaterThan(50)
  for (const [key, bytes] of asked) {
    const wanted = JSON.parse(key.slice(key.indexOf(' '))) as ReturnType<typeof ends>
    const between = { ...ETHERNET, ...wanted }
    const back = key.startsWith('6 ') ? tcpFrame({ ...between, flags: TcpFlag.Ack }) : udpFrame(between)
    const received = bench.one(back, RESTORE)
    expect(ends(received.bytes)).toEqual(ends(answer(bytes)))
    expect(isSealed(received.bytes)).toBe(true)
  }
})

/** All checksums are right. */
function isSealed(bytes: Uint8Array): boolean {
  const frame = view(bytes)
  const length = frame.getUint16(16) - 20
  const pseudo = [26, 28, 30, 32].reduce((sum, at) => sum + frame.getUint16(at), bytes[23]! + length)
  return internetChecksum(bytes, 14, 20) === 0 && internetChecksum(bytes, 34, length, pseudo) === 0
}
