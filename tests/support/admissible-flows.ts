// Random flows hold actions side by side that a frame can not meet one after the other; flow text refuses them, as Open vSwitch does.

import type { Action, FlowSpec } from '../../protocols/control/messages.ts'
import { fieldOf } from '../../protocols/fields.ts'
import { foldRegisters } from '../../protocols/flow-text/registers.ts'
import type { KnownFrame } from '../../protocols/known-frame.ts'
import { knownAfter, knownOf, lackingFor, lackingToRead, lackingToSet } from '../../protocols/known-frame.ts'

type Refused = (action: Action, known: KnownFrame) => boolean

/** The flow without the actions that its frames can not meet, or that are `refused`; its match in the one form of text. */
export function admissible(flow: FlowSpec, refused: Refused = () => false): FlowSpec {
  const known = knownOf(flow.match)
  const apply = admitted(flow.instructions.apply, known, refused)
  const write = admitted(
    flow.instructions.write,
    apply.reduce((before, action) => knownAfter(action, before), known),
    refused,
  )
  return { ...flow, match: foldRegisters(flow.match), instructions: { ...flow.instructions, apply, write } }
}

function admitted(actions: readonly Action[], start: KnownFrame, refused: Refused): Action[] {
  let known = start
  return actions.flatMap((action) => {
    const kept = action.type === 'clone' ? { ...action, actions: admitted(action.actions, known, refused) } : action
    if (lacks(action, known) || refused(action, known)) return []
    known = knownAfter(action, known)
    return [kept]
  })
}

function lacks(action: Action, known: KnownFrame): boolean {
  if (lackingFor(action, known) !== undefined) return true
  switch (action.type) {
    case 'set_field':
      return lackingToSet(fieldOf(action.field), known) !== undefined
    case 'load':
      return lackingToSet(fieldOf(action.to.field), known) !== undefined
    case 'move':
      return [action.from, action.to].some(({ field }) => lackingToRead(fieldOf(field), known) !== undefined)
    case 'learn':
      return action.specs.some(
        ({ source }) => source.type === 'field' && lackingToRead(fieldOf(source.from.field), known) !== undefined,
      )
    case 'ct':
      return action.actions.some((nested) => lacks(nested, known))
    default:
      return false
  }
}
