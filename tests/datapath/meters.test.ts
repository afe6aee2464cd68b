import { describe, expect, test } from 'vitest'
import { checkMeter } from '../../datapath/check/meter-mod.ts'
import { MeterTable, MeterVerdict } from '../../datapath/meters.ts'
import type { MeterBand, MeterSpec } from '../../protocols/control/messages.ts'
import { ReservedMeter } from '../../protocols/control/messages.ts'
import type { Random } from '../../runtime/random.ts'
import { seeded } from '../../runtime/random.ts'
import { refusalOf } from '../support/test-tables.ts'
import { seeds } from '../support/seeds.ts'

const SECOND = 1_000_000_000n

/** The slow twin: a level in billionths of a bit, in whole numbers of any size. */
class ExactBucket {
  #level: bigint
  #at = 0n
  readonly #rate: bigint
  readonly #burst: bigint

  constructor(rate: bigint, burst: bigint) {
    this.#rate = rate
    this.#burst = burst
    this.#level = burst * SECOND
  }

  take(bits: bigint, now: bigint): boolean {
    const filled = this.#level + (now - this.#at) * this.#rate
    const full = this.#burst * SECOND
    this.#level = filled < full ? filled : full
    this.#at = now
    if (bits * SECOND > this.#level) return false
    this.#level -= bits * SECOND
    return true
  }
}

const drop = (rate: bigint, burst: bigint): MeterBand => ({ type: 'drop', rate, burst })

function metered(...bands: MeterBand[]): MeterTable {
  const meters = new MeterTable()
  meters.set({ meter: 1, bands }, 0)
  return meters
}

/** Rates and bursts over many orders of magnitude. */
const randomRate = (random: Random) => 1n + BigInt(Math.floor(10 ** (random.fraction() * 13)))

/** A span that lets some frames pass and some not, and now and then a very long one. */
function randomSpan(random: Random, rate: bigint): number {
  if (random.below(100) === 0) return Math.floor(random.fraction() * 10 ** (random.fraction() * 15))
  const spanOfFrame = (12_000 * 1e9) / Number(rate)
  return Math.min(Math.floor(random.fraction() * 2 * spanOfFrame), 1e14)
}

test.each(seeds(15))('the exact twin says the same (seed %i)', (seed) => {
  const random = seeded(seed)
  const rate = randomRate(random)
  const burst = 12_000n + randomRate(random)
  const meters = metered(drop(rate, burst))
  const twin = new ExactBucket(rate, burst)
  const wrong: string[] = []
  let now = 0
  for (let frame = 0; frame < 2000 && now < 8e15; frame++) {
    now += randomSpan(random, rate)
    const bits = 8 * (14 + random.below(1500))
    const passes = meters.allow(1, bits, now) === MeterVerdict.Pass
    if (passes !== twin.take(BigInt(bits), BigInt(now))) wrong.push(`frame ${frame} at ${now}`)
  }
  expect(wrong, `rate ${rate}, burst ${burst}`).toEqual([])
})

test.each([1, 2, 3])('no interval of T lets more than rate × T + burst pass (seed %i)', (seed) => {
  const random = seeded(seed)
  const rate = 1_000_000n + BigInt(random.uint32())
  const burst = 20_000n + BigInt(random.below(100_000))
  const meters = metered(drop(rate, burst))
  const passed: { at: number; bits: number }[] = []
  for (let now = 0, frame = 0; frame < 600; frame++) {
    now += randomSpan(random, rate)
    const bits = 8 * (14 + random.below(1500))
    if (meters.allow(1, bits, now) === MeterVerdict.Pass) passed.push({ at: now, bits })
  }
  expect(passed.length).toBeGreaterThan(100)
  for (let from = 0; from < passed.length; from++) {
    let bits = 0n
    // What passed beyond the rate, at most; one expectation for each start, as there are very many spans.
    let excess = 0n
    for (const { at, bits: more } of passed.slice(from)) {
      bits += BigInt(more)
      const beyond = bits * SECOND - rate * BigInt(at - passed[from]!.at)
      if (beyond > excess) excess = beyond
    }
    expect(excess).toBeLessThanOrEqual(burst * SECOND)
  }
})

test('a frame of less than the burst passes a meter that has rested', () => {
  const meters = metered(drop(1000n, 12_000n))
  expect(meters.allow(1, 12_000, 0)).toBe(MeterVerdict.Pass)
  expect(meters.allow(1, 8, 7_999_999)).toBe(MeterVerdict.Drop)
  expect(meters.allow(1, 8, 8_000_000)).toBe(MeterVerdict.Pass)
  expect(meters.allow(1, 12_000, 8_000_000 + 12_000_000_000)).toBe(MeterVerdict.Pass)
})

test('of the bands that are exceeded, the one with the highest rate has its say', () => {
  const meters = metered({ type: 'dscp_remark', rate: 1000n, burst: 800n, dscp: 8 }, drop(2000n, 1600n))
  expect(meters.allow(1, 800, 0)).toBe(MeterVerdict.Pass)
  expect(meters.allow(1, 800, 0)).toBe(8)
  expect(meters.allow(1, 800, 0)).toBe(MeterVerdict.Drop)
  const one = { packets: 1n, bytes: 100n }
  const told = { meter: 1, flows: 4, packets: 3n, bytes: 300n, duration: 7n, bands: [one, one] }
  expect(meters.statistics(7, () => 4)).toEqual([told])
})

test.each([1, 2, 3, 4])('a meter of packets asks how many, not how long (seed %i)', (seed) => {
  const random = seeded(seed)
  const rate = 1n + BigInt(random.below(1000))
  const burst = 1n + BigInt(random.below(20))
  const meters = new MeterTable()
  meters.set({ meter: 1, unit: 'packets', bands: [drop(rate, burst)] }, 0)
  const twin = new ExactBucket(rate, burst)
  const wrong: string[] = []
  for (let now = 0, frame = 0; frame < 1000; frame++) {
    now += random.below(Math.floor(2e9 / Number(rate)))
    const passes = meters.allow(1, 8 * (14 + random.below(1500)), now) === MeterVerdict.Pass
    if (passes !== twin.take(1n, BigInt(now))) wrong.push(`frame ${frame} at ${now}`)
  }
  expect(wrong).toEqual([])
})

// RFC 2597 §6: AF11 is 10, AF12 12, AF13 14; AF41 is 34, AF43 38. EF (46), class selectors and 0 have no drop precedence.
test.each([
  [10, 1, 12],
  [10, 2, 14],
  [12, 5, 14],
  [14, 1, 14],
  [34, 2, 38],
  [46, 1, 46],
  [8, 1, 8],
  [0, 1, 0],
  [11, 1, 11],
])('a frame of DSCP %i whose drop precedence goes up by %i has %i', (dscp, precedence, marked) => {
  const meters = metered({ type: 'dscp_remark', rate: 1n, burst: 1n, precedence })
  expect(meters.allow(1, 800, 0, dscp)).toBe(marked)
  expect(meters.allow(1, 800, 0)).toBe(MeterVerdict.Pass)
})

test('a meter that is changed starts with full buckets and nothing counted, and is as old as it was', () => {
  const meters = metered(drop(1n, 800n))
  expect([0, 0].map(() => meters.allow(1, 800, 0))).toEqual([MeterVerdict.Pass, MeterVerdict.Drop])
  meters.set({ meter: 1, bands: [drop(1n, 800n)] }, 5)
  expect(meters.allow(1, 800, 5)).toBe(MeterVerdict.Pass)
  expect(meters.statistics(9, () => 0)).toMatchObject([{ duration: 9n, packets: 1n }])
})

describe('what makes a meter', () => {
  const spec = (given: Partial<MeterSpec>): MeterSpec => ({ meter: 1, bands: [drop(1n, 1n)], ...given })
  const remark = (given: Partial<MeterBand>): Partial<MeterSpec> => ({
    bands: [{ type: 'dscp_remark', rate: 1n, burst: 0n, ...given }],
  })
  test.each<[string, Partial<MeterSpec>, string, string]>([
    ['number 0', { meter: 0 }, 'OFPMMFC_INVALID_METER', 'meter'],
    ['number of all', { meter: ReservedMeter.All }, 'OFPMMFC_INVALID_METER', 'meter'],
    ['no band', { bands: [] }, 'OFPMMFC_OUT_OF_BANDS', 'bands'],
    ['nine bands', { bands: Array.from({ length: 9 }, () => drop(1n, 1n)) }, 'OFPMMFC_OUT_OF_BANDS', 'bands'],
    ['no rate', { bands: [drop(0n, 1n)] }, 'OFPMMFC_BAD_RATE', 'bands[0].rate'],
    ['a burst past counting', { bands: [drop(1n, 1n << 60n)] }, 'OFPMMFC_BAD_BURST', 'bands[0].burst'],
    ['a DSCP of 64', remark({ dscp: 64 }), 'OFPMMFC_BAD_BAND_VALUE', 'bands[0].dscp'],
    ['no mark', remark({}), 'OFPMMFC_BAD_BAND_VALUE', 'bands[0].dscp'],
    ['two marks', remark({ dscp: 1, precedence: 1 }), 'OFPMMFC_BAD_BAND_VALUE', 'bands[0].dscp'],
  ])('%s is refused', (_name, given, code, field) => {
    expect(refusalOf(() => checkMeter(spec(given)))).toEqual({ code, field })
  })

  test.each([1, ReservedMeter.Max, ReservedMeter.Slowpath, ReservedMeter.Controller])('number %i is one', (meter) => {
    expect(refusalOf(() => checkMeter(spec({ meter })))).toBeUndefined()
  })
})

test('a burst of 0 stands for one second at the rate', () => {
  const meters = metered(drop(8000n, 0n))
  expect(meters.allow(1, 8000, 0)).toBe(MeterVerdict.Pass)
  expect(meters.allow(1, 8, 0)).toBe(MeterVerdict.Drop)
})

test('a meter that is not there lets everything pass', () => {
  expect(new MeterTable().allow(7, 1e9, 0)).toBe(MeterVerdict.Pass)
})
