import type { signalbox } from '../generated/control.js'
import type { MessageType, QueueConfig, QueueStatistics } from '../messages.ts'
import type { Codecs } from './codecs.ts'
import { listing } from './codecs.ts'
import { bounded, each, fromUint64, fromWide, given, isSet, optional, toUint64, toWide, UINT32 } from './values.ts'

type WireQueue = signalbox.control.Queue.$Properties
type WireStatistics = signalbox.control.QueueStatistics.$Properties
type QueueOfPort = QueueConfig & { port: number }

export const queueToWire = (queue: QueueConfig, path: string): WireQueue => ({
  queue: bounded(queue.queue, UINT32, `${path}.queue`),
  minRate: toWide(queue.minRate, `${path}.minRate`),
  maxRate: toWide(queue.maxRate, `${path}.maxRate`),
  burst: toWide(queue.burst, `${path}.burst`),
  priority: optional(queue.priority, UINT32, `${path}.priority`),
  weight: optional(queue.weight, UINT32, `${path}.weight`),
  limit: optional(queue.limit, UINT32, `${path}.limit`),
  parent: optional(queue.parent, UINT32, `${path}.parent`),
  ...(queue.dscps && { dscps: queue.dscps }),
})

export const queueFromWire = (wire: WireQueue, path: string): QueueConfig => ({
  queue: wire.queue ?? 0,
  ...(isSet(wire.minRate) && { minRate: fromWide(wire.minRate, `${path}.minRate`) }),
  ...(isSet(wire.maxRate) && { maxRate: fromWide(wire.maxRate, `${path}.maxRate`) }),
  ...(isSet(wire.burst) && { burst: fromWide(wire.burst, `${path}.burst`) }),
  ...given('priority', wire.priority, UINT32, `${path}.`),
  ...given('weight', wire.weight, UINT32, `${path}.`),
  ...given('limit', wire.limit, UINT32, `${path}.`),
  ...given('parent', wire.parent, UINT32, `${path}.`),
  ...(wire.dscps && wire.dscps.length > 0 && { dscps: wire.dscps }),
})

const queueOfPortToWire = (queue: QueueOfPort, path: string): WireQueue => ({
  ...queueToWire(queue, path),
  port: bounded(queue.port, UINT32, `${path}.port`),
})

const queueOfPortFromWire = (wire: WireQueue, path: string): QueueOfPort => ({
  ...queueFromWire(wire, path),
  port: wire.port ?? 0,
})

const statisticsToWire = (queue: QueueStatistics, path: string): WireStatistics => ({
  port: bounded(queue.port, UINT32, `${path}.port`),
  queue: bounded(queue.queue, UINT32, `${path}.queue`),
  sentPackets: toUint64(queue.sentPackets, `${path}.sentPackets`),
  sentBytes: toUint64(queue.sentBytes, `${path}.sentBytes`),
  sentErrors: toUint64(queue.sentErrors, `${path}.sentErrors`),
  duration: toUint64(queue.duration, `${path}.duration`),
})

const statisticsFromWire = (wire: WireStatistics): QueueStatistics => ({
  port: wire.port ?? 0,
  queue: wire.queue ?? 0,
  sentPackets: fromUint64(wire.sentPackets),
  sentBytes: fromUint64(wire.sentBytes),
  sentErrors: fromUint64(wire.sentErrors),
  duration: fromUint64(wire.duration),
})

export const QUEUE_MESSAGES = {
  queueConfigRequest: {
    toWire: ({ port }, at) => ({ port: bounded(port, UINT32, `${at}port`) }),
    fromWire: (wire) => ({ type: 'queueConfigRequest', port: wire.port ?? 0 }),
  },
  queueConfigReply: {
    toWire: ({ port, queues }, at) => ({
      port: bounded(port, UINT32, `${at}port`),
      queues: each(queues, `${at}queues`, queueOfPortToWire),
    }),
    fromWire: (wire, at) => ({
      type: 'queueConfigReply',
      port: wire.port ?? 0,
      queues: each(wire.queues, `${at}queues`, queueOfPortFromWire),
    }),
  },
  queueStatisticsRequest: {
    toWire: ({ port, queue }, at) => ({
      port: optional(port, UINT32, `${at}port`),
      queue: optional(queue, UINT32, `${at}queue`),
    }),
    fromWire: (wire, at) => ({
      type: 'queueStatisticsRequest',
      ...given('port', wire.port, UINT32, at),
      ...given('queue', wire.queue, UINT32, at),
    }),
  },
  queueStatisticsReply: listing('queueStatisticsReply', 'queues', statisticsToWire, statisticsFromWire),
} satisfies Partial<Codecs<MessageType>>
