// How many requests each has made in the window under way. The limiter's own store gives out the one object in which it counts, and
// all that come in one turn of the event loop read it when the last of them has been counted: a burst would be refused whole, where
// as many as may come should be let in.

/** Counted at a time; whoever was first counted longest ago is forgotten. */
const MOST = 5000

interface Counted {
  current: number
  /** Milliseconds since 1970. */
  since: number
}

export class RequestCounts {
  readonly #counts = new Map<string, Counted>()
  readonly #now: () => number

  /** `now` in milliseconds since 1970. */
  constructor(now: () => number) {
    this.#now = now
  }

  incr(
    key: string,
    callback: (error: Error | null, result?: { current: number; ttl: number }) => void,
    window: number,
  ): void {
    const now = this.#now()
    let counted = this.#counts.get(key)
    if (counted === undefined || counted.since + window <= now) {
      this.#counts.delete(key)
      counted = { current: 0, since: now }
      this.#counts.set(key, counted)
      if (this.#counts.size > MOST) this.#counts.delete(this.#counts.keys().next().value!)
    }
    callback(null, { current: ++counted.current, ttl: counted.since + window - now })
  }

  /** Routes have no limits of their own. */
  child(): RequestCounts {
    return this
  }
}
