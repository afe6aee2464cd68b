import { Word } from '../../protocols/fields.ts'
import { IpProtocol } from '../../protocols/match.ts'
import type { Nanoseconds } from '../../runtime/clock.ts'
import type { DatapathAction } from '../datapath-actions.ts'
import type { FlowKey } from '../flow-key.ts'
import type { Flow } from '../flow.ts'
import type { MacEntry } from '../mac-table.ts'
import type { Effect } from '../pipeline/effects.ts'
import { countInGroups } from '../pipeline/effects.ts'
import type { Translation } from '../pipeline/translation.ts'
import type { Dependencies } from './dependencies.ts'
import type { Entrance } from './entrance.ts'
import type { MegaflowMask } from './megaflows.ts'

export interface MegaflowParts {
  entrance: Entrance
  key: FlowKey
  mask: MegaflowMask
  translation: Translation
  dependencies: Dependencies
  /** As of which change (changes.ts) the answer is given. */
  asOf: number
}

type LastingEffect = Extract<Effect, { type: 'learn_flow' | 'fin_timeout' }>

/** What the pipeline answered, and for whom it is good. What changes with every frame is in its record (records.ts). */
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
  /** Its frames are TCP, as far as is known. */
  readonly seesTcp: boolean
  /** Its frames leave no trace but in counters, and what becomes of them depends on none. */
  readonly isSteady: boolean
  /** As of which change it was answered. */
  readonly answeredAsOf: number
  /** What its flows, tables and groups have been told of already. */
  #toldPackets = 0
  #toldBytes = 0
  /** Another one of the same mask and hash. */
  next: Megaflow | undefined

  constructor({ entrance, key, mask, translation, dependencies, asOf }: MegaflowParts) {
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
    this.seesTcp = mask.bits[Word.protocol] !== 0 && key[Word.protocol] === IpProtocol.Tcp
    this.isSteady =
      effects.length === 0 &&
      dependencies.addresses.length === 0 &&
      !dependencies.unforeseeable &&
      !actions.some(({ type }) => UNSTEADY.has(type))
    this.answeredAsOf = asOf
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

const NONE: readonly LastingEffect[] = []

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
