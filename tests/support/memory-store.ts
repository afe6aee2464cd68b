// A store in memory, that can be cut off as a process is that is killed: what it had taken by then is what the next one finds.

import type {
  Batch,
  Expendable,
  Forgotten,
  JournalEntry,
  JournalQuery,
  Store,
  StoredEntry,
} from '../../runtime/store.ts'
import { StateError, StateTaken } from '../../runtime/store.ts'

export class MemoryStore implements Store {
  /** Batches written so far. */
  written = 0
  /** Cut off before the batch of this number, or as soon as it has been written. */
  killAt: { batch: number; after: boolean } | undefined
  /** From the batch of this number on it is another process's. */
  takenAt = Infinity
  /** Called when it has been cut off. */
  onKilled: () => void = () => {}
  /** Fails to write. */
  full = false
  readonly #entries: Map<string, StoredEntry>
  readonly #journal: Map<number, JournalEntry>
  #forgotten: Forgotten | undefined
  #killed = false

  constructor(from?: MemoryStore) {
    this.#entries = new Map(from && from.#entries)
    this.#journal = new Map(from && from.#journal)
    this.#forgotten = from && from.#forgotten
  }

  get killed(): boolean {
    return this.#killed
  }

  kill(): void {
    if (this.#killed) return
    this.#killed = true
    this.onKilled()
  }

  async load(): Promise<StoredEntry[]> {
    return [...this.#entries.values()]
  }

  async write({ changes, entries, results }: Batch): Promise<void> {
    const number = ++this.written
    if (number === this.killAt?.batch && !this.killAt.after) this.kill()
    if (this.#killed) return new Promise<void>(() => {})
    if (number >= this.takenAt) throw new StateTaken('the file belongs to another process')
    if (this.full) throw new StateError('no space is left')
    for (const { kind, key, value } of changes) {
      if (value === undefined) this.#entries.delete(`${kind} ${key}`)
      else this.#entries.set(`${kind} ${key}`, { kind, key, value })
    }
    for (const entry of entries) this.#journal.set(entry.number, entry)
    for (const [entry, result] of results) this.#journal.set(entry, { ...this.#journal.get(entry)!, result })
    if (number !== this.killAt?.batch) return
    this.kill()
    await new Promise<void>(() => {})
  }

  async journal({ since = 0, before = Infinity, limit }: JournalQuery): Promise<JournalEntry[]> {
    const newest = [...this.#journal.values()].sort((a, b) => b.number - a.number)
    return newest.filter(({ at, number }) => at >= since && number < before).slice(0, limit)
  }

  async underWay(): Promise<number[]> {
    return [...this.#journal.values()].flatMap(({ number, result }) => (result === undefined ? [number] : []))
  }

  async forget({ olderThan = 0, before = 0 }: Expendable, atMost: number): Promise<number> {
    let count = 0
    for (const { number, at, result } of [...this.#journal.values()].sort((a, b) => a.number - b.number)) {
      if (count === atMost || result === undefined || (at >= olderThan && number >= before)) break
      this.#journal.delete(number)
      this.#forgotten = { through: number, at }
      count++
    }
    return count
  }

  async forgotten(): Promise<Forgotten | undefined> {
    return this.#forgotten
  }

  async backup(): Promise<void> {
    throw new Error('there is no file to copy')
  }

  async close(): Promise<void> {}
}
