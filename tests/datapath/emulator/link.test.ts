import { describe, expect, test } from 'vitest'
import { Agenda } from '../../../datapath/emulator/agenda.ts'
import { LinkDirection } from '../../../datapath/emulator/link.ts'
import { FrameArena } from '../../../datapath/frames.ts'
import { MICROSECOND, MILLISECOND } from '../../../runtime/clock.ts'
import { seeded } from '../../../runtime/random.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'
import type { Link } from '../../../topologies/topology.ts'

const IDEAL: Link = { endpoints: ['a', 'b'], delay: 0, jitter: 0, loss: 0, mtu: 9000, queue: 1000 }

function laid(link: Partial<Link>, seed = 1) {
  const clock = new VirtualClock()
  const arena = new FrameArena()
  const arrived: { id: number; at: number }[] = []
  const dropped: { id: number; reason: string }[] = []
  const direction = new LinkDirection(
    { ...IDEAL, ...link },
    { arena, clock, random: seeded(seed), agenda: new Agenda(clock) },
    {
      arrive(frames, count) {
        for (const frame of Array.from(frames).slice(0, count)) {
          arrived.push({ id: arena.id[frame]!, at: clock.now() })
          arena.release(frame)
        }
      },
      drop: (frame, reason) => dropped.push({ id: arena.id[frame]!, reason }),
      stirred: () => {},
    },
  )
  let id = 0
  const send = (length = 1000) => {
    const frame = arena.allocate(length)
    arena.bytes.fill(0, arena.offset[frame]!, arena.offset[frame]! + length)
    arena.id[frame] = ++id
    direction.send(frame)
  }
  return { clock, arena, arrived, dropped, direction, send }
}

describe('a link', () => {
  test('delivers after the delay and the time its bits take', async () => {
    const { clock, arrived, send } = laid({ delay: 10 * MICROSECOND, bandwidth: 1e9 })
    send(1000)
    send(500)
    await clock.run(MILLISECOND)
    expect(arrived).toEqual([
      { id: 1, at: 18_000 },
      { id: 2, at: 22_000 },
    ])
  })

  test.each([1, 2, 3])('keeps the order whatever the jitter (seed %i)', async (seed) => {
    const { clock, arrived, send } = laid({ jitter: MILLISECOND }, seed)
    for (let sent = 0; sent < 500; sent++) clock.schedule(sent * 1000, () => send())
    await clock.run(1e9)
    expect(arrived.map(({ id }) => id)).toEqual(Array.from({ length: 500 }, (_, index) => index + 1))
    expect(Math.max(...arrived.map(({ at, id }) => at - (id - 1) * 1000))).toBeLessThanOrEqual(MILLISECOND)
  })

  test('never carries more than its bandwidth, and drops by name what its queue can not take', async () => {
    const { clock, arrived, dropped, send } = laid({ bandwidth: 8e6, queue: 10 })
    for (let sent = 0; sent < 50; sent++) send(1000)
    await clock.run(1e9)
    expect(arrived).toHaveLength(10)
    expect(arrived.at(-1)!.at).toBe(10 * MILLISECOND)
    expect(dropped).toHaveLength(40)
    expect(new Set(dropped.map(({ reason }) => reason))).toEqual(new Set(['queue_full']))
  })

  test('counts the payload, not the header or tag, against its MTU', async () => {
    const { clock, arrived, dropped, send } = laid({ mtu: 1500 })
    send(1514)
    send(1515)
    await clock.run(1)
    expect(arrived).toHaveLength(1)
    expect(dropped).toEqual([{ id: 2, reason: 'mtu_exceeded' }])
  })

  test('loses about the share it says, the same frames for the same seed', async () => {
    const lossy = async (seed: number) => {
      const { clock, dropped, send } = laid({ loss: 0.25 }, seed)
      for (let sent = 0; sent < 4000; sent++) send(64)
      await clock.run(1)
      return dropped.map(({ id }) => id)
    }
    const lost = await lossy(1)
    expect(lost.length).toBeGreaterThan(850)
    expect(lost.length).toBeLessThan(1150)
    expect(await lossy(1)).toEqual(lost)
    expect(await lossy(2)).not.toEqual(lost)
  })

  test('loses what is on it when it is cut, and carries again when it is mended', async () => {
    const { clock, arena, arrived, dropped, direction, send } = laid({ delay: MILLISECOND })
    send()
    await clock.run(500 * MICROSECOND)
    direction.fail()
    send()
    direction.heal()
    send()
    await clock.run(10 * MILLISECOND)
    expect(dropped.map(({ id }) => id)).toEqual([1, 2])
    expect(arrived.map(({ id }) => id)).toEqual([3])
    expect(arena.live).toBe(0)
  })
})
