import { SingleBar } from 'cli-progress'

/** Milliseconds between two looks at the terminal. */
const PERIOD = 100

/** A line on a terminal: how many schedules have been run, how fast, how long it will take yet, and what has broken; nothing in a pipe. */
export class ScheduleProgress {
  readonly #bar: SingleBar | undefined
  readonly #startedAt = performance.now()
  #shownAt = 0

  constructor(stream: NodeJS.WriteStream, wanted: boolean, total: number) {
    if (!wanted || !stream.isTTY) return
    const format = '{bar} {value}/{total} schedules, {rate}/s | {eta_formatted} left | {broken} broken'
    this.#bar = new SingleBar({ format, stream, clearOnComplete: true, hideCursor: true, etaBuffer: 200 })
    this.#bar.start(total, 0, { rate: 0, broken: 0 })
  }

  update(done: number, broken: number): void {
    const now = performance.now()
    if (this.#bar === undefined || now - this.#shownAt < PERIOD) return
    this.#shownAt = now
    const rate = Math.round((1000 * done) / (now - this.#startedAt))
    this.#bar.update(done, { rate, broken })
  }

  /** Leaves no trace on the terminal. */
  stop(): void {
    this.#bar?.stop()
  }
}
