// `learn(…)`: a flow that makes flows (ovs-actions(7), THE LEARN ACTION; Open vSwitch lib/learn.c).

import type { Action, LearnAction, LearnSpec, Subfield } from '../control/messages.ts'
import { LAST_TABLE } from '../control/messages.ts'
import type { Field } from '../fields.ts'
import { fieldNamed, fieldOf } from '../fields.ts'
import { knownOf, lackingToRead, learnedAfter } from '../known-frame.ts'
import type { Match } from '../match.ts'
import { parseNumber, parseSmall, UINT16, UINT32, UINT64 } from './numbers.ts'
import { DEFAULT_PRIORITY } from './defaults.ts'
import { parseBits, readSource } from './parse-writes.ts'
import type { Reading } from './reading.ts'
import { refuseLacking } from './reading.ts'
import { namesSubfield, parseSubfield } from './subfields.ts'
import { suggestion } from './suggestion.ts'
import { FlowSyntaxError } from './syntax-error.ts'
import { parseMasked } from './values.ts'
import type { Piece, Word } from './words.ts'
import { sides, valueOf, valueOrNothing, words } from './words.ts'

type PropertyReader = (learn: LearnAction, option: Word, reading: Reading) => void

const PROPERTIES: ReadonlyMap<string, PropertyReader> = new Map(
  Object.entries<PropertyReader>({
    table: (learn, option) => {
      learn.table = parseSmall(valueOf(option), LAST_TABLE)
    },
    priority: (learn, option) => {
      learn.priority = parseSmall(valueOf(option), UINT16)
    },
    cookie: (learn, option) => {
      learn.cookie = parseNumber(valueOf(option), UINT64)
    },
    idle_timeout: (learn, option) => {
      learn.idleTimeout = parseSmall(valueOf(option), UINT16)
    },
    hard_timeout: (learn, option) => {
      learn.hardTimeout = parseSmall(valueOf(option), UINT16)
    },
    fin_idle_timeout: (learn, option) => {
      learn.finIdleTimeout = parseSmall(valueOf(option), UINT16)
    },
    fin_hard_timeout: (learn, option) => {
      learn.finHardTimeout = parseSmall(valueOf(option), UINT16)
    },
    send_flow_rem: (learn) => {
      learn.sendFlowRemoved = true
    },
    delete_learned: (learn) => {
      learn.deleteLearned = true
    },
    limit: (learn, option) => {
      learn.limit = parseSmall(valueOf(option), UINT32)
    },
    result_dst: (learn, option, reading) => {
      const piece = valueOf(option)
      const result = readSource(piece, reading)
      if (result.bits !== 1)
        throw new FlowSyntaxError(piece.column, `${piece.text} has ${result.bits} bits`, 'one bit, as NXM_NX_REG0[0]')
      requireSettable(result, piece)
      learn.result = result
    },
  }),
)

export function readLearn(word: Word, reading: Reading): Action {
  const learn: LearnAction = {
    type: 'learn',
    table: 1,
    priority: DEFAULT_PRIORITY,
    cookie: 0n,
    idleTimeout: 0,
    hardTimeout: 0,
    finIdleTimeout: 0,
    finHardTimeout: 0,
    sendFlowRemoved: false,
    deleteLearned: false,
    limit: 0,
    specs: [],
  }
  let learned: Match = []
  for (const option of words(valueOrNothing(word))) {
    const property = PROPERTIES.get(option.key.text)
    if (property !== undefined) {
      property(learn, option, reading)
      continue
    }
    const spec = readSpec(option, learned, reading)
    learn.specs.push(spec)
    learned = learnedAfter(spec, learned)
  }
  return learn
}

/** `learned` is what the flow to be learned matches on so far, which is what its later parts may rely on. */
function readSpec(option: Word, learned: Match, reading: Reading): LearnSpec {
  switch (option.key.text) {
    case 'load':
      return readLoad(valueOf(option), learned, reading)
    case 'output': {
      const from = readSource(valueOf(option), reading)
      return { bits: from.bits, source: { type: 'field', from }, target: { type: 'output' } }
    }
    default:
      return readMatched(option, learned, reading)
  }
}

/** `load:VALUE->FIELD[..]`, `load:FIELD[..]->FIELD[..]`. */
function readLoad(piece: Piece, learned: Match, reading: Reading): LearnSpec {
  const [source, destination] = sides(piece)
  const to = parseSubfield(destination)
  requireSettable(to, destination)
  requireLearned(fieldOf(to.field), destination, learned, reading)
  const target = { type: 'load', to } as const
  if (!namesSubfield(source.text))
    return { bits: to.bits, source: { type: 'value', value: parseBits(source, to.bits) }, target }
  return { bits: to.bits, source: fromField(source, to, reading), target }
}

/** `NXM_OF_VLAN_TCI[0..11]`, `NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]`, `eth_type=0x800`, `reg0[0..3]=5`. */
function readMatched(option: Word, learned: Match, reading: Reading): LearnSpec {
  const { key, value } = option
  if (!namesSubfield(key.text)) throw unknown(key)
  const to = parseSubfield(key)
  const field = fieldOf(to.field)
  requireLearned(field, key, learned, reading)
  const target = { type: 'match', to } as const
  if (value === undefined || value.text === '')
    return { bits: to.bits, source: { type: 'field', from: readSource(key, reading) }, target }
  if (namesSubfield(value.text) && !/^\d/.test(value.text))
    return { bits: to.bits, source: fromField(value, to, reading), target }
  const number = fieldNamed(key.text) === undefined ? parseBits(value, to.bits) : parseWhole(field, value, to, reading)
  return { bits: to.bits, source: { type: 'value', value: number }, target }
}

/** A value as a match would have it: `eth_src=02:00:00:00:00:01`, `in_port=LOCAL`. */
function parseWhole(field: Field, piece: Piece, to: Subfield, reading: Reading): bigint {
  const { value, mask } = parseMasked(field, piece, reading.options)
  if (mask !== undefined)
    throw new FlowSyntaxError(piece.column, 'what is learned has no mask', 'FIELD[FIRST..LAST]=VALUE')
  return value & ((1n << BigInt(to.bits)) - 1n)
}

function fromField(piece: Piece, to: Subfield, reading: Reading): LearnSpec['source'] {
  const from = readSource(piece, reading)
  if (from.bits !== to.bits)
    throw new FlowSyntaxError(piece.column, `${from.bits} bits do not fit ${to.bits}`, 'as many bits on both sides')
  return { type: 'field', from }
}

function requireSettable({ field }: Subfield, asked: Piece): void {
  if (!fieldOf(field).settable)
    throw new FlowSyntaxError(asked.column, `${field} can not be written`, 'a field that can')
}

/** What is learned keeps its prerequisites too; nothing is asked where nothing is known of the flow that learns. */
function requireLearned(field: Field, asked: Piece, learned: Match, { known }: Reading): void {
  if (known !== undefined) refuseLacking(asked, lackingToRead(field, knownOf(learned)))
}

function unknown({ text, column }: Piece): FlowSyntaxError {
  const meant = suggestion(text, [...PROPERTIES.keys(), 'load', 'output'])
  return new FlowSyntaxError(column, `unknown option '${text}' of learn`, 'a property, a field, load or output', meant)
}
