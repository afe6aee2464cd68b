// flowStatisticsReply where flows are frozen: of such a flow the bytes are kept, and the flow of such bytes. What is said of one that
// stays differs in four numbers.

import protobuf from 'protobufjs/minimal.js'
import { onceIfFrozen } from '../../../runtime/once.ts'
import { flowOf } from '../flows.ts'
import { signalbox } from '../generated/control.js'
import type { FlowSpec, FlowStatistics, MessageOf } from '../messages.ts'
import { FLOW_MESSAGES, flowToWire } from './flows.ts'
import { fromUint64, isSet, toUint64 } from './values.ts'

const { Flow, FlowStatistics: Statistics, FlowStatisticsReply } = signalbox.control

type Reply = MessageOf<'flowStatisticsReply'>

const firstTag = (bytes: Uint8Array): number => new protobuf.Reader(bytes).uint32()
const FLOWS_TAG = firstTag(FlowStatisticsReply.encode({ flows: [{}] }).finish())
const FLOW_TAG = firstTag(Statistics.encode({ flow: {} }).finish())

const bytesOf = onceIfFrozen((flow: FlowSpec): Uint8Array => Flow.encode(flowToWire(flow, 'flows.')).finish())

/** The reply's content, as its codec would have it. */
export function encodeStatistics({ flows, more }: Reply): Uint8Array {
  const writer = protobuf.Writer.create()
  for (const statistics of flows) {
    const flow = flowOf(statistics)
    if (!Object.isFrozen(flow)) return encodePlainly({ type: 'flowStatisticsReply', flows, more })
    writer.uint32(FLOWS_TAG).fork().uint32(FLOW_TAG).bytes(bytesOf(flow))
    const { duration, idleAge, packets, bytes } = statistics
    const counts = {
      duration: toUint64(duration, 'flows.duration'),
      idleAge: toUint64(idleAge, 'flows.idleAge'),
      packets: toUint64(packets, 'flows.packets'),
      bytes: toUint64(bytes, 'flows.bytes'),
    }
    Statistics.encode(counts, writer).ldelim()
  }
  return FlowStatisticsReply.encode({ more }, writer).finish()
}

const encodePlainly = (reply: Reply): Uint8Array =>
  FlowStatisticsReply.encode(FLOW_MESSAGES.flowStatisticsReply.toWire(reply, '')).finish()

/** Reads up to `end` what `encodeStatistics` writes; `shared` makes flows of their bytes. Undefined where it is written in another way. */
export function readStatistics(
  reader: protobuf.Reader,
  end: number,
  shared: (flow: Uint8Array) => FlowSpec,
): Reply | undefined {
  const flows: FlowStatistics[] = []
  while (reader.pos < end) {
    const start = reader.pos
    if (reader.uint32() !== FLOWS_TAG) {
      reader.pos = start
      break
    }
    const length = reader.uint32()
    const statisticsEnd = reader.pos + length
    if (reader.uint32() !== FLOW_TAG) return undefined
    const flow = shared(reader.bytes())
    const rest = Statistics.decode(reader, statisticsEnd - reader.pos)
    if (isSet(rest.flow)) return undefined
    flows.push({
      ...flow,
      duration: fromUint64(rest.duration),
      idleAge: fromUint64(rest.idleAge),
      packets: fromUint64(rest.packets),
      bytes: fromUint64(rest.bytes),
    })
  }
  const rest = FlowStatisticsReply.decode(reader, end - reader.pos)
  return isSet(rest.flows) && rest.flows.length > 0
    ? undefined
    : { type: 'flowStatisticsReply', flows, more: rest.more ?? false }
}
