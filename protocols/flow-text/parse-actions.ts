// What follows `actions=`: actions to apply, and the instructions of OpenFlow 1.1 and later, which have to stand in the order in
// which a switch executes them.

import type { Action, Instructions, Subfield } from '../control/messages.ts'
import { MAX_CLONE_DEPTH, ReservedPort } from '../control/messages.ts'
import type { Field, FieldName } from '../fields.ts'
import { fieldNamed, fieldOf, FIELDS } from '../fields.ts'
import type { Match } from '../match.ts'
import { parseTos, requirePrerequisite, transportField, valueOf } from './parse-match.ts'
import type { FlowTextOptions } from './ports.ts'
import { findPort, parsePort, reservedPort } from './ports.ts'
import { parseSubfield, sides } from './subfields.ts'
import { suggestion } from './suggestion.ts'
import { FlowSyntaxError } from './syntax-error.ts'
import { parseMasked, parseNumber } from './values.ts'
import type { Piece, Word } from './words.ts'
import { slice, words } from './words.ts'

const MAXIMUM_TABLE = 253n
const UINT16 = 0xffffn
const UINT32 = 0xffffffffn
const UINT64 = 0xffffffffffffffffn

interface Reading {
  readonly options: FlowTextOptions
  /** What frames are known to be like; undefined where nothing is known, and then prerequisites are not asked for. */
  readonly match: Match | undefined
  /** An action before may have given the frame a tag. */
  tagged: boolean
  /** How many clones the actions stand in. */
  readonly depth: number
}

type ActionReader = (word: Word, reading: Reading) => Action

const ACTIONS: ReadonlyMap<string, ActionReader> = new Map(
  Object.entries<ActionReader>({
    output: (word, { options }) => outputTo(parsePort(valueOf(word), options)),
    controller: readController,
    mod_vlan_vid: (word) => ({ type: 'set_vlan_vid', vid: Number(parseNumber(valueOf(word), 4095n)) }),
    mod_vlan_pcp: (word) => ({ type: 'set_vlan_pcp', pcp: Number(parseNumber(valueOf(word), 7n)) }),
    strip_vlan: () => ({ type: 'pop_vlan' }),
    pop_vlan: () => ({ type: 'pop_vlan' }),
    push_vlan: readPushVlan,
    mod_dl_src: setter('eth_src'),
    mod_dl_dst: setter('eth_dst'),
    mod_nw_src: setter('nw_src'),
    mod_nw_dst: setter('nw_dst'),
    mod_nw_ecn: setter('nw_ecn'),
    mod_nw_ttl: setter('nw_ttl'),
    mod_nw_tos: (word, reading) => setField(fieldOf('ip_dscp'), { value: parseTos(valueOf(word)) }, word.key, reading),
    mod_tp_src: transportSetter('tp_src'),
    mod_tp_dst: transportSetter('tp_dst'),
    set_field: readSetField,
    load: readLoad,
    move: readMove,
    dec_ttl: readDecTtl,
    resubmit: readResubmit,
    clone: readClone,
  }),
)

type InstructionReader = (word: Word, instructions: Instructions, reading: Reading) => void

const INSTRUCTIONS: ReadonlyMap<string, InstructionReader> = new Map(
  Object.entries<InstructionReader>({
    meter: (word, instructions) => {
      instructions.meter = Number(parseNumber(valueOf(word), UINT32))
    },
    clear_actions: (_word, instructions) => {
      instructions.clear = true
    },
    write_actions: (word, instructions, reading) => {
      instructions.write = readActionList(valueOrNothing(word), { ...reading })
    },
    write_metadata: readWriteMetadata,
    goto_table: (word, instructions) => {
      instructions.gotoTable = Number(parseNumber(valueOf(word), MAXIMUM_TABLE))
    },
  }),
)

/** OpenFlow 1.3 §5.9: the order of execution. */
const ORDER = ['meter', 'apply', 'clear_actions', 'write_actions', 'write_metadata', 'goto_table']

const RESERVED_WORDS = ['in_port', 'all', 'flood', 'local', 'normal']

/** @throws FlowSyntaxError */
export function readInstructions(piece: Piece, options: FlowTextOptions, match?: Match): Instructions {
  const reading = newReading(options, match)
  const instructions: Instructions = { apply: [], clear: false, write: [] }
  const found = words(piece)
  if (dropAlone(found)) return instructions
  let latest = -1
  for (const word of found) {
    const reader = INSTRUCTIONS.get(word.key.text)
    latest = inOrder(word, reader === undefined ? 'apply' : word.key.text, latest)
    if (reader === undefined) instructions.apply.push(readAction(word, reading))
    else reader(word, instructions, reading)
  }
  return instructions
}

