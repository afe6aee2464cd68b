// What lists other than a flow's own may hold: Open vSwitch's lib/ofp-actions.c.

import type { Action } from './control/messages.ts'

/** Open vSwitch's action_set_classify takes all others, and here OpenFlow's PBB and TTL copies too (OpenFlow 1.3 §5.10). */
const NOT_IN_ACTION_SETS: ReadonlySet<Action['type']> = new Set([
  'bundle',
  'clone',
  'conjunction',
  'exit',
  'fin_timeout',
  'learn',
  'multipath',
  'nat',
  'note',
  'output_reg',
  'output_trunc',
  'pop_queue',
  'sample',
  'stack_pop',
  'stack_push',
  'check_pkt_larger',
])

/** Of the controller actions only OpenFlow's own, which is an output. */
export function standsInActionSet(action: Action): boolean {
  if (action.type !== 'controller') return !NOT_IN_ACTION_SETS.has(action.type)
  const { controllerId = 0, reason, userdata, meter } = action
  return controllerId === 0 && reason === undefined && userdata === undefined && meter === undefined
}

const IN_CT: ReadonlySet<Action['type']> = new Set(['set_field', 'load', 'move', 'nat'])

export const standsInCt = ({ type }: Action): boolean => IN_CT.has(type)
