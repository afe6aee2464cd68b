import type { DrivingClock, Machine, Nanoseconds, Timer } from './clock.ts'
import { MILLISECOND } from './clock.ts'
import { TaskQueue } from './task-queue.ts'

/** How long tasks may run before whatever else the process has to do gets its turn. */
const TURN = 5 * MILLISECOND

/** Microseconds since 1970. Within a process it never goes back, whatever is done to the machine's clock. */
export const wallMicroseconds = (): number => Math.floor((performance.timeOrigin + performance.now()) * 1000)

/**
 * The machine's monotonic clock, counted from when this object was made. Each task finds the clock at the very instant for
 * which it was scheduled, and none overtakes another: where the machine is late, time here waits for it. So what runs on
 * this clock keeps its order, as on a virtual one.
 */
export class WallClock implements DrivingClock {
  readonly #start = process.hrtime.bigint()
  readonly #queue = new TaskQueue()
  #now: Nanoseconds = 0
  #running = false
  /** The instant for which we are to be woken; Infinity for none. */
  #wokenAt: Nanoseconds = Infinity
  #cancelWaking: () => void = () => {}
  #stopped = false

  now(): Nanoseconds {
    if (!this.#running) this.#now = Math.max(this.#now, Math.min(this.#elapsed(), this.#queue.next))
    return this.#now
  }

  schedule(at: Nanoseconds, task: () => void): Timer {
    return this.#push(at, task, false)
  }

  scheduleAsync(at: Nanoseconds, task: () => void): Timer {
    return this.#push(at, task, true)
  }

  drive(machine: Machine): () => void {
    let wokenAt: Nanoseconds = Infinity
    let timer: Timer | undefined
    const attend = () => {
      if (machine.next >= wokenAt) return
      timer?.cancel()
      wokenAt = machine.next
      timer = this.schedule(wokenAt, () => {
        wokenAt = Infinity
        machine.run(this.#now + 1)
        attend()
      })
    }
    return attend
  }

  /** Nothing that is scheduled will run any more. */
  stop(): void {
    this.#stopped = true
    this.#queue.clear()
    this.#cancelWaking()
  }

  #elapsed(): Nanoseconds {
    return Number(process.hrtime.bigint() - this.#start)
  }

  #push(at: Nanoseconds, run: () => void, wakesPromises: boolean): Timer {
    if (this.#stopped) return { cancel: () => {} }
    const timer = this.#queue.push(Math.max(Math.round(at), this.now()), run, wakesPromises)
    if (!this.#running) this.#wakeInTime()
    return timer
  }

  #wakeInTime(): void {
    const { next } = this.#queue
    if (next >= this.#wokenAt) return
    this.#cancelWaking()
    this.#wokenAt = next
    const delay = next - this.#elapsed()
    // Node's timers know milliseconds: what is left of one is waited for turn by turn.
    if (delay < MILLISECOND) {
      const immediate = setImmediate(() => this.#wake())
      this.#cancelWaking = () => clearImmediate(immediate)
    } else {
      const timeout = setTimeout(() => this.#wake(), Math.min(Math.floor(delay / MILLISECOND), 2 ** 31 - 1))
      this.#cancelWaking = () => clearTimeout(timeout)
    }
  }

  #wake(): void {
    this.#wokenAt = Infinity
    this.#running = true
    try {
      this.#runDue()
    } finally {
      this.#running = false
      this.#wakeInTime()
    }
  }

  /** Runs what is due, up to and including the first task that wakes promises: they settle before the next one runs. */
  #runDue(): void {
    const turnEnds = this.#elapsed() + TURN
    for (;;) {
      const now = this.#elapsed()
      const task = this.#queue.popUpTo(now)
      if (task === undefined) return
      this.#now = this.#queue.now
      void task.run?.()
      if (task.wakesPromises || now > turnEnds) return
    }
  }
}
