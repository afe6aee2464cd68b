// Megaflows: answers of the pipeline, each for all keys that agree with the one it was given to on the bits it consulted.
//
// They stand in a ternary trie (../classifier/ternary-trie.ts), as the flows of a table do. No two give different answers to the same key,
// since each consulted all that its answer depends on; so the first that is found will do. A tuple space, which Open vSwitch's
// caches are, would ask one mask after the other, and headers can be made up that give rise to thousands of them (Csikor et al.,
// "Tuple Space Explosion", CoNEXT 2019). Here a look-up goes down about one path, however many masks there are: with the 740 masks of
// 1,000 overlapping rules it takes 0.35 µs, where asking those 24 that had the most hits took 0.6 and found half.
//
// It takes a bounded number of steps. What it does not find within them, the pipeline is asked again, and whoever comes with the same
// mask and masked key goes by the megaflow that is there.

import { WORDS_IN_ORDER } from '../packed-match.ts'
import { KEY_WORDS } from '../../protocols/fields.ts'
import { TernaryTrie } from '../classifier/ternary-trie.ts'
import type { FlowKey } from '../flow-key.ts'
import { mixed } from './hash.ts'
import type { Megaflow } from './megaflow.ts'
import { MegaflowMask } from './megaflow-mask.ts'

/** The words of the mask that is looked for, in the order of look-ups, and their bits. */
const words = new Uint8Array(KEY_WORDS)
const bits = new Int32Array(KEY_WORDS)

/** The megaflows of one entrance. */
export class Megaflows {
  readonly #mostSteps: number
  readonly #trie = new TernaryTrie<Megaflow>(() => 0)
  /** By hash of their bits. */
  readonly #masks = new Map<number, MegaflowMask[]>()
  /** Different ones. */
  masks = 0

  /** Look-ups take at most so many steps. */
  constructor(mostSteps: number) {
    this.#mostSteps = mostSteps
  }

  /** That the last `find` took. */
  get steps(): number {
    return this.#trie.steps
  }

  find(key: FlowKey): Megaflow | undefined {
    return this.#trie.any(key, this.#mostSteps)
  }

  /** The one of this mask that the key is for, however many steps that takes: about as many as a key has bits. */
  findAlike(mask: MegaflowMask, values: readonly number[]): Megaflow | undefined {
    return mask.size === 0 ? undefined : this.#trie.find({ mask, values }, 0)
  }

  /** One of this match must not be there. */
  add(megaflow: Megaflow): void {
    this.#trie.insert(megaflow)
    if (megaflow.mask.size++ === 0) this.#enlist(megaflow.mask)
  }

  remove(megaflow: Megaflow): void {
    this.#trie.remove(megaflow)
    if (--megaflow.mask.size === 0) this.#strike(megaflow.mask)
  }

  /** The mask of these bits. It is kept once there is a megaflow. */
  maskOf(consulted: Uint32Array): MegaflowMask {
    let count = 0
    let hash = 0
    for (let rank = 0; rank < KEY_WORDS; rank++) {
      const word = WORDS_IN_ORDER[rank]
      if (consulted[word] === 0) continue
      words[count] = word
      bits[count] = consulted[word]
      hash = mixed(mixed(hash, word), bits[count++])
    }
    for (const mask of this.#masks.get(hash) ?? NONE) if (isAt(mask, count)) return mask
    return new MegaflowMask(words.slice(0, count), bits.slice(0, count))
  }

  #enlist(mask: MegaflowMask): void {
    const hash = hashOf(mask)
    const alike = this.#masks.get(hash)
    if (alike === undefined) this.#masks.set(hash, [mask])
    else alike.push(mask)
    this.masks++
  }

  #strike(mask: MegaflowMask): void {
    const hash = hashOf(mask)
    const left = this.#masks.get(hash)!.filter((one) => one !== mask)
    if (left.length === 0) this.#masks.delete(hash)
    else this.#masks.set(hash, left)
    this.masks--
  }
}

const NONE: readonly MegaflowMask[] = []

function hashOf(mask: MegaflowMask): number {
  let hash = 0
  for (let index = 0; index < mask.words.length; index++) hash = mixed(mixed(hash, mask.words[index]), mask.bits[index])
  return hash
}

/** Whether the mask has the first so many of `words` and `bits`. */
function isAt(mask: MegaflowMask, count: number): boolean {
  if (mask.words.length !== count) return false
  for (let index = 0; index < count; index++)
    if (mask.words[index] !== words[index] || mask.bits[index] !== bits[index]) return false
  return true
}
