import { describe, expect, test } from 'vitest'
import { formatConnection } from '../../../datapath/conntrack/format.ts'
import { Word } from '../../../protocols/fields.ts'
import { TcpFlag } from '../../../protocols/packet/tcp.ts'
import { arpRequest, ipFrame, sctpFrame } from '../../../protocols/packet/compose.ts'
import { SECOND } from '../../../runtime/clock.ts'
import { A, B, BACK, Bench, ETHERNET, ping, tcp, THERE, udp } from './support.ts'

const { Fin, Syn, Rst, Psh, Ack } = TcpFlag
const port = (srcPort: number) => udp({ srcPort })

describe('TCP', () => {
  test('opens, carries data and closes', () => {
    const bench = new Bench()
    const state = () => /state=(\w+)/.exec(bench.tracker.dump().map(formatConnection).join())?.[1]
    expect(bench.state(tcp(Syn, { sequence: 100 }))).toBe('+new+trk')
    expect(bench.state(tcp(Syn, { sequence: 100 }))).toBe('+new+trk')
    expect(bench.tracker.dump()).toEqual([])
    const steps = [
      [tcp(Syn, { sequence: 100 }), '+new+trk', 'SYN_SENT'],
      [tcp(Syn, { sequence: 100 }), '+new+trk', 'SYN_SENT'],
      [tcp(Syn | Ack, { ...BACK, sequence: 900, acknowledgement: 101 }), '+est+rpl+trk', 'ESTABLISHED'],
      [tcp(Ack, { sequence: 101, acknowledgement: 901 }), '+est+trk', 'ESTABLISHED'],
      [tcp(Psh | Ack, { sequence: 101, acknowledgement: 901, payload: new Uint8Array(9) }), '+est+trk', 'ESTABLISHED'],
      [tcp(Fin | Ack, { ...BACK, sequence: 901, acknowledgement: 110 }), '+est+rpl+trk', 'CLOSING'],
      [tcp(Fin | Ack, { sequence: 110, acknowledgement: 902 }), '+est+trk', 'TIME_WAIT'],
      [tcp(Ack, { ...BACK, sequence: 902, acknowledgement: 111 }), '+est+rpl+trk', 'TIME_WAIT'],
      [tcp(Syn, { sequence: 5000 }), '+new+trk', 'SYN_SENT'],
    ] as const
    for (const [bytes, expected, then] of steps) {
      expect(bench.commit(bytes).state).toBe(expected)
      expect(state()).toBe(then)
    }
    expect(bench.tracker.dump()).toHaveLength(1)
  })

  test('lets in what lies in the windows, unless told to let in anything', () => {
    const bench = new Bench()
    bench.commit(tcp(Syn, { sequence: 100, window: 1000 }))
    bench.state(tcp(Syn | Ack, { ...BACK, sequence: 900, acknowledgement: 101, window: 1000 }))
    bench.state(tcp(Ack, { sequence: 101, acknowledgement: 901, window: 1000 }))
    const data = (sequence: number, flags: number = Ack) =>
      tcp(flags, { sequence, acknowledgement: 901, window: 1000, payload: new Uint8Array(10) })
    expect(bench.state(data(101))).toBe('+est+trk')
    expect(bench.state(data(101 + 2000))).toBe('+inv+trk')
    expect(bench.state(data(101 - 2000))).toBe('+inv+trk')
    expect(bench.state(data(500, Rst | Ack))).toBe('+inv+trk')
    bench.tracker.sequenceChecks = false
    expect(bench.state(data(101 + 2000))).toBe('+est+trk')
  })

  test('takes the answer to a SYN again, also where it offers no scale to a window of all that there is', () => {
    const bench = new Bench()
    const scale = { kind: 3, data: Uint8Array.of(6) }
    const answer = tcp(Syn | Ack, { ...BACK, sequence: 900, acknowledgement: 101, window: 65_535 })
    bench.commit(tcp(Syn, { sequence: 100, window: 65_535, options: [scale] }))
    for (let time = 0; time < 3; time++) expect(bench.state(answer)).toBe('+est+rpl+trk')
  })

  test('may be picked up in its midst, but not by the answer to a SYN', () => {
    const bench = new Bench()
    expect(bench.commit(tcp(Syn | Ack)).state).toBe('+inv+trk')
    expect(bench.commit(tcp(Ack, { sequence: 7, acknowledgement: 9 })).state).toBe('+new+trk')
    expect(bench.state(tcp(Ack, { ...BACK, sequence: 9, acknowledgement: 7 }))).toBe('+est+rpl+trk')
  })

  test.each([0, Syn | Fin, Syn | Rst, Fin, Psh])('flags %i mean nothing together', (flags) => {
    expect(new Bench().commit(tcp(flags)).state).toBe('+inv+trk')
  })
})

