// When each membership was last heard of, and when it ends. All that end after the same time end in the order in which they were heard.

import type { Nanoseconds } from '../../runtime/clock.ts'
import type { Membership } from '../network/memberships.ts'
import { spotKey } from '../network/memberships.ts'

interface Entry {
  readonly membership: Membership
  readonly heardAt: Nanoseconds
  /** From when on its time runs. */
  readonly since: Nanoseconds
}

const SEPARATOR = '\t'
const keyOf = ({ network, group, spot }: Membership): string => [network, group, spotKey(spot)].join(SEPARATOR)

export class Ages {
  /** By how long they live, the next to end first. */
  readonly #bySpan = new Map<Nanoseconds, Map<string, Entry>>()
  readonly #spans = new Map<string, Nanoseconds>()

  /** Heard of at `now`: lives for `span` from then on. */
  hear(membership: Membership, now: Nanoseconds, span: Nanoseconds): void {
    this.#set({ membership, heardAt: now, since: now }, span)
  }

  /** The same of one of several that are known as one: it ends no sooner than it would. */
  hearOneOf(membership: Membership, now: Nanoseconds, span: Nanoseconds): void {
    const key = keyOf(membership)
    const before = this.#spans.get(key)
    const since = before === undefined ? undefined : this.#bySpan.get(before)!.get(key)!.since
    if (before === undefined || since === undefined || since + before <= now + span) this.hear(membership, now, span)
  }

  /** Lives for `span` from now on, and no longer than it would. */
  shorten(membership: Membership, now: Nanoseconds, span: Nanoseconds): void {
    const key = keyOf(membership)
    const before = this.#spans.get(key)
    const entry = before === undefined ? undefined : this.#bySpan.get(before)!.get(key)
    if (before === undefined || entry === undefined || entry.since + before <= now + span) return
    this.#set({ ...entry, since: now }, span)
  }

  forget(membership: Membership): void {
    const key = keyOf(membership)
    const span = this.#spans.get(key)
    if (span === undefined) return
    this.#spans.delete(key)
    const entries = this.#bySpan.get(span)!
    entries.delete(key)
    if (entries.size === 0) this.#bySpan.delete(span)
  }

  heardAt(membership: Membership): Nanoseconds | undefined {
    const key = keyOf(membership)
    const span = this.#spans.get(key)
    return span === undefined ? undefined : this.#bySpan.get(span)!.get(key)!.heardAt
  }

  /** When the next one ends; Infinity where there is none. */
  get next(): Nanoseconds {
    let next = Infinity
    for (const [span, entries] of this.#bySpan)
      for (const { since } of first(entries)) next = Math.min(next, since + span)
    return next
  }

  /** Forgets those whose time is over, and gives them. */
  takeDue(now: Nanoseconds): Membership[] {
    const due: Membership[] = []
    for (const [span, entries] of this.#bySpan)
      for (const { membership, since } of entries.values()) {
        if (since + span > now) break
        due.push(membership)
      }
    for (const membership of due) this.forget(membership)
    return due
  }

  #set(entry: Entry, span: Nanoseconds): void {
    this.forget(entry.membership)
    const entries = this.#bySpan.get(span) ?? new Map<string, Entry>()
    const key = keyOf(entry.membership)
    this.#bySpan.set(span, entries.set(key, entry))
    this.#spans.set(key, span)
  }
}

function* first<T>(entries: ReadonlyMap<string, T>): Generator<T, undefined> {
  for (const entry of entries.values()) {
    yield entry
    return
  }
}
