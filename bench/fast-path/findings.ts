// What is measured of our switch alone.

import { heapInUse } from '../measure.ts'
import { FedSwitch, VECTOR } from './fed-switch.ts'
import type { Pipeline } from './pipelines.ts'
import type { Traffic } from './traffic.ts'

const TIMED_VECTORS = 40_000
/** Frames between collections: few enough that what they make is all still there. */
const SLICE = 200 * VECTOR

/** Microseconds that a vector takes: the median, the 99th and the 99.9th percentile. */
export function latencies(fed: FedSwitch): number[] {
  const times = new Float64Array(TIMED_VECTORS)
  for (let index = 0; index < TIMED_VECTORS; index++) {
    const start = performance.now()
    fed.feed(1)
    times[index] = (performance.now() - start) * 1000
  }
  times.sort()
  return [0.5, 0.99, 0.999].map((share) => times[Math.floor(share * TIMED_VECTORS)]!)
}

/** Bytes of heap that each of so many frames takes on its way, whether they are garbage afterwards or stay. */
export function heapTaken(fed: FedSwitch, frames: number, collect: (() => void) | undefined = globalThis.gc): number {
  let taken = 0
  for (let done = 0; done < frames; done += SLICE) {
    collect?.()
    const before = process.memoryUsage().heapUsed
    fed.feed(SLICE / VECTOR)
    taken += process.memoryUsage().heapUsed - before
  }
  return taken / frames
}

/** Bytes for each flow of the tables, and what the caches take for each 5-tuple of the frames. */
export function memoryUse(pipeline: Pipeline, traffic: Traffic): number[] {
  const empty = heapInUse()
  const fed = new FedSwitch(pipeline, traffic)
  const filled = heapInUse()
  fed.feedAll()
  return [(filled - empty) / [...fed.bridge.tables].length, (heapInUse() - filled) / traffic.frames]
}
