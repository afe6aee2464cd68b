import { describe, expect, test } from 'vitest'
import { seeded, type Random } from '../../runtime/random.ts'

const draws = (random: Random, count = 100) => Array.from({ length: count }, () => random.uint32())

describe('seeded chance', () => {
  test('is the same for the same seed', () => {
    expect(draws(seeded(1))).toEqual(draws(seeded(1)))
  })

  test('is the same on every machine and in every release', () => {
    expect(draws(seeded(1), 3)).toMatchInlineSnapshot(`
      [
        393288148,
        2174103013,
        3814759091,
      ]
    `)
  })

  test('is another for another seed, also for a neighbouring one', () => {
    const firsts = new Set(Array.from({ length: 1000 }, (_, seed) => seeded(seed).uint32()))
    expect(firsts.size).toBe(1000)
  })

  test('a fork follows from seed and purpose alone, not from what was drawn', () => {
    const untouched = seeded(5)
    const drawnFrom = seeded(5)
    draws(drawnFrom)
    expect(draws(drawnFrom.fork('link'))).toEqual(draws(untouched.fork('link')))
  })

  test('forks for different purposes differ from each other and from their parent', () => {
    const random = seeded(5)
    const streams = [random, random.fork('a'), random.fork('b'), random.fork('a').fork('b')].map(
      (each) => draws(each)[0],
    )
    expect(new Set(streams).size).toBe(4)
  })

  test('drawing from a fork does not shift its parent', () => {
    const disturbed = seeded(5)
    draws(disturbed.fork('link'))
    expect(draws(disturbed)).toEqual(draws(seeded(5)))
  })

  test.each([1, 2, 3, 10, 1000, 2 ** 32])('stays below the bound %i', (bound) => {
    const random = seeded(bound)
    for (let draw = 0; draw < 1000; draw++) {
      const number = random.below(bound)
      expect(Number.isInteger(number)).toBe(true)
      expect(number).toBeGreaterThanOrEqual(0)
      expect(number).toBeLessThan(bound)
    }
  })

  test('is even: each of ten buckets gets its share within 5 %', () => {
    const random = seeded(11)
    const buckets = new Array<number>(10).fill(0)
    for (let draw = 0; draw < 100_000; draw++) buckets[random.below(10)]!++
    for (const count of buckets) expect(Math.abs(count - 10_000)).toBeLessThan(500)
  })
})
