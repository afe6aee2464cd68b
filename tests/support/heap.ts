import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
export const collect = runInNewContext('gc') as () => void

/** Bytes of heap that something still holds on to. */
export function heapInUse(): number {
  collect()
  return process.memoryUsage().heapUsed
}
