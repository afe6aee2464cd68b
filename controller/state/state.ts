// START HERE: what of the controller outlives its process. The controller says what it wants (`image.ts`); what has changed since
// the last time is written down before any switch is told, together with who asked for it: so whatever happens in between, the next
// start knows what was wanted, and finishes it. What traffic has shown, and that a write went well, may be written up to a second
// later: the one is seen again, the other follows from the rest.

import type { Clock, Timer } from '../../runtime/clock.ts'
import { MILLISECOND, SECOND } from '../../runtime/clock.ts'
import type { Batch, Forgotten, JournalEntry, JournalQuery, Store, StoredEntry } from '../../runtime/store.ts'
import { StateError, StateTaken } from '../../runtime/store.ts'
import { changesBetween, EMPTY_IMAGE, imageOf, type Image } from './image.ts'

/** Something that is being done, for the journal. */
export interface Operation {
  by: string
  operation: string
  /** Plain data, without secrets. */
  arguments: unknown
}

/** What is to be kept. */
export interface Snapshot {
  readonly image: Image
  /** Called once it is durable, before anybody else hears of it. */
  readonly onKept?: () => void
  /** Called where it can not be made durable, likewise. */
  readonly onLost?: () => void
}

export interface StateOptions {
  clock: Clock
  /** Milliseconds since 1970. */
  wallTime?: () => number
  log?: (line: string) => void
  /** What reads what is kept. Whoever opens many states that are alike may have it give the same objects. */
  read?: (entries: readonly StoredEntry[], epoch: number) => Image
}

/** How much of the journal is kept: what goes beyond either is forgotten, the oldest first. */
export interface JournalLimits {
  /** Milliseconds. */
  age?: number
  entries?: number
}

/** Entries that are forgotten in one go, and how long others have their turn until the next, or until somebody looks again. */
const FORGOTTEN_AT_ONCE = 500
const BETWEEN = 50 * MILLISECOND
const A_MINUTE = 60 * SECOND

/** After so long what could wait is written. */
const LAG = SECOND

export class State {
  /** Called as a write is refused since another process has what is kept; before anybody else hears of it. */
  onTaken: (why: string) => void = () => {}
  /** Grows with every start: switches refuse a controller of an earlier one (OpenFlow 1.3 §6.3.4). */
  readonly generation: bigint
  /** As it was kept before this start. */
  readonly restored: Image
  /** Numbers of what was under way at the end of the process before. */
  readonly interrupted: readonly number[]
  readonly #store: Store
  readonly #clock: Clock
  readonly #wallTime: () => number
  readonly #log: (line: string) => void
  /** When the clock began, in milliseconds since 1970. */
  readonly #epoch: number
  /** Durable, as far as we know. */
  #kept: Image
  /** On its way there; oldest first. */
  #underWay: Image[] = []
  /** Settles with the last of these. */
  #written: Promise<void> = Promise.resolve()
  #entries: JournalEntry[] = []
  #results = new Map<number, string>()
  #lastEntry: number
  #forgetting: Timer | undefined
  #closed = false
  /** What could wait could not be written the last time; the log says so once. */
  #isBehind = false
  #later: { snapshot: () => Snapshot; timer: Timer } | undefined

  private constructor(store: Store, options: StateOptions, found: Found) {
    const { clock, wallTime = Date.now, log = () => {} } = options
    this.#store = store
    this.#clock = clock
    this.#wallTime = wallTime
    this.#log = log
    this.#epoch = found.epoch
    this.restored = found.image
    this.generation = found.generation
    this.interrupted = found.interrupted
    this.#kept = found.image
    this.#lastEntry = found.lastEntry
  }

  /**
   * Takes over what the store has.
   * @throws StateError
   */
  static async open(store: Store, options: StateOptions): Promise<State> {
    const now = (options.wallTime ?? Date.now)()
    const epoch = now - options.clock.now() / MILLISECOND
    const entries = await store.load()
    const [newest] = await store.journal({ limit: 1 })
    const forgotten = await store.forgotten()
    const generation = nextGeneration(entries, now)
    const found: Found = {
      epoch,
      image: read(entries, epoch, options.read),
      generation,
      interrupted: await store.underWay(),
      lastEntry: Math.max(newest?.number ?? 0, forgotten?.through ?? 0),
    }
    const changes = [{ kind: 'generation', key: '', value: generation.toString() }]
    await store.write({ changes, entries: [], results: new Map() })
    return new State(store, options, found)
  }

  /** Enters into the journal, with what is saved next, that something is being done. @returns its number there */
  begin(operation: Operation): number {
    const number = ++this.#lastEntry
    this.#entries.push({ number, at: this.#wallTime(), ...operation })
    return number
  }

  /** It went well, or it did not; that is saved with what is saved next. */
  end(entry: number, result: string): void {
    const index = this.#entries.findIndex(({ number }) => number === entry)
    const waiting = this.#entries[index]
    if (waiting === undefined) this.#results.set(entry, result)
    else this.#entries[index] = { ...waiting, result }
  }

