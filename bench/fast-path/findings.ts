// What is measured of our switch alone.

import { heapInUse } from '../measure.ts'
import type { Attacker } from './attacker.ts'
import { FedSwitch, VECTOR } from './fed-switch.ts'
import type { Pipeline } from './pipelines.ts'
import { ownTime } from './processor.ts'
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

/** Frames a second from an attacker: ten times what Csikor et al. bring Open vSwitch down with. */
const ATTACK_RATE = 10_000
const RATED_VECTORS = 20_000

/** The share of its rate that the traffic keeps while an attacker sends at ATTACK_RATE, with all the time that his frames take. */
export function keptAtRate(fed: FedSwitch, attacker: Attacker): number {
  const alone = rateBeside(fed, attacker, 0)
  return rateBeside(fed, attacker, ATTACK_RATE) / alone
}

/** Frames of the traffic for each second of processor time, while so many of the attacker are due in each. */
function rateBeside(fed: FedSwitch, attacker: Attacker, attackRate: number): number {
  const start = ownTime()
  let sent = 0
  for (let vector = 0; vector < RATED_VECTORS; vector++) {
    fed.feed(1)
    const frames = Math.min(VECTOR, Math.floor((ownTime() - start) * attackRate) - sent)
    if (frames > 0) fed.feedFrom(attacker, frames)
    sent += Math.max(0, frames)
  }
  return (RATED_VECTORS * VECTOR) / (ownTime() - start)
}

/** The same while so many frames of the attacker come before each vector of the traffic, by the time that its own vectors take. */
export function keptApart(fed: FedSwitch, attacker: Attacker, frames: number): number {
  const vectors = 4000
  const alone = medianTime(fed, vectors, () => {})
  const attacked = medianTime(fed, vectors, () => fed.feedFrom(attacker, frames))
  return alone / attacked
}

function medianTime(fed: FedSwitch, vectors: number, before: () => void): number {
  const times = new Float64Array(vectors)
  for (let index = 0; index < vectors; index++) {
    before()
    const start = performance.now()
    fed.feed(1)
    times[index] = performance.now() - start
  }
  return times.sort()[vectors >> 1]!
}
