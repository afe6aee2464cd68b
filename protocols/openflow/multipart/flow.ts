// OFPMP_FLOW and OFPMP_AGGREGATE: OpenFlow 1.3 §7.3.5.2 and §7.3.5.3.

import type { FlowFilter, FlowStatistics } from '../../control/messages.ts'
import type { Body } from '../body.ts'
import { body, listBody } from '../body.ts'
import type { ByteReader } from '../byte-reader.ts'
import type { ByteWriter } from '../byte-writer.ts'
import { flowFlagBits, flowFlags } from '../flow-flags.ts'
import { MultipartCode, reply, request } from '../header.ts'
import { decodeInstructions, encodeInstructions } from '../instructions.ts'
import { readAll, readSized, writeSized } from '../lists.ts'
import { decodeMatch, encodeMatch } from '../oxm.ts'
import { NONE, readDuration, readPort, unless, writeDuration } from '../values.ts'

function writeFilter(writer: ByteWriter, filter: FlowFilter): void {
  writer.u8(filter.table)
  writer.zero(3)
  writer.u32(filter.outPort ?? NONE)
  writer.u32(filter.outGroup ?? NONE)
  writer.zero(4)
  writer.u64(filter.cookie)
  writer.u64(filter.cookieMask)
  encodeMatch(writer, filter.match)
}

function readFilter(reader: ByteReader): FlowFilter {
  const table = reader.u8()
  reader.skip(3)
  const [outPort, outGroup] = [readPort(reader), reader.u32()]
  reader.skip(4)
  const [cookie, cookieMask] = [reader.u64(), reader.u64()]
  const match = decodeMatch(reader)
  return {
    table,
    match,
    cookie,
    cookieMask,
    ...unless(NONE, 'outPort', outPort),
    ...unless(NONE, 'outGroup', outGroup),
  }
}

/**
 *   | length 16 | table 8 | pad 8 | duration 64 | priority 16 | idle 16 | hard 16 | flags 16 | importance 16 | pad 16 |
 *   | cookie 64 | packets 64 | bytes 64 | match | instructions |
 *
 * Importance is OpenFlow 1.4's; 1.3 has padding there.
 */
const FLOW_SIZE = 48

function writeFlow(writer: ByteWriter, flow: FlowStatistics): void {
  writeSized(writer, () => {
    writer.u8(flow.table)
    writer.zero(1)
    writeDuration(writer, flow.duration)
    writer.u16(flow.priority)
    writer.u16(flow.idleTimeout)
    writer.u16(flow.hardTimeout)
    writer.u16(flowFlagBits(flow.flags))
    writer.zero(4)
    writer.u64(flow.cookie)
    writer.u64(flow.packets)
    writer.u64(flow.bytes)
    encodeMatch(writer, flow.match)
    encodeInstructions(writer, flow.instructions, flow.match)
  })
}

function readFlow(list: ByteReader): FlowStatistics {
  const reader = readSized(list, FLOW_SIZE)
  const table = reader.u8()
  reader.skip(1)
  const duration = readDuration(reader)
  const [priority, idleTimeout, hardTimeout] = [reader.u16(), reader.u16(), reader.u16()]
  const flags = flowFlags(reader.u16())
  reader.skip(4)
  const [cookie, packets, bytes] = [reader.u64(), reader.u64(), reader.u64()]
  const match = decodeMatch(reader)
  const instructions = decodeInstructions(reader)
  const spec = { table, priority, match, cookie, idleTimeout, hardTimeout, flags, instructions }
  // OpenFlow 1.3 does not say when a frame last matched.
  return { ...spec, duration, idleAge: 0n, packets, bytes }
}

const filtered = (type: 'flowStatisticsRequest' | 'aggregateStatisticsRequest', multipart: number): Body =>
  body(
    type,
    request(multipart),
    (writer, { filter }) => writeFilter(writer, filter),
    (reader) => ({ type, filter: readFilter(reader) }),
  )

const flowStatisticsReply = listBody(
  'flowStatisticsReply',
  reply(MultipartCode.Flow),
  ({ flows }) => flows,
  writeFlow,
  (reader, { more }) => ({ type: 'flowStatisticsReply', flows: readAll(reader, readFlow), more }),
)

const aggregateStatisticsReply = body(
  'aggregateStatisticsReply',
  reply(MultipartCode.Aggregate),
  (writer, { packets, bytes, flows }) => {
    writer.u64(packets)
    writer.u64(bytes)
    writer.u32(flows)
    writer.zero(4)
  },
  (reader) => {
    const [packets, bytes, flows] = [reader.u64(), reader.u64(), reader.u32()]
    reader.skip(4)
    return { type: 'aggregateStatisticsReply', packets, bytes, flows }
  },
)

export const FLOW_STATISTICS: readonly Body[] = [
  filtered('flowStatisticsRequest', MultipartCode.Flow),
  flowStatisticsReply,
  filtered('aggregateStatisticsRequest', MultipartCode.Aggregate),
  aggregateStatisticsReply,
]
