// A Store in one file of SQLite. A batch is on the disk when `write` resolves: the write-ahead log is synchronised with each
// transaction. All that is given in one turn of the event loop is one transaction: while the disk is busy with it, the next
// gather.

import { closeSync, existsSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import type Sqlite from 'better-sqlite3'
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
import { bringForward } from './schema.ts'

type Loader = () => Promise<{ default: typeof Sqlite }>

interface Waiting {
  readonly batch: Batch
  resolve(): void
  reject(error: unknown): void
}

interface JournalRow {
  number: number
  at: number
  by: string
  operation: string
  arguments: string
  result: string | null
}

/** Under which kind and key it stands up to where the journal has been forgotten (schema.ts). */
const FORGOTTEN = ['journal', 'forgotten'] as const

/** Milliseconds to wait for another process that lets go of the file. */
const PATIENCE = 200

/**
 * Opens the file, or makes it. It is this process's alone until `close`, or until the process ends in whatever way. `load` gives
 * the module, which is native and may be absent.
 * @throws StateError
 */
export async function openSqliteStore(
  file: string,
  load: Loader = () => import('better-sqlite3'),
): Promise<SqliteStore> {
  const db = await connect(file, load)
  try {
    // Exclusive from the first read on: two controllers with one state would undo each other's work.
    db.pragma('locking_mode = EXCLUSIVE')
    db.pragma('journal_mode = WAL')
    db.pragma('synchronous = FULL')
    const problem = db.pragma('quick_check(1)', { simple: true }) as string
    if (problem !== 'ok') throw damaged(file, problem)
    bringForward(db, file)
    return new SqliteStore(db, file)
  } catch (error) {
    db.close()
    throw explained(file, error)
  }
}

async function connect(file: string, load: Loader): Promise<Sqlite.Database> {
  const folder = dirname(file)
  if (!existsSync(folder)) throw new StateError(`${file}: no such folder: ${folder}`)
  checkWritable(file)
  try {
    const { default: Database } = await load()
    return new Database(file, { timeout: PATIENCE })
  } catch (error) {
    throw isOfSqlite(error) ? explained(file, error) : missing(error)
  }
}

/** SQLite would open what it may only read, and fail later for another reason. */
function checkWritable(file: string): void {
  if (!existsSync(file)) return
  try {
    closeSync(openSync(file, 'r+'))
  } catch (error) {
    throw new StateError(`${file} can not be written (${(error as NodeJS.ErrnoException).code})`, error)
  }
}

const missing = (cause: unknown): StateError =>
  new StateError(
    `state in a file needs the package better-sqlite3, which is not installed here, or not for this Node.js; npm install better-sqlite3 installs it (${textOf(cause)})`,
    cause,
  )

export class SqliteStore implements Store {
  readonly #db: Sqlite.Database
  readonly #file: string
  readonly #put: Sqlite.Statement
  readonly #take: Sqlite.Statement
  readonly #append: Sqlite.Statement
  readonly #complete: Sqlite.Statement
  readonly #read: Sqlite.Statement
  readonly #oldest: Sqlite.Statement
  readonly #forget: Sqlite.Statement
  #waiting: Waiting[] = []

  constructor(db: Sqlite.Database, file: string) {
    this.#db = db
    this.#file = file
    this.#put = db.prepare(
      'insert into entries values (?, ?, ?) on conflict (kind, key) do update set value = excluded.value',
    )
    this.#take = db.prepare('delete from entries where kind = ? and key = ?')
    this.#append = db.prepare('insert into journal values (?, ?, ?, ?, ?, ?)')
    this.#complete = db.prepare('update journal set result = ? where number = ?')
    this.#read = db.prepare('select * from journal where at >= ? and number < ? order by number desc limit ?')
    this.#oldest = db.prepare('select number, at, result from journal order by number limit ?')
    this.#forget = db.prepare('delete from journal where number <= ?')
  }

  load(): Promise<StoredEntry[]> {
    return this.#attempt(() => this.#db.prepare('select kind, key, value from entries').all() as StoredEntry[])
  }

  write(batch: Batch): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.push({ batch, resolve, reject }) === 1) setImmediate(() => this.#commit())
    })
  }

  journal({ since = 0, before = Number.MAX_SAFE_INTEGER, limit }: JournalQuery): Promise<JournalEntry[]> {
    return this.#attempt(() => (this.#read.all(since, before, limit) as JournalRow[]).map(entryOf))
  }

  underWay(): Promise<number[]> {
    const all = 'select number from journal where result is null order by number'
    return this.#attempt(() => this.#db.prepare(all).pluck().all() as number[])
  }

  forget({ olderThan = 0, before = 0 }: Expendable, atMost: number): Promise<number> {
    return this.#attempt(() => {
      const oldest = this.#oldest.all(atMost) as Pick<JournalRow, 'number' | 'at' | 'result'>[]
      const stays = oldest.findIndex(
        ({ number, at, result }) => result === null || (at >= olderThan && number >= before),
      )
      const doomed = stays === -1 ? oldest : oldest.slice(0, stays)
      const last = doomed.at(-1)
      if (last === undefined) return 0
      const forgotten: Forgotten = { through: last.number, at: last.at }
      this.#db.transaction(() => {
        this.#put.run(...FORGOTTEN, JSON.stringify(forgotten))
        this.#forget.run(last.number)
      })()
      return doomed.length
    })
  }

  forgotten(): Promise<Forgotten | undefined> {
    const one = this.#db.prepare('select value from entries where kind = ? and key = ?').pluck()
    return this.#attempt(() => {
      const value = one.get(...FORGOTTEN) as string | undefined
      return value === undefined ? undefined : (JSON.parse(value) as Forgotten)
    })
  }

  async backup(file: string): Promise<void> {
    const folder = dirname(file)
    if (!existsSync(folder)) throw new StateError(`${file}: no such folder: ${folder}`)
    if (existsSync(file)) throw new StateError(`${file} is there already; a backup is a new file`)
    this.#commit()
    try {
      await this.#db.backup(file)
    } catch (error) {
      throw explained(file, error)
    }
  }

  async close(): Promise<void> {
    this.#commit()
    this.#db.close()
  }

  #commit(): void {
    const waiting = this.#waiting
    if (waiting.length === 0) return
    this.#waiting = []
    try {
      this.#db.transaction(() => {
        for (const { batch } of waiting) this.#carryOut(batch)
      })()
      for (const one of waiting) one.resolve()
    } catch (error) {
      for (const one of waiting) one.reject(explained(this.#file, error))
    }
  }

  #carryOut({ changes, entries, results }: Batch): void {
    for (const { kind, key, value } of changes) {
      if (value === undefined) this.#take.run(kind, key)
      else this.#put.run(kind, key, value)
    }
    for (const { number, at, by, operation, arguments: details, result } of entries)
      this.#append.run(number, at, by, operation, JSON.stringify(details), result ?? null)
    for (const [number, result] of results) this.#complete.run(result, number)
  }

  async #attempt<T>(read: () => T): Promise<T> {
    try {
      return read()
    } catch (error) {
      throw explained(this.#file, error)
    }
  }
}

