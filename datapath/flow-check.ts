// What makes a flow mod one that can be carried out, apart from what is in the tables already.

import type { Action, FlowMod, Instructions, Subfield } from '../protocols/control/messages.ts'
import { ALL_TABLES, MAX_CLONE_DEPTH, ReservedPort } from '../protocols/control/messages.ts'
import { Refused, asRefusal } from '../protocols/control/refused.ts'
import type { FieldName } from '../protocols/fields.ts'
import { fieldNamed } from '../protocols/fields.ts'
import type { FieldMatch, Match } from '../protocols/match.ts'
import { checkMatch, missingPrerequisite } from '../protocols/match.ts'
import { announcesVlan } from '../protocols/packet/vlan.ts'
import { checkContradictions } from './packed-match.ts'

/** Tables are 0 to 253 (OpenFlow 1.3 §7.2.2: OFPTT_MAX is 0xfe). */
export const TABLES = 254

const isTable = (table: number) => Number.isInteger(table) && table >= 0 && table < TABLES
const isBits = (value: number, bits: number) => Number.isInteger(value) && value >= 0 && value < 2 ** bits

/** @throws Refused */
export function checkFlowMod(mod: FlowMod, meterExists: (meter: number) => boolean): void {
  checkTable(mod)
  if (!isBits(mod.priority, 16)) throw new Refused('bad_request', 'priority', `${mod.priority} is not 0 to 65535`)
  checkMatchOf(mod.match)
  if (mod.command !== 'delete' && mod.command !== 'delete-strict') checkInstructions(mod, meterExists)
}

function checkTable({ table, command }: FlowMod): void {
  const mayBeAll = command === 'delete' || command === 'delete-strict'
  if (isTable(table) || (mayBeAll && table === ALL_TABLES)) return
  throw new Refused('OFPBRC_BAD_TABLE_ID', 'table', `table ${table}; expected 0 to ${TABLES - 1}`)
}

function checkMatchOf(match: Match): void {
  const unknown = match.find((part) => fieldNamed(part.field) === undefined)
  if (unknown) throw new Refused('OFPBMC_BAD_FIELD', `match.${unknown.field}`, `${unknown.field} is no match field`)
  try {
    checkMatch(match)
    checkContradictions(match)
  } catch (error) {
    throw asRefusal(error)
  }
}

function checkInstructions({ table, match, instructions }: FlowMod, meterExists: (meter: number) => boolean): void {
  const { meter, gotoTable, writeMetadata } = instructions
  if (meter !== undefined && !meterExists(meter))
    throw new Refused('OFPMMFC_UNKNOWN_METER', 'instructions.meter', `there is no meter ${meter}`)
  checkActions(instructions, match)
  if (writeMetadata && (writeMetadata.value & ~writeMetadata.mask) !== 0n)
    throw new Refused('OFPBIC_UNSUP_INST', 'instructions.writeMetadata', 'a bit of the value is outside the mask')
  if (gotoTable !== undefined && !(isTable(gotoTable) && gotoTable > table))
    throw new Refused(
      'OFPBIC_UNSUP_INST',
      'instructions.gotoTable',
      `goto_table:${gotoTable} from table ${table}; expected ${table + 1} to ${TABLES - 1}`,
    )
}

function checkActions({ apply, write }: Instructions, match: Match): void {
  checkActionList(apply, match, 'instructions.apply', MATCHED)
  checkActionList(write, match, 'instructions.write', { actionSet: true })
}

/** What a list of actions is checked for beyond each action's own sense. */
interface Context {
  /** Prerequisites are known from the match. In an action set and a packet-out they show only when a frame is there. */
  matched?: true
  /** OFPP_TABLE, which only a packet-out may use. */
  table?: true
  /** An action set can hold no clone, as in Open vSwitch. */
  actionSet?: true
  /** How many clones the list stands in; 0 where absent. */
  depth?: number
}

const MATCHED: Context = { matched: true }

/**
 * Checks the actions of a packet-out.
 * @throws Refused
 */
export const checkPacketOutActions = (actions: readonly Action[]): void =>
  checkActionList(actions, [], 'actions', { table: true })

function checkActionList(actions: readonly Action[], match: Match, path: string, context: Context): void {
  let known = match
  actions.forEach((action, index) => {
    checkAction(action, known, `${path}[${index}]`, context)
    known = matchAfter(action, known)
  })
}

const TAGGED: FieldMatch = { field: 'vlan_tci', value: 0x1000n, mask: 0x1000n }
const isVlanField = ({ field }: FieldMatch) => field === 'vlan_tci' || field === 'vlan_vid' || field === 'vlan_pcp'

/** What is known of a frame that met `match`, after the action: whether it is tagged. */
function matchAfter(action: Action, match: Match): Match {
  const addsTag = action.type === 'push_vlan' || action.type === 'set_vlan_vid' || action.type === 'set_vlan_pcp'
  const writesTci = action.type === 'set_field' && action.field === 'vlan_tci'
  return addsTag || writesTci ? [...match.filter((part) => !isVlanField(part)), TAGGED] : match
}

const hasTag = (match: Match) => missingPrerequisite(fieldNamed('vlan_pcp')!, match) === undefined

