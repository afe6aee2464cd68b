// Flows that users put in, beside the controller's own.

import type { Action, FlowFilter, FlowSpec } from '../protocols/control/messages.ts'
import { ALL_TABLES } from '../protocols/control/messages.ts'
import { InvalidField } from '../protocols/errors.ts'
import { fieldOf } from '../protocols/fields.ts'
import { checkMatch, type Match } from '../protocols/match.ts'
import { printFlow } from '../protocols/flow-text/print.ts'
import type { ControllerEvent } from './model.ts'
import { flowKey } from './reconcile/switch-state.ts'
import { isOwnCookie, LAST_USER_TABLE } from './tables.ts'

/** By switch, by key; never altered. */
export type FlowsBySwitch = ReadonlyMap<string, ReadonlyMap<string, FlowSpec>>

/** What stood under a flow's key before; `flow` is absent where nothing did. */
export interface FlowUndo {
  readonly switch: string
  readonly key: string
  readonly flow?: FlowSpec
}

/** @throws InvalidField a table or a cookie that is the controller's own, a match that is none. */
export function checkUserFlow({ table, cookie, match }: FlowSpec, path: string): void {
  if (!Number.isInteger(table) || table < 0 || table > LAST_USER_TABLE)
    throw new InvalidField(`${path}.table`, `table ${table} is the controller's`, `0 to ${LAST_USER_TABLE}`)
  if (isOwnCookie(cookie))
    throw new InvalidField(
      `${path}.cookie`,
      `0x${cookie.toString(16)} is the controller's`,
      'a cookie that does not begin with 0x5b5b',
    )
  checkMatch(match, `${path}.match`)
}

/** A flow whose time runs out is heard of when it does, so that it is not put in again. */
export function asDesired(flow: FlowSpec): FlowSpec {
  const ends = flow.idleTimeout > 0 || flow.hardTimeout > 0
  return ends ? { ...flow, flags: { ...flow.flags, sendFlowRemoved: true } } : flow
}

/** The flow once it is there: what mattered only to adding it is over. The same object where nothing did. */
export function asAdded(flow: FlowSpec): FlowSpec {
  const { sendFlowRemoved, ...others } = flow.flags
  if (Object.keys(others).length === 0) return flow
  return { ...flow, flags: sendFlowRemoved ? { sendFlowRemoved: true } : {} }
}

/** A flow that comes, goes, or takes the place of another. */
export interface FlowChange {
  readonly switch: string
  readonly key: string
  readonly before: FlowSpec | undefined
  readonly after: FlowSpec | undefined
}

/** What to put back for the changes not to have been. */
export const undoOf = (changes: readonly FlowChange[]): FlowUndo[] =>
  changes.map(({ switch: name, key, before }) => ({ switch: name, key, ...(before && { flow: before }) }))

/** Each of `flows` stands under its key; where it is undefined, nothing does. */
export function replaced(
  all: FlowsBySwitch,
  flows: readonly { switch: string; key: string; flow?: FlowSpec | undefined }[],
): FlowsBySwitch {
  if (flows.length === 0) return all
  const changed = new Map<string, Map<string, FlowSpec>>()
  for (const { switch: name, key, flow } of flows) {
    const own = changed.get(name) ?? new Map(all.get(name))
    if (flow === undefined) own.delete(key)
    else own.set(key, flow)
    changed.set(name, own)
  }
  return new Map([...all, ...changed])
}

/** Without the changes, but for those in whose place something else has come meanwhile. */
export const takenBack = (all: FlowsBySwitch, changes: readonly FlowChange[]): FlowsBySwitch =>
  replaced(all, undoOf(changes.filter(({ switch: name, key, after }) => all.get(name)?.get(key) === after)))

export const withoutFlow = (all: FlowsBySwitch, name: string, flow: FlowSpec): FlowsBySwitch =>
  replaced(all, [{ switch: name, key: flowKey(flow) }])

/** As `ovs-ofctl` filters: flows whose match says all that the filter's does, and perhaps more. */
export function matchesFilter(flow: FlowSpec, { table, match, cookie, cookieMask, outPort }: FlowFilter): boolean {
  if (table !== ALL_TABLES && table !== flow.table) return false
  if ((flow.cookie & cookieMask) !== (cookie & cookieMask)) return false
  if (outPort !== undefined && !outputsTo(flow, outPort)) return false
  return isWithin(flow.match, match)
}

function isWithin(narrow: Match, wide: Match): boolean {
  return wide.every(({ field, value, mask = fieldOf(field).ones }) => {
    const part = narrow.find((one) => one.field === field)
    if (part === undefined) return mask === 0n
    const { ones } = fieldOf(field)
    return ((part.mask ?? ones) & mask) === mask && (part.value & mask) === (value & mask)
  })
}

const outputsTo = ({ instructions: { apply, write } }: FlowSpec, port: number): boolean =>
  [...apply, ...write].some((action) => sendsTo(action, port))

const sendsTo = (action: Action, port: number): boolean =>
  action.type === 'clone'
    ? action.actions.some((one) => sendsTo(one, port))
    : action.type === 'output' && action.port === port

export const flowEvent = (name: string, command: 'add' | 'delete' | 'removed', flow: FlowSpec): ControllerEvent => ({
  type: 'flow',
  switch: name,
  command,
  flow: printFlow(flow).trim(),
})
