// Lists of actions on the wire: OpenFlow 1.3 §7.2.5, and Open vSwitch's own actions. The families are in actions/.

import type { Action } from '../control/actions.ts'
import { MAX_CLONE_DEPTH } from '../control/actions.ts'
import { NICIRA } from '../control/error-codes.ts'
import { Refused } from '../control/refused.ts'
import { ONF_EXPERIMENTER } from '../fields.ts'
import type { KnownFrame } from '../known-frame.ts'
import { knownAfter, knownOf } from '../known-frame.ts'
import type { Match } from '../match.ts'
import type { ActionDecoder, ActionEncoders, EncodingState } from './actions/action-codec.ts'
import { EXPERIMENTER_TYPE } from './actions/action-codec.ts'
import { choiceDecoders, choiceEncoders } from './actions/choice-actions.ts'
import { connectionDecoders, connectionEncoders } from './actions/connection-actions.ts'
import { fieldDecoders, fieldEncoders } from './actions/field-actions.ts'
import { flowDecoders, flowEncoders } from './actions/flow-actions.ts'
import { headerDecoders, headerEncoders } from './actions/header-actions.ts'
import { learnDecoders, learnEncoders } from './actions/learn-action.ts'
import { outputDecoders, outputEncoders } from './actions/output-actions.ts'
import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'

const HEADER_SIZE = 8
/** Clones in each other, and in the innermost a ct, which has actions that hold none. */
const MAX_DEPTH = MAX_CLONE_DEPTH + 1
const EXTENSION_HEADER_SIZE = 16

// ---- encoding ------------------------------------------------------------------------------------------------------

const ENCODERS: ActionEncoders = {
  ...outputEncoders,
  ...headerEncoders,
  ...fieldEncoders,
  ...choiceEncoders,
  ...flowEncoders,
  ...learnEncoders,
  ...connectionEncoders,
}

/** Every action that there is. */
export const ACTION_TYPES = Object.keys(ENCODERS) as Action['type'][]

/**
 * Writes a list of actions. `match` is of the flow that they are of: where it does not say that frames are tagged, set_vlan_vid
 * and set_vlan_pcp push a tag first, which is how OpenFlow 1.3 can say them.
 * @throws Refused what has no form on this wire: a port number between 16 and 32 bits, more bits than an action has room for.
 */
export function encodeActions(writer: ByteWriter, actions: readonly Action[], match: Match = []): void {
  encodeList(writer, actions, knownOf(match))
}

function encodeList(writer: ByteWriter, actions: readonly Action[], start: KnownFrame): void {
  let frame = start
  const encodeNested = (nested: ByteWriter, inner: readonly Action[]) => encodeList(nested, inner, frame)
  for (const action of actions) {
    encodeAction(writer, action, { tagged: frame.tags > 0, encodeNested })
    frame = knownAfter(action, frame)
  }
}

function encodeAction<T extends Action['type']>(
  writer: ByteWriter,
  action: Extract<Action, { type: T }>,
  state: EncodingState,
): void {
  const encode = ENCODERS[action.type as T]
  encode(writer, action, state)
}

// ---- decoding ------------------------------------------------------------------------------------------------------

/** Experimenter and number in one; OpenFlow's own have no experimenter. */
const keyOf = (experimenter: number, number: number) => experimenter * 0x10000 + number

const DECODERS: ReadonlyMap<number, ActionDecoder> = new Map(
  [
    ...outputDecoders,
    ...headerDecoders,
    ...fieldDecoders,
    ...choiceDecoders,
    ...flowDecoders,
    ...learnDecoders,
    ...connectionDecoders,
  ].map((decoder) => [keyOf(decoder.experimenter ?? 0, decoder.number), decoder]),
)

/**
 * Actions up to the end of `reader`, which must be those of one list. OpenFlow 1.1's set actions come as set_field.
 * What may stand beside and within what is for the switch to say.
 * @throws Refused OFPBAC_* and NX*, as Open vSwitch's lib/ofp-actions.c has them.
 */
export function decodeActions(reader: ByteReader): Action[] {
  if (reader.remaining % 8 !== 0) throw new Refused('OFPBRC_BAD_LEN', 'actions', 'not a multiple of 8 bytes')
  return decodeList(reader, 0)
}

function decodeList(reader: ByteReader, depth: number): Action[] {
  if (depth > MAX_DEPTH) throw new Refused('OFPBAC_BAD_ARGUMENT', 'actions', `actions in ${MAX_DEPTH} others`)
  const actions: Action[] = []
  while (reader.remaining > 0) actions.push(decodeAction(reader, depth))
  return actions
}

function decodeAction(reader: ByteReader, depth: number): Action {
  if (reader.remaining < HEADER_SIZE) throw badLength('an action has no header')
  const room = reader.remaining
  const type = reader.u16()
  const length = reader.u16()
  const decoder = type === EXPERIMENTER_TYPE ? extension(reader, room) : DECODERS.get(keyOf(0, type))
  if (decoder === undefined) throw new Refused('OFPBAC_BAD_TYPE', 'actions', `unknown action type ${type}`)
  if (length > room || length < decoder.least || length > decoder.most || length % 8 !== 0)
    throw badLength(`action length ${length} is not of its type, or more than ${room} bytes`)
  const body = reader.sub(length - (room - reader.remaining), 'OFPBAC_BAD_LEN')
  return decoder.decode(body, (nested) => decodeList(nested, depth + 1))
}

const badLength = (problem: string) => new Refused('OFPBAC_BAD_LEN', 'actions', problem)

function extension(reader: ByteReader, room: number): ActionDecoder {
  const experimenter = reader.u32()
  if (experimenter !== NICIRA && experimenter !== ONF_EXPERIMENTER)
    throw new Refused('OFPBAC_BAD_EXPERIMENTER', 'actions', `unknown experimenter 0x${experimenter.toString(16)}`)
  if (room < EXTENSION_HEADER_SIZE) throw badLength('an action has no subtype')
  const subtype = reader.u16()
  const decoder = DECODERS.get(keyOf(experimenter, subtype))
  if (decoder === undefined)
    throw new Refused('OFPBAC_BAD_EXP_TYPE', 'actions', `unknown action 0x${experimenter.toString(16)}:${subtype}`)
  return decoder
}
