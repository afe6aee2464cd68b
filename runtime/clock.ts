// What code may ask of time. One clock is the wall's, the other is moved by whoever runs the emulation.

/** A span or an instant in whole nanoseconds. Instants count from the clock's own start: 2^53 ns are 104 days. */
export type Nanoseconds = number

export const MICROSECOND = 1_000
export const MILLISECOND = 1_000_000
export const SECOND = 1_000_000_000

export interface Timer {
  /** After this the task will not run. Harmless when it already has. */
  cancel(): void
}

/** Has events of its own, more than a clock could hold one by one. */
export interface Machine {
  /** The instant of its next event, or Infinity where there is none. */
  readonly next: Nanoseconds
  /**
   * Lets its next event happen, and where it can, those after it that fall before `horizon`: until then nothing else is due.
   * Gives the instant of the last one.
   */
  run(horizon: Nanoseconds): Nanoseconds
}

export interface Clock {
  /** Nanoseconds since this clock's start. Never goes back. */
  now(): Nanoseconds

  /**
   * Runs `task` at the instant `at`, or as soon as possible where that has passed. Tasks of one instant run in the
   * order in which they were scheduled.
   */
  schedule(at: Nanoseconds, task: () => void): Timer

  /**
   * As `schedule`, for a task that wakes promises: a virtual clock lets every promise that can settle do so before it
   * goes on to the next task, so that asynchronous code runs at the instant at which it was woken.
   */
  scheduleAsync(at: Nanoseconds, task: () => void): Timer
}

/** A clock that machines can be put on. */
export interface DrivingClock extends Clock {
  /**
   * Runs the events of `machine` in their time; on a virtual clock, after all tasks of their instant. What is returned is to be
   * called when its next event has come closer.
   */
  drive(machine: Machine): () => void
}

/** Resolves `span` nanoseconds from now. */
export const sleep = (clock: Clock, span: Nanoseconds): Promise<void> =>
  new Promise((resolve) => {
    clock.scheduleAsync(clock.now() + span, resolve)
  })
