import type { Flow } from '../flow.ts'

/** The numbers of the conjunctions of which `flows` together hold every clause, ascending. */
export function conjunctionsHeld(flows: readonly Flow[]): number[] {
  if (flows.length < 2) return []
  /** By number and count of clauses: one bit for each clause that is not held yet. */
  const missing = new Map<string, { id: number; clauses: bigint }>()
  for (const { clauses = [] } of flows)
    for (const { id, clause, clauses: count } of clauses) {
      const name = `${id}/${count}`
      const all = (1n << BigInt(count)) - 1n
      const before = missing.get(name)?.clauses ?? all
      missing.set(name, { id, clauses: before & ~(1n << BigInt(clause - 1)) })
    }
  return [...missing.values()]
    .filter(({ clauses }) => clauses === 0n)
    .map(({ id }) => id)
    .sort((a, b) => a - b)
}
