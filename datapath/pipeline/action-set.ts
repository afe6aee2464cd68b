// The action set: OpenFlow 1.3 §5.10, and Open vSwitch's places for what OpenFlow does not know (`ofpacts_execute_action_set`,
// lib/ofp-actions.c).

import { ReservedPort } from '../../protocols/control/messages.ts'
import type { Flow } from '../flow.ts'
import type { Step } from './steps.ts'

/** What tables have written so far, newest first: written to in no time, and shared by clones. */
export interface ActionSet {
  readonly steps: readonly Step[]
  /** The flow that wrote them. */
  readonly flow: Flow | undefined
  readonly earlier: ActionSet | undefined
  /** Steps in all. */
  readonly size: number
  readonly hasGroup: boolean
}

/** OFPP_UNSET: what actset_output shows where the set has no output, or a group. */
export const UNSET = 0xfffffff7

export const written = (steps: readonly Step[], flow: Flow | undefined, earlier: ActionSet | undefined): ActionSet => ({
  steps,
  flow,
  earlier,
  size: steps.length + (earlier?.size ?? 0),
  hasGroup: earlier?.hasGroup === true || steps.some((step) => step.type === 'group'),
})

/** The port that the set would send to, where it was `before` what was written last. */
export function outputOf(set: ActionSet, before: number): number {
  if (set.hasGroup) return UNSET
  const last = set.steps.findLast((step) => step.type === 'output' || step.type === 'controller')
  if (last === undefined) return before
  return last.type === 'output' ? last.port : ReservedPort.Controller
}

/** In the order of writing. */
export function stepsWritten(set: ActionSet | undefined): Step[] {
  const parts: (readonly Step[])[] = []
  for (let part = set; part !== undefined; part = part.earlier) parts.push(part.steps)
  return parts.reverse().flat()
}

/** In this order whatever the order of writing; the last one written of a type holds. */
const FIRST_IN_ORDER = [
  'copy_ttl_in',
  'pop_vlan',
  'pop_mpls',
  'pop_pbb',
  'decap',
  'encap',
  'push_mpls',
  'push_pbb',
  'push_vlan',
  'copy_ttl_out',
  'dec_ttl',
  'dec_mpls_ttl',
] as const

const SETS: ReadonlySet<Step['type']> = new Set(['set_field', 'move', 'set_vlan_vid', 'set_vlan_pcp'])

const isOutput = (step: Step) => step.type === 'output' || step.type === 'controller'

/** What the frame ends with: a group where there is one, else an output, else a table to go on with, else the connection tracker. */
function finalOf(steps: readonly Step[]): Step | undefined {
  return (
    steps.findLast(({ type }) => type === 'group') ??
    steps.findLast(isOutput) ??
    steps.findLast(({ type }) => type === 'resubmit') ??
    steps.findLast(({ type }) => type === 'ct')
  )
}

/**
 * What executing the action set does, in order: at most one of each pop, push and count, all sets as written, the queue, and
 * what the frame ends with. Without that, nothing: the frame is dropped (OpenFlow 1.3 §5.10).
 */
export function actionSetInOrder(steps: readonly Step[]): readonly Step[] {
  const final = finalOf(steps)
  if (final === undefined) return []
  const once = FIRST_IN_ORDER.map((type) => steps.findLast((step) => step.type === type))
  const queue = steps.findLast((step) => step.type === 'set_queue')
  return [...once, ...steps.filter(({ type }) => SETS.has(type)), queue, final].filter((step) => step !== undefined)
}