function checkAction(action: Action, match: Match, path: string, context: Context): void {
  switch (action.type) {
    case 'output':
      return checkOutput(action.port, `${path}.port`, context)
    case 'push_vlan':
      if (announcesVlan(action.etherType)) return
      throw new Refused(
        'OFPBAC_BAD_ARGUMENT',
        `${path}.etherType`,
        `push_vlan:0x${action.etherType.toString(16)}; expected 0x8100 or 0x88a8`,
      )
    case 'set_vlan_vid':
      if (isBits(action.vid, 12)) return
      throw new Refused('OFPBAC_BAD_ARGUMENT', `${path}.vid`, `VLAN ${action.vid}; expected 0 to 4095`)
    case 'set_vlan_pcp':
      if (isBits(action.pcp, 3)) return
      throw new Refused('OFPBAC_BAD_ARGUMENT', `${path}.pcp`, `priority ${action.pcp}; expected 0 to 7`)
    case 'set_field':
      return checkSetField(action, match, path, context)
    case 'move':
      checkSubfield(action.from, match, `${path}.from`, context)
      checkSubfield(action.to, match, `${path}.to`, context)
      checkSettable(action.to.field, `${path}.to`)
      if (action.from.bits === action.to.bits) return
      throw new Refused(
        'OFPBAC_BAD_ARGUMENT',
        `${path}.to.bits`,
        `${action.from.bits} bits do not fit ${action.to.bits}`,
      )
    case 'resubmit':
      if (action.table === undefined || isTable(action.table)) return
      throw new Refused('OFPBAC_BAD_ARGUMENT', `${path}.table`, `table ${action.table}; expected 0 to ${TABLES - 1}`)
    case 'clone':
      return checkClone(action, match, path, context)
    case 'controller':
    case 'pop_vlan':
    case 'dec_ttl':
  }
}

function checkClone(
  { actions }: Extract<Action, { type: 'clone' }>,
  match: Match,
  path: string,
  context: Context,
): void {
  const depth = (context.depth ?? 0) + 1
  if (context.actionSet) throw new Refused('OFPBAC_BAD_ARGUMENT', path, 'an action set can hold no clone')
  if (depth > MAX_CLONE_DEPTH)
    throw new Refused('OFPBAC_BAD_ARGUMENT', path, `clone in ${MAX_CLONE_DEPTH} others; expected fewer`)
  checkActionList(actions, match, `${path}.actions`, { ...context, depth })
}

const HIGHEST_PORT = 0xfeff
const OUTPUT_PORTS: ReadonlySet<number> = new Set([
  ReservedPort.InPort,
  ReservedPort.Normal,
  ReservedPort.Flood,
  ReservedPort.All,
  ReservedPort.Controller,
  ReservedPort.Local,
])

function checkOutput(port: number, path: string, context: Context): void {
  if (Number.isInteger(port) && port >= 1 && port <= HIGHEST_PORT) return
  if (OUTPUT_PORTS.has(port) || (context.table && port === ReservedPort.Table)) return
  throw new Refused(
    'OFPBAC_BAD_ARGUMENT',
    path,
    `${port} is no port to send to; expected 1 to ${HIGHEST_PORT} or a reserved one`,
  )
}

function checkSetField(
  { field, value, mask }: Extract<Action, { type: 'set_field' }>,
  match: Match,
  path: string,
  context: Context,
): void {
  checkSettable(field, `${path}.field`)
  const { ones, bits } = fieldNamed(field)!
  if (value < 0n || value > ones || (mask !== undefined && (mask < 0n || mask > ones)))
    throw new Refused('OFPBAC_BAD_ARGUMENT', `${path}.value`, `${field}: wider than ${bits} bits`)
  if (mask !== undefined && (value & ~mask) !== 0n)
    throw new Refused('OFPBAC_BAD_ARGUMENT', `${path}.mask`, `${field}: a bit of the value is outside the mask`)
  checkPresent(field, match, path, context)
}

function checkSettable(field: FieldName, path: string): void {
  if (!fieldNamed(field)?.settable) throw new Refused('OFPBAC_BAD_ARGUMENT', path, `${field} can not be set`)
}

function checkSubfield({ field, offset, bits }: Subfield, match: Match, path: string, context: Context): void {
  const row = fieldNamed(field)
  if (row === undefined) throw new Refused('OFPBAC_BAD_ARGUMENT', path, `there is no field ${field}`)
  if (!(Number.isInteger(offset) && offset >= 0 && Number.isInteger(bits) && bits >= 1 && offset + bits <= row.bits))
    throw new Refused(
      'OFPBAC_BAD_ARGUMENT',
      path,
      `bits ${offset}..${offset + bits - 1} of ${field}, which has ${row.bits}`,
    )
  checkPresent(field, match, path, context)
}

/** Every frame that the flow matches must have the field. */
function checkPresent(field: FieldName, match: Match, path: string, context: Context): void {
  if (!context.matched) return
  const row = fieldNamed(field)!
  const missing = missingPrerequisite(row, match) ?? (field === 'vlan_vid' && !hasTag(match) ? 'dl_vlan' : undefined)
  if (missing !== undefined)
    throw new Refused(
      'OFPBMC_BAD_PREREQ',
      path,
      `${field}: the flow does not match ${missing}, so a frame may not have it`,
    )
}
