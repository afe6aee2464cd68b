// Flows that users put in, beside the controller's own.

import type { Action, FlowFilter, FlowSpec } from '../protocols/control/messages.ts'
import { ALL_TABLES } from '../protocols/control/messages.ts'
import { InvalidField } from '../protocols/errors.ts'
import { fieldOf } from '../protocols/fields.ts'
import { checkMatch, type Match } from '../protocols/match.ts'
import { printFlow } from '../protocols/flow-text/print.ts'
import type { ControllerEvent, UserFlow } from './model.ts'
import { flowKey } from './reconcile/switch-state.ts'
import type { FlowUndo } from './state/image.ts'
import { isOwnCookie, LAST_USER_TABLE } from './tables.ts'

/** By switch, by key; never altered. */
export type FlowsBySwitch = ReadonlyMap<string, ReadonlyMap<string, FlowSpec>>

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

/** What stood before in the place of each. */
export const undoOf = (before: FlowsBySwitch, changed: readonly UserFlow[]): FlowUndo[] =>
  changed.map(({ switch: name, flow }) => {
    const key = flowKey(flow)
    const was = before.get(name)?.get(key)
    return { switch: name, key, ...(was && { flow: was }) }
  })

export function undone(all: FlowsBySwitch, undo: readonly FlowUndo[]): FlowsBySwitch {
  const changed = new Map<string, Map<string, FlowSpec>>()
  for (const { switch: name, key, flow } of undo) {
    const flows = changed.get(name) ?? new Map(all.get(name))
    if (flow === undefined) flows.delete(key)
    else flows.set(key, flow)
    changed.set(name, flows)
  }
  return new Map([...all, ...changed])
}

export function withFlows(all: FlowsBySwitch, added: readonly UserFlow[]): FlowsBySwitch {
  const changed = new Map<string, Map<string, FlowSpec>>()
  for (const { switch: name, flow } of added) {
    const flows = changed.get(name) ?? new Map(all.get(name))
    changed.set(name, flows.set(flowKey(flow), flow))
  }
  return new Map([...all, ...changed])
}

export function withoutFlows(all: FlowsBySwitch, name: string, removed: readonly FlowSpec[]): FlowsBySwitch {
  const flows = new Map(all.get(name))
  for (const flow of removed) flows.delete(flowKey(flow))
  return new Map(all).set(name, flows)
}

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
