import { describe, expect, test } from 'vitest'
import type { FrameHandle } from '../../../datapath/frames.ts'
import { parseIpv6 } from '../../../protocols/address.ts'
import { internetChecksum } from '../../../protocols/checksum.ts'
import { udpFrame } from '../../../protocols/packet/compose.ts'
import { SECOND } from '../../../runtime/clock.ts'
import { seeded } from '../../../runtime/random.ts'
import { fragments4, fragments6 } from '../../support/connection-traffic.ts'
import { randomBytes } from '../../support/frames.ts'
import type { Answer } from './support.ts'
import { BACK, Bench, N, nat, THERE } from './support.ts'

const payload = randomBytes(seeded(1), 4000)
const whole = (ends: Partial<typeof THERE> = {}, identification = 7) =>
  udpFrame({ ...THERE, ...ends, payload, identification })
const pieces = (ends: Partial<typeof THERE> = {}, identification = 7) => fragments4(whole(ends, identification), 1400)
const states = (answers: Answer[]) => answers.map(({ state }) => state)

test.each([
  [0, 1, 2],
  [2, 1, 0],
  [1, 2, 0],
  [1, 0, 2],
])('fragments wait until all are here, and go on in their order (%i, %i, %i)', (...order) => {
  const bench = new Bench()
  const fragments = pieces()
  const [first, second, third] = order.map((index) => bench.all(fragments[index]!, { commit: true }))
  expect([first, second]).toEqual([[], []])
  expect(states(third!)).toEqual(['+new+trk', '+new+trk', '+new+trk'])
  expect(third!.map(({ bytes }) => bytes)).toEqual(fragments)
  expect(states(pieces(BACK).flatMap((bytes) => bench.all(bytes)))).toEqual(Array(3).fill('+est+rpl+trk'))
  expect([bench.arena.live, bench.tracker.fragments.waiting]).toEqual([0, 0])
})

test('all fragments are translated', () => {
  const bench = new Bench()
  const there = pieces().flatMap((bytes) => bench.all(bytes, { commit: true, nat: nat('src', N) }))
  expect(states(there)).toEqual(Array(3).fill('+new+trk+snat'))
  expect(there.map(({ bytes }) => bytes)).toEqual(pieces({ ipSrc: N }))
})

test('of IPv6, too', () => {
  const [ipSrc, ipDst, other] = ['fd00::1', 'fd01::1', 'fd09::9'].map((text) => parseIpv6(text)) as [
    bigint,
    bigint,
    bigint,
  ]
  const addresses = { family: 6, first: other, last: other } as const
  const request = { direction: 'src', addresses, persistent: false, algorithm: undefined } as const
  const fragments = (from: bigint) => fragments6(udpFrame({ ...THERE, ipSrc: from, ipDst, payload }), 1400, 99)
  const bench = new Bench()
  const there = fragments(ipSrc)
    .reverse()
    .flatMap((bytes) => bench.all(bytes, { commit: true, nat: request }))
  expect(states(there)).toEqual(Array(3).fill('+new+trk+snat'))
  expect(there.map(({ bytes }) => bytes)).toEqual(fragments(other))
})

test('of IPv6 behind the fragment header of a whole packet', () => {
  const HEADERS = 14 + 40
  const behind = (bytes: Uint8Array) => {
    const atomic = [bytes[14 + 6]!, 0, 0, 0, 0, 0, 0, 5]
    const frame = Uint8Array.from([...bytes.subarray(0, HEADERS), ...atomic, ...bytes.subarray(HEADERS)])
    const view = new DataView(frame.buffer)
    view.setUint16(14 + 4, view.getUint16(14 + 4) + atomic.length)
    view.setUint8(14 + 6, 44)
    return frame
  }
  const [ipSrc, ipDst] = [0xfd000000000000000000000000000001n, 0xfd010000000000000000000000000001n]
  const fragments = fragments6(udpFrame({ ...THERE, ipSrc, ipDst, payload }), 1400, 99).map(behind)
  const bench = new Bench()
  const answers = fragments.map((bytes) => bench.all(bytes, { commit: true }))
  expect(answers.map(({ length }) => length)).toEqual([0, 0, 3])
  expect(states(answers.flat())).toEqual(Array(3).fill('+new+trk'))
  expect(answers.flat().map(({ bytes }) => bytes)).toEqual(fragments)
})

test('datagrams of other zones, hosts and identifications are others', () => {
  const bench = new Bench()
  const [first, second, third] = pieces() as [Uint8Array, Uint8Array, Uint8Array]
  expect(bench.all(first)).toEqual([])
  expect(bench.all(second, { zone: 1 })).toEqual([])
  expect(bench.all(pieces({}, 8)[1]!)).toEqual([])
  expect(bench.all(pieces({ ipSrc: N })[1]!)).toEqual([])
  expect(bench.all(third)).toEqual([])
  expect(bench.all(second)).toHaveLength(3)
  bench.tracker.close()
  expect(bench.arena.live).toBe(0)
})

test('a fragment that overlaps another is invalid, as is one that is too small', () => {
  const bench = new Bench()
  const [first, second, third] = pieces() as [Uint8Array, Uint8Array, Uint8Array]
  const small = fragments4(whole({}, 9), 1000)
  bench.all(first)
  expect(states(bench.all(first))).toEqual(['+inv+trk'])
  expect(states(bench.all(fragments4(whole(), 1300)[1]!))).toEqual(['+inv+trk'])
  bench.all(second)
  expect(bench.all(third)).toHaveLength(3)
  expect(states(bench.all(small[0]!))).toEqual(['+inv+trk'])
  bench.tracker.fragments.smallest = { 4: 0, 6: 0 }
  expect(bench.all(small[0]!)).toEqual([])
  bench.tracker.fragments.enabled = { 4: false, 6: false }
  expect(states(bench.all(small[1]!))).toEqual(['+inv+trk'])
  bench.tracker.close()
  expect(bench.arena.live).toBe(0)
})

