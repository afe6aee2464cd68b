// Token buckets, exact: a bucket holds whole bits and billionths of a bit, and nothing is ever rounded, so that in no
// interval of T seconds do more than rate × T + burst bits pass, and never fewer than that allows.

import type { MeterBand } from '../protocols/control/messages.ts'
import type { Nanoseconds } from '../runtime/clock.ts'
import { SECOND } from '../runtime/clock.ts'

/** What a meter says of a frame: one of these, or the DSCP (0..63) that the frame must bear from here on. */
export const MeterVerdict = { Pass: -1, Drop: -2 } as const

export interface BandStatistics {
  packets: number
  bytes: number
}

/** One band: a bucket that fills at `rate` bits a second up to `burst` bits. */
class Band {
  readonly rate: number
  readonly burst: number
  /** What the band says of a frame that exceeds it. */
  readonly verdict: number
  packets = 0
  bytes = 0
  #bits: number
  /** Billionths of a bit beside the whole ones; below SECOND. */
  #fraction = 0
  #filledAt: Nanoseconds
  readonly #bitsPerNanosecond: number
  readonly #rateRemainder: number

  constructor(band: MeterBand, now: Nanoseconds) {
    this.rate = Number(band.rate)
    this.burst = Number(band.burst === 0n ? band.rate : band.burst)
    this.verdict = band.type === 'drop' ? MeterVerdict.Drop : (band.dscp ?? 0)
    this.#bits = this.burst
    this.#filledAt = now
    this.#bitsPerNanosecond = Math.floor(this.rate / SECOND)
    this.#rateRemainder = this.rate % SECOND
  }

  /** Takes `bits` where the bucket has them; false, taking nothing, where it does not. */
  take(bits: number, now: Nanoseconds): boolean {
    if (now > this.#filledAt) this.#fill(now - this.#filledAt)
    this.#filledAt = now
    if (bits > this.#bits) return false
    this.#bits -= bits
    return true
  }

  /**
   * Adds rate × elapsed. The product may pass 2^53, so it is made of parts that do not: the seconds, the nanoseconds at
   * whole bits each, and the nanoseconds at the rest of the rate in two halves of 15 bits. A part that does pass 2^53 has
   * filled the bucket many times over, however it was rounded.
   */
  #fill(elapsed: Nanoseconds): void {
    const nanoseconds = elapsed % SECOND
    const seconds = (elapsed - nanoseconds) / SECOND
    const low = nanoseconds & 0x7fff
    const highProduct = (nanoseconds >>> 15) * this.#rateRemainder
    const highRest = highProduct % SECOND
    const billionths = highRest * 0x8000 + low * this.#rateRemainder + this.#fraction
    const fraction = billionths % SECOND
    const bits =
      this.#bits +
      seconds * this.rate +
      nanoseconds * this.#bitsPerNanosecond +
      ((highProduct - highRest) / SECOND) * 0x8000 +
      (billionths - fraction) / SECOND
    const full = bits >= this.burst
    this.#bits = full ? this.burst : bits
    this.#fraction = full ? 0 : fraction
  }
}

/** One meter. Each band keeps its own bucket; of those that a frame exceeds, the one with the highest rate has its say. */
export class Meter {
  packets = 0
  bytes = 0
  readonly #bands: Band[]

  constructor(bands: readonly MeterBand[], now: Nanoseconds) {
    this.#bands = bands.map((band) => new Band(band, now))
  }

  get bands(): readonly BandStatistics[] {
    return this.#bands
  }

  /** Counts a frame of `bits` and says what becomes of it. `now` never goes back. */
  measure(bits: number, now: Nanoseconds): number {
    this.packets++
    this.bytes += bits / 8
    let exceeded: Band | undefined
    for (const band of this.#bands) {
      if (!band.take(bits, now) && (exceeded === undefined || band.rate > exceeded.rate)) exceeded = band
    }
    if (exceeded === undefined) return MeterVerdict.Pass
    exceeded.packets++
    exceeded.bytes += bits / 8
    return exceeded.verdict
  }
}

/** A switch's meters, by number. A band with a burst of 0 gets one second's worth, as in Open vSwitch. */
export class MeterTable {
  readonly #meters = new Map<number, Meter>()

  has(meter: number): boolean {
    return this.#meters.has(meter)
  }

  get(meter: number): Meter | undefined {
    return this.#meters.get(meter)
  }

  /** Makes the meter, or remakes it with full buckets. */
  set(meter: number, bands: readonly MeterBand[], now: Nanoseconds): void {
    this.#meters.set(meter, new Meter(bands, now))
  }

  /** Puts back what was there before a `set`, its levels and counts included. */
  restore(meter: number, before: Meter | undefined): void {
    if (before === undefined) this.#meters.delete(meter)
    else this.#meters.set(meter, before)
  }

  delete(meter: number): void {
    this.#meters.delete(meter)
  }

  /**
   * What the meter says of a frame of `frameBits` (the bytes from the destination address on, without the frame check
   * sequence, times eight): MeterVerdict.Pass, MeterVerdict.Drop, or a DSCP. A meter that is not there lets pass.
   */
  allow(meter: number, frameBits: number, now: Nanoseconds): number {
    return this.#meters.get(meter)?.measure(frameBits, now) ?? MeterVerdict.Pass
  }
}
