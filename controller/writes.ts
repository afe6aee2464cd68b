// Writes: one after the other, or those that have nothing to do with each other together (flow-writes.ts); each in the journal, and
// durable before anybody is told that it is done.

import { Conflict } from './model.ts'
import type { Operation, Snapshot, State } from './state/state.ts'
import type { FlowUndo } from './user-flows.ts'
import { textOf } from '../runtime/error-text.ts'

export class Writes {
  /** What to put back, should a switch refuse what is under way; by number in the journal. */
  unfinished: ReadonlyMap<number, readonly FlowUndo[]>
  readonly #state: State | undefined
  /** Why there are no more; undefined while there are. */
  #closed: string | undefined
  readonly #snapshot: () => Snapshot
  readonly #log: (line: string) => void
  #last: Promise<unknown> = Promise.resolve()
  #lastTurn: Promise<unknown> | undefined

  /** Without a state nothing is kept, and all is taken for durable. `snapshot` gives what is wanted now. */
  constructor(state: State | undefined, snapshot: () => Snapshot, log: (line: string) => void) {
    this.#state = state
    this.#snapshot = snapshot
    this.#log = log
    this.unfinished = state?.restored.unfinished ?? new Map()
  }

  /** From now on nothing is written any more, and why. */
  close(why: string): void {
    this.#closed = why
  }

  get isClosed(): boolean {
    return this.#closed !== undefined
  }

  /** @throws Conflict where nothing is to be written any more */
  check(): void {
    if (this.#closed !== undefined) throw new Conflict(this.#closed)
  }

  /** Whether a flow belongs to a write that is under way. */
  concerns(switchName: string, key: string): boolean {
    return [...this.unfinished.values()].some((undo) =>
      undo.some((one) => one.switch === switchName && one.key === key),
    )
  }

  /** Runs `work` when all that was asked before is done; it gets its number in the journal. */
  run<T>(describe: () => Operation, work: (entry: number | undefined) => Promise<T>): Promise<T> {
    return this.exclusively(() => this.journalled(describe, work))
  }

  exclusively<T>(write: () => Promise<T>): Promise<T> {
    const done = this.#last.then(write, write)
    this.#last = done.catch(() => {})
    this.#lastTurn = done
    return done
  }

  /** Whether nothing has been asked since `exclusively` gave this. */
  isLast(turn: Promise<unknown>): boolean {
    return turn === this.#lastTurn
  }

  async journalled<T>(describe: () => Operation, work: (entry: number | undefined) => Promise<T>): Promise<T> {
    this.check()
    const entry = this.begin(describe)
    try {
      const result = await work(entry)
      this.end(entry)
      return result
    } catch (error) {
      this.end(entry, error)
      // What has been taken back must not come again after a restart.
      await this.save().catch((second: unknown) => this.#log(String(second)))
      throw error
    }
  }

  /** Opens an entry in the journal; undefined where there is none. */
  begin(describe: () => Operation): number | undefined {
    return this.#state?.begin(describe())
  }

  /** What to put back should these be refused: kept with what is saved next. */
  begun(entries: readonly (readonly [entry: number | undefined, undo: readonly FlowUndo[]])[]): void {
    const kept = entries.flatMap(([entry, undo]) => (entry === undefined ? [] : [[entry, undo] as const]))
    if (kept.length > 0) this.unfinished = new Map([...this.unfinished, ...kept])
  }

  /** That an entry went well may be written later: a restart would come to the same end. */
  end(entry: number | undefined, error?: unknown): void {
    if (entry === undefined) return
    this.#state?.end(entry, error === undefined ? OK : textOf(error))
    if (this.unfinished.has(entry))
      this.unfinished = new Map([...this.unfinished].filter(([number]) => number !== entry))
    this.saveLater()
  }

  /**
   * Resolves when all that is wanted now is durable; `kept` is called in the very turn in which it is, `lost` in that in which it can
   * not be. @throws StateError
   */
  async save({ kept, lost }: { kept?: () => void; lost?: () => void } = {}): Promise<void> {
    this.check()
    const { image, onKept } = this.#snapshot()
    const bothKept = () => {
      onKept?.()
      kept?.()
    }
    if (this.#state === undefined) return bothKept()
    try {
      await this.#state.save({ image, onKept: bothKept, ...(lost && { onLost: lost }) })
    } catch (error) {
      // What could not be written, and is wanted all the same, is written once there is room.
      this.saveLater()
      throw error
    }
  }

  /** As `save`, within a second. */
  saveLater(): void {
    if (this.#closed !== undefined) return
    if (this.#state === undefined) this.#snapshot().onKept?.()
    else this.#state.saveLater(this.#snapshot)
  }
}

const OK = 'ok'
