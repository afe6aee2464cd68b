// Weighted fair queueing, self-clocked (S. J. Golestani, INFOCOM 1994), in whole numbers: whoever is served moves on by bits × price,
// where the price goes with one over the weight, and the one who has come least far is next.

/** Price of a bit to the heaviest. Weights count to a thousandth of it. */
const LEAST_PRICE = 1 << 10
/** Who weighs less than a millionth of the heaviest counts as that: bits × price stay far below 2^53. */
const MOST_PRICE = 2 ** 30
/** From here on all go back by as much. */
const FAR = 2 ** 50

/** One of those who share. */
export interface Sharer {
  at: number
  price: number
}

export const newSharer = (): Sharer => ({ at: 0, price: LEAST_PRICE })

/** Those who share something, in proportion to their weights. */
export class FairShare {
  readonly #sharers: Sharer[] = []
  /** How far the one who was served last had come. */
  #at = 0

  /** Shares out anew among these. */
  among(sharers: readonly { sharer: Sharer; weight: number }[]): void {
    const heaviest = Math.max(...sharers.map(({ weight }) => weight))
    this.#sharers.length = 0
    this.#at = 0
    for (const { sharer, weight } of sharers) {
      sharer.price = Math.min(Math.round((LEAST_PRICE * heaviest) / weight), MOST_PRICE)
      sharer.at = 0
      this.#sharers.push(sharer)
    }
  }

  /** One that had nothing to send has now: what it did not take then is not made up for. */
  join(sharer: Sharer): void {
    if (sharer.at < this.#at) sharer.at = this.#at
  }

  serve(sharer: Sharer, bits: number): void {
    this.#at = sharer.at += bits * sharer.price
    if (this.#at < FAR) return
    for (const one of this.#sharers) one.at = Math.max(one.at - FAR, -FAR)
    this.#at -= FAR
  }
}
