// What follows `actions=`: actions to apply, and the instructions of OpenFlow 1.1 and later, which have to stand in the order in
// which a switch executes them.

import { standsInActionSet, standsInCt } from '../action-lists.ts'
import type { Action, Instructions } from '../control/messages.ts'
import { LAST_TABLE, MAX_CLONE_DEPTH, ReservedMeter } from '../control/messages.ts'
import { isAlwaysAsked, knownAfter, lackingFor } from '../known-frame.ts'
import type { Match } from '../match.ts'
import { parseNumber, parseSmall, UINT16 } from './numbers.ts'
import { CHOICES } from './parse-choices.ts'
import { readCt, readNat } from './parse-ct.ts'
import { readLearn } from './parse-learn.ts'
import { OUTPUTS, outputTo } from './parse-outputs.ts'
import { parseMetadata, WRITES } from './parse-writes.ts'
import type { FlowTextOptions } from './ports.ts'
import { findPort } from './ports.ts'
import type { ActionReader, Reading } from './reading.ts'
import { newReading, oneOf, parseBytes, readOptions, refuseLacking } from './reading.ts'
import { suggestion } from './suggestion.ts'
import { FlowSyntaxError } from './syntax-error.ts'
import type { Piece, Word } from './words.ts'
import { commaParts, valueOf, valueOrNothing, words } from './words.ts'

const ACTIONS: ReadonlyMap<string, ActionReader> = new Map(
  Object.entries<ActionReader>({
    ...OUTPUTS,
    ...WRITES,
    ...CHOICES,
    strip_vlan: () => ({ type: 'pop_vlan' }),
    pop_vlan: () => ({ type: 'pop_vlan' }),
    push_vlan: (word) => ({ type: 'push_vlan', etherType: oneOfTypes(word, [0x8100, 0x88a8], 'a tag') }),
    push_mpls: (word) => ({ type: 'push_mpls', etherType: oneOfTypes(word, [0x8847, 0x8848], 'a label') }),
    pop_mpls: (word) => ({ type: 'pop_mpls', etherType: parseSmall(valueOf(word), UINT16) }),
    // OpenFlow 1.3's, which Open vSwitch does not have; named as its like are.
    push_pbb: (word) => ({ type: 'push_pbb', etherType: oneOfTypes(word, [0x88e7], 'a service instance') }),
    pop_pbb: () => ({ type: 'pop_pbb' }),
    copy_ttl_out: () => ({ type: 'copy_ttl_out' }),
    copy_ttl_in: () => ({ type: 'copy_ttl_in' }),
    dec_mpls_ttl: () => ({ type: 'dec_mpls_ttl' }),
    dec_ttl: readDecTtl,
    encap: (word) => ({ type: 'encap', header: oneOf(valueOf(word), ['ethernet', 'mpls', 'mpls_mc'], 'header') }),
    decap: readDecap,
    clone: readClone,
    exit: () => ({ type: 'exit' }),
    note: (word) => ({ type: 'note', data: padded(parseBytes(valueOrNothing(word))) }),
    learn: readLearn,
    ct: (word, reading) => readCt(word, reading, readActionList),
    nat: readNat,
    ct_clear: () => ({ type: 'ct_clear' }),
  }),
)

interface InstructionReading {
  readonly reading: Reading
  /** The flow's own table, behind which goto_table may lead; undefined where there is none. */
  readonly table: number | undefined
}

type InstructionReader = (word: Word, instructions: Instructions, context: InstructionReading) => void

const INSTRUCTIONS: ReadonlyMap<string, InstructionReader> = new Map(
  Object.entries<InstructionReader>({
    meter: (word, instructions) => {
      instructions.meter = parseMeter(valueOf(word))
    },
    clear_actions: (_word, instructions) => {
      instructions.clear = true
    },
    write_actions: (word, instructions, { reading }) => {
      instructions.write = readActionList(valueOrNothing(word), { ...reading, inside: 'write_actions' })
    },
    write_metadata: (word, instructions) => {
      instructions.writeMetadata = parseMetadata(valueOf(word))
    },
    goto_table: (word, instructions, { table }) => {
      const value = valueOf(word)
      const next = parseSmall(value, LAST_TABLE)
      if (table !== undefined && next <= table)
        throw new FlowSyntaxError(value.column, `table ${next} is not behind table ${table}`, `${table + 1} or more`)
      instructions.gotoTable = next
    },
  }),
)

/** OpenFlow 1.3 §5.9: the order of execution. */
const ORDER = ['meter', 'apply', 'clear_actions', 'write_actions', 'write_metadata', 'goto_table']

const RESERVED_WORDS = ['in_port', 'all', 'flood', 'local', 'normal']

/** @throws FlowSyntaxError */
export function readInstructions(piece: Piece, options: FlowTextOptions, match?: Match, table?: number): Instructions {
  let reading = newReading(options, match)
  const instructions: Instructions = { apply: [], clear: false, write: [] }
  const found = words(piece)
  if (dropAlone(found)) return instructions
  let latest = -1
  for (const word of found) {
    const reader = INSTRUCTIONS.get(word.key.text)
    latest = inOrder(word, reader === undefined ? 'apply' : word.key.text, latest)
    if (reader === undefined) reading = readInto(instructions.apply, word, reading)
    else reader(word, instructions, { reading, table })
  }
  requireLoneConjunction(found, instructions.apply)
  return instructions
}