/** A list that holds nothing but actions. */
export function readActionList(piece: Piece, reading: Reading): Action[] {
  const found = words(piece)
  return dropAlone(found) ? [] : found.map((word) => readAction(word, reading))
}

export const newReading = (options: FlowTextOptions, match: Match | undefined): Reading => ({
  options,
  match,
  tagged: false,
  depth: 0,
})

const valueOrNothing = (word: Word): Piece => word.value ?? slice(word.whole, word.whole.text.length)

function dropAlone(found: readonly Word[]): boolean {
  const drop = found.find((word) => word.key.text === 'drop')
  if (drop === undefined) return false
  if (found.length > 1) throw new FlowSyntaxError(drop.key.column, 'drop stands beside other actions', 'drop alone')
  return true
}

function inOrder(word: Word, instruction: string, latest: number): number {
  const place = ORDER.indexOf(instruction)
  if (place < latest) {
    throw new FlowSyntaxError(
      word.key.column,
      `${word.key.text} stands after ${ORDER[latest]}`,
      'instructions in the order of their execution',
    )
  }
  if (place === latest && instruction !== 'apply')
    throw new FlowSyntaxError(word.key.column, `${instruction} stands twice`, 'it once')
  return place
}

function readAction(word: Word, reading: Reading): Action {
  const action = ACTIONS.get(word.key.text.toLowerCase())?.(word, reading) ?? readPort(word, reading.options)
  if (action.type === 'push_vlan' || action.type === 'set_vlan_vid' || action.type === 'set_vlan_pcp')
    reading.tagged = true
  return action
}

/** `2`, `LOCAL`, `web1:eth0`: a port alone is where to send. */
function readPort(word: Word, options: FlowTextOptions): Action {
  const port = findPort(word.whole.text, options)
  if (port !== undefined) return outputTo(port)
  const known = [
    ...ACTIONS.keys(),
    ...INSTRUCTIONS.keys(),
    ...RESERVED_WORDS,
    'drop',
    ...(options.ports?.names?.() ?? []),
  ]
  const { text, column } = word.key
  throw new FlowSyntaxError(
    column,
    `unknown action '${text}'`,
    'an action or a port',
    suggestion(text.toLowerCase(), known),
  )
}

const outputTo = (port: number): Action =>
  port === ReservedPort.Controller ? { type: 'controller', maxLength: 0xffff } : { type: 'output', port }

/** `controller`, `controller:100`, `controller(max_len=100)`. */
function readController(word: Word): Action {
  if (word.value === undefined) return { type: 'controller', maxLength: 0xffff }
  if (!word.whole.text.endsWith(')')) return { type: 'controller', maxLength: Number(parseNumber(word.value, UINT16)) }
  let maxLength = 0xffff
  for (const option of words(word.value)) {
    if (option.key.text !== 'max_len') {
      throw new FlowSyntaxError(
        option.key.column,
        `unknown option '${option.key.text}' of controller`,
        'max_len=BYTES',
        suggestion(option.key.text, ['max_len']),
      )
    }
    maxLength = Number(parseNumber(valueOf(option), UINT16))
  }
  return { type: 'controller', maxLength }
}

function readPushVlan(word: Word): Action {
  const value = valueOf(word)
  const etherType = Number(parseNumber(value, UINT16))
  if (etherType !== 0x8100 && etherType !== 0x88a8)
    throw new FlowSyntaxError(value.column, `${value.text} is not the type of a tag`, '0x8100 or 0x88a8')
  return { type: 'push_vlan', etherType }
}

// ---- writing fields ----------------------------------------------------------------------------------------------

function setter(name: FieldName): ActionReader {
  const field = fieldOf(name)
  return (word, reading) => {
    const value = valueOf(word)
    const parsed = parseMasked(field, value, reading.options)
    if (parsed.mask !== undefined)
      throw new FlowSyntaxError(value.column, `${word.key.text} takes no mask`, 'a whole value, or set_field')
    return setField(field, parsed, word.key, reading)
  }
}

function transportSetter(keyword: 'tp_src' | 'tp_dst'): ActionReader {
  return (word, reading) => {
    const protocol = reading.match?.find((part) => part.field === 'nw_proto')?.value
    const field = transportField(keyword, protocol, word.key)
    return setField(field, { value: parseNumber(valueOf(word), field.ones) }, word.key, reading)
  }
}

