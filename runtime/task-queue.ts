import type { Nanoseconds, Timer } from './clock.ts'

export interface Task extends Timer {
  readonly at: Nanoseconds
  readonly order: number
  readonly wakesPromises: boolean
  /** Undefined once cancelled. */
  run: (() => void | Promise<void>) | undefined
}

/** True where `a` runs before `b`: earlier instant first, then first come, first served. */
const before = (a: Task, b: Task) => a.at < b.at || (a.at === b.at && a.order < b.order)

/** What is to run, by (instant, order of scheduling): a binary heap. */
export class TaskQueue {
  #order = 0
  #heap: Task[] = []

  /** The instant of the next task, or Infinity where there is none. */
  get next(): Nanoseconds {
    this.#discardCancelled()
    return this.#heap[0]?.at ?? Infinity
  }

  push(at: Nanoseconds, run: () => void | Promise<void>, wakesPromises: boolean): Timer {
    const task: Task = {
      at,
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

  /** Takes out the next task, where it is due at `until`. */
  popUpTo(until: Nanoseconds): Task | undefined {
    this.#discardCancelled()
    const first = this.#heap[0]
    return first !== undefined && first.at <= until ? this.#pop() : undefined
  }

  clear(): void {
    this.#heap = []
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
