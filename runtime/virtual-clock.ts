import type { DrivingClock, Machine, Nanoseconds, Timer } from './clock.ts'
import { TaskQueue } from './task-queue.ts'

/** Every promise that can settle without the outside world has settled when this resolves. */
const promisesSettled = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Time that passes only when somebody runs it. A run is a pure function of what was scheduled. */
export class VirtualClock implements DrivingClock {
  #now: Nanoseconds = 0
  readonly #queue = new TaskQueue()
  readonly #machines: Machine[] = []
  /** Up to when it is being run. */
  #until: Nanoseconds = 0

  now(): Nanoseconds {
    return this.#now
  }

  /** The instant of the next task, or Infinity where nothing is scheduled. */
  get next(): Nanoseconds {
    return this.#queue.next
  }

  /** No task is due before this instant, nor does the run end: what a task or machine has to do until then it may do at once. */
  get horizon(): Nanoseconds {
    return Math.min(this.#queue.next, this.#until + 1)
  }

  schedule(at: Nanoseconds, task: () => void): Timer {
    return this.#push(at, task, false)
  }

  scheduleAsync(at: Nanoseconds, task: () => void): Timer {
    return this.#push(at, task, true)
  }

  /** As `schedule`, for work of the world outside (reading a file): time stands still until the promise has settled. */
  scheduleOutside(at: Nanoseconds, task: () => Promise<void>): Timer {
    return this.#push(at, task, true)
  }

  drive(machine: Machine): () => void {
    this.#machines.push(machine)
    return () => {}
  }

  /**
   * For a task that has more to do at a later instant, where nothing else falls before: lets time pass to there. False, and no
   * time passes, where something does, or the run ends before.
   */
  pass(instant: Nanoseconds): boolean {
    if (instant > this.#until) return false
    for (let index = 0; index < this.#machines.length; index++) if (this.#machines[index]!.next < instant) return false
    if (!this.#queue.pass(instant)) return false
    this.#now = instant
    return true
  }

  /** Runs all tasks up to and including the instant `until`, then stands at `until`. */
  async run(until: Nanoseconds): Promise<void> {
    await this.#runWhile(() => true, until)
    if (until > this.#now && until !== Infinity) this.#now = until
  }

  /**
   * Runs tasks until `done` settles, and gives its result.
   * @throws Error where nothing is scheduled any more that could settle it
   */
  async runUntil<T>(done: Promise<T>): Promise<T> {
    let settled = false
    const mark = () => {
      settled = true
    }
    done.then(mark, mark)
    await this.#runWhile(() => !settled, Infinity)
    if (!settled) throw new Error('virtual time ended before the awaited work was done')
    return done
  }

  async #runWhile(wanted: () => boolean, until: Nanoseconds): Promise<void> {
    await promisesSettled()
    this.#until = until
    while (wanted()) {
      if (this.#runMachine(until)) continue
      const task = this.#queue.popUpTo(until)
      if (task === undefined) return
      this.#now = this.#queue.now
      const outside = task.run?.()
      if (outside !== undefined) await outside
      if (task.wakesPromises) await promisesSettled()
    }
  }

  /** False where a task is due before any machine. */
  #runMachine(until: Nanoseconds): boolean {
    let first: Machine | undefined
    for (let index = 0; index < this.#machines.length; index++) {
      const machine = this.#machines[index]!
      if (machine.next < (first?.next ?? Infinity)) first = machine
    }
    if (first === undefined || first.next > until || !this.#queue.pass(first.next)) return false
    this.#now = first.next
    this.#now = first.run(this.horizon)
    this.#queue.pass(this.#now)
    return true
  }

  #push(at: Nanoseconds, run: () => void | Promise<void>, wakesPromises: boolean): Timer {
    return this.#queue.push(Math.max(Math.round(at), this.#now), run, wakesPromises)
  }
}