function setField(field: Field, part: { value: bigint; mask?: bigint }, asked: Piece, reading: Reading): Action {
  requireWritable(field, asked, reading)
  return { type: 'set_field', field: field.name, ...part }
}

function requireWritable(field: Field, asked: Piece, reading: Reading): void {
  if (!field.settable) throw new FlowSyntaxError(asked.column, `${field.name} can not be written`, 'a field that can')
  requireReadable(field, asked, reading)
}

function requireReadable(field: Field, asked: Piece, { match, tagged }: Reading): void {
  if (match === undefined || (tagged && field.prerequisite === 'vlan')) return
  requirePrerequisite(field, match, asked)
}

/** `set_field:VALUE[/MASK]->FIELD`. */
function readSetField(word: Word, reading: Reading): Action {
  const [value, name] = sides(valueOf(word))
  if (name.text === 'nw_tos') return setField(fieldOf('ip_dscp'), { value: parseTos(value) }, name, reading)
  const field = fieldNamed(name.text)
  if (field === undefined) {
    const meant = suggestion(
      name.text,
      FIELDS.map((known) => known.name),
    )
    throw new FlowSyntaxError(name.column, `unknown field '${name.text}'`, 'a field that can be written', meant)
  }
  const action = setField(field, parseMasked(field, value, reading.options), name, reading)
  if (field.name === 'vlan_vid') reading.tagged = true
  return action
}

/** `load:VALUE->FIELD[first..last]`. */
function readLoad(word: Word, reading: Reading): Action {
  const [source, destination] = sides(valueOf(word))
  const { field: name, offset, bits } = parseSubfield(destination)
  const field = fieldOf(name)
  const value = parseNumber(source, (1n << BigInt(bits)) - 1n, `a number of ${bits} bits`) << BigInt(offset)
  const mask = ((1n << BigInt(bits)) - 1n) << BigInt(offset)
  return setField(field, mask === field.ones ? { value } : { value, mask }, destination, reading)
}

/** `move:FIELD[..]->FIELD[..]`. */
function readMove(word: Word, reading: Reading): Action {
  const [source, destination] = sides(valueOf(word))
  const from: Subfield = parseSubfield(source)
  const to: Subfield = parseSubfield(destination)
  if (from.bits !== to.bits)
    throw new FlowSyntaxError(source.column, `${from.bits} bits do not fit ${to.bits}`, 'as many bits on both sides')
  requireReadable(fieldOf(from.field), source, reading)
  requireWritable(fieldOf(to.field), destination, reading)
  return { type: 'move', from, to }
}

function readDecTtl(word: Word, reading: Reading): Action {
  requireReadable(fieldOf('nw_ttl'), word.key, reading)
  return { type: 'dec_ttl' }
}

// ---- other tables ------------------------------------------------------------------------------------------------

/** `resubmit:PORT`, `resubmit(PORT)`, `resubmit(PORT,TABLE)`, `resubmit(,TABLE)`; `in_port` is the current one. */
function readResubmit(word: Word, { options }: Reading): Action {
  const value = valueOf(word)
  const comma = word.whole.text.endsWith(')') ? value.text.indexOf(',') : -1
  const portPiece = comma < 0 ? value : slice(value, 0, comma)
  const action: Action = { type: 'resubmit' }
  if (portPiece.text.trim() !== '' && reservedPort(portPiece.text) !== ReservedPort.InPort)
    action.port = parsePort(portPiece, options)
  if (comma >= 0 && comma < value.text.length - 1)
    action.table = Number(parseNumber(slice(value, comma + 1), MAXIMUM_TABLE))
  return action
}

/** `clone(ACTIONS)`: what they do to the frame, those behind the clone do not see. */
function readClone(word: Word, reading: Reading): Action {
  const depth = reading.depth + 1
  if (depth > MAX_CLONE_DEPTH)
    throw new FlowSyntaxError(word.key.column, 'clone stands in too many others', `${MAX_CLONE_DEPTH} at most`)
  return { type: 'clone', actions: readActionList(valueOrNothing(word), { ...reading, depth }) }
}

function readWriteMetadata(word: Word, instructions: Instructions): void {
  const value = valueOf(word)
  const cut = value.text.indexOf('/')
  const mask = cut < 0 ? UINT64 : parseNumber(slice(value, cut + 1), UINT64)
  instructions.writeMetadata = { value: parseNumber(cut < 0 ? value : slice(value, 0, cut), UINT64) & mask, mask }
}
