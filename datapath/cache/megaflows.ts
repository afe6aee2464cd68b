// Megaflows: answers of the pipeline, each for all keys that agree with the one it was given to on the bits it consulted.
//
// They are kept in a tuple space: those of one mask together, by hash of the masked key (Srinivasan, Suri and Varghese, SIGCOMM
// 1999). No two give different answers to the same key, since each consulted all that its answer depends on; so the first that
// is found will do, and masks are asked in the order of their hits (Open vSwitch's dpcls, lib/dpif-netdev.c). A look-up asks a bounded
// number of masks: headers made up to give rise to many masks (Csikor et al., "Tuple Space Explosion", CoNEXT 2019) make
// it no slower than that. What it does not find the pipeline is asked again, and whoever comes with the same mask and masked key goes by
// the megaflow that is there. An entrance has a bounded number of masks, too; what it needs beyond that goes under one that is
// narrower than its answers ask for, which costs room and questions but is never wrong.

import { KEY_WORDS, Word } from '../../protocols/fields.ts'
import type { FlowKey } from '../flow-key.ts'
import { mixed } from './hash.ts'
import type { Megaflow } from './megaflow.ts'

/** Masks that a look-up asks. */
export const MOST_PROBES = 24
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
  readonly #mostMasks: number
  /** By hash of their bits. */
  readonly #masks = new Map<number, MegaflowMask[]>()
  /** By hits. */
  #ranked: MegaflowMask[] = []
  /** That of all answers for which there is no mask of their own. */
  #spareMask: MegaflowMask | undefined
  #lookups = 0
  /** Masks that the last look-up asked. */
  probes = 0

  /** With `mostMasks` as wide as the answers allow. */
  constructor(mostMasks: number) {
    this.#mostMasks = mostMasks
  }

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

  /** The mask of these bits, or one with more of them. Counts as a hit: one that is never asked could not rise in rank. */
  maskOf(bits: Uint32Array): MegaflowMask {
    const mask =
      this.#known(bits) ?? (this.#ranked.length < this.#mostMasks ? this.#made(bits.slice()) : this.#spare(bits))
    mask.hits++
    return mask
  }

  /**
   * A megaflow was there, but its mask was not asked, as can be while others have more hits: those by microflows, which do not ask
   * masks, count now, and if these are many it is asked from here on.
   */
  promote({ mask }: Megaflow, packets: number): void {
    mask.hits = Math.max(mask.hits, Math.min(packets, RANKING_PERIOD))
    const last = MOST_PROBES - 1
    const place = this.#ranked.indexOf(mask)
    if (place <= last || mask.hits <= this.#ranked[last].hits) return
    this.#ranked[place] = this.#ranked[last]
    this.#ranked[last] = mask
  }

  /** Those that are asked often come first; what is empty goes. */
  #rank(): void {
    this.#lookups = 0
    this.#ranked = this.#ranked.filter((mask) => mask.size > 0 || this.#forget(mask))
    this.#ranked.sort((a, b) => b.hits - a.hits)
    for (const mask of this.#ranked) mask.hits >>>= 1
  }

  #known(bits: Uint32Array): MegaflowMask | undefined {
    return this.#masks.get(hashOf(bits))?.find((mask) => haveSameBits(mask.bits, bits))
  }

  #made(bits: Uint32Array): MegaflowMask {
    const mask = new MegaflowMask(bits)
    const hash = hashOf(bits)
    this.#masks.set(hash, [...(this.#masks.get(hash) ?? []), mask])
    this.#ranked.push(mask)
    return mask
  }

  /** One mask for all answers that need more: all words that any of them consulted, whole. */
  #spare(bits: Uint32Array): MegaflowMask {
    const before = this.#spareMask
    if (before !== undefined && hasBits(before.bits, bits)) return before
    const whole = bits.map((some, word) => (some === 0 ? (before?.bits[word] ?? 0) : 0xffffffff))
    return (this.#spareMask = this.#known(whole) ?? this.#made(whole))
  }

  #forget(mask: MegaflowMask): false {
    if (mask === this.#spareMask) this.#spareMask = undefined
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

function hasBits(bits: Uint32Array, some: Uint32Array): boolean {
  for (let word = 0; word < KEY_WORDS; word++) if ((some[word] & ~bits[word]) !== 0) return false
  return true
}

function haveSameBits(a: Uint32Array, b: Uint32Array): boolean {
  for (let word = 0; word < KEY_WORDS; word++) if (a[word] !== b[word]) return false
  return true
}
