// Actions prepared for the pipeline: names of fields looked up, values and masks cut into words of the flow key, so that a
// frame's walk does neither.

import type { Action, CtAction, LearnAction, LearnSpec, Subfield } from '../../protocols/control/messages.ts'
import type { Field, FieldName } from '../../protocols/fields.ts'
import { fieldOf } from '../../protocols/fields.ts'
import { onceIfFrozen } from '../../runtime/once.ts'
import { fieldWords, wordOfField } from '../flow-key.ts'

/** The bits of `mask` of one word of the key become those of `value`. */
export interface WordWrite {
  word: number
  value: number
  mask: number
}

/** Some bits of a field, and where they are in the key. */
export interface Part {
  field: Field
  /** First bit, from the least significant. */
  offset: bigint
  bits: number
  /** As many ones as there are bits. */
  ones: bigint
  words: readonly { word: number; mask: number }[]
}

/** A part of a flow to be learned. */
export interface LearnStep {
  spec: LearnSpec
  from: Part | undefined
  to: Part | undefined
}

export type Step =
  | Exclude<Action, { type: (typeof PREPARED)[number] }>
  /** Also load, and what sets tun_id or a TTL by a name of its own. */
  | { type: 'set_field'; action: Action; field: Field; writes: readonly WordWrite[] }
  | { type: 'move'; action: Action; from: Part; to: Part }
  | { type: 'clone'; action: Action; steps: readonly Step[] }
  | { type: 'output_reg'; action: Action; from: Part; maxLength: number }
  | { type: 'stack_push'; action: Action; from: Part }
  | { type: 'stack_pop'; action: Action; to: Part }
  | { type: 'learn'; action: LearnAction; specs: readonly LearnStep[]; result: Part | undefined }
  | { type: 'ct'; action: CtAction; zone: number | Part; steps: readonly Step[] }
  | { type: 'multipath'; action: Extract<Action, { type: 'multipath' }>; to: Part }
  | { type: 'bundle'; action: Extract<Action, { type: 'bundle' }>; to: Part | undefined }
  | { type: 'check_pkt_larger'; action: Action; length: number; to: Part }

const PREPARED = [
  'set_field',
  'load',
  'set_tunnel',
  'set_nw_ttl',
  'set_mpls_ttl',
  'move',
  'clone',
  'output_reg',
  'stack_push',
  'stack_pop',
  'learn',
  'ct',
  'multipath',
  'bundle',
  'check_pkt_larger',
] as const

export const stepsOf = onceIfFrozen((actions: readonly Action[]): readonly Step[] => actions.map(stepOf))

/** What the step was made of. */
export const actionOf = (step: Step): Action => ('action' in step ? step.action : step)

function stepOf(action: Action): Step {
  switch (action.type) {
    case 'set_field':
      return writes(action, action.field, action.value, action.mask)
    case 'load': {
      const { field, offset, ones } = partOf(action.to)
      return writes(action, field.name, action.value << offset, ones << offset)
    }
    case 'set_tunnel':
      return writes(action, 'tun_id', action.id)
    case 'set_nw_ttl':
      return writes(action, 'nw_ttl', BigInt(action.ttl))
    case 'set_mpls_ttl':
      return writes(action, 'mpls_ttl', BigInt(action.ttl))
    case 'move':
      return { type: 'move', action, from: partOf(action.from), to: partOf(action.to) }
    case 'clone':
      return { type: 'clone', action, steps: stepsOf(action.actions) }
    case 'output_reg':
      return { type: 'output_reg', action, from: partOf(action.from), maxLength: action.maxLength }
    case 'stack_push':
      return { type: 'stack_push', action, from: partOf(action.from) }
    case 'stack_pop':
      return { type: 'stack_pop', action, to: partOf(action.to) }
    case 'learn':
      return {
        type: 'learn',
        action,
        specs: action.specs.map(learnStep),
        result: action.result && partOf(action.result),
      }
    case 'ct': {
      const zone = typeof action.zone === 'number' ? action.zone : partOf(action.zone)
      return { type: 'ct', action, zone, steps: stepsOf(action.actions) }
    }
    case 'multipath':
      return { type: 'multipath', action, to: partOf(action.to) }
    case 'bundle':
      return { type: 'bundle', action, to: action.to && partOf(action.to) }
    case 'check_pkt_larger':
      return { type: 'check_pkt_larger', action, length: action.length, to: partOf(action.to) }
    default:
      return action
  }
}

function writes(action: Action, name: FieldName, value: bigint, mask?: bigint): Step {
  const field = fieldOf(name)
  return { type: 'set_field', action, field, writes: wordWrites(field, value, mask ?? field.ones) }
}

const learnStep = (spec: LearnSpec): LearnStep => ({
  spec,
  from: spec.source.type === 'field' ? partOf(spec.source.from) : undefined,
  to: spec.target.type === 'output' ? undefined : partOf(spec.target.to),
})

function partOf({ field: name, offset, bits }: Subfield): Part {
  const field = fieldOf(name)
  const ones = (1n << BigInt(bits)) - 1n
  const words = wordWrites(field, field.ones, ones << BigInt(offset)).map(({ word, mask }) => ({ word, mask }))
  return { field, offset: BigInt(offset), bits, ones, words }
}

/** Open vSwitch knows an ARP operation as eight bits. */
export const held = (field: Field, value: bigint): bigint => (field.name === 'arp_op' ? value & 0xffn : value)

/** What writing the bits of `mask` of a field does to the words of the key. */
export function wordWrites(field: Field, value: bigint, mask: bigint): WordWrite[] {
  const written = held(field, value) & mask
  return Array.from({ length: fieldWords(field) }, (_, index) => ({
    word: field.word + index,
    value: wordOfField(field, written, index),
    mask: wordOfField(field, mask, index),
  })).filter((write) => write.mask !== 0)
}
