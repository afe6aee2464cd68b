import type { Clock, Nanoseconds, Timer } from './clock.ts'
import { MILLISECOND } from './clock.ts'

/** The machine's monotonic clock, counted from when this object was made. Timers are as exact as Node's: about 1 ms. */
export class WallClock implements Clock {
  readonly #start = process.hrtime.bigint()

  now(): Nanoseconds {
    return Number(process.hrtime.bigint() - this.#start)
  }

  schedule(at: Nanoseconds, task: () => void): Timer {
    const delay = at - this.now()
    if (delay < MILLISECOND / 2) {
      const immediate = setImmediate(task)
      return { cancel: () => clearImmediate(immediate) }
    }
    const timeout = setTimeout(task, delay / MILLISECOND)
    return { cancel: () => clearTimeout(timeout) }
  }

  scheduleAsync(at: Nanoseconds, task: () => void): Timer {
    return this.schedule(at, task)
  }
}
