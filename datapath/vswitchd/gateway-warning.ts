// ct(alg=…) is taken, as Open vSwitch takes it, but application gateways are outside this switch. Whoever counts on one is told.

import type { Action, FlowSpec } from '../../protocols/control/messages.ts'
import { printFlow } from '../../protocols/flow-text/print.ts'
import type { FlowChange } from '../flow-tables.ts'

/** What is to be said where flows that came, or became others, ask for an application gateway; undefined where none does. */
export function gatewayWarning(changes: readonly FlowChange[]): string | undefined {
  const [first, ...more] = changes.filter(({ event, flow }) => event !== 'deleted' && asksForGateway(flow.spec))
  if (first === undefined) return undefined
  const others = more.length === 0 ? '' : `, and ${more.length} more`
  return `warning: alg is not acted upon, connections are tracked without: ${printFlow(first.flow.spec).trim()}${others}`
}

const asksForGateway = ({ instructions: { apply, write } }: FlowSpec): boolean => apply.some(isOne) || write.some(isOne)

const isOne = (action: Action): boolean =>
  (action.type === 'ct' && action.alg !== 0) || (action.type === 'clone' && action.actions.some(isOne))