test('what an earlier question found invalid does not wait', () => {
  const bench = new Bench()
  const [first] = pieces() as [Uint8Array]
  bench.all(first)
  const [again] = bench.all(first)
  expect(states(bench.all(first, {}, again!.tracked))).toEqual(['+inv+trk'])
  bench.tracker.close()
})

test('after 15 seconds the fragments are given away to be dropped', async () => {
  const released: FrameHandle[] = []
  const bench: Bench = new Bench({
    released: (frame, reason) => {
      expect(reason).toBe('fragment_timeout')
      released.push(frame)
      bench.arena.release(frame)
    },
  })
  const [first, second, third] = pieces() as [Uint8Array, Uint8Array, Uint8Array]
  bench.all(first)
  await bench.clock.run(10 * SECOND)
  bench.all(second)
  await bench.clock.run(15 * SECOND - 1)
  expect(released).toEqual([])
  await bench.clock.run(15 * SECOND)
  expect(released).toHaveLength(2)
  expect(bench.all(third)).toEqual([])
  await bench.clock.run(Infinity)
  expect([released.length, bench.arena.live, bench.clock.next]).toEqual([3, 0, Infinity])
})

test('no more wait than may wait', () => {
  const bench = new Bench()
  bench.tracker.fragments.most = 3
  for (let id = 0; id < 3; id++) expect(bench.all(pieces({}, id)[0]!)).toEqual([])
  expect(states(bench.all(pieces({}, 4)[0]!))).toEqual(['+inv+trk'])
  bench.tracker.close()
  expect(bench.arena.live).toBe(0)
})

test('a fragment that ends beyond what a datagram holds is invalid', () => {
  const bench = new Bench()
  const late = pieces()[2]!.slice()
  const view = new DataView(late.buffer)
  view.setUint16(20, 0x1fff)
  view.setUint16(24, 0)
  view.setUint16(24, internetChecksum(late, 14, 20))
  expect(states(bench.all(late))).toEqual(['+inv+trk'])
  expect(bench.tracker.fragments.waiting).toBe(0)
})

describe('a fragment that waits elsewhere', () => {
  /** The first two come here, the last one to another switch. */
  function completed() {
    const bench = new Bench()
    const [first, second, third] = pieces() as [Uint8Array, Uint8Array, Uint8Array]
    const tell = () => bench.tracker.adopt(bench.arena, bench.arena.allocateFrom(third), 0)
    const sizes: number[] = []
    for (const bytes of [first, second]) {
      bench.all(bytes)
      bench.tracker.goOnWhenWhole({ zone: 0, commit: false, force: false, alg: 0 }, (frames) => {
        for (const { frame } of frames) bench.arena.release(frame)
        return sizes.push(frames.length)
      })
    }
    return { bench, tell, sizes }
  }

  test('makes a datagram whole once, and is not waited with when it is told again', () => {
    const { bench, tell, sizes } = completed()
    for (let time = 0; time < 3; time++) tell()
    expect([sizes, bench.tracker.fragments.waiting, bench.arena.live]).toEqual([[3], 0, 0])
    const anew = fragments4(udpFrame({ ...THERE, payload: payload.map((byte) => ~byte), identification: 7 }), 1400)
    const answers = anew.map((bytes) => {
      tell()
      return bench.all(bytes)
    })
    expect(answers.map(({ length }) => length)).toEqual([0, 0, 3])
    expect(answers.flat().map(({ bytes }) => bytes)).toEqual(anew)
    expect(bench.arena.live).toBe(0)
  })

  test('nor is one that was here when the last came', async () => {
    const bench = new Bench()
    const [first, second, third] = pieces() as [Uint8Array, Uint8Array, Uint8Array]
    const tell = () => bench.tracker.adopt(bench.arena, bench.arena.allocateFrom(first), 0)
    tell()
    expect([second, third].map((bytes) => bench.all(bytes).length)).toEqual([0, 3])
    tell()
    expect([bench.tracker.fragments.waiting, bench.arena.live]).toEqual([0, 0])
    await bench.clock.run(15 * SECOND)
    tell()
    expect(bench.tracker.fragments.waiting).toBe(1)
    bench.tracker.close()
  })

  test('is not taken in where fragments are invalid', () => {
    const { bench, tell, sizes } = completed()
    bench.tracker.fragments.enabled = { 4: false, 6: true }
    tell()
    expect([sizes, bench.tracker.fragments.waiting]).toEqual([[], 2])
    bench.tracker.close()
    expect(bench.arena.live).toBe(0)
  })

  test('is not taken in beyond the most that one datagram may have', () => {
    const bench = new Bench()
    bench.tracker.fragments.smallest = { 4: 60_000, 6: 0 }
    for (const bytes of fragments4(whole(), 600)) bench.tracker.adopt(bench.arena, bench.arena.allocateFrom(bytes), 0)
    expect(bench.tracker.fragments.waiting).toBe(2)
    bench.tracker.close()
    expect(bench.arena.live).toBe(0)
  })
})
