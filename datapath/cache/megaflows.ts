// Megaflows: answers of the pipeline, each for all keys that agree with the one it was given to on the bits it consulted.
//
// They are kept in a tuple space: those of one mask together, by hash of the masked key (Srinivasan, Suri and Varghese, SIGCOMM
// 1999). No two give different answers to the same key, since each consulted all that its answer depends on; so the first that
// is found will do, and masks are asked in the order of their hits (Open vSwitch's dpcls, lib/dpif-netdev.c). A look-up asks a bounded
// number of masks: headers made up to give rise to many masks (Csikor et al., "Tuple Space Explosion", CoNEXT 2019) make
// it no slower than that. What it does not find the pipeline is asked again.

import { KEY_WORDS, Word } from '../../protocols/fields.ts'
import type { FlowKey } from '../flow-key.ts'
import { mixed } from './hash.ts'
import type { Megaflow } from './megaflow.ts'

/** Masks that a look-up asks. */
const MOST_PROBES = 24
/** Look-ups after which masks are ranked anew. */
const RANKING_PERIOD = 4096

/** Bits of a key; equal ones of an entrance are one object. */
export class MegaflowMask {
  readonly bits: Uint32Array
  /** The words in which there are any. */
  readonly words: readonly number[]
  /** None of a frame's headers. */
  readonly isBlind: boolean
  hits = 0
  readonly #megaflows = new Map<number, Megaflow>()

  constructor(bits: Uint32Array) {
    this.bits = bits
    this.words = Array.from({ length: KEY_WORDS }, (_, word) => word).filter((word) => bits[word] !== 0)
    this.isBlind = this.words.every((word) => word < Word.ethernetDestination)
  }

  get size(): number {
    return this.#megaflows.size
  }

  find(key: FlowKey): Megaflow | undefined {
    let found = this.#megaflows.get(this.#hash(key))
    while (found !== undefined && !this.#agrees(key, found.key)) found = found.next
    return found
  }

  add(megaflow: Megaflow): void {
    const hash = this.#hash(megaflow.key)
    megaflow.next = this.#megaflows.get(hash)
    this.#megaflows.set(hash, megaflow)
  }

  remove(megaflow: Megaflow): void {
    const hash = this.#hash(megaflow.key)
    let before = this.#megaflows.get(hash)
    if (before === megaflow) {
      if (megaflow.next === undefined) this.#megaflows.delete(hash)
      else this.#megaflows.set(hash, megaflow.next)
      return
    }
    while (before !== undefined && before.next !== megaflow) before = before.next
    if (before !== undefined) before.next = megaflow.next
  }

  #hash(key: FlowKey): number {
    const { words, bits } = this
    let hash = 0
    for (let index = 0; index < words.length; index++) {
      const word = words[index]
      hash = mixed(hash, key[word] & bits[word])
    }
    return hash
  }

  #agrees(a: FlowKey, b: FlowKey): boolean {
    const { words, bits } = this
    for (let index = 0; index < words.length; index++) {
      const word = words[index]
      if (((a[word] ^ b[word]) & bits[word]) !== 0) return false
    }
    return true
  }
}

/** The megaflows of one entrance. */
export class Megaflows implements Iterable<MegaflowMask> {
  /** By hash of their bits. */
  readonly #masks = new Map<number, MegaflowMask[]>()
  /** By hits. */
  #ranked: MegaflowMask[] = []
  #lookups = 0
  /** Masks that the last look-up asked. */
  probes = 0

  get masks(): number {
    return this.#ranked.length
  }

  [Symbol.iterator](): Iterator<MegaflowMask> {
    return this.#ranked[Symbol.iterator]()
  }

  find(key: FlowKey): Megaflow | undefined {
    if (++this.#lookups === RANKING_PERIOD) this.#rank()
    const ranked = this.#ranked
    const probes = Math.min(ranked.length, MOST_PROBES)
    for (let index = 0; index < probes; index++) {
      const found = ranked[index].find(key)
      if (found === undefined) continue
      ranked[index].hits++
      this.probes = index + 1
      return found
    }
    this.probes = probes
    return undefined
  }

  /** The mask of these bits; made where there is none. Counts as a hit: one that is never asked could not rise in rank. */
  maskOf(bits: Uint32Array): MegaflowMask {
    const hash = hashOf(bits)
    const alike = this.#masks.get(hash) ?? []
    let mask = alike.find((one) => haveSameBits(one.bits, bits))
    if (mask === undefined) {
      mask = new MegaflowMask(bits.slice())
      this.#masks.set(hash, [...alike, mask])
      this.#ranked.push(mask)
    }
    mask.hits++
    return mask
  }

  remove(megaflow: Megaflow): void {
    megaflow.mask.remove(megaflow)
  }

  /** Those that are asked often come first; what is empty goes. */
  #rank(): void {
    this.#lookups = 0
    this.#ranked = this.#ranked.filter((mask) => mask.size > 0 || this.#forget(mask))
    this.#ranked.sort((a, b) => b.hits - a.hits)
    for (const mask of this.#ranked) mask.hits >>>= 1
  }

  #forget(mask: MegaflowMask): false {
    const hash = hashOf(mask.bits)
    const left = this.#masks.get(hash)!.filter((one) => one !== mask)
    if (left.length === 0) this.#masks.delete(hash)
    else this.#masks.set(hash, left)
    return false
  }
}

function hashOf(bits: Uint32Array): number {
  let hash = 0
  for (let word = 0; word < KEY_WORDS; word++) hash = mixed(hash, bits[word])
  return hash
}

function haveSameBits(a: Uint32Array, b: Uint32Array): boolean {
  for (let word = 0; word < KEY_WORDS; word++) if (a[word] !== b[word]) return false
  return true
}
