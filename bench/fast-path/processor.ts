// Processors: which of them this process may use, for how long one was used, and how fast it is now.

import { existsSync, readFileSync } from 'node:fs'
import type { Cores } from '../bench.ts'

/** The last core that this process may use is measured, the first does all else; where there is but one, it does both. */
export function chooseCores(): Cores {
  const status = '/proc/self/status'
  const list = existsSync(status) ? /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync(status, 'utf8'))?.[1] : undefined
  const cores = coresOf(list ?? '0')
  return { measured: cores.at(-1) ?? 0, other: cores[0] ?? 0 }
}

/** `0-2,5` is 0, 1, 2, 5. */
export function coresOf(list: string): number[] {
  return list.split(',').flatMap((range) => {
    const [first = NaN, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, index) => first + index)
  })
}

/** Seconds that one thread of a process has been on a processor (Linux). */
export function threadTime(process: number, thread: number): number {
  return Number(readFileSync(`/proc/${process}/task/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1e9
}

/**
 * Seconds that all threads of this process have been on a processor: those that compile and collect count as well. Rates are
 * given for these: what others take of a shared core is neither switch's.
 */
export function ownTime(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

const ROUNDS = 100_000
/** Of the loop's hash (FNV-1a, 32 bits). */
const BASIS = 0x811c9dc5
const PRIME = 0x01000193

/** Million rounds a second of a loop that touches no memory: what this machine does now. */
export function calibrate(seconds = 0.3): number {
  let rounds = 0
  let hash = BASIS
  const start = ownTime()
  let spent = 0
  while ((spent = ownTime() - start) < seconds) {
    hash = hashed(hash)
    rounds += ROUNDS
  }
  // The hash is 0 once in four thousand million: the loop may not be left out.
  return hash === 0 ? 0 : rounds / spent / 1e6
}

function hashed(hash: number): number {
  for (let round = 0; round < ROUNDS; round++) hash = Math.imul(hash ^ (round & 255), PRIME)
  return hash
}
