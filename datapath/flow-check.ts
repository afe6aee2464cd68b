// What makes a flow mod, or a list of actions, one that can be carried out, apart from what is in the tables already. Codes are
// Open vSwitch's; where it asks less than OpenFlow 1.3 says, those of OpenFlow 1.3 §7.4.4. The actions' own rules are in check/.

import type { Action, FlowFilter, FlowMod, Instructions } from '../protocols/control/messages.ts'
import { ALL_TABLES, NO_BUFFER } from '../protocols/control/messages.ts'
import { Refused, asRefusal } from '../protocols/control/refused.ts'
import { fieldNamed } from '../protocols/fields.ts'
import { knownOf } from '../protocols/known-frame.ts'
import type { Match } from '../protocols/match.ts'
import { checkMatch } from '../protocols/match.ts'
import { onceIfFrozen } from '../runtime/once.ts'
import { portIsSound } from '../protocols/port-numbers.ts'
import { checkGroups, checkList } from './check/actions.ts'
import type { CheckContext } from './check/context.ts'
import { TABLES, isBits, isTable, refuseUnless } from './check/context.ts'
import { checkContradictions } from './packed-match.ts'

export { TABLES } from './check/context.ts'
export type { CheckContext } from './check/context.ts'

/** OFPM_MAX: OpenFlow 1.3 §7.1.1. */
const HIGHEST_METER = 0xffff0000
const FEWEST_CLAUSES = 2
const MOST_CLAUSES = 64

/** @throws Refused */
export function checkFlowMod(mod: FlowMod, context: CheckContext): void {
  if (context.consistent === undefined) checkOnce(mod)
  else checkByItself(mod, context)
  if (!isDeletion(mod)) checkReferences(mod.instructions, context)
}

const isDeletion = ({ command }: FlowMod): boolean => command === 'delete' || command === 'delete-strict'

/** As our own wire asks. What there is on the switch is asked apart. */
const checkOnce = onceIfFrozen((mod: FlowMod): true => {
  checkByItself(mod, { meterExists: () => true, groupExists: () => true })
  return true
})

/** All but whether there is what it names. */
function checkByItself(mod: FlowMod, context: CheckContext): void {
  const isDelete = isDeletion(mod)
  if (!isTable(mod.table) && !(isDelete && mod.table === ALL_TABLES))
    throw new Refused('OFPFMFC_BAD_TABLE_ID', 'table', `table ${mod.table}; expected 0 to ${TABLES - 1}`)
  checkNumbers(mod)
  checkOutputs(mod)
  checkMatchOf(mod.match)
  if (isDelete) return
  checkInstructions(mod, context)
  if (mod.bufferId !== undefined && mod.bufferId !== NO_BUFFER)
    throw new Refused('OFPBRC_BUFFER_UNKNOWN', 'bufferId', `this switch keeps no packets, ${mod.bufferId} neither`)
}

/** @throws Refused */
export function checkFlowFilter(filter: Pick<FlowFilter, 'table' | 'match' | 'outPort'>): void {
  const isThere = isTable(filter.table) || filter.table === ALL_TABLES
  refuseUnless(isThere, 'OFPBRC_BAD_TABLE_ID', 'table', `table ${filter.table}; expected 0 to ${TABLES - 1}`)
  checkOutputs(filter)
  checkMatchOf(filter.match)
}

/**
 * Checks the actions of a packet-out or a bucket, or of a flow that matches `match`.
 * @throws Refused `path` is where the list stands in its message.
 */
export function checkActions(actions: readonly Action[], match: Match, context: CheckContext, path: string): void {
  const { packetOut, bucket } = context
  const frame = packetOut === undefined ? (bucket ? undefined : knownOf(match)) : packetOut.frame
  checkList(actions, { context, path, frame, depth: 0 })
  checkGroups(actions, context, path)
}

function checkNumbers({ priority, cookie, cookieMask, idleTimeout, hardTimeout, importance = 0 }: FlowMod): void {
  checkShort(priority, 'priority')
  checkShort(idleTimeout, 'idleTimeout')
  checkShort(hardTimeout, 'hardTimeout')
  checkShort(importance, 'importance')
  checkLong(cookie, 'cookie')
  checkLong(cookieMask, 'cookieMask')
}