const entryOf = ({ arguments: details, result, ...row }: JournalRow): JournalEntry => ({
  ...row,
  arguments: JSON.parse(details) as unknown,
  ...(result !== null && { result }),
})

const damaged = (file: string, problem: string, cause?: unknown) =>
  new StateError(`${file} is damaged (${problem.replaceAll('\n', ' ')}); put a backup in its place`, cause)

/** By the beginning of the code that SQLite gives (sqlite.org/rescode.html). */
const SENTENCES: readonly [string, (file: string, problem: string) => string][] = [
  ['SQLITE_LOCKED', (file) => `${file} is in use by another controller`],
  ['SQLITE_NOTADB', (file) => `${file} is not the state of a controller: it is no database of SQLite`],
  ['SQLITE_READONLY', (file) => `${file} can not be written: it, or its folder, is read-only`],
  ['SQLITE_CANTOPEN', (file) => `${file} can not be opened; may this user read and write it and its folder?`],
  ['SQLITE_PERM', (file) => `${file} can not be opened; may this user read and write it and its folder?`],
  ['SQLITE_FULL', (file) => `no space is left for ${file}`],
  ['SQLITE_IOERR', (file, problem) => `${file} can not be read or written: ${problem}`],
]

function explained(file: string, error: unknown): unknown {
  if (!isOfSqlite(error)) return error
  const { code, message } = error
  if (code.startsWith('SQLITE_BUSY')) return new StateTaken(`${file} is in use by another controller`, error)
  if (code.startsWith('SQLITE_CORRUPT')) return damaged(file, message, error)
  const sentence = SENTENCES.find(([start]) => code.startsWith(start))?.[1]
  return new StateError(sentence?.(file, message) ?? `${file}: ${message}`, error)
}

const isOfSqlite = (error: unknown): error is Error & { code: string } =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('SQLITE_')

const textOf = (error: unknown): string => (error instanceof Error ? error.message.split('\n')[0]! : String(error))
