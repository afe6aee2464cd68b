// The queues of a port: OpenFlow 1.3 §7.3.6 and §7.2.2.
//
//   | queue 32 | port 32 | length 16 | pad 48 | properties |
//
// A rate is in tenths of a percent of the port's speed. Ports here have none of their own: as Open vSwitch says of its virtual
// ports, they count as of 10 Gb/s.

import type { QueueConfig } from '../../control/messages.ts'
import { Refused } from '../../control/refused.ts'
import type { Body } from '../body.ts'
import { body } from '../body.ts'
import type { ByteReader } from '../byte-reader.ts'
import type { ByteWriter } from '../byte-writer.ts'
import { MessageCode } from '../header.ts'
import { readProperties, writeAlignedProperty } from '../properties.ts'

const QUEUE_HEADER_SIZE = 16
/** OFPQT_*. */
const MIN_RATE = 1
const MAX_RATE = 2

const TENTH_OF_PERCENT = 10_000_000
const WHOLE = 1000

type PortQueue = QueueConfig & { port: number }

const toShare = (rate: number) => Math.min(WHOLE, Math.ceil(rate / TENTH_OF_PERCENT))

function writeRate(writer: ByteWriter, type: number, rate: number | undefined): void {
  if (rate === undefined) return
  writeAlignedProperty(writer, type, (value) => {
    value.u16(toShare(rate))
    value.zero(6)
  })
}

function writeQueue(writer: ByteWriter, { queue, port, minRate, maxRate }: PortQueue): void {
  const start = writer.length
  writer.u32(queue)
  writer.u32(port)
  writer.zero(8)
  writeRate(writer, MIN_RATE, minRate)
  writeRate(writer, MAX_RATE, maxRate)
  writer.setU16(start + 8, writer.length - start)
}

function readQueue(reader: ByteReader): PortQueue {
  const [queue, port, length] = [reader.u32(), reader.u32(), reader.u16()]
  reader.skip(6)
  if (length < QUEUE_HEADER_SIZE) throw new Refused('bad_request', 'queues', `a queue of ${length} bytes`)
  const rates: QueueConfig = { queue }
  for (const { type, value } of readProperties(reader.sub(length - QUEUE_HEADER_SIZE))) {
    value.skip(4)
    const share = value.u16()
    if (share > WHOLE) continue
    if (type === MIN_RATE) rates.minRate = share * TENTH_OF_PERCENT
    if (type === MAX_RATE) rates.maxRate = share * TENTH_OF_PERCENT
  }
  return { ...rates, port }
}

const queueConfigRequest = body(
  'queueConfigRequest',
  { message: MessageCode.QueueConfigRequest },
  (writer, { port }) => {
    writer.u32(port)
    writer.zero(4)
  },
  (reader) => {
    const port = reader.u32()
    reader.skip(4)
    return { type: 'queueConfigRequest', port }
  },
)

const queueConfigReply = body(
  'queueConfigReply',
  { message: MessageCode.QueueConfigReply },
  (writer, { port, queues }) => {
    writer.u32(port)
    writer.zero(4)
    for (const queue of queues) writeQueue(writer, queue)
  },
  (reader) => {
    const port = reader.u32()
    reader.skip(4)
    const queues: PortQueue[] = []
    while (reader.remaining > 0) queues.push(readQueue(reader))
    return { type: 'queueConfigReply', port, queues }
  },
)

export const QUEUE_CONFIG: readonly Body[] = [queueConfigRequest, queueConfigReply]
