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
