/** A figure of the table, and what it was made from. */
export interface Row {
  name: string
  unit: string
  /** The median. */
  ours: number
  min: number
  max: number
  runs: number
  /** What another switch does in the same run; absent where only ours was measured. */
  peer?: Spread
}

export interface Spread {
  median: number
  min: number
  max: number
}

/** A row of the figures of several runs, in any order; with those of a peer, of its runs in between. */
export function rowOf(name: string, unit: string, figures: readonly number[], peer: readonly number[] = []): Row {
  const { median, min, max } = spreadOf(figures)
  const row: Row = { name, unit, ours: median, min, max, runs: figures.length }
  return peer.length === 0 ? row : { ...row, peer: spreadOf(peer) }
}

/** @throws RangeError where there is no figure. */
export function spreadOf(figures: readonly number[]): Spread {
  if (figures.length === 0) throw new RangeError('there is no median of nothing')
  const sorted = [...figures].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle]!
  const median = sorted.length % 2 === 1 ? upper : (sorted[middle - 1]! + upper) / 2
  return { median, min: sorted[0]!, max: sorted.at(-1)! }
}

/** Runs `once` `runs` times after one warm-up; it returns the figure of its run. */
export async function measure(
  name: string,
  unit: string,
  runs: number,
  once: () => number | Promise<number>,
): Promise<Row> {
  await once()
  const figures: number[] = []
  for (let run = 0; run < runs; run++) figures.push(await once())
  return rowOf(name, unit, figures)
}

/** Seconds that `work` takes. */
export async function secondsOf(work: () => void | Promise<void>): Promise<number> {
  const start = process.hrtime.bigint()
  await work()
  return Number(process.hrtime.bigint() - start) / 1e9
}

/** Seconds that all threads of this process are on a processor for it: others on the machine take little from that. */
export async function processorSecondsOf(work: () => void | Promise<void>): Promise<number> {
  const start = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1e6
}

/** Bytes of heap and array buffers after a collection, where Node lets us ask for one. */
export function heapInUse(): number {
  globalThis.gc?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
