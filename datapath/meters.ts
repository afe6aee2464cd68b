// Meters (OpenFlow 1.3 §5.7): frames beyond a rate are dropped or marked.

import type { MeterBand, MeterSpec, MeterStatistics } from '../protocols/control/messages.ts'
import type { Nanoseconds } from '../runtime/clock.ts'
import type { BucketLevel } from './token-bucket.ts'
import { TokenBucket } from './token-bucket.ts'

/** What a meter says of a frame: one of these, or the DSCP (0..63) that the frame must bear from here on. */
export const MeterVerdict = { Pass: -1, Drop: -2 } as const

/** DSCP of a frame that has none. */
const NO_DSCP = -1

/** One band: a bucket that fills at the band's rate. */
class Band {
  readonly bucket: TokenBucket
  packets = 0
  bytes = 0
  readonly #spec: MeterBand

  constructor(band: MeterBand, now: Nanoseconds) {
    this.bucket = new TokenBucket(Number(band.rate), Number(band.burst === 0n ? band.rate : band.burst), now)
    this.#spec = band
  }

  get rate(): number {
    return this.bucket.rate
  }

  /** What the band says of a frame that exceeds it; a frame that has no DSCP is not marked. */
  verdict(dscp: number): number {
    const { type, dscp: mark, precedence = 0 } = this.#spec
    if (type === 'drop') return MeterVerdict.Drop
    if (mark !== undefined) return mark
    return dscp === NO_DSCP ? MeterVerdict.Pass : withPrecedence(dscp, precedence)
  }
}

const AF_CLASSES = { lowest: 1, highest: 4 }
const MOST_PRECEDENCE = 3

/**
 * RFC 2597 §6: of an assured-forwarding codepoint (class 1..4 in the upper three bits, drop precedence 1..3 in the next two) the
 * drop precedence goes up by `steps`, to 3 at most. What is none stays.
 */
function withPrecedence(dscp: number, steps: number): number {
  const group = dscp >> 3
  const precedence = (dscp >> 1) & 3
  const isAssured = group >= AF_CLASSES.lowest && group <= AF_CLASSES.highest && precedence > 0 && (dscp & 1) === 0
  return isAssured ? (group << 3) | (Math.min(precedence + steps, MOST_PRECEDENCE) << 1) : dscp
}

/** One meter. Each band keeps its own bucket; of those that a frame exceeds, the one with the highest rate has its say. */
export class Meter {
  readonly spec: MeterSpec
  readonly madeAt: Nanoseconds
  #packets = 0
  #bytes = 0
  readonly #bands: Band[]

  constructor(spec: MeterSpec, now: Nanoseconds, madeAt = now) {
    this.spec = spec
    this.madeAt = madeAt
    this.#bands = spec.bands.map((band) => new Band(band, now))
  }

  /** Counts a frame of `bits` and says what becomes of it. `now` never goes back. */
  measure(bits: number, now: Nanoseconds, dscp: number): number {
    this.#packets++
    this.#bytes += bits / 8
    const units = this.spec.unit === 'packets' ? 1 : bits
    let exceeded: Band | undefined
    for (const band of this.#bands) {
      if (!band.bucket.take(units, now) && (exceeded === undefined || band.rate > exceeded.rate)) exceeded = band
    }
    if (exceeded === undefined) return MeterVerdict.Pass
    exceeded.packets++
    exceeded.bytes += bits / 8
    return exceeded.verdict(dscp)
  }

  /** How full its bands' buckets are, in their order: in bits, or in packets where the meter counts those. */
  levels(now: Nanoseconds): BucketLevel[] {
    return this.#bands.map(({ bucket }) => bucket.level(now))
  }

  /** Makes its buckets as full as others were. Bands without a level here stay as they are, and none holds more than its burst. */
  restoreLevels(levels: readonly BucketLevel[], now: Nanoseconds): void {
    this.#bands.slice(0, levels.length).forEach(({ bucket }, index) => bucket.restore(levels[index], now))
  }

  statistics(now: Nanoseconds, flows: number): MeterStatistics {
    return {
      meter: this.spec.meter,
      flows,
      packets: BigInt(this.#packets),
      bytes: BigInt(this.#bytes),
      duration: BigInt(now - this.madeAt),
      bands: this.#bands.map(({ packets, bytes }) => ({ packets: BigInt(packets), bytes: BigInt(bytes) })),
    }
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

  /** As they were asked for, by number. */
  specs(): MeterSpec[] {
    return this.#sorted().map(({ spec }) => spec)
  }

  /** `flowsOf` says how many flows use a meter. */
  statistics(now: Nanoseconds, flowsOf: (meter: number) => number): MeterStatistics[] {
    return this.#sorted().map((meter) => meter.statistics(now, flowsOf(meter.spec.meter)))
  }

  /** Makes the meter, or remakes it with full buckets and nothing counted. */
  set(spec: MeterSpec, now: Nanoseconds): void {
    this.#meters.set(spec.meter, new Meter(spec, now, this.#meters.get(spec.meter)?.madeAt))
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
   * sequence, times eight) that bears `dscp`, if it is of IP: MeterVerdict.Pass, MeterVerdict.Drop, or a DSCP. A meter that is
   * not there lets pass.
   */
  allow(meter: number, frameBits: number, now: Nanoseconds, dscp = NO_DSCP): number {
    return this.#meters.get(meter)?.measure(frameBits, now, dscp) ?? MeterVerdict.Pass
  }

  #sorted(): Meter[] {
    return [...this.#meters.values()].sort((a, b) => a.spec.meter - b.spec.meter)
  }
}
