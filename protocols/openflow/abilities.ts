// What a flow of any table may hold, in OpenFlow's numbers: all tables can do all.

import { LAST_TABLE } from '../control/messages.ts'

/** OFPAT_*, but for the experimenters': output, TTLs, tags, labels, queues, groups, fields, service instances. */
export const ACTION_CODES: readonly number[] = [0, 11, 12, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27]

/** The same as a set of bits. */
export const ACTION_BITS: number = ACTION_CODES.reduce((bits, code) => bits + 2 ** code, 0)

/** OFPIT_*: goto_table, write_metadata, write, apply and clear actions, meter. */
const INSTRUCTION_CODES: readonly number[] = [1, 2, 3, 4, 5, 6]
const GOTO_TABLE = 1

/** There is no table behind the last one to go to. */
export const instructionCodes = (table: number): readonly number[] =>
  table === LAST_TABLE ? INSTRUCTION_CODES.filter((code) => code !== GOTO_TABLE) : INSTRUCTION_CODES
