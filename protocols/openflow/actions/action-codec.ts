// What the families of actions share: how an action begins, and what a family says of each of its own.
//
//   | type 16 | length 16 | body, to a multiple of 8 bytes |
//   | 0xffff  | length 16 | experimenter 32 | subtype 16 | body, to a multiple of 8 bytes |

import type { Action } from '../../control/actions.ts'
import { NICIRA } from '../../control/error-codes.ts'
import { ONF_EXPERIMENTER } from '../../fields.ts'
import type { ByteReader } from '../byte-reader.ts'
import type { ByteWriter } from '../byte-writer.ts'

/** OFPAT_EXPERIMENTER. */
export const EXPERIMENTER_TYPE = 0xffff

/** Decodes the actions up to the end of `reader`, which stand within another. */
export type DecodeNested = (reader: ByteReader) => Action[]

/** One action on the wire. Lengths are the whole action's, in bytes, as Open vSwitch asks for them. */
export interface ActionDecoder {
  /** OFPAT_* where there is no experimenter, else the subtype. */
  number: number
  experimenter?: number
  least: number
  most: number
  /** `body` begins behind the number, and ends where the action does. */
  decode: (body: ByteReader, nested: DecodeNested) => Action
}

const LONGEST = 65528

type Decode = ActionDecoder['decode']

/** An action of OpenFlow's own that always has this size. */
export const standard = (number: number, size: number, decode: Decode): ActionDecoder => ({
  number,
  least: size,
  most: size,
  decode,
})

/** One of Open vSwitch's that always has this size. */
export const nicira = (number: number, size: number, decode: Decode): ActionDecoder => ({
  ...standard(number, size, decode),
  experimenter: NICIRA,
})

/** An action that has this size or more. */
export const orLonger = (decoder: ActionDecoder): ActionDecoder => ({ ...decoder, most: LONGEST })

/** One of the ONF's extensions to OpenFlow 1.3 that always has this size. */
export const onf = (number: number, size: number, decode: Decode): ActionDecoder => ({
  ...standard(number, size, decode),
  experimenter: ONF_EXPERIMENTER,
})

/** What is known while a list of actions is written. */
export interface EncodingState {
  /** Whether the frame has a tag here, by what the match and the actions before say. */
  tagged: boolean
  encodeNested: (writer: ByteWriter, actions: readonly Action[]) => void
}

export type ActionEncoder<T extends Action['type']> = (
  writer: ByteWriter,
  action: Extract<Action, { type: T }>,
  state: EncodingState,
) => void

export type ActionEncoders<T extends Action['type'] = Action['type']> = { [K in T]: ActionEncoder<K> }

/** Writes an action of OpenFlow's own, body by `write`, padded, with its length. */
export function putStandard(writer: ByteWriter, number: number, write: () => void = () => {}): void {
  const start = writer.length
  writer.u16(number)
  writer.u16(0)
  write()
  writer.alignTo8(start)
  writer.setU16(start + 2, writer.length - start)
}

/** Writes one of Open vSwitch's. */
export function putNicira(writer: ByteWriter, subtype: number, write: () => void = () => {}): void {
  putStandard(writer, EXPERIMENTER_TYPE, () => {
    writer.u32(NICIRA)
    writer.u16(subtype)
    write()
  })
}
