/**
 * A number for each name, distinct. Who has one keeps it; the others get the first free ones of `candidates`, in the order
 * of `names`. Throws RangeError where the candidates do not suffice.
 */
export function assignNumbers(
  previous: ReadonlyMap<string, number>,
  names: readonly string[],
  candidates: Iterable<number>,
  reserved: ReadonlySet<number> = new Set(),
): Map<string, number> {
  const assigned = new Map<string, number>()
  for (const name of names) {
    const kept = previous.get(name)
    if (kept !== undefined && !reserved.has(kept)) assigned.set(name, kept)
  }
  const taken = new Set([...assigned.values(), ...reserved])
  const free = freeNumbers(candidates, taken)
  for (const name of names) {
    if (assigned.has(name)) continue
    const next = free.next()
    if (next.done) throw new RangeError(`no number is left for ${name}`)
    assigned.set(name, next.value)
  }
  return assigned
}

/** As `assignNumbers`, but numbers of names that are gone are given to nobody yet: they may still mean the old to somebody. */
export function reassignNumbers(
  previous: ReadonlyMap<string, number>,
  names: readonly string[],
  candidates: Iterable<number>,
  reserved: ReadonlySet<number> = new Set(),
): Map<string, number> {
  const wanted = new Set(names)
  const gone = [...previous].flatMap(([name, number]) => (wanted.has(name) ? [] : [number]))
  return assignNumbers(previous, names, candidates, new Set([...reserved, ...gone]))
}

function* freeNumbers(candidates: Iterable<number>, taken: ReadonlySet<number>): Generator<number, undefined> {
  for (const candidate of candidates) if (!taken.has(candidate)) yield candidate
}

/** The whole numbers from `first` to `last`, up or down. */
export function* range(first: number, last: number): Generator<number> {
  const step = first <= last ? 1 : -1
  for (let number = first; number !== last + step; number += step) yield number
}
