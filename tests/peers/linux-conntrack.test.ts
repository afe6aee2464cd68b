// The same packets through the connection tracker of the Linux kernel and through ours, which is to do as Open vSwitch does: where both
// follow the RFCs they say the same, and what a judge of security groups is sure of holds for both. Every case is drawn from its own
// seed; to repeat one,
//
//   npx vitest run --project peers tests/peers/linux-conntrack.test.ts -t '(seed 17)'
//
// To try others, set FIRST_SEED and CASES. Needs root for a namespace, a kernel with nf_conntrack and nf_tables, python3, and the Debian
// packages iproute2 and nftables.

import { afterAll, expect, test } from 'vitest'
import { isOpening, TcpCourse } from '../../lab/judge/groups/tcp-course.ts'
import { IpProtocol } from '../../protocols/match.ts'
import { TcpFlag } from '../../protocols/packet/tcp.ts'
import { seeded } from '../../runtime/random.ts'
import { Traffic } from '../support/connection-traffic.ts'
import { isChosen, seeds } from '../support/seeds.ts'
import { besideLinux } from './support/beside-linux.ts'
import { OwnTracker } from './support/own-tracker.ts'
import type { WalkedSegment } from './support/tcp-walks.ts'
import { farStrays, framesOf, noStrays, tcpWalk, wildStrays } from './support/tcp-walks.ts'

const COUNT = 120
const SEGMENTS = 50
const { Syn, Ack, Rst, Fin } = TcpFlag

besideLinux('connections', (rig) => {
  const count = { segments: 0, parted: 0, sure: 0, outside: 0, datagrams: 0, short: 0 }
  afterAll(() => console.log(JSON.stringify(count)))

  test.each(seeds(COUNT))(
    'honest ends of TCP over a bad network, and what is far outside their windows (seed %i)',
    async (seed) => {
      const random = seeded(seed)
      const walk = tcpWalk(random, { strays: seed % 2 === 0 ? noStrays : farStrays, length: SEGMENTS })
      const frames = framesOf(walk, random.below(2) === 0 ? 4 : 6)
      await rig.linux.forget()
      const theirs = await rig.linux.track(frames)
      const ours = new OwnTracker().track(frames)
      const parted = walk.findIndex((_, index) => ours[index] !== theirs[index])
      const agreed = theirs.slice(0, parted < 0 ? walk.length : parted)
      count.segments += agreed.length
      count.outside += agreed.filter((state) => state === 'invalid').length
      if (parted >= 0) count.parted++
      const story = told(walk, ours, theirs, parted)
      expect(parted < 0 || knownToPart(walk.slice(0, parted), walk[parted]!), story).toBe(true)
    },
  )

  test.each(seeds(COUNT))('what the judge is sure of, amid what no honest end sends (seed %i)', async (seed) => {
    const random = seeded(seed)
    const walk = tcpWalk(random, { strays: wildStrays, length: SEGMENTS })
    const frames = framesOf(walk, random.below(2) === 0 ? 4 : 6)
    await rig.linux.forget()
    const theirs = await rig.linux.track(frames)
    const ours = new OwnTracker().track(frames)
    const judge = new Judge()
    const denied = walk.findIndex((said, index) => {
      const states = [ours[index], theirs[index]]
      const isSure = judge.isSureOf(said)
      if (isSure) count.sure++
      if (isSure || states[0] === states[1]) judge.advance(said, states[0] !== 'invalid')
      else judge.end()
      return isSure && states.includes('invalid')
    })
    expect(denied, told(walk, ours, theirs, denied)).toBe(-1)
  })

  test.each(seeds(COUNT / 2))('datagrams, echoes and errors about them (seed %i)', async (seed) => {
    const random = seeded(seed)
    const family = random.below(2) === 0 ? 4 : 6
    const traffic = new Traffic(random, family, { fragments: false, steady: true })
    const frames: Uint8Array[] = []
    while (frames.length < SEGMENTS)
      for (const saying of traffic.next()) {
        if (protocolOf(saying.bytes) === IpProtocol.Tcp) continue
        frames.push(saying.bytes)
        traffic.heard(saying, saying.bytes)
      }
    await rig.linux.forget()
    const theirs = await rig.linux.track(frames)
    const ours = new OwnTracker().track(frames)
    for (const [index, frame] of frames.entries()) {
      const isShort = quotesTooLittle(frame)
      count.datagrams++
      if (isShort) count.short++
      const name = `${index}: ${Buffer.from(frame).toString('hex')}`
      expect({ name, state: ours[index] }).toEqual({ name, state: isShort ? 'invalid' : theirs[index] })
    }
  })

  test.skipIf(isChosen)('was enough', () => {
    expect(count.parted).toBeLessThan(COUNT / 20)
    expect(Math.min(count.sure, count.outside, count.datagrams)).toBeGreaterThan(COUNT / 2)
  })
})

