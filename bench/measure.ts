export interface Row {
  name: string
  unit: string
  /** The median. */
  ours: number
  min: number
  max: number
  runs: number
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
  figures.sort((a, b) => a - b)
  return { name, unit, ours: figures[Math.floor(runs / 2)]!, min: figures[0]!, max: figures.at(-1)!, runs }
}

/** Seconds that `work` takes. */
export async function secondsOf(work: () => void | Promise<void>): Promise<number> {
  const start = process.hrtime.bigint()
  await work()
  return Number(process.hrtime.bigint() - start) / 1e9
}

/** Bytes of heap and array buffers after a collection, where Node lets us ask for one. */
export function heapInUse(): number {
  globalThis.gc?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
