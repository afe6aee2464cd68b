// OFPMP_PORT_STATS and OFPMP_PORT_DESC: OpenFlow 1.3 §7.3.5.6 and §7.3.5.7.

import type { PortStatistics } from '../../control/messages.ts'
import type { Body } from '../body.ts'
import { body, emptyBody, listBody } from '../body.ts'
import type { ByteReader } from '../byte-reader.ts'
import type { ByteWriter } from '../byte-writer.ts'
import { MultipartCode, reply, request } from '../header.ts'
import { readAll } from '../lists.ts'
import { decodePort, encodePort } from '../ports.ts'
import { NONE, readDuration, readPort, unless, writeDuration } from '../values.ts'

const portStatisticsRequest = body(
  'portStatisticsRequest',
  request(MultipartCode.Port),
  (writer, { port }) => {
    writer.u32(port ?? NONE)
    writer.zero(4)
  },
  (reader) => {
    const port = readPort(reader)
    reader.skip(4)
    return { type: 'portStatisticsRequest', ...unless(NONE, 'port', port) }
  },
)

/** A counter that is not kept. */
const UNKNOWN = 0xffff_ffff_ffff_ffffn
/** Frame alignment, overruns, checksums, collisions: our ports have no wire on which they could occur. */
const WIRE_COUNTERS = 4

function writePort(writer: ByteWriter, port: PortStatistics): void {
  writer.u32(port.port)
  writer.zero(4)
  for (const count of [port.receivedPackets, port.sentPackets, port.receivedBytes, port.sentBytes]) writer.u64(count)
  for (const count of [port.receivedDropped, port.sentDropped]) writer.u64(count)
  for (const errors of [0n, 0n]) writer.u64(errors)
  for (let counter = 0; counter < WIRE_COUNTERS; counter++) writer.u64(UNKNOWN)
  writeDuration(writer, port.duration)
}

function readPortStatistics(reader: ByteReader): PortStatistics {
  const port = reader.u32()
  reader.skip(4)
  const [receivedPackets, sentPackets] = [reader.u64(), reader.u64()]
  const [receivedBytes, sentBytes] = [reader.u64(), reader.u64()]
  const [receivedDropped, sentDropped] = [reader.u64(), reader.u64()]
  reader.skip(16 + 8 * WIRE_COUNTERS)
  const duration = readDuration(reader)
  const received = { receivedPackets, receivedBytes, receivedDropped }
  return { port, name: '', ...received, sentPackets, sentBytes, sentDropped, held: 0, duration }
}

const portStatisticsReply = listBody(
  'portStatisticsReply',
  reply(MultipartCode.Port),
  ({ ports }) => ports,
  writePort,
  (reader) => ({ type: 'portStatisticsReply', ports: readAll(reader, readPortStatistics) }),
)

const portDescriptionReply = listBody(
  'portDescriptionReply',
  reply(MultipartCode.PortDescription),
  ({ ports }) => ports,
  encodePort,
  (reader) => ({ type: 'portDescriptionReply', ports: readAll(reader, decodePort) }),
)

export const PORTS: readonly Body[] = [
  portStatisticsRequest,
  portStatisticsReply,
  emptyBody('portDescriptionRequest', request(MultipartCode.PortDescription), { type: 'portDescriptionRequest' }),
  portDescriptionReply,
]