describe('UDP and ICMP', () => {
  test('are new until the first answer', () => {
    for (const [there, back] of [
      [udp(), udp(BACK)],
      [ping(), ping(true)],
      [sctpFrame(THERE), sctpFrame(BACK)],
    ] as const) {
      const bench = new Bench()
      expect(bench.commit(there).state).toBe('+new+trk')
      expect(bench.state(there)).toBe('+new+trk')
      expect(bench.state(back)).toBe('+est+rpl+trk')
      expect(bench.state(there)).toBe('+est+trk')
    }
  })

  test('an echo is known by its identifier, and no answer opens a connection', () => {
    const bench = new Bench()
    expect(bench.commit(ping(true)).state).toBe('+inv+trk')
    bench.commit(ping(false, 1))
    expect(bench.state(ping(true, 2))).toBe('+inv+trk')
    expect(bench.state(ping(true, 1))).toBe('+est+rpl+trk')
  })

  test('an error is related to what it quotes', () => {
    const bench = new Bench()
    const error = (quoted: Uint8Array, ipDst: number) =>
      ipFrame({
        ...ETHERNET,
        ipSrc: 0x0a000707,
        ipDst,
        protocol: 1,
        segment: Uint8Array.of(3, 1, 0, 0, 0, 0, 0, 0, ...quoted.subarray(14, 42)),
      })
    expect(bench.state(error(udp(), A))).toBe('+inv+trk')
    bench.commit(udp())
    expect(bench.state(error(udp(), A))).toBe('+rel+rpl+trk')
    expect(bench.state(error(udp(BACK), B))).toBe('+rel+trk')
    expect(bench.state(error(udp(), B))).toBe('+inv+trk')
  })
})

test('what is not IP, or damaged, is invalid', () => {
  const bench = new Bench()
  const damaged = udp()
  damaged[45]! ^= 1
  const noChecksum = udp()
  noChecksum.set([0, 0], 40)
  const arp = bench.commit(arpRequest({ ethSrc: 2n, ipSrc: A, ipDst: B }), { zone: 5 })
  expect(arp.state).toBe('+inv+trk')
  expect([arp.word(Word.ctZone), arp.word(Word.ctProtocol)]).toEqual([5, 0])
  expect(bench.commit(damaged).state).toBe('+inv+trk')
  expect(bench.commit(udp().subarray(0, 40)).state).toBe('+inv+trk')
  expect(bench.commit(udp({ srcPort: 0 })).state).toBe('+inv+trk')
  expect(bench.commit(noChecksum).state).toBe('+new+trk')
  expect(bench.tracker.dump()).toHaveLength(1)
})

describe('the connection', () => {
  test('shows its zone, original tuple, mark and label, of which the masked bits are set', () => {
    const bench = new Bench()
    const label = { value: Uint32Array.of(1, 0, 0, 0x0f), mask: Uint32Array.of(1, 0, 0, 0xff) }
    bench.commit(udp(), { zone: 3, mark: { value: 0x12, mask: 0xff }, label })
    const again = bench.commit(udp(BACK), { zone: 3, mark: { value: 0x300, mask: 0xf00 } })
    const tuple = [Word.ctZone, Word.ctMark, Word.ctLabel, Word.ctLabel + 3, Word.ctProtocol].map(again.word)
    expect(tuple).toEqual([3, 0x312, 1, 0x0f, 17])
    const ends = [Word.ctIpv4Source, Word.ctIpv4Destination, Word.ctTransportSource, Word.ctTransportDestination]
    expect(ends.map(again.word)).toEqual([A, B, 40000, 80])
    expect(bench.tracker.dump().map(formatConnection)).toEqual([
      'udp,orig=(src=10.0.0.1,dst=10.0.1.1,sport=40000,dport=80),' +
        'reply=(src=10.0.1.1,dst=10.0.0.1,sport=80,dport=40000),zone=3,mark=786,labels=0x100000000000000000000000f',
    ])
  })

  test('is another in every zone', () => {
    const bench = new Bench()
    bench.commit(udp(), { zone: 1 })
    expect(bench.state(udp(BACK), { zone: 2 })).toBe('+new+trk')
    expect(bench.state(udp(BACK), { zone: 1 })).toBe('+est+rpl+trk')
    expect(bench.tracker.zoneCounts()).toEqual(new Map([[1, 1]]))
  })

  test('is not met twice by one frame', () => {
    const bench = new Bench()
    bench.commit(udp())
    const first = bench.one(udp(BACK))
    const tracked = bench.one(udp(), {}, first.tracked)
    expect(tracked.state).toBe('+est+rpl+trk')
    const set = bench.one(udp(), { commit: true, mark: { value: 7, mask: 0xff } }, tracked.tracked)
    expect([set.state, set.word(Word.ctMark)]).toEqual(['+est+rpl+trk', 7])
    expect(bench.one(udp(), { zone: 9 }, tracked.tracked).state).toBe('+new+trk')
  })

  test('is turned around by force from the other side', () => {
    const bench = new Bench()
    bench.commit(udp(), { mark: { value: 5, mask: 255 } })
    expect(bench.commit(udp(), { force: true }).state).toBe('+new+trk')
    expect(bench.commit(udp(BACK), { force: true }).state).toBe('+new+trk')
    const [connection, ...others] = bench.tracker.dump()
    expect([connection?.mark, connection?.original.sourcePort, others]).toEqual([0, 80, []])
  })

  test('is flushed by zone, mark and either tuple', () => {
    const bench = new Bench()
    for (const zone of [1, 2])
      for (const number of [1, 2, 3]) bench.commit(port(number), { zone, mark: { value: number, mask: 255 } })
    bench.commit(ping(false, 77), { zone: 3 })
    const { tracker } = bench
    expect(tracker.dump({ zone: 1 })).toHaveLength(3)
    expect(tracker.flush({ zone: 1, original: { sourcePort: 2 } })).toBe(1)
    expect(tracker.flush({ reply: { family: 4, protocol: 17, destination: BigInt(A), destinationPort: 3 } })).toBe(2)
    expect(tracker.flush({ mark: { value: 1, mask: 1 } })).toBe(2)
    expect(tracker.flush({ original: { protocol: 1, sourcePort: 77, destinationPort: 8 << 8 } })).toBe(1)
    expect(tracker.flush()).toBe(1)
    expect(tracker.dump()).toEqual([])
    expect(bench.clock.next).toBe(Infinity)
  })
})

