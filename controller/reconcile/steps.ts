// A change that spans switches, in three steps, so that no frame meets what is wanted on one switch and what was wanted on another:
//
//   widened    what is new beside what was: every switch takes in, and knows the way of, what the others will send
//   switched   vNICs' own flows and all that says something else now, on each switch at once; what was is still taken in
//   settled    when what was sent before has arrived, what was goes
//
// What tells the two apart on a frame's way is what its network already wears: the number in `Register.Network` within a bridge, the
// tag or VNI between bridges and hosts. Neither means two things in one change: numbers that become free are given out only by the
// next (build-view.ts), and a segment that changes hands is free in between (segments.ts).

import type { FlowSpec } from '../../protocols/control/messages.ts'
import type { FieldMatch } from '../../protocols/match.ts'
import { TUNNEL_PORT, UPLINK_PORT } from '../network/view.ts'
import { Origin, Register, Table } from '../tables.ts'
import { isShared, type Slot } from './switch-flows.ts'
import { EMPTY_SLOT, slotChanges, SwitchFlows } from './switch-flows.ts'
import type { SwitchState } from './switch-state.ts'
import { flowKey } from './switch-state.ts'

/** With what `to` has and `from` has not. The same object where there is no such thing, or nothing can be told. */
export function widened(from: SwitchState, to: SwitchState): SwitchState {
  const flows = merged(from, to, (was, is) => [was, onlyIn(is, was)])
  return flows === undefined ? from : { ...from, flows }
}

/** With what `from` has and `to` has not, and with `guards`. The same object where there is no such thing, or nothing can be told. */
export function switched(from: SwitchState, to: SwitchState): SwitchState {
  const flows = merged(to, from, (is, was) => [is, new Map([...onlyIn(was, is), ...guards(is, was)])])
  return flows === undefined ? to : { ...to, flows }
}

type Merge = (one: Slot, other: Slot) => [base: Slot, more: Map<string, FlowSpec>]

function merged(base: SwitchState, other: SwitchState, merge: Merge): SwitchFlows | undefined {
  if (!(base.flows instanceof SwitchFlows && other.flows instanceof SwitchFlows)) return undefined
  let flows: SwitchFlows = base.flows
  for (const [name, otherSlot, baseSlot] of flows.slotsSince(other.flows)) {
    if (!isShared(name)) continue
    const [{ own }, more] = merge(baseSlot ?? EMPTY_SLOT, otherSlot ?? EMPTY_SLOT)
    if (more.size > 0) flows = flows.withOwn(name, new Map([...own, ...more]))
  }
  return flows === base.flows ? undefined : flows
}

/** By key, the flows under keys that the other slot has not. */
function onlyIn(slot: Slot, other: Slot): Map<string, FlowSpec> {
  const flows = new Map<string, FlowSpec>()
  for (const [key, there, flow] of slotChanges(other, slot))
    if (flow !== undefined && there === undefined) flows.set(key, flow)
  return flows
}

/**
 * Where a network leaves its wire for tunnels: frames that are still on the wire, and that the fabric has brought to more hosts than one since
 * it does not know where they are for, stay out of the tunnels. Else a host that they are not for would send them on. What came in
 * by the wire is kept from going out there by the wire being one port.
 */
function guards(is: Slot, was: Slot): Map<string, FlowSpec> {
  const ways = slotChanges(was, is).filter(([, , now]) => leavesBy(TUNNEL_PORT, now))
  if (!ways.some(([, before]) => leavesBy(UPLINK_PORT, before))) return NO_GUARDS
  return new Map(ways.map(([, , now]) => guardOf(now!)).map((flow) => [flowKey(flow), flow]))
}

const NO_GUARDS: Map<string, FlowSpec> = new Map()
const ABOVE = 1
const FROM_WIRE: FieldMatch = { field: Register.Origin, value: BigInt(Origin.Uplink) }

const leavesBy = (port: number, flow: FlowSpec | undefined): boolean =>
  flow?.table === Table.Forward &&
  flow.instructions.apply.some((action) => action.type === 'output' && action.port === port)

const guardOf = (way: FlowSpec): FlowSpec => ({
  ...way,
  priority: way.priority + ABOVE,
  match: [...way.match, FROM_WIRE],
  instructions: { apply: [], clear: false, write: [] },
})
