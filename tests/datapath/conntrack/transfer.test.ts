// Connections that go from one tracker to another are judged there as they would have been had they stayed.

import { describe, expect, test } from 'vitest'
import type { ConnectionTracker } from '../../../datapath/conntrack/connection-tracker.ts'
import { decodeEnvelope, encodeEnvelope } from '../../../protocols/control/codec.ts'
import type { Message, TrackedConnection } from '../../../protocols/control/messages.ts'
import { TcpFlag } from '../../../protocols/packet/tcp.ts'
import { SECOND } from '../../../runtime/clock.ts'
import { seeded } from '../../../runtime/random.ts'
import { Traffic } from '../../support/connection-traffic.ts'
import { BACK, Bench, N, nat, ping, tcp, udp } from './support.ts'
import { seeds } from '../../support/seeds.ts'
import { expectEqual } from '../../support/expect-equal.ts'

const { Syn, Ack, Psh, Fin } = TcpFlag

/** Through the control protocol, zone 1 of one into zone 7 of the other. */
function move(from: ConnectionTracker, to: ConnectionTracker): void {
  const connections = from.export(1)
  const message: Message = {
    type: 'installVnicState',
    port: 'a',
    zone: 7,
    meters: [],
    addresses: [],
    connections,
    fragments: [],
  }
  const bytes = encodeEnvelope({ xid: 1, message })
  const { message: read } = decodeEnvelope(bytes)
  expect(to.import(7, (read as { connections: TrackedConnection[] }).connections)).toBe(true)
}

const plain = (tracker: ConnectionTracker) =>
  tracker
    .dump()
    .map((connection) => JSON.stringify({ ...connection, zone: 0, expires: Math.round(connection.expires) }))
    .sort()

test.each(seeds(4))('nobody can tell that connections have moved (seed %i)', async (seed) => {
  const [stayed, source, target] = [new Bench(), new Bench(), new Bench()]
  const random = seeded(seed)
  const traffic = new Traffic(random, seed % 2 === 0 ? 4 : 6, { fragments: false })
  const half = async (moved: boolean) => {
    const last = moved ? { bench: target, zone: 7 } : { bench: source, zone: 1 }
    for (let round = 0; round < 300; round++) {
      for (const saying of traffic.next()) {
        const translation = { nat: moved ? ('restore' as const) : nat('src', N, N + 3) }
        const request = { commit: random.below(3) > 0, ...(seed % 2 === 0 && translation) }
        const [expected] = stayed.all(saying.bytes, { zone: 1, ...request })
        const [found] = last.bench.all(saying.bytes, { zone: last.zone, ...request })
        expectEqual([found!.state, found!.bytes], [expected!.state, expected!.bytes])
        traffic.heard(saying, expected!.bytes)
      }
      if (random.below(20) > 0) continue
      const span = random.below(20 * SECOND)
      for (const { clock } of [stayed, source, target]) await clock.run(clock.now() + span)
    }
    expect(plain(last.bench.tracker)).toEqual(plain(stayed.tracker))
  }
  await half(false)
  move(source.tracker, target.tracker)
  move(source.tracker, target.tracker)
  await half(true)
})

/** An established connection whose opener is beyond, and whose answerer is to move. */
function established(bench: Bench): void {
  const request = { zone: 1 }
  bench.commit(tcp(Syn, { sequence: 100, window: 1000 }), request)
  bench.commit(tcp(Syn | Ack, { ...BACK, sequence: 5000, acknowledgement: 101, window: 1000 }), request)
  expect(bench.commit(tcp(Ack, { sequence: 101, acknowledgement: 5001, window: 1000 }), request).state).toBe('+est+trk')
}

const data = (sequence: number) =>
  tcp(Psh | Ack, { sequence, acknowledgement: 5001, window: 1000, payload: new Uint8Array(100) })

