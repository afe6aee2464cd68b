// A token bucket, exact: it holds whole units (bits, or packets) and billionths of one, and nothing is ever rounded, so that in no
// interval of T seconds do more than rate × T + burst units pass, and never fewer than that allows.
//
// Who polices asks with `take`: what is not there is not given. Who shapes asks when the bucket is out of debt (`readyAt`) and then
// spends what the frame takes, below zero if need be: one frame more than the above may pass, and none is too long for the bucket.

import type { BucketLevel } from '../protocols/control/messages.ts'
import type { Nanoseconds } from '../runtime/clock.ts'
import { SECOND } from '../runtime/clock.ts'

/** Fills at `rate` whole units a second up to `burst` units. `now` never goes back. */
export class TokenBucket {
  readonly rate: number
  readonly burst: number
  #units: number
  #fraction = 0
  /** Units taken since somebody was handed over how full it is. */
  #taken = 0
  #filledAt: Nanoseconds
  readonly #unitsPerNanosecond: number
  readonly #rateRemainder: number

  constructor(rate: number, burst: number, now: Nanoseconds, units = burst) {
    this.rate = rate
    this.burst = burst
    this.#units = units
    this.#filledAt = now
    this.#unitsPerNanosecond = Math.floor(rate / SECOND)
    this.#rateRemainder = rate % SECOND
  }

  /** Takes `units` where the bucket has them; false, taking nothing, where it does not. */
  take(units: number, now: Nanoseconds): boolean {
    this.#fill(now)
    if (units > this.#units) return false
    this.#units -= units
    this.#taken += units
    return true
  }

  /** Takes `units`, which may leave it in debt: no deeper than `least`. */
  spend(units: number, now: Nanoseconds, least = -Infinity): void {
    this.#fill(now)
    this.#units = Math.max(this.#units - units, Math.min(this.#units, least))
  }

  isReady(now: Nanoseconds): boolean {
    this.#fill(now)
    return this.#units >= 0
  }

  /** The first instant from `now` on at which it is out of debt. Exact for debts of up to 2^23 units, more than two frames make. */
  readyAt(now: Nanoseconds): Nanoseconds {
    this.#fill(now)
    if (this.#units >= 0) return now
    // Both are below 2^53, so the quotient is rounded across no whole number.
    return this.#filledAt + Math.ceil((-this.#units * SECOND - this.#fraction) / this.rate)
  }

  level(now: Nanoseconds): BucketLevel {
    this.#fill(now)
    return { units: this.#units, billionths: this.#fraction }
  }

  /** Sets the level, as of `now`; no more than the burst. */
  restore({ units, billionths }: BucketLevel, now: Nanoseconds): void {
    const isFull = units >= this.burst
    this.#units = isFull ? this.burst : units
    this.#fraction = isFull ? 0 : billionths
    this.#filledAt = now
  }

  /** The level, for a bucket elsewhere that goes on from there. */
  handOver(now: Nanoseconds): BucketLevel {
    this.#taken = 0
    return this.level(now)
  }

  /**
   * Goes on from where a bucket elsewhere is; what was taken here meanwhile was that one's, and may leave less than nothing. The same
   * again changes nothing.
   */
  takeOver(level: BucketLevel, now: Nanoseconds): void {
    this.restore(level, now)
    this.#units -= this.#taken
  }

  /**
   * Adds rate × elapsed. The product may pass 2^53, so it is made of parts that do not: the seconds, the nanoseconds at
   * whole units each, and the nanoseconds at the rest of the rate in two halves of 15 bits. A part that does pass 2^53 has
   * filled the bucket many times over, however it was rounded.
   */
  #fill(now: Nanoseconds): void {
    if (now <= this.#filledAt) return
    const elapsed = now - this.#filledAt
    this.#filledAt = now
    const nanoseconds = elapsed % SECOND
    const seconds = (elapsed - nanoseconds) / SECOND
    const low = nanoseconds & 0x7fff
    const highProduct = (nanoseconds >>> 15) * this.#rateRemainder
    const highRest = highProduct % SECOND
    const billionths = highRest * 0x8000 + low * this.#rateRemainder + this.#fraction
    const fraction = billionths % SECOND
    const units =
      this.#units +
      seconds * this.rate +
      nanoseconds * this.#unitsPerNanosecond +
      ((highProduct - highRest) / SECOND) * 0x8000 +
      (billionths - fraction) / SECOND
    const full = units >= this.burst
    this.#units = full ? this.burst : units
    this.#fraction = full ? 0 : fraction
  }
}
