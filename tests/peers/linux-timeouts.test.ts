// How long the connection tracker of the Linux kernel and ours keep what they know. Linux is told our spans for its own states, so that
// what is compared is when which of them begins. To repeat a case,
//
//   npx vitest run --project peers tests/peers/linux-timeouts.test.ts -t '(seed 17)'
//
// To try others, set FIRST_SEED and CASES. Needs what linux-conntrack.test.ts needs.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { TIMEOUTS } from '../../datapath/conntrack/timeouts.ts'
import { parseIpv4 } from '../../protocols/address.ts'
import { icmpEchoFrame, ipFrame, udpFrame } from '../../protocols/packet/compose.ts'
import { TcpFlag } from '../../protocols/packet/tcp.ts'
import { SECOND } from '../../runtime/clock.ts'
import { seeded } from '../../runtime/random.ts'
import { isChosen, seeds } from '../support/seeds.ts'
import { besideLinux } from './support/beside-linux.ts'
import { OwnTracker } from './support/own-tracker.ts'
import type { WalkedSegment } from './support/tcp-walks.ts'
import { framesOf, noStrays, tcpWalk } from './support/tcp-walks.ts'

const COUNT = 60
/** Seconds that a busy machine may need between a packet and the question. All spans are further apart. */
const SLACK = 8
const { Fin, Rst, Syn } = TcpFlag

const SPANS = {
  tcp_timeout_syn_sent: TIMEOUTS.tcpFirstPacket,
  tcp_timeout_syn_recv: TIMEOUTS.tcpOpening,
  tcp_timeout_established: TIMEOUTS.tcpEstablished,
  tcp_timeout_unacknowledged: TIMEOUTS.tcpEstablished,
  tcp_timeout_max_retrans: TIMEOUTS.tcpEstablished,
  tcp_timeout_fin_wait: TIMEOUTS.tcpClosing,
  tcp_timeout_close_wait: TIMEOUTS.tcpClosing,
  tcp_timeout_last_ack: TIMEOUTS.tcpFinWait,
  tcp_timeout_time_wait: TIMEOUTS.tcpClosed,
  tcp_timeout_close: TIMEOUTS.tcpClosed,
  udp_timeout: TIMEOUTS.otherFirst,
  udp_timeout_stream: TIMEOUTS.otherBidirectional,
  icmp_timeout: TIMEOUTS.icmpFirst,
  generic_timeout: TIMEOUTS.otherFirst,
}

