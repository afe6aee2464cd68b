// What a switch's fast path has been doing: for the commands of `switch`, the API and Prometheus alike.

import type { StageTotals } from './stage-times.ts'
import type { Switch } from './switch.ts'

/** These only grow. */
export interface FastPathCounts {
  /** Frames looked up, each as often as it was read anew. */
  passes: number
  recirculated: number
  /** Answered at once: the port's flows look at nothing but the port. */
  only: number
  microflow: number
  megaflow: number
  /** Taken to the pipeline. */
  miss: number
  /** Steps of look-ups for the megaflows that were found, and in vain. */
  probes: number
  vainProbes: number
  /** Megaflows that were asked for again after a change, those that it had made out of date, and those that gave way to others. */
  revalidated: number
  outdated: number
  evicted: number
  /** Frames that have left through ports. */
  sent: number
  /** By size: those of VECTOR_SIZES (stage-times.ts). */
  vectors: readonly number[]
  times: Readonly<StageTotals>
}

/** What there is now. */
export interface FastPathState {
  megaflows: number
  /** That there have been at once. */
  mostMegaflows: number
  megaflowLimit: number
  masks: number
  microflows: number
}

export function countsOf({ cache, ports, stageTimes }: Switch): FastPathCounts {
  const { statistics } = cache
  const { only, microflow, megaflow, miss } = statistics
  let sent = 0
  for (const { counters } of ports) sent += counters.sentPackets
  return {
    ...statistics,
    passes: only + microflow + megaflow + miss,
    sent,
    vectors: [...stageTimes.vectors],
    times: { ...stageTimes.totals },
  }
}

export function stateOf({ cache, clock }: Switch): FastPathState {
  const entrances = cache.entrances()
  return {
    megaflows: cache.megaflows(clock.now()).length,
    mostMegaflows: cache.mostKept,
    megaflowLimit: cache.limit,
    masks: sum(entrances.map(({ megaflows }) => megaflows.masks)),
    microflows: sum(entrances.flatMap((entrance) => entrance.allMicroflows().map(({ size }) => size))),
  }
}

/** What was counted since it was `before`. Where a port has gone since, what it had sent is not. */
export function countsSince(before: FastPathCounts, now: FastPathCounts): FastPathCounts {
  const { vectors, times, ...counts } = now
  return {
    ...minus(counts, before),
    vectors: vectors.map((count, size) => count - before.vectors[size]),
    times: minus(times, before.times),
  }
}

const minus = <Counts extends { [name in keyof Counts]: number }>(counts: Counts, before: Counts): Counts =>
  Object.fromEntries(
    Object.entries<number>(counts).map(([name, count]) => [name, Math.max(0, count - before[name as keyof Counts])]),
  ) as Counts

export const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)

/** A fraction; 0 where there is nothing to divide by. */
export const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole)

/** Real nanoseconds that each frame took, or each question: 0 where none was timed. */
export interface StageCosts {
  /** Frames that were timed. */
  frames: number
  perFrame: number
  /** Of it, by stage; these add up to it. */
  recall: number
  find: number
  ask: number
  rest: number
  /** One look-up by key; one question to the pipeline. */
  perFind: number
  perAsk: number
}

export function costsOf({ frames, recall, find, found, ask, asked, all }: Readonly<StageTotals>): StageCosts {
  const perFrame = ratio(all, frames)
  const parts = { recall: ratio(recall, frames), find: ratio(find, frames), ask: ratio(ask, frames) }
  const rest = Math.max(0, perFrame - parts.recall - parts.find - parts.ask)
  return { frames, perFrame, ...parts, rest, perFind: ratio(find, found), perAsk: ratio(ask, asked) }
}
