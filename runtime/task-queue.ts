// What is to run, by (instant, order of scheduling). Much of what a frame brings about is due at once, behind all that is due
// already: it waits in a line. What is due later waits in a binary heap, whose keys lie in typed arrays: nothing is followed
// to compare two of them.

import type { Nanoseconds, Timer } from './clock.ts'

export class Task implements Timer {
  /** Undefined once cancelled. */
  run: (() => void | Promise<void>) | undefined
  readonly wakesPromises: boolean

  constructor(run: () => void | Promise<void>, wakesPromises: boolean) {
    this.run = run
    this.wakesPromises = wakesPromises
  }

  cancel(): void {
    this.run = undefined
  }
}

/** Places in line and heap at first; a power of two. */
const PLACES = 64

export class TaskQueue {
  #now: Nanoseconds = 0
  /** A ring. What is in it is due at `#now`, and was scheduled after all that the heap has for that instant. */
  #line: (Task | undefined)[] = Array.from({ length: PLACES }, () => undefined)
  #head = 0
  #waiting = 0

  #size = 0
  #scheduled = 0
  #instants = new Float64Array(PLACES)
  #orders = new Float64Array(PLACES)
  #tasks: Task[] = []

  /** The instant of the task that was taken out last, or passed to since. */
  get now(): Nanoseconds {
    return this.#now
  }

  /** The instant of the next task, or Infinity where there is none. */
  get next(): Nanoseconds {
    this.#discardCancelled()
    if (this.#waiting > 0) return this.#now
    return this.#size > 0 ? this.#instants[0]! : Infinity
  }

  /** `at` is not before `now`. */
  push(at: Nanoseconds, run: () => void | Promise<void>, wakesPromises: boolean): Timer {
    const task = new Task(run, wakesPromises)
    if (at === this.#now) this.#append(task)
    else this.#insert(at, task)
    return task
  }

  /** Takes out the next task, where it is due at `until`. */
  popUpTo(until: Nanoseconds): Task | undefined {
    this.#discardCancelled()
    const first = this.#size > 0 ? this.#instants[0]! : Infinity
    if (this.#waiting > 0 && first > this.#now) return this.#now <= until ? this.#shift() : undefined
    if (this.#size === 0 || first > until) return undefined
    this.#now = first
    return this.#pop()
  }

  /** Goes on to `instant`, where no task falls before it or on it. */
  pass(instant: Nanoseconds): boolean {
    if (this.next <= instant) return false
    this.#now = instant
    return true
  }

  clear(): void {
    while (this.#waiting > 0) this.#shift()
    this.#size = 0
    this.#tasks = []
  }

  #discardCancelled(): void {
    while (this.#size > 0 && this.#tasks[0]!.run === undefined) this.#pop()
    while (this.#waiting > 0 && this.#line[this.#head]!.run === undefined) this.#shift()
  }

  #append(task: Task): void {
    const places = this.#line.length
    if (this.#waiting === places) {
      const ahead = this.#line.splice(0, this.#head)
      this.#line.push(...ahead, ...Array.from({ length: places }, () => undefined))
      this.#head = 0
    }
    this.#line[(this.#head + this.#waiting++) & (this.#line.length - 1)] = task
  }

  #shift(): Task {
    const task = this.#line[this.#head]!
    this.#line[this.#head] = undefined
    this.#head = (this.#head + 1) & (this.#line.length - 1)
    this.#waiting--
    return task
  }

  #insert(instant: Nanoseconds, task: Task): void {
    if (this.#size === this.#instants.length) this.#double()
    const order = this.#scheduled++
    let at = this.#size++
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#isAfter(parent, instant, order)) break
      this.#move(parent, at)
      at = parent
    }
    this.#put(at, instant, order, task)
  }

  #pop(): Task {
    const first = this.#tasks[0]!
    const last = --this.#size
    const task = this.#tasks.pop()!
    if (last === 0) return first
    const instant = this.#instants[last]!
    const order = this.#orders[last]!
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= last) break
      if (child + 1 < last && this.#isAfter(child, this.#instants[child + 1]!, this.#orders[child + 1]!)) child++
      if (this.#isAfter(child, instant, order)) break
      this.#move(child, at)
      at = child
    }
    this.#put(at, instant, order, task)
    return first
  }

  /** Whether what stands at `at` runs after a task of this instant and order. */
  #isAfter(at: number, instant: Nanoseconds, order: number): boolean {
    const other = this.#instants[at]!
    return other > instant || (other === instant && this.#orders[at]! > order)
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#instants[from]!, this.#orders[from]!, this.#tasks[from]!)
  }

  #put(at: number, instant: Nanoseconds, order: number, task: Task): void {
    this.#instants[at] = instant
    this.#orders[at] = order
    this.#tasks[at] = task
  }

  #double(): void {
    const instants = new Float64Array(2 * this.#size)
    instants.set(this.#instants)
    this.#instants = instants
    const orders = new Float64Array(2 * this.#size)
    orders.set(this.#orders)
    this.#orders = orders
  }
}