/** A list that holds nothing but actions. */
export function readActionList(piece: Piece, start: Reading): Action[] {
  const found = words(piece)
  if (dropAlone(found)) return []
  const actions: Action[] = []
  let reading = start
  for (const word of found) reading = readInto(actions, word, reading)
  requireLoneConjunction(found, actions)
  return actions
}

function dropAlone(found: readonly Word[]): boolean {
  const drop = found.find((word) => word.key.text === 'drop')
  if (drop === undefined) return false
  if (found.length > 1) throw new FlowSyntaxError(drop.key.column, 'drop stands beside other actions', 'drop alone')
  return true
}

/** A flow with a clause does nothing else: ovs-fields(7). */
function requireLoneConjunction(found: readonly Word[], actions: readonly Action[]): void {
  if (!actions.some((action) => action.type === 'conjunction')) return
  const other = found.find(({ key }) => key.text !== 'conjunction' && key.text !== 'note')
  if (other !== undefined)
    throw new FlowSyntaxError(
      other.key.column,
      `${other.key.text} stands beside conjunction`,
      'notes and clauses alone',
    )
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

/** Reads a word into `actions`; gives what is known for the word after it. */
function readInto(actions: Action[], word: Word, start: Reading): Reading {
  const found = ACTIONS.get(word.key.text.toLowerCase())?.(word, start) ?? readPort(word, start.options)
  let reading = start
  for (const action of Array.isArray(found) ? (found as readonly Action[]) : [found as Action]) {
    requireAllowed(action, word.key, reading)
    actions.push(action)
    if (reading.known !== undefined) reading = { ...reading, known: knownAfter(action, reading.known) }
  }
  return reading
}

function requireAllowed(action: Action, asked: Piece, { inside, known }: Reading): void {
  if (inside === 'write_actions' && !standsInActionSet(action))
    throw new FlowSyntaxError(
      asked.column,
      `${asked.text} has no place in an action set`,
      'actions of OpenFlow 1.3 §5.10',
    )
  if (inside === 'ct' && !standsInCt(action))
    throw new FlowSyntaxError(asked.column, `${asked.text} stands in ct`, 'set_field, load, move or nat')
  if (known !== undefined && isAsked(action, inside)) refuseLacking(asked, lackingFor(action, known))
}

/** Of an action set it shows when it is carried out; a tag is taken off where there is one, as in OpenFlow 1.0. */
const isAsked = (action: Action, inside: Reading['inside']) =>
  isAlwaysAsked(action) || (inside !== 'write_actions' && action.type !== 'pop_vlan')

/** `2`, `LOCAL`, `web1:eth0`: a port alone is where to send. */
function readPort(word: Word, options: FlowTextOptions): Action {
  const port = findPort(word.whole.text, options)
  if (port !== undefined) return outputTo(port, word.whole)
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

function oneOfTypes(word: Word, types: readonly number[], what: string): number {
  const value = valueOf(word)
  const etherType = parseSmall(value, UINT16)
  if (types.includes(etherType)) return etherType
  const expected = types.map((type) => `0x${type.toString(16)}`).join(' or ')
  throw new FlowSyntaxError(value.column, `${value.text} is not the type of ${what}`, expected)
}

function parseMeter(piece: Piece): number {
  const meter = Number(parseNumber(piece, BigInt(ReservedMeter.Max)))
  if (meter === 0) throw new FlowSyntaxError(piece.column, '0 is out of range', `1 to ${ReservedMeter.Max}`)
  return meter
}

/** `dec_ttl`, `dec_ttl(1,2)`: controllers that hear of a TTL that has run out. */
function readDecTtl(word: Word): Action {
  if (word.value === undefined) return { type: 'dec_ttl' }
  const controllers = commaParts(word.value).map((id) => parseSmall(id, UINT16))
  if (controllers.length === 0)
    throw new FlowSyntaxError(word.value.column, 'dec_ttl names no controller', 'dec_ttl(ID,ID), or dec_ttl alone')
  return { type: 'dec_ttl', controllers }
}

/** `decap()`, `decap(packet_type(ns=1,type=0x800))`. */
function readDecap(word: Word): Action {
  let packetType: number | undefined
  readOptions(valueOrNothing(word), 'decap', {
    packet_type: (option) => {
      let namespace = 0
      let type = 0
      readOptions(valueOf(option), 'packet_type', {
        ns: (part) => {
          namespace = parseSmall(valueOf(part), UINT16)
        },
        type: (part) => {
          type = parseSmall(valueOf(part), UINT16)
        },
      })
      packetType = ((namespace << 16) | type) >>> 0
    },
  })
  return packetType === undefined ? { type: 'decap' } : { type: 'decap', packetType }
}

/** `clone(ACTIONS)`: what they do to the frame, those behind the clone do not see. */
function readClone(word: Word, reading: Reading): Action {
  const depth = reading.depth + 1
  if (depth > MAX_CLONE_DEPTH)
    throw new FlowSyntaxError(word.key.column, 'clone stands in too many others', `${MAX_CLONE_DEPTH} at most`)
  return { type: 'clone', actions: readActionList(valueOrNothing(word), { ...reading, depth }) }
}

/** With zeros, to the length that a note has on the OpenFlow wire: 6 bytes, and 8 more for every further 8. */
function padded(data: Uint8Array): Uint8Array {
  const longer = new Uint8Array(6 + 8 * Math.ceil(Math.max(0, data.length - 6) / 8))
  longer.set(data)
  return longer
}
