// Instructions on the wire: OpenFlow 1.3 §7.2.4.
//
//   | type 16 | length 16 | body, to a multiple of 8 bytes |

import type { Instructions } from '../control/actions.ts'
import { Refused } from '../control/refused.ts'
import type { Match } from '../match.ts'
import { decodeActions, encodeActions } from './actions.ts'
import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'

/** OFPIT_*. */
const Type = {
  GotoTable: 1,
  WriteMetadata: 2,
  WriteActions: 3,
  ApplyActions: 4,
  ClearActions: 5,
  Meter: 6,
  Experimenter: 0xffff,
} as const

/** Bytes of the body: of those with actions, at least. */
const BODY_SIZES = new Map<number, { size: number; orMore: boolean }>([
  [Type.GotoTable, { size: 4, orMore: false }],
  [Type.WriteMetadata, { size: 20, orMore: false }],
  [Type.WriteActions, { size: 4, orMore: true }],
  [Type.ApplyActions, { size: 4, orMore: true }],
  [Type.ClearActions, { size: 4, orMore: false }],
  [Type.Meter, { size: 4, orMore: false }],
])

const HEADER_SIZE = 4

/** Writes all instructions that say something, in the order in which they are executed. `match` is of the flow they are of. */
export function encodeInstructions(writer: ByteWriter, instructions: Instructions, match: Match = []): void {
  const { meter, apply, clear, write, writeMetadata, gotoTable } = instructions
  if (meter !== undefined) put(writer, Type.Meter, () => writer.u32(meter))
  if (apply.length > 0) put(writer, Type.ApplyActions, () => putActions(writer, apply, match))
  if (clear) put(writer, Type.ClearActions, () => {})
  if (write.length > 0) put(writer, Type.WriteActions, () => putActions(writer, write, match))
  if (writeMetadata !== undefined)
    put(writer, Type.WriteMetadata, () => {
      writer.zero(4)
      writer.u64(writeMetadata.value)
      writer.u64(writeMetadata.mask)
    })
  if (gotoTable !== undefined) put(writer, Type.GotoTable, () => writer.u8(gotoTable))
}

function putActions(writer: ByteWriter, actions: Instructions['apply'], match: Match): void {
  writer.zero(4)
  encodeActions(writer, actions, match)
}

function put(writer: ByteWriter, type: number, write: () => void): void {
  const start = writer.length
  writer.u16(type)
  writer.u16(0)
  write()
  writer.alignTo8(start)
  writer.setU16(start + 2, writer.length - start)
}

/**
 * Instructions up to the end of `reader`, in any order.
 * @throws Refused OFPBIC_*, as Open vSwitch's lib/ofp-actions.c has them, and OFPBAC_* for the actions in them.
 */
export function decodeInstructions(reader: ByteReader): Instructions {
  const bodies = splitInstructions(reader)
  const meter = bodies.get(Type.Meter)?.u32()
  const apply = actionsOf(bodies.get(Type.ApplyActions))
  const write = actionsOf(bodies.get(Type.WriteActions))
  const metadata = bodies.get(Type.WriteMetadata)
  metadata?.skip(4)
  const gotoTable = bodies.get(Type.GotoTable)?.u8()
  return {
    ...(meter !== undefined && { meter }),
    apply,
    clear: bodies.has(Type.ClearActions),
    write,
    ...(metadata !== undefined && { writeMetadata: { value: metadata.u64(), mask: metadata.u64() } }),
    ...(gotoTable !== undefined && { gotoTable }),
  }
}

function actionsOf(body: ByteReader | undefined): Instructions['apply'] {
  if (body === undefined) return []
  body.skip(4)
  return decodeActions(body)
}

/** Each instruction's body by its type. All lengths and types are held to their rules before any body is read. */
function splitInstructions(reader: ByteReader): Map<number, ByteReader> {
  if (reader.remaining % 8 !== 0) throw badLength('instructions are not a multiple of 8 bytes')
  const bodies = new Map<number, ByteReader>()
  while (reader.remaining > 0) {
    const room = reader.remaining
    const type = reader.u16()
    const length = reader.u16()
    if (length % 8 !== 0 || length < HEADER_SIZE + 4 || length > room)
      throw badLength(`instruction length ${length} in ${room} bytes`)
    checkType(type, length - HEADER_SIZE)
    if (bodies.has(type)) throw new Refused('OFPBIC_DUP_INST', 'instructions', `instruction ${type} is given twice`)
    bodies.set(type, reader.sub(length - HEADER_SIZE, 'OFPBIC_BAD_LEN'))
  }
  return bodies
}

function checkType(type: number, size: number): void {
  if (type === Type.Experimenter)
    throw new Refused('OFPBIC_BAD_EXPERIMENTER', 'instructions', 'nobody has an instruction of his own')
  const known = BODY_SIZES.get(type)
  if (known === undefined) throw new Refused('OFPBIC_UNKNOWN_INST', 'instructions', `unknown instruction ${type}`)
  if (known.orMore ? size < known.size : size !== known.size)
    throw badLength(`instruction ${type} has ${size} bytes; expected ${known.size}`)
}

const badLength = (problem: string) => new Refused('OFPBIC_BAD_LEN', 'instructions', problem)
