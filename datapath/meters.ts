// Meters (OpenFlow 1.3 §5.7): frames beyond a rate are dropped or marked.

import type { BandLevel, MeterBand, MeterLevel, MeterSpec, MeterStatistics } from '../protocols/control/messages.ts'
import type { Nanoseconds } from '../runtime/clock.ts'
import { TokenBucket } from './token-bucket.ts'

/** What a meter says of a frame: one of these, or the DSCP (0..63) that the frame must bear from here on. */
export const MeterVerdict = { Pass: -1, Drop: -2 } as const

/** DSCP of a frame that has none. */
const NO_DSCP = -1

/** What is counted here, together with what was counted elsewhere before the traffic came here. */
class Tally {
  packets = 0
  bytes = 0
  #told = { packets: 0, bytes: 0 }
  #elsewhere = { packets: 0n, bytes: 0n }

  count(bytes: number): void {
    this.packets++
    this.bytes += bytes
  }

  total(): { packets: bigint; bytes: bigint } {
    return {
      packets: BigInt(this.packets) + this.#elsewhere.packets,
      bytes: BigInt(this.bytes) + this.#elsewhere.bytes,
    }
  }

  /** For somebody who counts on from there. */
  export(): { packets: bigint; bytes: bigint } {
    this.#told = { packets: this.packets, bytes: this.bytes }
    return this.total()
  }

  /** Counts on from what was counted elsewhere, which has in it what was told from here. */
  import({ packets, bytes }: { packets: bigint; bytes: bigint }): void {
    this.#elsewhere = { packets: packets - BigInt(this.#told.packets), bytes: bytes - BigInt(this.#told.bytes) }
  }
}

/** One band: a bucket that fills at the band's rate. */
class Band {
  readonly bucket: TokenBucket
  readonly tally = new Tally()
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

  handOver(now: Nanoseconds): BandLevel {
    return { ...this.bucket.handOver(now), ...this.tally.export() }
  }

  takeOver(level: BandLevel, now: Nanoseconds): void {
    this.bucket.takeOver(level, now)
    this.tally.import(level)
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
  readonly #tally = new Tally()
  readonly #bands: Band[]

  constructor(spec: MeterSpec, now: Nanoseconds, madeAt = now) {
    this.spec = spec
    this.madeAt = madeAt
    this.#bands = spec.bands.map((band) => new Band(band, now))
  }

  /** Counts a frame of `bits` and says what becomes of it. `now` never goes back. */
  measure(bits: number, now: Nanoseconds, dscp: number): number {
    this.#tally.count(bits / 8)
    const units = this.spec.unit === 'packets' ? 1 : bits
    let exceeded: Band | undefined
    for (const band of this.#bands) {
      if (!band.bucket.take(units, now) && (exceeded === undefined || band.rate > exceeded.rate)) exceeded = band
    }
    if (exceeded === undefined) return MeterVerdict.Pass
    exceeded.tally.count(bits / 8)
    return exceeded.verdict(dscp)
  }

  /** How full its bands' buckets are, in bits, or in packets where it counts those; and its counts. For a meter elsewhere. */
  handOver(now: Nanoseconds): MeterLevel {
    const bands = this.#bands.map((band) => band.handOver(now))
    return { meter: this.spec.meter, ...this.#tally.export(), bands }
  }

  /** Goes on from where a meter elsewhere is; bands that it does not have stay as they are. The same again changes nothing. */
  takeOver(level: MeterLevel, now: Nanoseconds): void {
    this.#tally.import(level)
    level.bands.forEach((band, index) => this.#bands[index]?.takeOver(band, now))
  }

  statistics(now: Nanoseconds, flows: number): MeterStatistics {
    return {
      meter: this.spec.meter,
      flows,
      ...this.#tally.total(),
      duration: BigInt(now - this.madeAt),
      bands: this.#bands.map(({ tally }) => tally.total()),
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