/** Where it ends that takes sequence numbers; undefined where it takes none. */
function endOf(said: WalkedSegment): number | undefined {
  const { length } = segmentOf(said)
  return length === 0 ? undefined : (said.sequence + length) >>> 0
}

/** A walk up to a segment, to read. */
const told = (walk: readonly WalkedSegment[], ours: readonly unknown[], theirs: readonly unknown[], last: number) =>
  walk
    .slice(0, last + 1)
    .map((said, index) => JSON.stringify({ ...said, ours: ours[index], theirs: theirs[index] }))
    .join('\n')

/** Where Linux and Open vSwitch are known to see an honest segment in two ways. */
function knownToPart(before: readonly WalkedSegment[], said: WalkedSegment): boolean {
  // After a reset Linux looks at no windows.
  if (said.isWild) return before.some(({ flags }) => (flags & Rst) !== 0)
  // Open vSwitch takes a reset only where the last number that it has seen ends; Linux anywhere in the window.
  if ((said.flags & Rst) !== 0) return before.every((one) => one.from !== said.from || endOf(one) !== said.sequence)
  // SYNs that cross: to Open vSwitch the second is as new as the first.
  if ((said.flags & (Syn | Ack)) === Syn && said.from !== before[0]!.from) return true
  // A SYN that was late: what has gone on since is beyond the window of a SYN, which no scale is meant for, or it begins anew.
  const goneOn = before.findIndex(({ flags }) => (flags & Syn) === 0)
  return goneOn >= 0 && [...before.slice(goneOn), said].some(({ flags }) => (flags & Syn) !== 0)
}

/** The judge of security groups, about one connection. */
class Judge {
  #course: TcpCourse | undefined
  #opener = 0
  #hasEnded = false

  isSureOf(said: WalkedSegment): boolean {
    if (this.#hasEnded) return false
    const fit = this.#course?.fit(segmentOf(said), said.from !== this.#opener)
    return fit === 'fits' || fit === 'repeated'
  }

  /** It has nothing to say any more. */
  end(): void {
    this.#hasEnded = true
  }

  advance(said: WalkedSegment, isPassed: boolean): void {
    if (!isPassed || this.#hasEnded) return
    const segment = segmentOf(said)
    const isReply = said.from !== this.#opener
    if (this.#course === undefined && isOpening(segment)) {
      this.#course = new TcpCourse(segment)
      this.#opener = said.from
    } else if (this.#course !== undefined) {
      if (this.#course.fit(segment, isReply) === 'open') this.#course.doubt()
      this.#course.advance(segment, isReply)
    }
  }
}

const segmentOf = ({ length, scale, flags, ...rest }: WalkedSegment) => ({
  ...rest,
  flags,
  length: length + ((flags & Syn) === 0 ? 0 : 1) + ((flags & Fin) === 0 ? 0 : 1),
  scale: scale ?? -1,
})

const isV4 = (frame: Uint8Array) => frame[12] === 0x08
const protocolOf = (frame: Uint8Array) => frame[isV4(frame) ? 23 : 20]

/** An error that quotes less than the 8 octets behind the IP header that it must (RFC 792): ports are enough for Linux. */
function quotesTooLittle(frame: Uint8Array): boolean {
  const [at, header] = isV4(frame) ? [34, 20] : [54, 40]
  const type = frame[at]!
  const protocol = protocolOf(frame)
  const isError = protocol === IpProtocol.Icmp ? type !== 0 && type !== 8 : type < 128
  return (
    [IpProtocol.Icmp, IpProtocol.Icmpv6].includes(protocol as never) && isError && frame.length - at - 8 < header + 8
  )
}
