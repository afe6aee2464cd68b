// The records of frames of which more may come: found by the frame's identity, listed in the order in which they were sent, and
// used again for other frames when they are closed, so that a long replay needs no more of them than frames are on their way.

import { copyBytes } from '../../protocols/bytes.ts'
import type { Nanoseconds } from '../../runtime/clock.ts'
import type { Ruling } from './law.ts'
import type { Laws } from './laws.ts'
import type { Seen } from './sight-book.ts'

/** What a frame says of where it is from, for people: `web.pcapng#47` is number 47 of the source `web.pcapng`. */
export interface Origin {
  source: string
  /** 0 where its source numbers no frames. */
  number: number
  /** We made it ourselves. */
  made: boolean
}

export interface Drop {
  reason: string
  place: string
  /** Who need not hear the frame for it. */
  excuses: 'all' | readonly string[]
}

/** What the judge knows of a frame that was sent. */
export class Record {
  id = 0
  source = ''
  number = 0
  made = false
  at: Nanoseconds = 0
  nic = ''
  ruling: Ruling
  /** Those under which it was sent, and what they have come to be while it was on its way. */
  laws: Laws
  flow = 0
  seen: Seen | undefined
  /** The changes there had been when it was sent, where it is of a steady kind, and where it is not; -1 otherwise. */
  steadyAs = -1
  asOf = -1
  /** Something became of it that it can not be steady for. */
  isStirred = false
  /** How often it went out of a host. */
  exits = 0
  readonly heardBy: string[] = []
  /** Targets of mirrors that have heard a copy of it, one for each copy. */
  readonly lookedOn: string[] = []
  /** It was heard without the DSCP that it should have. */
  isUnmarked = false
  answered = false
  readonly drops: Drop[] = []
  /** The sender's host when it sent. */
  from: string | undefined
  /** Of those who must hear it: whom no path led to since. */
  readonly cutOff: string[] = []
  /** Copies of it that there are, as far as anybody tells. */
  copies = 1
  /** When it is taken to have been lost, its last copy being gone; -1 before. */
  endedAt: Nanoseconds = -1
  /** Set aside, to stay open to the end. */
  isKept = false
  /** In the list of records. */
  before: Record | undefined
  after: Record | undefined
  #bytes = new Uint8Array(128)
  #length = 0

  constructor(ruling: Ruling, laws: Laws) {
    this.ruling = ruling
    this.laws = laws
  }

  get bytes(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }

  keepBytes(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start
    if (length > this.#bytes.length) this.#bytes = new Uint8Array(2 * length)
    copyBytes(bytes, start, end, this.#bytes, 0)
    this.#length = length
  }

  /** As new. */
  clear(): void {
    // Making an empty list empty takes its time, too.
    if (this.heardBy.length > 0) this.heardBy.length = 0
    if (this.lookedOn.length > 0) this.lookedOn.length = 0
    if (this.drops.length > 0) this.drops.length = 0
    if (this.cutOff.length > 0) this.cutOff.length = 0
    this.isUnmarked = false
    this.answered = false
    this.copies = 1
    this.isKept = false
    this.endedAt = -1
    this.steadyAs = -1
    this.asOf = -1
    this.isStirred = false
    this.exits = 0
  }
}

/** Frames whose identities are this far apart share a place; the later one goes into the map. */
const PLACES = 1 << 12

const wasSentAfter = (one: Record, other: Record): boolean =>
  one.at > other.at || (one.at === other.at && one.id > other.id)

/** Records in a row, each knowing its neighbours. */
class List {
  first: Record | undefined
  last: Record | undefined

  /** Puts it behind all that were sent before. */
  insert(record: Record): void {
    let before = this.last
    while (before !== undefined && wasSentAfter(before, record)) before = before.before
    const after = before === undefined ? this.first : before.after
    record.before = before
    record.after = after
    if (before === undefined) this.first = record
    else before.after = record
    if (after === undefined) this.last = record
    else after.before = record
  }

  append(record: Record): void {
    record.before = this.last
    record.after = undefined
    if (this.last === undefined) this.first = record
    else this.last.after = record
    this.last = record
  }

  remove(record: Record): void {
    if (record.before === undefined) this.first = record.after
    else record.before.after = record.after
    if (record.after === undefined) this.last = record.before
    else record.after.before = record.before
  }
}

export class OpenRecords {
  readonly #places: (Record | undefined)[] = new Array<undefined>(PLACES).fill(undefined)
  /** By identity: those that found their place taken. */
  readonly #others = new Map<number, Record>()
  /** Those that are kept to the end, all older than those of the other list. */
  readonly #kept = new List()
  readonly #young = new List()
  readonly #free: Record[] = []

  /** The oldest one that was not set aside. */
  get oldest(): Record | undefined {
    return this.#young.first
  }

  find(id: number): Record | undefined {
    const record = this.#places[id & (PLACES - 1)]
    if (record !== undefined && record.id === id) return record
    return this.#others.size === 0 ? undefined : this.#others.get(id)
  }

  /** A record, as new, for a frame that was sent after all others and whose identity no other has. */
  open(id: number, ruling: Ruling, laws: Laws): Record {
    const record = this.#take(id, ruling, laws)
    this.#young.append(record)
    return record
  }

  /** The same for one that was sent at `at`, maybe before others. */
  openLate(id: number, ruling: Ruling, laws: Laws, at: Nanoseconds): Record {
    const record = this.#take(id, ruling, laws)
    record.at = at
    this.#young.insert(record)
    return record
  }

  #take(id: number, ruling: Ruling, laws: Laws): Record {
    const record = this.#free.pop() ?? new Record(ruling, laws)
    record.id = id
    record.ruling = ruling
    record.laws = laws
    const place = id & (PLACES - 1)
    if (this.#places[place] === undefined) this.#places[place] = record
    else this.#others.set(id, record)
    return record
  }

  /** The oldest is to stay open to the end. */
  setAside(record: Record): void {
    this.#young.remove(record)
    this.#kept.append(record)
    record.isKept = true
  }

  /** The record is used for another frame soon. */
  close(record: Record): void {
    const place = record.id & (PLACES - 1)
    if (this.#places[place] === record) this.#places[place] = undefined
    else this.#others.delete(record.id)
    if (record.isKept) this.#kept.remove(record)
    else this.#young.remove(record)
    record.clear()
    this.#free.push(record)
  }

  /** In the order in which they were sent. */
  *[Symbol.iterator](): Iterator<Record> {
    for (const { first } of [this.#kept, this.#young])
      for (let record = first; record !== undefined; record = record.after) yield record
  }

  clear(): void {
    this.#places.fill(undefined)
    this.#others.clear()
    for (const list of [this.#kept, this.#young]) list.first = list.last = undefined
  }
}
