// What the ports of a host keep, all together: never more than there is room for, and room that is given back can be had again.

import { expect, test } from 'vitest'
import { FrameArena } from '../../datapath/frames.ts'
import { HoldQueue, type HoldRoom } from '../../datapath/hold-queue.ts'
import { MILLISECOND } from '../../runtime/clock.ts'
import { seeded } from '../../runtime/random.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'

const PORTS = 3
const ROOM = 3000

test.each([1, 2, 3, 4])('is what the ports say that they keep, whatever they are told (seed %i)', async (seed) => {
  const random = seeded(seed)
  const [clock, arena] = [new VirtualClock(), new FrameArena()]
  const room: HoldRoom = { bytes: ROOM, used: 0 }
  const expired = (frame: number) => arena.release(frame)
  const queues = Array.from({ length: PORTS }, () => new HoldQueue({ arena, clock, expired }, room))
  for (const queue of queues) queue.limits = { bytes: 2000, time: 5 * MILLISECOND }
  const kept = () =>
    queues.flatMap((queue) => queue.kept()).reduce((sum, { frame }) => sum + Math.max(arena.length[frame]!, 64), 0)
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
        if (queue.overflowed > 0 && kept() > ROOM - 500) refused++
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
  expect(most).toBeGreaterThan(ROOM - 500)
  expect(refused).toBeGreaterThan(0)
})
