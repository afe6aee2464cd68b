/**
 * Seeds of cases by chance: so many, or as many as CASES says, from FIRST_SEED on. For a long run of one law:
 *
 *   CASES=1000 npx vitest run --project unit tests/datapath/clone.test.ts
 */
export function seeds(count: number): number[] {
  const first = Number(process.env['FIRST_SEED'] ?? 1)
  return Array.from({ length: Number(process.env['CASES'] ?? count) }, (_, index) => first + index)
}
