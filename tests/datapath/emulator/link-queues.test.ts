import { expect, test } from 'vitest'
import { Agenda } from '../../../datapath/emulator/agenda.ts'
import { LinkDirection } from '../../../datapath/emulator/link.ts'
import { FrameArena } from '../../../datapath/frames.ts'
import { udpFrame } from '../../../protocols/packet/compose.ts'
import { MILLISECOND, SECOND } from '../../../runtime/clock.ts'
import { seeded } from '../../../runtime/random.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'
import type { Queue } from '../../../topologies/topology.ts'
import { IP_1, IP_2, MAC_1, MAC_2 } from '../../support/frames.ts'
import { seeds } from '../../support/seeds.ts'

const BANDWIDTH = 10_000_000
const queue = (dscps: number[], more: Partial<Queue> = {}): Queue => ({
  dscps,
  strict: false,
  weight: 1,
  limit: 200,
  ...more,
})

function laid(queues: Queue[], delay = 0) {
  const clock = new VirtualClock()
  const arena = new FrameArena()
  const arrived: { dscp: number; id: number; bits: number; at: number }[] = []
  const dropped: string[] = []
  let stirred = 0
  const note = (frame: number) => ({
    dscp: arena.read(frame)[15]! >> 2,
    id: arena.id[frame]!,
    bits: arena.length[frame]! * 8,
  })
  const direction = new LinkDirection(
    { endpoints: ['a', 'b'], bandwidth: BANDWIDTH, delay, jitter: 0, loss: 0, mtu: 9000, queue: 1, queues },
    { arena, clock, random: seeded(1), agenda: new Agenda(clock) },
    {
      arrive(frames, count) {
        for (const frame of Array.from(frames).slice(0, count)) {
          arrived.push({ ...note(frame), at: clock.now() })
          arena.release(frame)
        }
      },
      drop: (_frame, reason) => dropped.push(reason),
      stirred: () => stirred++,
    },
  )
  let id = 0
  const send = (dscp: number, length: number) => {
    const addresses = { ethSrc: MAC_1, ethDst: MAC_2, ipSrc: IP_1, ipDst: IP_2, srcPort: 9, dstPort: 9 }
    const frame = arena.allocateFrom(udpFrame({ ...addresses, dscp, payload: new Uint8Array(length - 42) }))
    arena.id[frame] = ++id
    direction.send(frame)
  }
  const idsOf = (frames: number[]) => frames.map((frame) => arena.id[frame]!)
  return { clock, arrived, dropped, direction, send, idsOf, sent: () => id, stirred: () => stirred }
}

test.each(seeds(2))(
  'strict queues go first, the others share by weight, and each keeps its order (seed %i)',
  async (seed) => {
    const random = seeded(seed)
    const { clock, arrived, dropped, send, sent, stirred, direction } = laid(
      [queue([46], { strict: true }), queue([34], { weight: 3 }), queue([])],
      random.below(2) * MILLISECOND,
    )
    // 2 Mbps of voice, and three times what the link carries of the others.
    const offer = (dscp: number, rate: number, lengthOf: () => number) => {
      for (let at = 0; at < SECOND;) {
        const length = lengthOf()
        clock.schedule(at, () => send(dscp, length))
        at += Math.round(((length * 8 * SECOND) / rate) * 2 * random.fraction())
      }
    }
    offer(46, 2_000_000, () => 200)
    offer(34, 15_000_000, () => 64 + random.below(1450))
    offer(0, 15_000_000, () => 64 + random.below(1450))
    await clock.run(SECOND)
    const bitsOf = (dscp: number) => arrived.filter((one) => one.dscp === dscp).reduce((sum, { bits }) => sum + bits, 0)
    const voice = bitsOf(46)
    const rest = BANDWIDTH - voice
    expect(bitsOf(34) / rest).toBeGreaterThan(0.73)
    expect(bitsOf(34) / rest).toBeLessThan(0.77)
    expect(voice + bitsOf(34) + bitsOf(0)).toBeGreaterThan(BANDWIDTH * 0.99)
    expect(voice + bitsOf(34) + bitsOf(0)).toBeLessThanOrEqual(BANDWIDTH)
    for (const dscp of [46, 34, 0]) {
      const ids = arrived.filter((one) => one.dscp === dscp).map((one) => one.id)
      expect(ids).toEqual([...ids].sort((a, b) => a - b))
    }
    expect(new Set(dropped)).toEqual(new Set(['queue_overflow']))
    expect(stirred()).toBe(sent() - dropped.length)
    // All that still waits is through after what `crossingTime` says.
    const { crossingTime } = direction
    await clock.run(SECOND + crossingTime)
    expect(arrived.length + dropped.length).toBe(sent())
  },
)

test.each(seeds(2))(
  'what waits is through after the crossing time, whatever comes after it (seed %i)',
  async (seed) => {
    const random = seeded(seed)
    const { clock, idsOf, send, direction } = laid([
      queue([46], { strict: true, rate: 1_000_000 * (1 + random.below(8)), burst: random.below(50_000) }),
      queue([34], { weight: 1 + random.below(5), ...(random.below(2) === 0 && { minimum: 500_000 }) }),
      queue([], { weight: 1 + random.below(3) }),
    ])
    // Each offers what the link carries, from its beginning on or later, and to the end; what nobody has claimed twice that.
    const offer = (dscp: number, from: number) => {
      for (let at = from; at < 4 * SECOND; at += MILLISECOND) clock.schedule(at, () => send(dscp, 1250))
    }
    for (const dscp of [0, 0]) offer(dscp, 0)
    for (const dscp of [46, 34]) offer(dscp, random.below(2) * SECOND)
    await clock.run(0.9 * SECOND)
    const before = idsOf(direction.waiting())
    const crossed = clock.now() + direction.crossingTime
    await clock.run(crossed)
    expect(crossed).toBeLessThan(4 * SECOND)
    expect(idsOf(direction.waiting()).filter((id) => before.includes(id))).toEqual([])
  },
)

test('what waits when the cable is cut is lost by name, and the link serves again when it heals', async () => {
  const { clock, arrived, dropped, send, direction } = laid([queue([46], { strict: true })])
  for (const dscp of [0, 0, 46]) send(dscp, 1250)
  await clock.run(500_000)
  direction.fail()
  expect(dropped).toEqual(['link_down', 'link_down', 'link_down'])
  direction.heal()
  send(0, 1250)
  await clock.run(SECOND)
  expect(arrived.map(({ at }) => at)).toEqual([1_500_000])
})
