// What code may ask of that which outlives the process: values by kind and key, and a journal, which
// grows at one end and may be forgotten at the other. One file of
// SQLite holds it for one controller (controller/state/sqlite-store.ts).

/** A value that is put, or taken away where there is none. */
export interface Change {
  readonly kind: string
  readonly key: string
  readonly value?: StoredValue
}

export type StoredValue = string | Uint8Array

export interface StoredEntry {
  readonly kind: string
  readonly key: string
  readonly value: StoredValue
}

/** Something that somebody did, or tried to do. */
export interface JournalEntry {
  /** Each has the next one. */
  readonly number: number
  /** Milliseconds since 1970. */
  readonly at: number
  /** Who. */
  readonly by: string
  readonly operation: string
  /** What it was done with: plain data, without secrets. */
  readonly arguments: unknown
  /** `ok`, or what went wrong; absent for as long as it is under way. */
  readonly result?: string
}

export interface Batch {
  readonly changes: readonly Change[]
  readonly entries: readonly JournalEntry[]
  /** What became of entries that were under way, by number. */
  readonly results: ReadonlyMap<number, string>
}

export interface JournalQuery {
  /** Nothing from before this time, in milliseconds since 1970. */
  since?: number
  /** Only numbers below this one. */
  before?: number
  /** At most so many: the newest. */
  limit: number
}

/** Of the journal, what may be forgotten: what is older than one or comes before the other, and is not under way. */
export interface Expendable {
  /** Entries of before this time, in milliseconds since 1970. */
  olderThan?: number
  /** Entries before this number. */
  before?: number
}

/** Up to where the journal has been forgotten: beyond that it is whole. */
export interface Forgotten {
  /** Number of the last such entry. */
  through: number
  /** Its time, in milliseconds since 1970. */
  at: number
}

export interface Store {
  /** All values. */
  load(): Promise<StoredEntry[]>
  /**
   * Makes the batch durable, all of it or nothing; resolves when a loss of power can not take it away any more. Batches become
   * durable in the order in which they were given; where one can not, those that wait with it fail as well.
   * @throws StateError; StateTaken where another process writes there now
   */
  write(batch: Batch): Promise<void>
  /** The journal, newest first. */
  journal(query: JournalQuery): Promise<JournalEntry[]>
  /** Numbers of the entries that have no result, in order. */
  underWay(): Promise<number[]>
  /** Takes the oldest entries out of the journal, up to the first that is to stay; `atMost` of them. @returns how many there were */
  forget(expendable: Expendable, atMost: number): Promise<number>
  /** Undefined where nothing has been. */
  forgotten(): Promise<Forgotten | undefined>
  /** A copy of everything as it is at one instant, in a new file. @throws StateError */
  backup(file: string): Promise<void>
  close(): Promise<void>
}

/** What is to last can not be read or written; the message is for people. */
export class StateError extends Error {
  constructor(problem: string, cause?: unknown) {
    super(problem, cause === undefined ? {} : { cause })
    this.name = 'StateError'
  }
}

/** Another process has what is to last by now: from here on that one writes it, and nobody else. */
export class StateTaken extends StateError {}