function checkShort(value: number, path: string): void {
  if (!isBits(value, 16)) throw new Refused('bad_request', path, `${value} is not 0 to 65535`)
}

const LONG_END = 1n << 64n

function checkLong(value: bigint, path: string): void {
  if (value < 0n || value >= LONG_END) throw new Refused('bad_request', path, `${value} is not of 64 bits`)
}

function checkOutputs({ outPort }: Pick<FlowMod, 'outPort'>): void {
  if (outPort === undefined || (isBits(outPort, 32) && portIsSound(outPort))) return
  throw new Refused('OFPBAC_BAD_OUT_PORT', 'outPort', `${outPort} is no port`)
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

function checkInstructions({ table, match, instructions }: FlowMod, context: CheckContext): void {
  const { apply, write, writeMetadata, gotoTable } = instructions
  if (apply.some(({ type }) => type === 'conjunction')) checkConjunctions(instructions)
  else {
    const frame = checkList(apply, { context, path: 'instructions.apply', frame: knownOf(match), depth: 0 })
    checkList(write, { context, path: 'instructions.write', frame, within: 'write', depth: 0 })
  }
  if (writeMetadata) {
    checkLong(writeMetadata.value, 'instructions.writeMetadata.value')
    checkLong(writeMetadata.mask, 'instructions.writeMetadata.mask')
  }
  const isForward = gotoTable === undefined || (isTable(gotoTable) && gotoTable > table)
  const problem = `goto_table:${gotoTable} from table ${table}; expected ${table + 1} to ${TABLES - 1}`
  refuseUnless(isForward, 'OFPBIC_BAD_TABLE_ID', 'instructions.gotoTable', problem)
}

/** What must be there for the instructions is asked last, as in Open vSwitch: once nothing else is wrong. */
function checkReferences({ meter, apply, write }: Instructions, context: CheckContext): void {
  if (meter !== undefined) checkMeter(meter, context)
  checkGroups(apply, context, 'instructions.apply')
  checkGroups(write, context, 'instructions.write')
}

/** Open vSwitch names this error for a meter that is not there, as for a number that none can have. */
function checkMeter(meter: number, { meterExists }: CheckContext): void {
  const isNumber = Number.isInteger(meter) && meter >= 1 && meter <= HIGHEST_METER
  const isThere = isNumber && meterExists(meter)
  refuseUnless(isThere, 'OFPMMFC_INVALID_METER', 'instructions.meter', `there is no meter ${meter}`)
}

/** ovs-fields(7), CONJUNCTIVE MATCH FIELDS: such a flow only says that a clause holds. */
function checkConjunctions({ apply, write, clear, meter, writeMetadata, gotoTable }: Instructions): void {
  const others =
    meter !== undefined || writeMetadata !== undefined || gotoTable !== undefined || clear || write.length > 0
  const bad = (holds: boolean, path: string, problem: string) =>
    refuseUnless(holds, 'NXBAC_BAD_CONJUNCTION', path, problem)
  bad(!others, 'instructions', 'a conjunction is all that its flow does')
  apply.forEach((action, index) => {
    const path = `instructions.apply[${index}]`
    if (action.type === 'note') return
    if (action.type !== 'conjunction') return bad(false, path, `${action.type} beside a conjunction`)
    const { id, clause, clauses } = action
    const isCount = Number.isInteger(clauses) && clauses >= FEWEST_CLAUSES && clauses <= MOST_CLAUSES
    bad(isCount, `${path}.clauses`, `${clauses}; expected ${FEWEST_CLAUSES} to ${MOST_CLAUSES}`)
    const isClause = Number.isInteger(clause) && clause >= 1 && clause <= clauses
    bad(isClause, `${path}.clause`, `${clause}; expected 1 to ${clauses}`)
    bad(isBits(id, 32), `${path}.id`, `${id} is not of 32 bits`)
  })
}
