/** What became of the frames from one vNIC to another that had to hear them. */
export interface PairTally {
  sent: number
  heard: number
  lost: number
  duplicated: number
  /** Frames that the receiver heard of this sender, had it to or not. */
  reached: number
  /** Of frames that the sender has said or heard: copies that the receiver, who looks on, has heard. */
  copied: number
}

/** A tally, and the number of the pair. */
export interface Pair extends PairTally {
  readonly number: number
}

export class Pairs {
  /** By sender, then receiver. */
  readonly #pairs = new Map<string, Map<string, Pair>>()
  #count = 0

  of(from: string, to: string): Pair {
    let receivers = this.#pairs.get(from)
    if (receivers === undefined) this.#pairs.set(from, (receivers = new Map()))
    let pair = receivers.get(to)
    if (pair === undefined) receivers.set(to, (pair = newPair(++this.#count)))
    return pair
  }

  /** Sender, receiver and what became of it. */
  *all(): Generator<[from: string, to: string, tally: PairTally]> {
    for (const [from, receivers] of this.#pairs) for (const [to, pair] of receivers) yield [from, to, pair]
  }
}

const newPair = (number: number): Pair => ({ number, sent: 0, heard: 0, lost: 0, duplicated: 0, reached: 0, copied: 0 })
