// The learn action: lib/ofp-actions.c, NXAST_LEARN and NXAST_LEARN2, which can count and say whether it learned.

import type { Action, LearnAction, LearnSpec, Subfield } from '../../control/actions.ts'
import { Refused } from '../../control/refused.ts'
import type { ByteReader } from '../byte-reader.ts'
import type { ByteWriter } from '../byte-writer.ts'
import { writeHeader } from '../oxm.ts'
import type { ActionDecoder, ActionEncoders } from './action-codec.ts'
import { nicira, orLonger, putNicira } from './action-codec.ts'
import { headerFor, readLongHeader, readShortHeader, sourceOf, targetOf, writeShortHeader } from './subfields.ts'

const LEARN = 16
const LEARN2 = 45

/** NX_LEARN_F_*. */
const Flag = { SendFlowRemoved: 1, DeleteLearned: 2, WriteResult: 4 } as const

/** A spec begins with 16 bits: a constant or a field, what becomes of it, and how many bits. */
const BITS_MASK = 0x3ff
const SOURCE_VALUE = 1 << 13
const TARGET_SHIFT = 11
/** A header and an offset. */
const SUBFIELD_SIZE = 6
/** Of a field, without an experimenter. */
const HEADER_SIZE = 4
/** NX_LEARN_DST_*, in order. */
const TARGETS = ['match', 'load', 'output'] as const

export const learnDecoders: readonly ActionDecoder[] = [
  orLonger(nicira(LEARN, 32, (body) => decodeLearn(body, false))),
  orLonger(nicira(LEARN2, 40, (body) => decodeLearn(body, true))),
]

export const learnEncoders: ActionEncoders<'learn'> = { learn: encodeLearn }

const badArgument = (problem: string) => new Refused('OFPBAC_BAD_ARGUMENT', '', problem)

function decodeLearn(body: ByteReader, extended: boolean): Action {
  const idleTimeout = body.u16()
  const hardTimeout = body.u16()
  const priority = body.u16()
  const cookie = body.u64()
  const flags = body.u16()
  const table = body.u8()
  const pad = body.u8()
  const finIdleTimeout = body.u16()
  const finHardTimeout = body.u16()
  const known = Flag.SendFlowRemoved | Flag.DeleteLearned | (extended ? Flag.WriteResult : 0)
  if (pad !== 0 || table === 0xff || (flags & ~known) !== 0)
    throw badArgument('a learn action with a table, flags or padding that mean nothing')
  const { limit, result } = extended ? decodeLimit(body, (flags & Flag.WriteResult) !== 0) : { limit: 0, result: {} }
  return {
    type: 'learn',
    table,
    priority,
    cookie,
    idleTimeout,
    hardTimeout,
    finIdleTimeout,
    finHardTimeout,
    sendFlowRemoved: (flags & Flag.SendFlowRemoved) !== 0,
    deleteLearned: (flags & Flag.DeleteLearned) !== 0,
    limit,
    ...result,
    specs: decodeSpecs(body),
  }
}

function decodeLimit(body: ByteReader, writesResult: boolean): { limit: number; result: { result?: Subfield } } {
  const limit = body.u32()
  const offset = body.u16()
  const pad = body.u16()
  if (!writesResult && offset !== 0) throw badArgument('a place for a result, and none is wanted')
  if (pad !== 0) throw new Refused('NXBAC_MUST_BE_ZERO', '', 'reserved bytes are not zero')
  if (writesResult && body.remaining < HEADER_SIZE)
    throw new Refused('OFPBMC_BAD_LEN', 'result', 'the field for the result is cut short')
  return { limit, result: writesResult ? { result: targetOf(readLongHeader(body), offset, 1) } : {} }
}

function decodeSpecs(body: ByteReader): LearnSpec[] {
  const specs: LearnSpec[] = []
  while (body.remaining >= 2) {
    const header = body.u16()
    if (header === 0) break
    specs.push(decodeSpec(body, header))
  }
  if (!body.endsInZeros()) throw badArgument('padding is not zero')
  return specs
}

function decodeSpec(body: ByteReader, header: number): LearnSpec {
  const bits = header & BITS_MASK
  const isValue = (header & SOURCE_VALUE) !== 0
  const target = TARGETS[(header >> TARGET_SHIFT) & 3]
  if (target === undefined || (target === 'output' && isValue))
    throw badArgument('a part of a learned flow that is neither match, load nor output')
  const valueSize = 2 * Math.ceil(bits / 16)
  const needed = (isValue ? valueSize : SUBFIELD_SIZE) + (target === 'output' ? 0 : SUBFIELD_SIZE)
  if (needed > body.remaining) throw new Refused('OFPBAC_BAD_LEN', 'specs', 'a part of a learned flow is cut short')
  const source: LearnSpec['source'] = isValue
    ? { type: 'value', value: BigInt.asUintN(bits, body.big(valueSize)) }
    : { type: 'field', from: decodeSubfield(body, bits, sourceOf) }
  if (target === 'output') return { bits, source, target: { type: 'output' } }
  const to = decodeSubfield(body, bits, target === 'load' ? targetOf : sourceOf)
  return { bits, source, target: { type: target, to } }
}

function decodeSubfield(body: ByteReader, bits: number, subfieldOf: typeof sourceOf): Subfield {
  const wire = readShortHeader(body)
  return subfieldOf(wire, body.u16(), bits)
}

function encodeLearn(writer: ByteWriter, action: LearnAction): void {
  const { result } = action
  const extended = action.limit !== 0 || result !== undefined
  putNicira(writer, extended ? LEARN2 : LEARN, () => {
    writer.u16(action.idleTimeout)
    writer.u16(action.hardTimeout)
    writer.u16(action.priority)
    writer.u64(action.cookie)
    writer.u16(
      (action.sendFlowRemoved ? Flag.SendFlowRemoved : 0) |
        (action.deleteLearned ? Flag.DeleteLearned : 0) |
        (result === undefined ? 0 : Flag.WriteResult),
    )
    writer.u8(action.table)
    writer.u8(0)
    writer.u16(action.finIdleTimeout)
    writer.u16(action.finHardTimeout)
    if (extended) {
      writer.u32(action.limit)
      writer.u16(result?.offset ?? 0)
      writer.u16(0)
      if (result !== undefined) writeHeader(writer, headerFor(result))
    }
    for (const spec of action.specs) encodeSpec(writer, spec)
  })
}

function encodeSpec(writer: ByteWriter, { bits, source, target }: LearnSpec): void {
  writer.u16((source.type === 'value' ? SOURCE_VALUE : 0) | (TARGETS.indexOf(target.type) << TARGET_SHIFT) | bits)
  if (source.type === 'value') writer.big(source.value, 2 * Math.ceil(bits / 16))
  else encodeSubfield(writer, source.from)
  if (target.type !== 'output') encodeSubfield(writer, target.to)
}

function encodeSubfield(writer: ByteWriter, subfield: Subfield): void {
  writeShortHeader(writer, subfield)
  writer.u16(subfield.offset)
}
