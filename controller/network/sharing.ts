import type { Topology } from '../../topologies/topology.ts'
import { PersistentMap } from '../persistent-map.ts'

/**
 * `before` where it says the same as `now`, else `now`: so an object that did not change stays the same object. Looks `depth`
 * levels into plain objects, arrays and maps; what lies below must be identical. So must persistent maps: they are kept by who made them.
 */
export const keepUnchanged = <T>(before: T | undefined, now: T, depth = 1): T =>
  before !== undefined && same(before, now, depth) ? before : now

/** The map of these entries; what is the same in `depth` levels as in the map before is the same object. */
export function renewed<K extends string | number, V>(
  before: PersistentMap<K, V> | undefined,
  entries: Iterable<readonly [K, V]>,
  depth: number,
): PersistentMap<K, V> {
  let map = before ?? PersistentMap.empty<K, V>()
  const keys = new Set<K>()
  for (const [key, value] of entries) {
    keys.add(key)
    map = map.set(key, keepUnchanged(before?.get(key), value, depth))
  }
  if (map.size > keys.size) for (const key of map.keys()) if (!keys.has(key)) map = map.delete(key)
  return map
}

/** Whether two lists are of the very same things, in the same order. */
export const sameMembers = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a === b || (a.length === b.length && a.every((one, index) => one === b[index]))

/** Levels of a topology; deeper than any has. */
const TOPOLOGY_DEPTH = 16

export const isSameTopology = (before: Topology | undefined, now: Topology): boolean =>
  before !== undefined && same(before, now, TOPOLOGY_DEPTH)

function same(a: unknown, b: unknown, depth: number): boolean {
  if (Object.is(a, b)) return true
  if (depth === 0 || typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (a instanceof PersistentMap || b instanceof PersistentMap) return false
  if (a instanceof Map) return b instanceof Map && sameEntries(a, b, depth)
  if (b instanceof Map || Array.isArray(a) !== Array.isArray(b)) return false
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  return keys.every((key) => key in b && same(a[key as keyof typeof a], b[key as keyof typeof b], depth - 1))
}

const sameEntries = (a: ReadonlyMap<unknown, unknown>, b: ReadonlyMap<unknown, unknown>, depth: number): boolean =>
  a.size === b.size && [...a].every(([key, value]) => b.has(key) && same(value, b.get(key), depth - 1))
