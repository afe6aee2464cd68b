// What outlives the controller's process in a run: a store in memory whose writes take their time, as a disk's do, so that a
// process can be killed before one is durable, or after it and before it has heard so.

import type { Clock } from '../../runtime/clock.ts'
import { MICROSECOND } from '../../runtime/clock.ts'
import type { Batch, JournalEntry, JournalQuery, Store, StoredEntry } from '../../runtime/store.ts'
import { StateError, StateTaken } from '../../runtime/store.ts'
import type { Happenings } from './happenings.ts'

const WRITE_TIME = 30 * MICROSECOND

/** Whose process it is. */
interface Owner {
  readonly alive: boolean
  /** Does it now, later, or never. */
  whenAwake(work: () => void): void
}

export class Disk {
  /** Called with what has become durable. */
  onKept: (changes: Batch['changes']) => void = () => {}
  /** Nothing can be written. */
  isFull = false
  readonly #clock: Clock
  readonly #happenings: Happenings
  readonly #entries = new Map<string, StoredEntry>()
  readonly #journal = new Map<number, JournalEntry>()
  #owner: Owner | undefined

  constructor(clock: Clock, happenings: Happenings) {
    this.#clock = clock
    this.#happenings = happenings
  }

  get entries(): StoredEntry[] {
    return [...this.#entries.values()]
  }

  /** The store as one process has it, until another one opens it. */
  open(owner: Owner): Store {
    this.#owner = owner
    return {
      load: async () => this.entries,
      write: (batch) => this.#write(batch, owner),
      journal: async (query) => this.#read(query),
      underWay: async () => this.#underWay(),
      // Nobody asks for entries to be forgotten.
      forget: async () => 0,
      forgotten: async () => undefined,
      backup: () => Promise.reject(new StateError('there is no file to copy')),
      close: async () => {},
    }
  }

  async #write(batch: Batch, owner: Owner): Promise<void> {
    this.#happenings.event(() => `write: ${batchAsText(batch)}`)
    if (!owner.alive) return new Promise(() => {})
    if (this.#owner !== owner) throw stolen()
    if (this.isFull) throw new StateError('no space is left')
    return new Promise((resolve, reject) => {
      this.#clock.scheduleAsync(this.#clock.now() + WRITE_TIME, () => {
        if (!owner.alive) return
        if (this.#owner !== owner) return owner.whenAwake(() => reject(stolen()))
        this.#keep(batch)
        this.#happenings.event(() => 'written')
        owner.whenAwake(resolve)
      })
    })
  }

  #keep({ changes, entries, results }: Batch): void {
    this.onKept(changes)
    for (const { kind, key, value } of changes) {
      if (value === undefined) this.#entries.delete(`${kind} ${key}`)
      else this.#entries.set(`${kind} ${key}`, { kind, key, value })
    }
    for (const entry of entries) this.#journal.set(entry.number, entry)
    for (const [entry, result] of results) this.#journal.set(entry, { ...this.#journal.get(entry)!, result })
  }

  #underWay(): number[] {
    return [...this.#journal.values()].flatMap(({ number, result }) => (result === undefined ? [number] : []))
  }

  #read({ since = 0, before = Infinity, limit }: JournalQuery): JournalEntry[] {
    const newest = [...this.#journal.values()].sort((a, b) => b.number - a.number)
    return newest.filter(({ at, number }) => at >= since && number < before).slice(0, limit)
  }
}

const stolen = () => new StateTaken('the file belongs to another process')

function batchAsText({ changes, entries, results }: Batch): string {
  const parts = [
    ...changes.map(({ kind, key }) => `${kind} ${key}`.trim()),
    ...entries.map(({ operation }) => `journal: ${operation}`),
    ...(results.size > 0 ? ['results'] : []),
  ]
  const SHOWN = 6
  return parts.length > SHOWN
    ? `${parts.slice(0, SHOWN).join(', ')} and ${parts.length - SHOWN} more`
    : parts.join(', ')
}
