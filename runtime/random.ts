/** Chance that can be repeated: the same seed gives the same numbers on every machine. */
export interface Random {
  /** A whole number, 0 ≤ n < 2^32. */
  uint32(): number
  /** A whole number, 0 ≤ n < bound; bound at most 2^32. */
  below(bound: number): number
  /** A fraction, 0 ≤ f < 1. */
  fraction(): number
  /** A generator of its own for `purpose`, so that one part's draws do not shift another's. */
  fork(purpose: string): Random
}

/** xoshiro128** (Blackman and Vigna, 2018), seeded through splitmix32. */
class Xoshiro implements Random {
  readonly #seed: number
  readonly #state: Uint32Array

  constructor(seed: number) {
    this.#seed = seed >>> 0
    this.#state = new Uint32Array(4)
    let mixed = this.#seed
    for (let word = 0; word < 4; word++) {
      mixed = (mixed + 0x9e3779b9) >>> 0
      this.#state[word] = splitmix(mixed)
    }
  }

  uint32(): number {
    const s = this.#state
    const result = Math.imul(rotateLeft(Math.imul(s[1]!, 5), 7), 9) >>> 0
    const carried = s[1]! << 9
    s[2]! ^= s[0]!
    s[3]! ^= s[1]!
    s[1]! ^= s[2]!
    s[0]! ^= s[3]!
    s[2]! ^= carried
    s[3] = rotateLeft(s[3]!, 11)
    return result
  }

  below(bound: number): number {
    return Math.floor(this.fraction() * bound)
  }

  fraction(): number {
    return this.uint32() / 4294967296
  }

  fork(purpose: string): Random {
    let hash = this.#seed ^ 0x811c9dc5
    for (let at = 0; at < purpose.length; at++) hash = Math.imul(hash ^ purpose.charCodeAt(at), 0x01000193)
    return new Xoshiro(splitmix(hash >>> 0))
  }
}

const rotateLeft = (word: number, by: number) => (word << by) | (word >>> (32 - by))

function splitmix(word: number): number {
  let mixed = word
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
  return (mixed ^ (mixed >>> 15)) >>> 0
}

/** A generator whose every draw follows from `seed` (the low 32 bits count). */
export const seeded = (seed: number): Random => new Xoshiro(seed)
