import { expect, test } from 'vitest'
import { changedKeys, PersistentMap } from '../../controller/persistent-map.ts'
import type { Random } from '../../runtime/random.ts'
import { seeded } from '../../runtime/random.ts'
import { seeds } from '../support/seeds.ts'

type Plain = ReadonlyMap<number, number>

/** Keys of which some have the same hash: it is made of both halves of a number. */
const randomKey = (random: Random): number => {
  const high = random.below(3)
  return high * 2 ** 32 + (random.below(300) ^ high)
}

function edited(
  map: PersistentMap<number, number>,
  plain: Plain,
  random: Random,
): [PersistentMap<number, number>, Plain] {
  const copy = new Map(plain)
  let now = map
  for (let edits = random.below(40); edits > 0; edits--) {
    const key = randomKey(random)
    if (random.below(3) === 0) {
      copy.delete(key)
      now = now.delete(key)
    } else {
      const value = random.below(3)
      copy.set(key, value)
      now = now.set(key, value)
    }
  }
  return [now, copy]
}

const inOrder = <T extends readonly [number, ...unknown[]]>(entries: Iterable<T>): T[] =>
  [...entries].sort(([a], [b]) => a - b)

test.each(seeds(10))('it holds what a plain map holds, and knows what has changed (seed %i)', (seed) => {
  const random = seeded(seed)
  let versions: [PersistentMap<number, number>, Plain][] = [[PersistentMap.empty(), new Map()]]
  for (let round = 0; round < 30; round++) versions = [...versions, edited(...versions.at(-1)!, random)]
  for (const [map, plain] of versions) {
    expect(inOrder(map)).toEqual(inOrder(plain))
    expect(map.size).toBe(plain.size)
    const [other, plainOther] = versions[random.below(versions.length)]!
    expect(inOrder(map.changesSince(other))).toEqual(inOrder(changedKeys(plainOther, plain)))
  }
})
