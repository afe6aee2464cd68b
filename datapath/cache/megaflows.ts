// Megaflows: answers of the pipeline, each for all keys that agree with the one it was given to on the bits it consulted.
//
// They are kept in a tuple space: those of one mask together, by hash of the masked key (Srinivasan, Suri and Varghese, SIGCOMM
// 1999). No two give different answers to the same key, since each consulted all that its answer depends on; so the first that
// is found will do, and masks are asked in the order of their hits (Open vSwitch's dpcls, lib/dpif-netdev.c). A look-up asks a bounded
// number of masks: headers made up to give rise to many masks (Csikor et al., "Tuple Space Explosion", CoNEXT 2019) make
// it no slower than that. What it does not find the pipeline is asked again.

import type { Nanoseconds } from '../../runtime/clock.ts'
import { KEY_WORDS, Word } from '../../protocols/fields.ts'
import { IpProtocol } from '../../protocols/match.ts'
import type { DatapathAction } from '../datapath-actions.ts'
import type { FlowKey } from '../flow-key.ts'
import type { Flow } from '../flow.ts'
import type { MacEntry } from '../mac-table.ts'
import type { Port } from '../ports.ts'
import type { Effect } from '../pipeline/effects.ts'
import type { Translation } from '../pipeline/translation.ts'
import { mixed } from './hash.ts'
import type { Dependencies } from './dependencies.ts'
import type { Entrance } from './entrance.ts'

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

type LastingEffect = Extract<Effect, { type: 'learn_flow' | 'fin_timeout' }>

/** What the pipeline answered, for whom it is good, and what it has been used for. */
export class Megaflow {
  /** Positive; 0 where it is not kept. */
  number = 0
  readonly entrance: Entrance
  /** Of the first frame. */
  readonly key: FlowKey
  readonly mask: MegaflowMask
  readonly dependencies: Dependencies
  readonly actions: readonly DatapathAction[]
  readonly hits: readonly Flow[]
  readonly effects: readonly Effect[]
  /** Those that every frame brings about; the others are counted (`tell`), or keep an address in mind (`refreshes`). */
  readonly lasting: readonly LastingEffect[]
  /** Addresses that its frames are from. */
  refreshes: MacEntry[] | undefined
  /** What it takes to carry it out once more, as the pipeline would account for it (effort.ts). */
  readonly effort: number
  /** Where all that is done to a frame is to let it out: by this. */
  readonly exit: Extract<DatapathAction, { type: 'output' }> | undefined
  /** And there, once the switch has looked. */
  exitPort: Port | undefined
  /** Its frames are TCP, as far as is known. */
  readonly seesTcp: boolean
  /** As of which change (changes.ts) the answer holds. */
  asOf: number
  packets = 0
  bytes = 0
  usedAt: Nanoseconds
  tcpFlags = 0
  /** What its flows, tables and groups have been told of already. */
  toldPackets = 0
  toldBytes = 0
  /** There is something to tell. */
  isNews = false
  /** Another one of the same mask and hash. */
  next: Megaflow | undefined

  constructor({ entrance, key, mask, translation, dependencies }: MegaflowParts, asOf: number, now: Nanoseconds) {
    const { actions, hits, effects, effort, size } = translation
    this.entrance = entrance
    this.key = key
    this.mask = mask
    this.dependencies = dependencies
    this.actions = actions
    this.hits = hits
    this.effects = effects
    this.lasting = effects.length === 0 ? NONE : effects.filter((effect) => isLasting(effect))
    this.effort = effort + size
    this.exit = soleExit(actions)
    this.seesTcp = mask.bits[Word.protocol] !== 0 && key[Word.protocol] === IpProtocol.Tcp
    this.asOf = asOf
    this.usedAt = now
  }
}

function soleExit([action, ...others]: readonly DatapathAction[]): Megaflow['exit'] {
  if (action?.type !== 'output' || others.length > 0 || action.maxLength !== undefined) return undefined
  return action
}

export interface MegaflowParts {
  entrance: Entrance
  key: FlowKey
  mask: MegaflowMask
  translation: Translation
  dependencies: Dependencies
}

const NONE: readonly LastingEffect[] = []

const isLasting = (effect: Effect): effect is LastingEffect =>
  effect.type === 'learn_flow' || effect.type === 'fin_timeout'

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
