const { FIRST_SEED, CASES } = process.env

/** Other seeds are asked for than those that a test has by itself. */
export const isChosen = FIRST_SEED !== undefined || CASES !== undefined

/**
 * Seeds of cases by chance: so many, or as many as CASES says, from FIRST_SEED on. For a long run of one law:
 *
 *   CASES=1000 npx vitest run --project unit tests/datapath/clone.test.ts
 */
export function seeds(count: number): number[] {
  const first = Number(FIRST_SEED ?? 1)
  return Array.from({ length: Number(CASES ?? count) }, (_, index) => first + index)
}
