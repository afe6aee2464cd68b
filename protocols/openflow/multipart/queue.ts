// OFPMP_QUEUE: OpenFlow 1.3 §7.3.5.8.
//
//   | port 32 | queue 32 | bytes 64 | packets 64 | errors 64 | duration 64 |

import type { Body } from '../body.ts'
import { body, listBody } from '../body.ts'
import { MultipartCode, reply, request } from '../header.ts'
import { readAll } from '../lists.ts'
import { NONE, readDuration, readPort, unless, writeDuration } from '../values.ts'

const queueStatisticsRequest = body(
  'queueStatisticsRequest',
  request(MultipartCode.Queue),
  (writer, { port, queue }) => {
    writer.u32(port ?? NONE)
    writer.u32(queue ?? NONE)
  },
  (reader) => {
    const [port, queue] = [readPort(reader, 'OFPQOFC_BAD_PORT'), reader.u32()]
    return { type: 'queueStatisticsRequest', ...unless(NONE, 'port', port), ...unless(NONE, 'queue', queue) }
  },
)

const queueStatisticsReply = listBody(
  'queueStatisticsReply',
  reply(MultipartCode.Queue),
  ({ queues }) => queues,
  (writer, queue) => {
    writer.u32(queue.port)
    writer.u32(queue.queue)
    writer.u64(queue.sentBytes)
    writer.u64(queue.sentPackets)
    writer.u64(queue.sentErrors)
    writeDuration(writer, queue.duration)
  },
  (reader) => ({
    type: 'queueStatisticsReply',
    queues: readAll(reader, (item) => {
      const [port, queue] = [item.u32(), item.u32()]
      const [sentBytes, sentPackets, sentErrors] = [item.u64(), item.u64(), item.u64()]
      return { port, queue, sentPackets, sentBytes, sentErrors, duration: readDuration(item) }
    }),
  }),
)

export const QUEUE_STATISTICS: readonly Body[] = [queueStatisticsRequest, queueStatisticsReply]
