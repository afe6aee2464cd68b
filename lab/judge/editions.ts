// While a change is being carried out, any of what has been said since all knew the same may hold: the oldest that somebody may still go by, to
// the newest.

/** Never empty; oldest first. */
export class Editions<T> {
  #all: readonly T[]

  constructor(first: T) {
    this.#all = [first]
  }

  get newest(): T {
    return this.#all.at(-1)!
  }

  get all(): readonly T[] {
    return this.#all
  }

  /** All but the newest. */
  get older(): readonly T[] {
    return this.#all.slice(0, -1)
  }

  get isOne(): boolean {
    return this.#all.length === 1
  }

  add(edition: T): void {
    this.#all = [...this.#all, edition]
  }

  /** Nobody goes by the `count` oldest any more. */
  retire(count: number): void {
    this.#all = this.#all.slice(count)
  }

  some(holds: (edition: T) => boolean): boolean {
    return this.#all.some(holds)
  }

  every(holds: (edition: T) => boolean): boolean {
    return this.#all.every(holds)
  }
}
