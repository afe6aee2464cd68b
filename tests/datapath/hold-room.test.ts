// What the ports of a host keep, all together: never more than there is room for, and room that is given back can be had again.

import { expect, test } from 'vitest'
import { FrameArena } from '../../datapath/frames.ts'
import { HoldQueue, type HoldRoom } from '../../datapath/hold-queue.ts'
import { MILLISECOND } from '../../runtime/clock.ts'
import { seeded } from '../../runtime/random.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'

const PORTS = 3
const ROOM = 16_000

test.each([1, 2, 3, 4])('is what the ports say that they keep, whatever they are told (seed %i)', async (seed) => {
  const random = seeded(seed)
  const [clock, arena] = [new VirtualClock(), new FrameArena()]
  const room: HoldRoom = { bytes: ROOM, used: 0 }
  const expired = (frame: number) => arena.release(frame)
  const queues = Array.from({ length: PORTS }, () => new HoldQueue({ arena, clock, expired, room }))
  for (const queue of queues) queue.limits = { bytes: 2000, time: 5 * MILLISECOND }
  const kept = () => queues.flatMap((queue) => queue.kept()).reduce((sum, { frame }) => sum + arena.sizeOf(frame), 0)
  let [most, refused] = [0, 0]
  for (let turn = 0; turn < 600; turn++) {
    const queue = queues[random.below(PORTS)]!
    const frame = () => arena.allocateFrom(new Uint8Array(20 + random.below(400)))
    switch (random.below(7)) {
      case 0:
      case 1:
      case 2: {
        const made = frame()
        if (!queue.keep(made)) arena.release(made)
        if (queue.overflowed > 0 && kept() > ROOM - 3000) refused++
        break
      }
      case 3: {
        const made = frame()
        if (queue.putAhead(made, 'h9/br-int', turn + 1) !== 'taken') arena.release(made)
        break
      }
      case 4:
        queue.moveAhead(
          new Set(
            queue
              .kept()
              .map(({ sequence }) => sequence)
              .slice(0, 2),
          ),
        )
        break
      case 5: {
        const sequence = queue.kept()[random.below(3)]?.sequence ?? 0
        for (const one of random.below(2) > 0 ? queue.forget(sequence) : queue.takeAhead()) arena.release(one)
        break
      }
      default:
        await clock.run(clock.now() + random.below(2 * MILLISECOND))
    }
    expect(room.used).toBe(kept())
    expect(room.used).toBeLessThanOrEqual(ROOM)
    most = Math.max(most, room.used)
  }
  for (const queue of queues) for (const frame of queue.takeAll()) arena.release(frame)
  expect(room.used).toBe(0)
  // It was full at times, so that it matters.
  expect(most).toBeGreaterThan(ROOM - 3000)
  expect(refused).toBeGreaterThan(0)
})

const MIB = 1 << 20

test.each([60, 1500, 9000, 60_000])('is what frames of %i bytes take of the memory', (length) => {
  const [clock, arena] = [new VirtualClock(), new FrameArena()]
  const room: HoldRoom = { bytes: 2 * MIB, used: 0 }
  const queue = new HoldQueue({ arena, clock, room, expired: (frame) => arena.release(frame) })
  const bytes = new Uint8Array(length)
  for (let count = 0; count < 40_000 && queue.keep(arena.allocateFrom(bytes)); count++);
  expect(queue.overflowed).toBe(1)
  // It doubles when it is full; the one that was refused may have been the one too many.
  expect(arena.bytes.length).toBeLessThanOrEqual(4 * MIB)
})

test.each([1, 2, 3])(
  'an arena that can not grow takes no more than it has room for, and never throws (seed %i)',
  (seed) => {
    const random = seeded(seed)
    const [clock, arena] = [new VirtualClock(), new FrameArena(4 * MIB)]
    const queue = new HoldQueue({ arena, clock, expired: (frame) => arena.release(frame) })
    const fill = () => {
      let [kept, refused] = [0, 0]
      for (let turn = 0; turn < 4000; turn++) {
        const length = random.below(40) === 0 ? 2000 + random.below(14_000) : 20 + random.below(1500)
        // What is small comes by ways, too, on which nobody asks first.
        const isAsked = length > 1600 || random.below(2) > 0
        if (isAsked && !arena.hasRoom(length)) refused++
        else {
          const frame = arena.allocate(length)
          if (queue.keep(frame)) kept++
          else arena.release(frame)
          // Somebody floods it.
          for (const copy of [1, 2, 3, 4].map(() => arena.clone(frame))) arena.release(copy)
        }
      }
      return { kept, refused }
    }
    const first = fill()
    expect(first.kept).toBeGreaterThan(100)
    expect(first.refused + queue.overflowed).toBeGreaterThan(100)
    expect(arena.bytes.length).toBe(4 * MIB)
    for (const frame of queue.takeAll()) arena.release(frame)
    expect(arena.live).toBe(0)
    expect(fill().kept).toBeGreaterThan(50)
  },
)
