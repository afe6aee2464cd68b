// Kinds of frames of which one has gone its way with nothing changed since: it was heard by all who must hear it, as one copy, once,
// and left no trace but in counters. The next of its kind goes the same way, so it may go in company (emulator/company.ts).

import type { Seen } from './sight-book.ts'

export class SteadyKinds {
  /** What has changed so far, as a number that goes up. */
  readonly #changes: () => number
  /** Copies of frames that there are. */
  readonly #copies: () => number
  #asOf = 0
  /** Frames on their way that are of steady kinds, as of now. */
  #onTheWay = 0

  constructor(changes: () => number, copies: () => number) {
    this.#changes = changes
    this.#copies = copies
  }

  /** As of which change it is known what is steady. */
  now(): number {
    const changes = this.#changes()
    if (changes !== this.#asOf) {
      this.#asOf = changes
      this.#onTheWay = 0
    }
    return changes
  }

  /** Whether all frames on their way are of steady kinds. */
  get areAll(): boolean {
    this.now()
    return this.#copies() === this.#onTheWay
  }

  /** As of the last `now`. */
  has(seen: Seen, nic: string): boolean {
    return seen.steadyAs === this.#asOf && seen.nic === nic
  }

  /** One more is on its way. Gives what to say when it is gone. */
  enter(): number {
    this.#onTheWay++
    return this.#asOf
  }

  gone(enteredAs: number): void {
    if (enteredAs === this.#asOf) this.#onTheWay--
  }

  /** A frame of the kind that the vNIC sent has gone its way since `enteredAs`. */
  learn(seen: Seen, nic: string, enteredAs: number): void {
    if (this.now() === enteredAs && seen.nic === nic) seen.steadyAs = enteredAs
  }
}