besideLinux('timeouts', (rig) => {
  const met = new Map<number, number>()
  let parted = 0
  beforeAll(() =>
    rig.linux.set(
      ...Object.entries(SPANS).map(([name, span]) => `net.netfilter.nf_conntrack_${name}=${span / SECOND}`),
    ),
  )
  afterAll(() => console.log(JSON.stringify({ parted, met: Object.fromEntries(met) })))

  /** Seconds that Linux keeps the one connection for; undefined where it has none. */
  async function theirs(): Promise<number | undefined> {
    const rows = await rig.linux.connections()
    expect(rows.length).toBeLessThan(2)
    return rows[0] === undefined ? undefined : Number(rows[0].split(/ +/)[4])
  }

  test.each(seeds(COUNT))('honest ends of TCP, up to anywhere (seed %i)', async (seed) => {
    const random = seeded(seed)
    const walk = tcpWalk(random, { strays: noStrays, length: 1 + random.below(40) })
    const frames = framesOf(walk, random.below(2) === 0 ? 4 : 6)
    const own = new OwnTracker()
    await rig.linux.forget()
    const states = await rig.linux.track(frames)
    // Where they see a segment in two ways they go two ways.
    if (own.track(frames).some((state, index) => state !== states[index])) return void parted++
    const [here, there] = [ours(own), await theirs()]
    if (walk.length === 0) return
    if (Math.abs(here! - there!) < SLACK) return void met.set(here!, (met.get(here!) ?? 0) + 1)
    parted++
    const isKnown = walk.some((said, index) => isTakenOtherwise(walk.slice(0, index), said))
    expect(isKnown, JSON.stringify({ here, there, walk }, undefined, 1)).toBe(true)
  })

  test.each([
    { what: 'UDP', frames: [udp(0), udp(0), udp(1)], spans: [60, 60, [30, 60]] },
    { what: 'an echo', frames: [echo(0), echo(0), echo(1)], spans: [60, 60, [30, 60]] },
    { what: 'another protocol', frames: [other(0), other(0), other(1)], spans: [60, 60, [30, 60]] },
  ])('$what: here answers have a span of their own', async ({ frames, spans }) => {
    const own = new OwnTracker()
    await rig.linux.forget()
    for (const [index, frame] of frames.entries()) {
      own.forward(frame)
      await rig.linux.forward([frame])
      const [here, there] = [spans[index]!].flat().concat(spans[index]!).slice(0, 2)
      expect(ours(own)).toBe(here)
      expect(Math.abs((await theirs())! - there!)).toBeLessThan(SLACK)
    }
  })

  test('UDP that has gone on for two seconds: as here', async () => {
    const own = new OwnTracker()
    await rig.linux.forget()
    const [first, answer, later] = [udp(0), udp(1), udp(0)]
    for (const frame of [first, answer]) own.forward(frame)
    await rig.linux.forward([first, answer])
    await new Promise((resolve) => setTimeout(resolve, 2100))
    own.forward(later)
    await rig.linux.forward([later])
    expect(ours(own)).toBe(30)
    expect(Math.abs((await theirs())! - 30)).toBeLessThan(SLACK)
  })

  test.skipIf(isChosen)('was enough', () => {
    expect([...met.keys()].sort((a, b) => a - b)).toEqual(expect.arrayContaining([30, 900, 86_400]))
    expect(parted).toBeLessThan(COUNT / 10)
  })
})

/**
 * A FIN that is sent again Linux takes for that of the other end. A reset ahead of all that was seen of its sender ends the connection here
 * as well, and leaves the span as it was.
 */
function isTakenOtherwise(before: readonly WalkedSegment[], { from, flags, sequence }: WalkedSegment): boolean {
  const own = before.filter((said) => said.from === from && numbersOf(said) > 0)
  if ((flags & Fin) !== 0) return own.some((said) => (said.flags & Fin) !== 0)
  return (flags & Rst) !== 0 && own.every((said) => (said.sequence + numbersOf(said)) >>> 0 !== sequence)
}

/** How many sequence numbers it takes. */
const numbersOf = ({ flags, length }: WalkedSegment): number => length + ((flags & (Syn | Fin)) === 0 ? 0 : 1)

/** Seconds that we keep the one connection for. */
function ours({ tracker, clock }: OwnTracker): number | undefined {
  const [connection] = tracker.dump()
  return connection && (connection.expires - clock.now()) / SECOND
}

const [NEAR, FAR] = [parseIpv4('10.0.0.1'), parseIpv4('10.0.1.1')]
const ETHERNET = { ethSrc: 0x020000000002n, ethDst: 0x020000000001n }
const endsFrom = (side: 0 | 1) =>
  side === 0 ? { ...ETHERNET, ipSrc: NEAR, ipDst: FAR } : { ...ETHERNET, ipSrc: FAR, ipDst: NEAR }

function udp(side: 0 | 1): Uint8Array {
  const [srcPort, dstPort] = side === 0 ? [40_000, 80] : [80, 40_000]
  return udpFrame({ ...endsFrom(side), srcPort, dstPort })
}

function echo(side: 0 | 1): Uint8Array {
  return icmpEchoFrame({ ...endsFrom(side), identifier: 1, sequence: 1, reply: side === 1 })
}

/** RFC 3692: for trying things out. */
function other(side: 0 | 1): Uint8Array {
  return ipFrame({ ...endsFrom(side), protocol: 253, segment: new Uint8Array(8) })
}