describe('limits', () => {
  test('leave a frame new and the table as it is', () => {
    const bench = new Bench({ maxConnections: 2 })
    for (const number of [1, 2, 3]) expect(bench.commit(port(number)).state).toBe('+new+trk')
    expect(bench.tracker.dump()).toHaveLength(2)
  })

  test('hold for a zone, or for each that has none of its own', () => {
    const bench = new Bench()
    bench.tracker.setZoneLimit(1, 1)
    bench.tracker.setZoneLimit('default', 2)
    for (const zone of [1, 2]) for (const number of [1, 2, 3]) bench.commit(port(number), { zone })
    expect(bench.tracker.zoneLimits()).toEqual([
      { zone: 1, limit: 1, count: 1 },
      { zone: 'default', limit: 2, count: 2 },
    ])
    bench.tracker.setZoneLimit(1, undefined)
    bench.commit(port(2), { zone: 1 })
    expect(bench.tracker.zoneCounts().get(1)).toBe(2)
  })

  test('count nothing that has expired', async () => {
    const bench = new Bench({ maxConnections: 1 })
    bench.commit(port(1))
    await bench.clock.run(60 * SECOND)
    bench.commit(port(2))
    expect(bench.tracker.dump().map(({ original }) => original.sourcePort)).toEqual([2])
  })
})

describe('time', () => {
  const established = (bench: Bench) => {
    bench.commit(tcp(Syn))
    bench.state(tcp(Syn | Ack, { ...BACK, acknowledgement: 1 }))
    bench.state(tcp(Ack, { sequence: 1, acknowledgement: 1 }))
  }

  // Open vSwitch's default policy.
  const cases: [string, number, (bench: Bench) => void][] = [
    ['a SYN', 30, (bench) => bench.commit(tcp(Syn))],
    ['an open connection', 86_400, established],
    [
      'a connection that one end has closed',
      900,
      (bench) => {
        established(bench)
        bench.state(tcp(Fin | Ack, { sequence: 1, acknowledgement: 1 }))
      },
    ],
    [
      'a connection that was reset',
      30,
      (bench) => {
        established(bench)
        bench.state(tcp(Rst, { sequence: 1 }))
      },
    ],
    ['one datagram', 60, (bench) => bench.commit(udp())],
    [
      'datagrams of one side',
      60,
      (bench) => {
        bench.commit(udp())
        bench.state(udp())
      },
    ],
    [
      'datagrams of both',
      30,
      (bench) => {
        bench.commit(udp())
        bench.state(udp(BACK))
      },
    ],
    ['an echo', 60, (bench) => bench.commit(ping())],
    [
      'an answered echo',
      30,
      (bench) => {
        bench.commit(ping())
        bench.state(ping(true))
      },
    ],
  ]

  test.each(cases)('forgets %s after %i seconds, and not before', async (_name, seconds, say) => {
    const bench = new Bench()
    say(bench)
    await bench.clock.run(seconds * SECOND - 1)
    expect(bench.tracker.dump()).toHaveLength(1)
    await bench.clock.run(seconds * SECOND)
    expect(bench.tracker.dump()).toHaveLength(0)
    expect(bench.clock.next).toBe(Infinity)
  })

  test('a look-up finds nothing that has expired, whether it was swept or not', async () => {
    const bench = new Bench()
    bench.commit(udp())
    await bench.clock.run(60 * SECOND - 1)
    bench.commit(port(1))
    await bench.clock.run(60 * SECOND)
    expect(bench.state(udp(BACK))).toBe('+new+trk')
  })

  test('is waited for once, however many connections there are, and not after the end', () => {
    const bench = new Bench()
    for (let number = 1; number < 100; number++) bench.commit(port(number))
    expect(bench.clock.next).toBe(60 * SECOND)
    bench.tracker.close()
    expect(bench.clock.next).toBe(Infinity)
  })
})
