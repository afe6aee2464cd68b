import { Word } from '../../protocols/fields.ts'
import { IpProtocol } from '../../protocols/match.ts'
import type { Nanoseconds } from '../../runtime/clock.ts'
import type { DatapathAction } from '../datapath-actions.ts'
import type { Flow } from '../flow.ts'
import type { MacEntry } from '../mac-table.ts'
import type { Effect } from '../pipeline/effects.ts'
import { countInGroups } from '../pipeline/effects.ts'
import type { Translation } from '../pipeline/translation.ts'
import type { Dependencies } from './dependencies.ts'
import { exactly } from './exactly.ts'
import type { Entrance } from './entrance.ts'
import type { MegaflowMask } from './megaflow-mask.ts'
import { sameActions, sameEffects, sameItems, sameLookups } from './revalidation.ts'

export interface MegaflowParts {
  entrance: Entrance
  mask: MegaflowMask
  /** What the first frame's key has of the mask's bits. */
  values: readonly number[]
  translation: Translation
  dependencies: Dependencies
  /** As of which change (changes.ts) the answer is given. */
  asOf: number
}

const EMPTY: readonly never[] = []

type LastingEffect = Extract<Effect, { type: 'learn_flow' | 'fin_timeout' }>

/** What the pipeline answered, and for whom it is good. What changes with every frame is in its record (records.ts). */
export class Megaflow {
  /** Positive; 0 where it is not kept. */
  number = 0
  readonly entrance: Entrance
  readonly mask: MegaflowMask
  /** Of the first frame (keys.ts), where it is kept. */
  key: readonly number[] = EMPTY
  readonly values: readonly number[]
  dependencies: Dependencies
  readonly actions: readonly DatapathAction[]
  readonly hits: readonly Flow[]
  readonly effects: readonly Effect[]
  /** Those that every frame brings about; the others are counted (`tell`), or keep an address in mind (`refreshes`). */
  readonly lasting: readonly LastingEffect[]
  /** Addresses that its frames are from. */
  refreshes: MacEntry[] | undefined
  /** What it takes to carry it out once more, as the pipeline would account for it (effort.ts). */
  readonly effort: number
  /** Its frames are TCP, as far as is known. */
  readonly seesTcp: boolean
  /** Its frames leave no trace but in counters, and what becomes of them depends on none. */
  readonly isSteady: boolean
  /** As of which change it was answered. */
  readonly answeredAsOf: number
  /** What its flows, tables and groups have been told of already. */
  #toldPackets = 0
  #toldBytes = 0

  constructor({ entrance, mask, values, translation, dependencies, asOf }: MegaflowParts) {
    const { actions, hits, effects, effort, size } = translation
    this.entrance = entrance
    this.mask = mask
    this.values = values
    this.dependencies = dependencies
    this.actions = exactly(actions)
    this.hits = exactly(hits)
    this.effects = exactly(effects)
    this.lasting = effects.length === 0 ? EMPTY : effects.filter((effect) => isLasting(effect))
    this.effort = effort + size
    this.seesTcp = values[mask.words.indexOf(Word.protocol)] === IpProtocol.Tcp
    this.isSteady =
      effects.length === 0 &&
      dependencies.addresses.length === 0 &&
      !dependencies.unforeseeable &&
      !actions.some(({ type }) => UNSTEADY.has(type))
    this.answeredAsOf = asOf
  }

  /**
   * Whether this, which the pipeline says now of its first frame, is what it said before, and holds for all its frames: then what that
   * was made from is what is watched from here on.
   */
  renew({ actions, hits, effects, effort, size, consulted }: Translation, dependencies: Dependencies): boolean {
    const isSame =
      this.effort === effort + size &&
      this.mask.covers(consulted) &&
      !dependencies.unforeseeable &&
      (this.dependencies.addresses.length === 0) === (dependencies.addresses.length === 0) &&
      sameItems(this.hits, hits) &&
      sameLookups(this.dependencies.lookups, dependencies.lookups) &&
      sameActions(this.actions, actions) &&
      sameEffects(this.effects, effects)
    if (!isSame) return false
    this.dependencies = dependencies
    this.refreshes = undefined
    return true
  }

  /** Tells its flows, tables and groups what they do not know yet of so many frames in all, the last of them at `usedAt`. */
  tellUpTo(packets: number, bytes: number, usedAt: Nanoseconds): void {
    this.tell(packets - this.#toldPackets, bytes - this.#toldBytes, usedAt)
    this.#toldPackets = packets
    this.#toldBytes = bytes
  }

  /** Adds frames to what its flows, tables and groups have counted. */
  tell(packets: number, bytes: number, usedAt: Nanoseconds): void {
    for (const flow of this.hits) {
      flow.packets += packets
      flow.bytes += bytes
      if (usedAt > flow.usedAt) flow.usedAt = usedAt
    }
    for (const { table, flow } of this.dependencies.lookups) {
      table.lookups += packets
      if (flow !== undefined) table.matched += packets
    }
    countInGroups(this.effects, packets, bytes)
  }
}

/** Actions that ask more than the frame, or tell somebody of it. */
const UNSTEADY: ReadonlySet<DatapathAction['type']> = new Set([
  'meter',
  'clone',
  'ct',
  'ct_clear',
  'check_length',
  'recirculate',
  'sample',
  'controller',
])

const isLasting = (effect: Effect): effect is LastingEffect =>
  effect.type === 'learn_flow' || effect.type === 'fin_timeout'
