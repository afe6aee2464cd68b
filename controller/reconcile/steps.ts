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
import { changedKeys } from '../persistent-map.ts'
import { isShared, type Slot } from './switch-flows.ts'
import { EMPTY_SLOT, flowIn, keysThatDiffer, SwitchFlows } from './switch-flows.ts'
import type { SwitchState } from './switch-state.ts'

/** With what `to` has and `from` has not. The same object where there is no such thing, or nothing can be told. */
export function widened(from: SwitchState, to: SwitchState): SwitchState {
  const flows = merged(from, to, (was, is) => [was, onlyIn(is, was)])
  return flows === undefined ? from : { ...from, flows }
}

/** With what `from` has and `to` has not. The same object where there is no such thing, or nothing can be told. */
export function switched(from: SwitchState, to: SwitchState): SwitchState {
  const flows = merged(to, from, (is, was) => [is, onlyIn(was, is)])
  return flows === undefined ? to : { ...to, flows }
}

type Merge = (one: Slot, other: Slot) => [base: Slot, more: Map<string, FlowSpec>]

function merged(base: SwitchState, other: SwitchState, merge: Merge): SwitchFlows | undefined {
  if (!(base.flows instanceof SwitchFlows && other.flows instanceof SwitchFlows)) return undefined
  let slots: Map<string, Slot> | undefined
  for (const [name, otherSlot, baseSlot] of changedKeys(other.flows.slots, base.flows.slots)) {
    if (!isShared(name)) continue
    const [{ own, shared }, more] = merge(baseSlot ?? EMPTY_SLOT, otherSlot ?? EMPTY_SLOT)
    if (more.size > 0) (slots ??= new Map(base.flows.slots)).set(name, { own: new Map([...own, ...more]), shared })
  }
  return slots && new SwitchFlows(slots, base.flows.uses, base.flows.parts)
}

/** By key, the flows under keys that the other slot has not. */
function onlyIn(slot: Slot, other: Slot): Map<string, FlowSpec> {
  const flows = new Map<string, FlowSpec>()
  for (const key of keysThatDiffer(other, slot)) {
    const flow = flowIn(slot, key)
    if (flow !== undefined && flowIn(other, key) === undefined) flows.set(key, flow)
  }
  return flows
}