describe('while frames pass both trackers', () => {
  test('each knows in the end what the other has seen', () => {
    const [source, target] = [new Bench(), new Bench()]
    established(source)
    move(source.tracker, target.tracker)
    expect(source.state(data(101), { zone: 1 })).toBe('+est+trk')
    expect(target.state(data(201), { zone: 7 })).toBe('+est+trk')
    expect(source.state(data(301), { zone: 1 })).toBe('+est+trk')
    move(source.tracker, target.tracker)
    expect(target.tracker.dump()).toMatchObject([{ state: { peers: [{ sent: 401 }, { sent: 5001 }] } }])
    const answer = tcp(Ack, { ...BACK, sequence: 5001, acknowledgement: 401, window: 1000 })
    expect(target.state(answer, { zone: 7 })).toBe('+est+rpl+trk')
  })

  test('one that began at the source meanwhile is known where its answer goes out', () => {
    const [source, target] = [new Bench(), new Bench()]
    move(source.tracker, target.tracker)
    source.commit(udp(), { zone: 1 })
    source.commit(ping(), { zone: 1 })
    move(source.tracker, target.tracker)
    expect(target.state(udp({ ...BACK }), { zone: 7 })).toBe('+est+rpl+trk')
    expect(target.state(ping(true), { zone: 7 })).toBe('+est+rpl+trk')
  })

  test('one that has closed at the source is closed', () => {
    const [source, target] = [new Bench(), new Bench()]
    established(source)
    move(source.tracker, target.tracker)
    source.commit(tcp(Fin | Ack, { sequence: 101, acknowledgement: 5001, window: 1000 }), { zone: 1 })
    move(source.tracker, target.tracker)
    expect(target.tracker.dump()[0]).toMatchObject({ state: { peers: [{ state: 7 }, { state: 4 }] } })
  })

  test('marks are those of the last frame', async () => {
    const [source, target] = [new Bench(), new Bench()]
    source.commit(udp(), { zone: 1, mark: { value: 5, mask: 0xff } })
    move(source.tracker, target.tracker)
    await source.clock.run(SECOND)
    await target.clock.run(SECOND)
    source.commit(udp(), { zone: 1, mark: { value: 6, mask: 0xff } })
    move(source.tracker, target.tracker)
    expect(target.tracker.dump()[0]!.mark).toBe(6)
    target.commit(udp(), { zone: 7, mark: { value: 9, mask: 0xff } })
    move(source.tracker, target.tracker)
    expect(target.tracker.dump()[0]!.mark).toBe(9)
  })
})

test('without being told, a tracker takes what comes next for invalid', () => {
  const [source, target] = [new Bench(), new Bench()]
  established(source)
  const answer = tcp(Syn | Ack, { ...BACK, sequence: 5000, acknowledgement: 101, window: 1000 })
  expect([source.state(answer, { zone: 1 }), target.state(answer, { zone: 7 })]).toEqual(['+est+rpl+trk', '+inv+trk'])
})

test('where there is no room for all, none is taken', () => {
  const [source, target] = [new Bench(), new Bench({ maxConnections: 3 })]
  for (const port of [1, 2, 3, 4]) source.commit(udp({ srcPort: port }), { zone: 1 })
  target.commit(udp({ srcPort: 4 }), { zone: 7 })
  expect(target.tracker.import(7, source.tracker.export(1))).toBe(false)
  expect(target.tracker.dump()).toHaveLength(1)
  target.tracker.maxConnections = 4
  expect(target.tracker.import(7, source.tracker.export(1))).toBe(true)
  expect(target.tracker.dump()).toHaveLength(4)
})

test('they end when they would have ended, and nothing is waited for then', async () => {
  const [source, target] = [new Bench(), new Bench()]
  for (const port of [1, 2, 3]) {
    source.commit(udp({ srcPort: port }), { zone: 1 })
    await source.clock.run(source.clock.now() + 10 * SECOND)
  }
  target.commit(udp({ srcPort: 9 }), { zone: 7 })
  move(source.tracker, target.tracker)
  const counts: number[] = []
  for (const end of [29, 31, 41, 51, 61]) {
    await target.clock.run(end * SECOND)
    counts.push(target.tracker.zoneCounts().get(7) ?? 0)
  }
  expect([counts, target.clock.next]).toEqual([[4, 3, 2, 1, 0], Infinity])
})
