// Actions on the way through the tables: resubmit, clone, exit, conjunction, and what only a flow is told.

import type { Action } from '../../control/actions.ts'
import { ReservedPort } from '../../control/ports.ts'
import { Refused } from '../../control/refused.ts'
import type { ByteReader } from '../byte-reader.ts'
import type { ByteWriter } from '../byte-writer.ts'
import { portFromWire16, portToWire16 } from '../../port-numbers.ts'
import type { ActionDecoder, ActionEncoders } from './action-codec.ts'
import { nicira, orLonger, putNicira } from './action-codec.ts'

const Subtype = {
  Resubmit: 1,
  Note: 8,
  ResubmitTable: 14,
  Exit: 17,
  FinTimeout: 19,
  Conjunction: 34,
  Clone: 42,
  ResubmitTableCt: 44,
} as const

/** The current table. */
const NO_TABLE = 0xff
const MAX_CLAUSES = 64

const badArgument = (problem: string) => new Refused('OFPBAC_BAD_ARGUMENT', '', problem)

export const flowDecoders: readonly ActionDecoder[] = [
  nicira(Subtype.Resubmit, 16, (body) => ({ type: 'resubmit', ...inPortOf(body) })),
  nicira(Subtype.ResubmitTable, 16, decodeResubmit),
  nicira(Subtype.ResubmitTableCt, 16, (body) => ({ ...decodeResubmit(body), swapped: true })),
  orLonger(nicira(Subtype.Note, 16, (body) => ({ type: 'note', data: body.bytes(body.remaining).slice() }))),
  nicira(Subtype.Exit, 16, () => ({ type: 'exit' })),
  nicira(Subtype.FinTimeout, 16, (body) => ({
    type: 'fin_timeout',
    idleTimeout: body.u16(),
    hardTimeout: body.u16(),
  })),
  nicira(Subtype.Conjunction, 16, decodeConjunction),
  orLonger(
    nicira(Subtype.Clone, 16, (body, nested) => {
      body.skip(6)
      return { type: 'clone', actions: nested(body) }
    }),
  ),
]

export const flowEncoders: ActionEncoders<'resubmit' | 'note' | 'exit' | 'fin_timeout' | 'conjunction' | 'clone'> = {
  resubmit: encodeResubmit,
  note: (writer, { data }) => putNicira(writer, Subtype.Note, () => writer.bytes(data)),
  exit: (writer) => putNicira(writer, Subtype.Exit),
  fin_timeout: (writer, { idleTimeout, hardTimeout }) =>
    putNicira(writer, Subtype.FinTimeout, () => {
      writer.u16(idleTimeout)
      writer.u16(hardTimeout)
    }),
  conjunction: (writer, { id, clause, clauses }) =>
    putNicira(writer, Subtype.Conjunction, () => {
      writer.u8(clause - 1)
      writer.u8(clauses)
      writer.u32(id)
    }),
  clone: (writer, { actions }, state) =>
    putNicira(writer, Subtype.Clone, () => {
      writer.zero(6)
      state.encodeNested(writer, actions)
    }),
}

/** The number for the port that a frame came in by stands for no other. */
function inPortOf(body: ByteReader): { port?: number } {
  const port = portFromWire16(body.u16())
  return port === ReservedPort.InPort ? {} : { port }
}

function decodeResubmit(body: ByteReader): Extract<Action, { type: 'resubmit' }> {
  const port = inPortOf(body)
  const table = body.u8()
  if (!body.endsInZeros()) throw badArgument('padding is not zero')
  return { type: 'resubmit', ...port, ...(table !== NO_TABLE && { table }) }
}

function encodeResubmit(writer: ByteWriter, { port, table, swapped }: Extract<Action, { type: 'resubmit' }>): void {
  putNicira(writer, swapped === true ? Subtype.ResubmitTableCt : Subtype.ResubmitTable, () => {
    writer.u16(portToWire16(port ?? ReservedPort.InPort))
    writer.u8(table ?? NO_TABLE)
    writer.zero(3)
  })
}

/** Clauses count from 0 on the wire. */
function decodeConjunction(body: ByteReader): Action {
  const clause = body.u8() + 1
  const clauses = body.u8()
  const id = body.u32()
  if (clauses < 2 || clauses > MAX_CLAUSES || clause > clauses)
    throw new Refused('NXBAC_BAD_CONJUNCTION', '', `clause ${clause} of ${clauses}`)
  return { type: 'conjunction', id, clause, clauses }
}
