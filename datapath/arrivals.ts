// The order in which frames that have to wait came to a switch, wherever in it they wait: in a port that keeps them, or for the rest of
// their datagram. A datagram that becomes whole by what another switch has had of it stands where its own last piece came.

export class Arrivals {
  #last = 0
  #asOf: number | undefined

  /** The place of the frame at hand. */
  next(): number {
    return this.#asOf ?? ++this.#last
  }

  /** What is dealt with by `work` came then. */
  asOf(place: number, work: () => void): void {
    this.#asOf = place
    try {
      work()
    } finally {
      this.#asOf = undefined
    }
  }
}
