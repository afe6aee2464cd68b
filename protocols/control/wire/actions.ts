import { InvalidField } from '../../errors.ts'
import type { signalbox } from '../generated/control.js'
import type { Action, Instructions } from '../messages.ts'
import { MAX_CLONE_DEPTH } from '../messages.ts'
import { fieldMatchFromWire, fieldMatchToWire, subfieldFromWire, subfieldToWire } from './match.ts'
import { bounded, fromUint64, isSet, required, toUint64, UINT16, UINT32, UINT8 } from './values.ts'

type WireAction = signalbox.control.Action.$Properties
type WireInstructions = signalbox.control.Instructions.$Properties
type WireList = readonly WireAction[] | null | undefined

const MAXIMUM_VID = 0xfff
const MAXIMUM_PCP = 7

/** `depth` is how many clones the actions stand in. */
export function actionsToWire(actions: readonly Action[], at: string, depth = 0): WireAction[] {
  checkDepth(depth, at)
  const wire: WireAction[] = []
  for (let index = 0; index < actions.length; index++)
    wire.push(actionToWire(actions[index]!, `${at}[${index}]`, depth))
  return wire
}

function checkDepth(depth: number, path: string): void {
  if (depth > MAX_CLONE_DEPTH) throw new InvalidField(path, 'are in too many clones', `${MAX_CLONE_DEPTH} at most`)
}

function actionToWire(action: Action, path: string, depth: number): WireAction {
  switch (action.type) {
    case 'output':
      return { output: bounded(action.port, UINT32, `${path}.port`) }
    case 'controller':
      return { controller: { maxLength: bounded(action.maxLength, UINT16, `${path}.maxLength`) } }
    case 'push_vlan':
      return { pushVlan: bounded(action.etherType, UINT16, `${path}.etherType`) }
    case 'pop_vlan':
      return { popVlan: {} }
    case 'set_vlan_vid':
      return { setVlanVid: bounded(action.vid, MAXIMUM_VID, `${path}.vid`) }
    case 'set_vlan_pcp':
      return { setVlanPcp: bounded(action.pcp, MAXIMUM_PCP, `${path}.pcp`) }
    case 'set_field':
      return { setField: fieldMatchToWire(action, path) }
    case 'move':
      return { move: { from: subfieldToWire(action.from), to: subfieldToWire(action.to) } }
    case 'dec_ttl':
      return { decTtl: {} }
    case 'resubmit':
      return { resubmit: { port: action.port ?? null, table: action.table ?? null } }
    case 'clone':
      return { clone: { actions: actionsToWire(action.actions, `${path}.actions`, depth + 1) } }
  }
}

export function actionsFromWire(wire: WireList, at: string, depth = 0): Action[] {
  if (!wire) return []
  checkDepth(depth, at)
  const actions: Action[] = []
  for (let index = 0; index < wire.length; index++) actions.push(actionFromWire(wire[index]!, `${at}[${index}]`, depth))
  return actions
}

function actionFromWire(wire: WireAction, path: string, depth: number): Action {
  if (isSet(wire.output)) return { type: 'output', port: wire.output }
  if (wire.setField) return { type: 'set_field', ...fieldMatchFromWire(wire.setField, path) }
  if (wire.controller)
    return { type: 'controller', maxLength: bounded(wire.controller.maxLength, UINT16, `${path}.maxLength`) }
  if (wire.resubmit) return resubmitFromWire(wire.resubmit, path)
  if (wire.clone) return { type: 'clone', actions: actionsFromWire(wire.clone.actions, `${path}.actions`, depth + 1) }
  if (isSet(wire.pushVlan)) return { type: 'push_vlan', etherType: bounded(wire.pushVlan, UINT16, `${path}.etherType`) }
  if (wire.popVlan) return { type: 'pop_vlan' }
  if (isSet(wire.setVlanVid)) return { type: 'set_vlan_vid', vid: bounded(wire.setVlanVid, MAXIMUM_VID, `${path}.vid`) }
  if (isSet(wire.setVlanPcp)) return { type: 'set_vlan_pcp', pcp: bounded(wire.setVlanPcp, MAXIMUM_PCP, `${path}.pcp`) }
  if (wire.move) return moveFromWire(wire.move, path)
  if (wire.decTtl) return { type: 'dec_ttl' }
  throw new InvalidField(path, 'is empty or of an unknown kind', 'one action')
}

function resubmitFromWire(wire: signalbox.control.Resubmit.$Properties, path: string): Action {
  const action: Action = { type: 'resubmit' }
  if (isSet(wire.port)) action.port = wire.port
  if (isSet(wire.table)) action.table = bounded(wire.table, UINT8, `${path}.table`)
  return action
}

function moveFromWire(wire: signalbox.control.Move.$Properties, path: string): Action {
  return {
    type: 'move',
    from: subfieldFromWire(required(wire.from, `${path}.from`, 'a subfield'), `${path}.from`),
    to: subfieldFromWire(required(wire.to, `${path}.to`, 'a subfield'), `${path}.to`),
  }
}

export function instructionsToWire(instructions: Instructions, at: string): WireInstructions {
  const wire: WireInstructions = { apply: actionsToWire(instructions.apply, `${at}.apply`) }
  if (instructions.clear) wire.clear = true
  if (instructions.write.length > 0) wire.write = actionsToWire(instructions.write, `${at}.write`)
  if (instructions.meter !== undefined) wire.meter = bounded(instructions.meter, UINT32, `${at}.meter`)
  if (instructions.gotoTable !== undefined) wire.gotoTable = bounded(instructions.gotoTable, UINT8, `${at}.gotoTable`)
  if (instructions.writeMetadata) {
    const { value, mask } = instructions.writeMetadata
    wire.writeMetadata = { value: toUint64(value, `${at}.writeMetadata`), mask: toUint64(mask, `${at}.writeMetadata`) }
  }
  return wire
}

export function instructionsFromWire(wire: WireInstructions, at: string): Instructions {
  const instructions: Instructions = {
    apply: actionsFromWire(wire.apply, `${at}.apply`),
    clear: wire.clear ?? false,
    write: actionsFromWire(wire.write, `${at}.write`),
  }
  if (isSet(wire.meter)) instructions.meter = wire.meter
  if (isSet(wire.gotoTable)) instructions.gotoTable = bounded(wire.gotoTable, UINT8, `${at}.gotoTable`)
  if (wire.writeMetadata) {
    const { value, mask } = wire.writeMetadata
    instructions.writeMetadata = { value: fromUint64(value), mask: fromUint64(mask) }
  }
  return instructions
}
