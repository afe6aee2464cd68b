// Actions that send the frame somewhere: to ports, controllers, groups, other tables.

import type { Action, ControllerAction } from '../control/messages.ts'
import { LAST_TABLE, PACKET_IN_REASONS, ReservedGroup, ReservedMeter, ReservedPort } from '../control/messages.ts'
import { parseNumber, parseSmall, UINT16, UINT32 } from './numbers.ts'
import { readSource } from './parse-writes.ts'
import type { FlowTextOptions } from './ports.ts'
import { findPort, parsePort, reservedPort } from './ports.ts'
import type { ActionReader, Reading } from './reading.ts'
import { oneOf, parseBytes, readOptions } from './reading.ts'
import { namesSubfield } from './subfields.ts'
import { FlowSyntaxError } from './syntax-error.ts'
import type { Piece, Word } from './words.ts'
import { commaParts, cutAt, valueOf } from './words.ts'

export const OUTPUTS: Readonly<Record<string, ActionReader>> = {
  output: readOutput,
  controller: readController,
  enqueue: readEnqueue,
  group: (word) => ({ type: 'group', group: parseSmall(valueOf(word), ReservedGroup.Max) }),
  set_queue: (word) => ({ type: 'set_queue', queue: parseSmall(valueOf(word), UINT32) }),
  pop_queue: () => ({ type: 'pop_queue' }),
  resubmit: readResubmit,
}

const WHOLE_FRAME = 0xffff

/** Less is no Ethernet header: lib/ofp-actions.c, parse_truncate_subfield. */
const SHORTEST_COPY = 14

/** `output:1`, `output:reg0[0..15]`, `output(port=1,max_len=100)`. */
function readOutput(word: Word, reading: Reading): Action {
  const value = valueOf(word)
  if (word.bracketed && value.text.includes('=')) return readTruncated(value, reading.options)
  const port = findPort(value.text, reading.options)
  if (port === undefined && namesSubfield(value.text))
    return { type: 'output_reg', from: readSource(value, reading), maxLength: WHOLE_FRAME }
  return outputTo(parsePort(value, reading.options), value)
}

function readTruncated(piece: Piece, options: FlowTextOptions): Action {
  let port: number | undefined
  let maxLength: number | undefined
  readOptions(piece, 'output', {
    port: (option) => {
      port = parseOutputPort(valueOf(option), options)
    },
    max_len: (option) => {
      const length = valueOf(option)
      maxLength = parseSmall(length, UINT32)
      if (maxLength < SHORTEST_COPY)
        throw new FlowSyntaxError(length.column, `${length.text} is out of range`, `${SHORTEST_COPY} bytes at least`)
    },
  })
  if (port === undefined || maxLength === undefined)
    throw new FlowSyntaxError(piece.column, 'output lacks port or max_len', 'output(port=PORT,max_len=BYTES)')
  return { type: 'output_trunc', port, maxLength }
}

function parseOutputPort(piece: Piece, options: FlowTextOptions): number {
  const port = parsePort(piece, options)
  if (port === ReservedPort.Any) throw new FlowSyntaxError(piece.column, `nothing is sent to ${piece.text}`, 'a port')
  return port
}

/** To a port that `asked` names. */
export function outputTo(port: number, asked: Piece): Action {
  if (port === ReservedPort.Any) throw new FlowSyntaxError(asked.column, `nothing is sent to ${asked.text}`, 'a port')
  if (port === ReservedPort.Controller) return { type: 'controller', maxLength: WHOLE_FRAME }
  return { type: 'output', port }
}

/** `controller`, `controller:100`, `controller(max_len=100,id=1,reason=action,userdata=aa.bb,meter_id=1)`. */
function readController(word: Word): Action {
  const action: ControllerAction = { type: 'controller', maxLength: WHOLE_FRAME }
  if (word.value === undefined || word.value.text === '') return action
  if (!word.bracketed) return { ...action, maxLength: parseSmall(word.value, UINT16) }
  readOptions(word.value, 'controller', {
    max_len: (option) => {
      action.maxLength = parseSmall(valueOf(option), UINT16)
    },
    id: (option) => {
      const id = parseSmall(valueOf(option), UINT16)
      if (id !== 0) action.controllerId = id
    },
    reason: (option) => {
      const reason = oneOf(valueOf(option), PACKET_IN_REASONS, 'reason')
      if (reason !== 'action') action.reason = reason
    },
    userdata: (option) => {
      const bytes = option.value === undefined ? new Uint8Array() : parseBytes(option.value)
      if (bytes.length > 0) action.userdata = bytes
    },
    meter_id: (option) => {
      const meter = parseSmall(valueOf(option), ReservedMeter.Max)
      if (meter !== 0) action.meter = meter
    },
    pause: ({ key }) => {
      throw new FlowSyntaxError(key.column, 'pausing the pipeline is not supported', 'a controller action without it')
    },
  })
  return action
}

/** `enqueue:PORT:QUEUE`: to the port by that queue, whatever queue was set before. */
function readEnqueue(word: Word, { options }: Reading): Action[] {
  const value = valueOf(word)
  const [port, queue] = cutAtLast(value, word.bracketed ? ',' : ':')
  const to = parseOutputPort(port, options)
  return [{ type: 'set_queue', queue: parseSmall(queue, UINT32) }, outputTo(to, port), { type: 'pop_queue' }]
}

/** A port's name may have the separator in it, a queue's number not. */
function cutAtLast(piece: Piece, separator: string): [Piece, Piece] {
  const at = piece.text.lastIndexOf(separator)
  if (at < 0) throw new FlowSyntaxError(piece.column, 'enqueue has no queue', 'enqueue:PORT:QUEUE')
  return [
    { text: piece.text.slice(0, at), column: piece.column },
    { text: piece.text.slice(at + 1), column: piece.column + at + 1 },
  ]
}

/** No table and no port changed: the same lookup again. */
const SAME_TABLE = 255n

/** `resubmit:PORT`, `resubmit(PORT)`, `resubmit(PORT,TABLE)`, `resubmit(,TABLE,ct)`; `in_port` is the current one. */
function readResubmit(word: Word, { options }: Reading): Action {
  const value = valueOf(word)
  const [portPiece, rest] = (word.bracketed ? cutAt(value, ',') : undefined) ?? [value]
  const [tablePiece, ...others] = rest === undefined ? [] : commaParts(rest)
  const action: Extract<Action, { type: 'resubmit' }> = { type: 'resubmit' }
  if (portPiece.text.trim() !== '' && reservedPort(portPiece.text) !== ReservedPort.InPort)
    action.port = parsePort(portPiece, options)
  if (tablePiece !== undefined) {
    const table = parseNumber(tablePiece, SAME_TABLE)
    if (table !== SAME_TABLE) action.table = parseSmall(tablePiece, LAST_TABLE)
  }
  for (const other of others) {
    oneOf(other, ['ct'], 'option of resubmit')
    action.swapped = true
  }
  if (portPiece.text.trim() === '' && action.table === undefined)
    throw new FlowSyntaxError(value.column, 'resubmit says neither port nor table', 'resubmit(PORT,TABLE)')
  return action
}
