// From what is wanted of the network to what one switch is to have: every app asked once.

import type { FlowSpec } from '../../protocols/control/messages.ts'
import { classifier } from '../apps/classifier.ts'
import { egress } from '../apps/egress.ts'
import { flooding } from '../apps/flooding.ts'
import { forwarding } from '../apps/forwarding.ts'
import { learning } from '../apps/learning.ts'
import { neighbours } from '../apps/neighbours.ts'
import { portSecurity } from '../apps/port-security.ts'
import { ports } from '../apps/ports.ts'
import { qos, qosMeters } from '../apps/qos.ts'
import { userTables } from '../apps/user-tables.ts'
import type { SwitchView, View } from '../network/view.ts'
import type { SwitchState } from './switch-state.ts'
import { flowKey } from './switch-state.ts'

const APPS = [userTables, classifier, portSecurity, neighbours, learning, forwarding, flooding, egress, qos]

const known = new WeakMap<SwitchView, SwitchState>()

/** What the switch is to have, but for users' flows. A part of the view that did not change is not compiled again. */
export function compile(view: View, at: SwitchView): SwitchState {
  const before = known.get(at)
  if (before) return before
  const flows = new Map<string, FlowSpec>()
  for (const app of APPS) for (const flow of app(view, at)) flows.set(flowKey(flow), flow)
  const meters = new Map([...qosMeters(at)].map(([number, band]) => [number, [band]]))
  const state = { ports: ports(at), meters, flows }
  known.set(at, state)
  return state
}

export const byKey = (flows: readonly FlowSpec[]): Map<string, FlowSpec> =>
  new Map(flows.map((flow) => [flowKey(flow), flow]))