  /**
   * The controller is to be like this from now on, also after its next start.
   * @throws StateError: it is then as it was before
   */
  async save(snapshot: Snapshot): Promise<void> {
    this.#cancelLater()
    const { image } = snapshot
    const batch = {
      changes: changesBetween(this.#noted, image, this.#epoch),
      entries: this.#entries,
      results: this.#results,
    }
    this.#entries = []
    this.#results = new Map()
    const written = this.#write(batch)
    this.#underWay.push(image)
    try {
      await written
    } catch (error) {
      if (error instanceof StateTaken) this.onTaken(error.message)
      this.#underWay = this.#underWay.filter((one) => one !== image)
      this.#entries = [...batch.entries, ...this.#entries].slice(-RECENT)
      this.#results = new Map([...batch.results, ...this.#results])
      snapshot.onLost?.()
      throw error
    }
    this.#kept = image
    this.#underWay = this.#underWay.filter((one) => one !== image)
    snapshot.onKept?.()
  }

  /** As `save`, within a second, with whatever `snapshot` gives then; should it fail, the log says so, and it is tried again. */
  saveLater(snapshot: () => Snapshot): void {
    if (this.#later !== undefined) return
    const timer = this.#clock.scheduleAsync(this.#clock.now() + LAG, () => void this.#saveNow())
    this.#later = { snapshot, timer }
  }

  /** Newest first. */
  async journal(query: JournalQuery): Promise<JournalEntry[]> {
    await this.#saveNow()
    return this.#store.journal(query)
  }

  /** Up to where the journal has been forgotten: beyond that it is whole. Undefined where nothing has been. */
  forgotten(): Promise<Forgotten | undefined> {
    return this.#store.forgotten()
  }

  /** From now on the journal keeps no more than this: little by little, beside other work, older entries are forgotten. */
  keepJournal(limits: JournalLimits): void {
    if (limits.age !== undefined || limits.entries !== undefined) void this.#forget(limits)
  }

  /** A copy of everything, in a new file. @throws StateError */
  async backup(file: string): Promise<void> {
    await this.#saveNow()
    return this.#store.backup(file)
  }

  /** What waits is saved first. */
  async close(): Promise<void> {
    this.#closed = true
    this.#forgetting?.cancel()
    await this.#saveNow()
    this.#cancelLater()
    await this.#store.close()
  }

  async #forget(limits: JournalLimits): Promise<void> {
    const { age = Infinity, entries = Infinity } = limits
    const expendable = { olderThan: this.#wallTime() - age, before: this.#lastEntry + 1 - entries }
    const count = await this.#store.forget(expendable, FORGOTTEN_AT_ONCE).catch((error: unknown) => {
      this.#log(String(error))
      return 0
    })
    if (this.#closed) return
    const pause = count === FORGOTTEN_AT_ONCE ? BETWEEN : A_MINUTE
    this.#forgetting = this.#clock.scheduleAsync(this.#clock.now() + pause, () => void this.#forget(limits))
  }

  /** Durable, or on its way there. */
  get #noted(): Image {
    return this.#underWay.at(-1) ?? this.#kept
  }

  /** What changes nothing is durable when all that is on its way is. */
  #write(batch: Batch): Promise<void> {
    if (batch.changes.length + batch.entries.length + batch.results.size > 0) this.#written = this.#store.write(batch)
    else if (this.#underWay.length === 0) this.#written = Promise.resolve()
    return this.#written
  }

  async #saveNow(): Promise<void> {
    if (this.#later === undefined) return
    const { snapshot } = this.#later
    try {
      await this.save(snapshot())
      this.#isBehind = false
    } catch (error) {
      if (error instanceof StateTaken) return
      if (!this.#isBehind) this.#log(String(error))
      this.#isBehind = true
      this.saveLater(snapshot)
    }
  }

  #cancelLater(): void {
    this.#later?.timer.cancel()
    this.#later = undefined
  }
}

interface Found {
  epoch: number
  image: Image
  generation: bigint
  interrupted: number[]
  lastEntry: number
}

/** Entries that wait to be written where nothing can be: no more are kept. */
const RECENT = 1000

function read(entries: readonly StoredEntry[], epoch: number, of: NonNullable<StateOptions['read']> = imageOf): Image {
  if (entries.length === 0) return EMPTY_IMAGE
  try {
    return of(entries, epoch)
  } catch (error) {
    throw new StateError(`what was kept can not be read (${String(error)}); put a backup in its place`, error)
  }
}

/** By the wall clock, so that it grows beyond that of an earlier file, or of a backup; one more where that clock has gone back. */
function nextGeneration(entries: readonly StoredEntry[], now: number): bigint {
  const found = entries.find(({ kind }) => kind === 'generation')
  const last = found === undefined ? 0n : BigInt(found.value.toString())
  const byTime = BigInt(Math.trunc(now))
  return byTime > last ? byTime : last + 1n
}
