import type { Action } from '../../protocols/control/messages.ts'
import type { ErrorCode } from '../../protocols/control/messages.ts'
import { LAST_TABLE } from '../../protocols/control/messages.ts'
import { Refused } from '../../protocols/control/refused.ts'
import type { FieldName } from '../../protocols/fields.ts'
import { fieldOf } from '../../protocols/fields.ts'
import type { KnownFrame } from '../../protocols/known-frame.ts'
import { isAlwaysAsked, lackingFor, lackingToRead, lackingToSet } from '../../protocols/known-frame.ts'

export type ActionOf<T extends Action['type']> = Extract<Action, { type: T }>

/** What there is on the switch, and where the actions are to stand. */
export interface CheckContext {
  meterExists: (meter: number) => boolean
  groupExists: (group: number) => boolean
  /**
   * As Open vSwitch asks from OpenFlow 1.1 on: pop_vlan, dec_ttl and their like are refused where a frame may not have the header.
   * Absent, as in OpenFlow 1.0: they do nothing to a frame that does not have it.
   */
  consistent?: true
  /** Actions of a packet-out, and the frame that they are for; undefined where nothing is to be refused for what it lacks. */
  packetOut?: { readonly frame: KnownFrame | undefined }
  /** Actions of a group's bucket: which frame they meet shows when it is there. */
  bucket?: true
}

/** Where an action stands, and what is known of the frames that come to it. */
export interface Place {
  readonly context: CheckContext
  readonly path: string
  /** Undefined where they may be any: nothing is refused then for what a frame lacks. */
  readonly frame: KnownFrame | undefined
  /** What the list belongs to, where not to a flow's own actions. */
  readonly within?: 'write' | 'clone' | 'ct' | undefined
  /** How many clones are around it. */
  readonly depth: number
}

export const isBits = (value: number, bits: number): boolean =>
  Number.isInteger(value) && value >= 0 && value < 2 ** bits

/** How many tables there are. */
export const TABLES = LAST_TABLE + 1

export const isTable = (table: number): boolean => Number.isInteger(table) && table >= 0 && table < TABLES

/** As in Open vSwitch a look-up in table 254, its own, is no mistake; there is nothing in it. */
export const isLookupTable = (table: number): boolean => isTable(table) || table === TABLES

export function refuseUnless(holds: boolean, code: ErrorCode, path: string, problem: string): void {
  if (!holds) throw new Refused(code, path, problem)
}

/** Every frame that comes here must have what the action needs, where that is asked. */
export function demandFor(action: Action, { context, frame, path, within }: Place): void {
  const isAsked = isAlwaysAsked(action) || (context.consistent === true && within !== 'write')
  if (frame !== undefined && isAsked) refuseLacking(path, lackingFor(action, frame))
}

/** Every frame that comes here must have the field, in an action set too. */
export function demandField({ frame }: Place, path: string, field: FieldName): void {
  if (frame !== undefined) refuseLacking(path, lackingToRead(fieldOf(field), frame))
}

/** The same of set_field and load. */
export function demandToSet({ frame }: Place, path: string, field: FieldName): void {
  if (frame !== undefined) refuseLacking(path, lackingToSet(fieldOf(field), frame))
}

function refuseLacking(path: string, lacking: string | undefined): void {
  if (lacking === undefined) return
  throw new Refused('OFPBAC_MATCH_INCONSISTENT', path, `needs ${lacking}, which not every frame has that comes here`)
}
