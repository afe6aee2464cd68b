// Who changes flows: the ONF's extension for OpenFlow 1.3 (EXT-187), as Open vSwitch has it (lib/ofp-monitor.c).

import type { FlowMonitor, FlowSpec, FlowUpdate } from '../../control/messages.ts'
import { REMOVAL_REASONS } from '../../control/messages.ts'
import { Refused } from '../../control/refused.ts'
import type { Match } from '../../match.ts'
import { viewOf } from '../../bytes.ts'
import type { Body } from '../body.ts'
import { listBody } from '../body.ts'
import type { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import type { WireType } from '../header.ts'
import { Experimenter, MessageCode, MultipartCode } from '../header.ts'
import { decodeInstructions, encodeInstructions } from '../instructions.ts'
import { readAll, readSized, writeSized } from '../lists.ts'
import { decodeMatch, encodeMatch } from '../oxm.ts'
import { NONE, readPort, unless } from '../values.ts'

/** ONFFMF_*, from bit 0 up. */
const FLAGS = ['initial', 'add', 'delete', 'modify', 'instructions', 'own'] as const
type Flags = FlowMonitor['flags']

const flagBits = (flags: Flags) => FLAGS.reduce((bits, flag, bit) => (flags[flag] ? bits | (1 << bit) : bits), 0)

function readFlags(bits: number): Flags {
  const has = (flag: keyof Flags) => ((bits >> FLAGS.indexOf(flag)) & 1) === 1
  if (bits >>> FLAGS.length !== 0 || !(has('add') || has('delete') || has('modify')))
    throw new Refused('bad_request', 'monitors', `no monitor has flags 0x${bits.toString(16)}`)
  const [initial, instructions, own] = [has('initial'), has('instructions'), has('own')]
  return { initial, add: has('add'), delete: has('delete'), modify: has('modify'), instructions, own }
}

const MATCH_LENGTH = 2

/** Writes a match here, and at `lengthAt` the length that it says of itself, which leaves its padding out. */
function writeMatch(writer: ByteWriter, match: Match, lengthAt: number): void {
  const bytes = new ByteWriter()
  encodeMatch(bytes, match)
  const written = bytes.take()
  writer.setU16(lengthAt, viewOf(written).getUint16(MATCH_LENGTH))
  writer.bytes(written)
}

/** | id 32 | flags 16 | match length 16 | out port 32 | table 8 | pad 24 | match | */
function writeMonitor(writer: ByteWriter, monitor: FlowMonitor): void {
  writer.u32(monitor.id)
  writer.u16(flagBits(monitor.flags))
  const lengthAt = writer.length
  writer.u16(0)
  writer.u32(monitor.outPort ?? NONE)
  writer.u8(monitor.table)
  writer.zero(3)
  writeMatch(writer, monitor.match, lengthAt)
}

function readMonitor(reader: ByteReader): FlowMonitor {
  const id = reader.u32()
  const flags = readFlags(reader.u16())
  reader.skip(2)
  const [outPort, table] = [readPort(reader), reader.u8()]
  if (!reader.sub(3).endsInZeros()) throw new Refused('bad_request', 'monitors', 'what must be 0 is not')
  return { id, flags, table, match: decodeMatch(reader), ...unless(NONE, 'outPort', outPort) }
}

/** ONFFME_*. */
const EVENTS = ['added', 'deleted', 'modified'] as const
const ABBREVIATED = 3
const ABBREVIATED_SIZE = 8

/**
 *   | length 16 | event 16 | reason 16 | priority 16 | idle 16 | hard 16 | match length 16 | table 8 | pad 8 | cookie 64 |
 *   | match | instructions |
 *   | length 16 | event 16 | xid 32 |
 */
function writeUpdate(writer: ByteWriter, update: FlowUpdate): void {
  writeSized(writer, () => {
    if (update.type === 'full') return writeFull(writer, update)
    writer.u16(ABBREVIATED)
    writer.u32(update.xid)
  })
}

type FullUpdate = Extract<FlowUpdate, { type: 'full' }>

function writeFull(writer: ByteWriter, { event, reason, flow }: FullUpdate): void {
  writer.u16(EVENTS.indexOf(event))
  writer.u16(reason === undefined ? 0 : REMOVAL_REASONS.indexOf(reason))
  writer.u16(flow.priority)
  writer.u16(flow.idleTimeout)
  writer.u16(flow.hardTimeout)
  const lengthAt = writer.length
  writer.u16(0)
  writer.u8(flow.table)
  writer.zero(1)
  writer.u64(flow.cookie)
  writeMatch(writer, flow.match, lengthAt)
  encodeInstructions(writer, flow.instructions, flow.match)
}

function readUpdate(list: ByteReader): FlowUpdate {
  const reader = readSized(list, ABBREVIATED_SIZE)
  const code = reader.u16()
  if (code === ABBREVIATED) return { type: 'abbreviated', xid: reader.u32() }
  const event = EVENTS[code]
  if (event === undefined) throw new Refused('bad_request', 'updates', `there is no event ${code}`)
  const cause = REMOVAL_REASONS[reader.u16()]
  const reason = event === 'deleted' ? cause : undefined
  return { type: 'full', event, ...(reason !== undefined && { reason }), flow: readFlow(reader) }
}

/** Flags are not said. */
function readFlow(reader: ByteReader): FlowSpec {
  const [priority, idleTimeout, hardTimeout] = [reader.u16(), reader.u16(), reader.u16()]
  reader.skip(2)
  const table = reader.u8()
  reader.skip(1)
  const cookie = reader.u64()
  const match = decodeMatch(reader)
  const instructions = decodeInstructions(reader)
  return { table, priority, match, cookie, idleTimeout, hardTimeout, flags: {}, instructions }
}

const monitor = (message: number): WireType => ({
  message,
  multipart: MultipartCode.Experimenter,
  experimenter: Experimenter.Onf,
  subtype: 1870,
})

export const FLOW_MONITOR: readonly Body[] = [
  listBody(
    'flowMonitorRequest',
    monitor(MessageCode.MultipartRequest),
    ({ monitors }) => monitors,
    writeMonitor,
    (reader) => ({ type: 'flowMonitorRequest', monitors: readAll(reader, readMonitor) }),
  ),
  listBody(
    'flowMonitorReply',
    monitor(MessageCode.MultipartReply),
    ({ updates }) => updates,
    writeUpdate,
    (reader, { more }) => ({ type: 'flowMonitorReply', updates: readAll(reader, readUpdate), more }),
  ),
]
