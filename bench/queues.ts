// An uplink that shares out its rate among the queues of many vNICs: frames that come, wait and leave.

import { FrameScheduler } from '../datapath/scheduling/frame-scheduler.ts'
import { seeded } from '../runtime/random.ts'
import type { Bench } from './bench.ts'
import { ownTime } from './fast-path/processor.ts'
import { measure } from './measure.ts'

const FRAMES = 200_000
const BITS = 8 * 1500
const QUEUES = 1000

const benchOf = (backlogged: number): Bench => {
  const name = `queues: ${QUEUES.toLocaleString('en')} with minima, ${backlogged} of them with frames`
  return { name, rows: async () => [await measure(name, 'frames/s', 5, () => rate(backlogged))] }
}

export const queueBenches: readonly Bench[] = [benchOf(8), benchOf(100)]

/** Frames for each second of processor time; one comes for each that leaves. */
function rate(backlogged: number): number {
  const random = seeded(1)
  const queues = Array.from({ length: QUEUES }, (_, index) => ({ queue: index + 1, minRate: 1_000_000 }))
  const scheduler = new FrameScheduler({ queues, maxRate: 10_000_000_000 }, 0)
  const busy = Array.from({ length: backlogged }, (_, index) => 1 + index * Math.floor(QUEUES / backlogged))
  for (const queue of busy) for (let more = 0; more < 4; more++) scheduler.enqueue(0, BITS, 0, queue, -1)
  const start = ownTime()
  let now = 0
  for (let sent = 0; sent < FRAMES; now = scheduler.nextTurn(now))
    while (scheduler.dequeue(now) !== -1) {
      scheduler.enqueue(0, BITS, 0, busy[random.below(backlogged)]!, -1)
      sent++
    }
  return FRAMES / (ownTime() - start)
}
