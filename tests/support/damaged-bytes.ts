import type { Random } from '../../runtime/random.ts'

/** The bytes after an accident: cut short, with bits flipped, or both. */
export function damaged(random: Random, bytes: Uint8Array): Uint8Array {
  const harm = random.below(3)
  const result = bytes.slice(0, harm === 0 ? bytes.length : random.below(bytes.length + 1))
  if (harm === 1 || result.length === 0) return result
  for (let flips = 1 + random.below(4); flips > 0; flips--) result[random.below(result.length)]! ^= 1 << random.below(8)
  return result
}
