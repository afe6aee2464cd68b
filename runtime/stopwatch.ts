import type { Nanoseconds } from './clock.ts'

/** What the machine has really taken, whatever the clock of an emulation says: nanoseconds since some instant. */
export type Stopwatch = () => Nanoseconds

export const wallStopwatch: Stopwatch = () => performance.now() * 1e6
