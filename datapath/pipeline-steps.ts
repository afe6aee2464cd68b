// Actions prepared for the pipeline: names of fields looked up, values and masks cut into words of the flow key, so that a
// frame's walk does neither.

import type { Action } from '../protocols/control/messages.ts'
import type { Field } from '../protocols/fields.ts'
import { fieldOf } from '../protocols/fields.ts'
import { fieldWords, wordOfField } from './flow-key.ts'

/** The bits of `mask` of one word of the key become those of `value`. */
export interface WordWrite {
  word: number
  value: number
  mask: number
}

export type Step =
  | Exclude<Action, { type: 'set_field' | 'move' | 'clone' }>
  | { type: 'set_field'; field: Field; writes: readonly WordWrite[] }
  | { type: 'move'; from: Field; to: Field; fromOffset: bigint; toOffset: bigint; ones: bigint }
  | { type: 'clone'; steps: readonly Step[] }

export const stepsOf = (actions: readonly Action[]): readonly Step[] => actions.map(stepOf)

function stepOf(action: Action): Step {
  switch (action.type) {
    case 'set_field': {
      const field = fieldOf(action.field)
      return { type: 'set_field', field, writes: wordWrites(field, action.value, action.mask ?? field.ones) }
    }
    case 'move':
      return {
        type: 'move',
        from: fieldOf(action.from.field),
        to: fieldOf(action.to.field),
        fromOffset: BigInt(action.from.offset),
        toOffset: BigInt(action.to.offset),
        ones: (1n << BigInt(action.from.bits)) - 1n,
      }
    case 'clone':
      return { type: 'clone', steps: stepsOf(action.actions) }
    default:
      return action
  }
}

/** What writing the bits of `mask` of a field does to the words of the key. */
export function wordWrites(field: Field, value: bigint, mask: bigint): WordWrite[] {
  return Array.from({ length: fieldWords(field) }, (_, index) => ({
    word: field.word + index,
    value: wordOfField(field, value & mask, index),
    mask: wordOfField(field, mask, index),
  })).filter((write) => write.mask !== 0)
}

/** OpenFlow 1.3 §5.10: the order of an action set, whatever the order of writing. The last one written of a type holds. */
const FIRST_IN_ORDER = ['pop_vlan', 'push_vlan', 'dec_ttl'] as const

const isSet = (step: Step) =>
  step.type === 'set_field' || step.type === 'move' || step.type === 'set_vlan_vid' || step.type === 'set_vlan_pcp'
const isOutput = (step: Step) => step.type === 'output' || step.type === 'controller' || step.type === 'resubmit'

/**
 * What executing the action set does, in order: at most one pop, push and dec_ttl, all sets as written, the last output.
 * Without an output, nothing: the frame is dropped (OpenFlow 1.3 §5.10).
 */
export function actionSetInOrder(written: readonly Step[]): Step[] {
  const output = written.findLast(isOutput)
  if (output === undefined) return []
  const once = FIRST_IN_ORDER.map((type) => written.findLast((step) => step.type === type))
  return [...once.filter((step) => step !== undefined), ...written.filter(isSet), output]
}
