import type { Clock, Nanoseconds, Timer } from './clock.ts'

interface Task extends Timer {
  readonly at: Nanoseconds
  readonly order: number
  readonly wakesPromises: boolean
  run: (() => void | Promise<void>) | undefined
}

/** True where `a` runs before `b`: earlier instant first, then first come, first served. */
const before = (a: Task, b: Task) => a.at < b.at || (a.at === b.at && a.order < b.order)

/** Every promise that can settle without the outside world has settled when this resolves. */
const promisesSettled = () => new Promise<void>((resolve) => setImmediate(resolve))

/**
 * Time that passes only when somebody runs it. The queue is a binary heap of (instant, order of scheduling), so a run is
 * a pure function of what was scheduled.
 */
export class VirtualClock implements Clock {
  #now: Nanoseconds = 0
  #order = 0
  #heap: Task[] = []

  now(): Nanoseconds {
    return this.#now
  }

  /** The instant of the next task, or Infinity where nothing is scheduled. */
  get next(): Nanoseconds {
    this.#discardCancelled()
    return this.#heap[0]?.at ?? Infinity
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
    while (wanted()) {
      const task = this.#popUpTo(until)
      if (task === undefined) return
      this.#now = task.at
      const outside = task.run?.()
      if (outside !== undefined) await outside
      if (task.wakesPromises) await promisesSettled()
    }
  }

  #push(at: Nanoseconds, run: () => void | Promise<void>, wakesPromises: boolean): Timer {
    const task: Task = {
      at: Math.max(Math.round(at), this.#now),
      order: this.#order++,
      wakesPromises,
      run,
      cancel() {
        this.run = undefined
      },
    }
    this.#siftUp(task)
    return task
  }

  #popUpTo(until: Nanoseconds): Task | undefined {
    this.#discardCancelled()
    const first = this.#heap[0]
    return first !== undefined && first.at <= until ? this.#pop() : undefined
  }

  #discardCancelled(): void {
    while (this.#heap.length > 0 && this.#heap[0]!.run === undefined) this.#pop()
  }

  #siftUp(task: Task): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(task)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!before(task, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = task
  }

  #pop(): Task {
    const heap = this.#heap
    const first = heap[0]!
    const last = heap.pop()!
    if (heap.length > 0) this.#siftDown(last)
    return first
  }

  #siftDown(task: Task): void {
    const heap = this.#heap
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++
      if (!before(heap[child]!, task)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = task
  }
}
