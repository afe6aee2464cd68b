import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
export const collect = runInNewContext('gc') as () => void

/** Bytes of heap that something still holds on to. */
export function heapInUse(): number {
  collect()
  return process.memoryUsage().heapUsed
}

/** How many of these something still holds on to. What a WeakRef has given in a turn stays to its end. */
export async function held(past: readonly WeakRef<object>[]): Promise<number> {
  await new Promise((resolve) => setImmediate(resolve))
  collect()
  return past.filter((one) => one.deref() !== undefined).length
}

/** A chain holds all of these, or all of one kind of two; what runs and the stack hold some that came last, six at times. */
export const fewerThanChained = (past: readonly WeakRef<object>[]): number => past.length / 4
