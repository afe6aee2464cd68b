// Who expires next. All connections of one timeout are in one list in the order of their last frame, which is that of their
// end, so a frame moves its connection in a few steps and what has expired stands at the heads (Open vSwitch has the same lists).

import type { Nanoseconds } from '../../runtime/clock.ts'
import type { Connection } from './connection.ts'
import type { TimeoutName } from './timeouts.ts'
import { TIMEOUTS } from './timeouts.ts'

interface Link {
  previous: Link
  next: Link
  /** None at a list's head. */
  entry: Entry | undefined
}

/** A tracked connection and its place in the lists. */
export class Entry implements Link {
  readonly connection: Connection
  readonly entry = this
  previous: Link = this
  next: Link = this
  /** False once the connection is gone. */
  alive = true

  constructor(connection: Connection) {
    this.connection = connection
  }
}

function emptyList(): Link {
  const head: { previous?: Link; next?: Link; entry: undefined } = { entry: undefined }
  head.previous = head as Link
  head.next = head as Link
  return head as Link
}

export class ExpiryLists {
  readonly #heads = Object.fromEntries(Object.keys(TIMEOUTS).map((name) => [name, emptyList()])) as Record<
    TimeoutName,
    Link
  >
  /** Those that have come from elsewhere with part of their time gone, in the order of their end, until their next frame. */
  readonly #adopted = emptyList()
  readonly #all = [...Object.values(this.#heads), this.#adopted]

  /** The connection lasts `timeout` from `now` on. */
  restart(entry: Entry, timeout: TimeoutName, now: Nanoseconds): void {
    this.remove(entry)
    entry.connection.expires = now + TIMEOUTS[timeout]
    const head = this.#heads[timeout]
    entry.previous = head.previous
    entry.next = head
    head.previous.next = entry
    head.previous = entry
  }

  /** The connections last until they expire; `entries` in the order of their end. */
  adopt(entries: readonly Entry[]): void {
    let place = this.#adopted.next
    for (const entry of entries) {
      const { expires } = entry.connection
      while (place.entry && place.entry.connection.expires <= expires) place = place.next
      entry.previous = place.previous
      entry.next = place
      place.previous.next = entry
      place.previous = entry
    }
  }

  remove(entry: Entry): void {
    entry.previous.next = entry.next
    entry.next.previous = entry.previous
    entry.previous = entry
    entry.next = entry
  }

  /** One whose time is up at `now`; the caller removes it before asking again. */
  expired(now: Nanoseconds): Entry | undefined {
    for (const { next } of this.#all) if (next.entry && next.entry.connection.expires <= now) return next.entry
    return undefined
  }

  /** When the next one's time is up; Infinity where there is none. */
  earliest(): Nanoseconds {
    let earliest = Infinity
    for (const { next } of this.#all) if (next.entry) earliest = Math.min(earliest, next.entry.connection.expires)
    return earliest
  }
}
