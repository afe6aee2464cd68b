import type { signalbox } from '../generated/control.js'
import type {
  FlowFilter,
  FlowMod,
  FlowMonitor,
  FlowSpec,
  FlowStatistics,
  FlowUpdate,
  MessageType,
  RemovalReason,
} from '../messages.ts'
import { REMOVAL_REASONS } from '../messages.ts'
import { instructionsFromWire, instructionsToWire } from './actions.ts'
import type { Codecs } from './codecs.ts'
import { listing, signal } from './codecs.ts'
import { matchFromWire, matchToWire } from './match.ts'
import {
  bounded,
  each,
  fromUint64,
  given,
  isSet,
  optional,
  required,
  toUint64,
  UINT16,
  UINT32,
  UINT8,
  Vocabulary,
} from './values.ts'

type WireFlow = signalbox.control.Flow.$Properties
type WireFlowMod = signalbox.control.FlowMod.$Properties
type WireStatistics = signalbox.control.FlowStatistics.$Properties
type WireFilter = signalbox.control.FlowFilter.$Properties

type WireMonitor = signalbox.control.FlowMonitor.$Properties
type WireUpdate = signalbox.control.FlowUpdate.$Properties

const commands = new Vocabulary(['add', 'modify', 'modify-strict', 'delete', 'delete-strict'])
const events = new Vocabulary(['added', 'deleted', 'modified'])
export const removalReasons = new Vocabulary<RemovalReason>(REMOVAL_REASONS)

// `at` is the path of the flow within its message with a dot at the end, '' where the message is the flow.

export function flowToWire(flow: FlowSpec, at: string): WireFlow {
  const { flags } = flow
  const wire: WireFlow = {
    table: bounded(flow.table, UINT8, `${at}table`),
    priority: bounded(flow.priority, UINT16, `${at}priority`),
    match: matchToWire(flow.match, `${at}match`),
    cookie: toUint64(flow.cookie, `${at}cookie`),
    idleTimeout: bounded(flow.idleTimeout, UINT16, `${at}idleTimeout`),
    hardTimeout: bounded(flow.hardTimeout, UINT16, `${at}hardTimeout`),
    instructions: instructionsToWire(flow.instructions, `${at}instructions`),
  }
  if (flags.sendFlowRemoved) wire.sendFlowRemoved = true
  if (flags.checkOverlap) wire.checkOverlap = true
  if (flags.resetCounts) wire.resetCounts = true
  if (flags.noPacketCounts) wire.noPacketCounts = true
  if (flags.noByteCounts) wire.noByteCounts = true
  if (flow.importance !== undefined) wire.importance = bounded(flow.importance, UINT16, `${at}importance`)
  return wire
}

export function flowFromWire(wire: WireFlow, at: string): FlowSpec {
  const flow: FlowSpec = {
    table: bounded(wire.table, UINT8, `${at}table`),
    priority: bounded(wire.priority, UINT16, `${at}priority`),
    match: matchFromWire(wire.match, `${at}match`),
    cookie: fromUint64(wire.cookie),
    idleTimeout: bounded(wire.idleTimeout, UINT16, `${at}idleTimeout`),
    hardTimeout: bounded(wire.hardTimeout, UINT16, `${at}hardTimeout`),
    flags: {},
    instructions: instructionsFromWire(
      required(wire.instructions, `${at}instructions`, 'instructions'),
      `${at}instructions`,
    ),
  }
  if (wire.sendFlowRemoved) flow.flags.sendFlowRemoved = true
  if (wire.checkOverlap) flow.flags.checkOverlap = true
  if (wire.resetCounts) flow.flags.resetCounts = true
  if (wire.noPacketCounts) flow.flags.noPacketCounts = true
  if (wire.noByteCounts) flow.flags.noByteCounts = true
  if (isSet(wire.importance)) flow.importance = bounded(wire.importance, UINT16, `${at}importance`)
  return flow
}

function flowModToWire(flowMod: FlowMod, at: string): WireFlowMod {
  const wire: WireFlowMod = {
    command: commands.number(flowMod.command, `${at}command`),
    flow: flowToWire(flowMod, at),
    cookieMask: toUint64(flowMod.cookieMask, `${at}cookieMask`),
  }
  if (flowMod.outPort !== undefined) wire.outPort = bounded(flowMod.outPort, UINT32, `${at}outPort`)
  if (flowMod.outGroup !== undefined) wire.outGroup = bounded(flowMod.outGroup, UINT32, `${at}outGroup`)
  if (flowMod.bufferId !== undefined) wire.bufferId = bounded(flowMod.bufferId, UINT32, `${at}bufferId`)
  return wire
}

function flowModFromWire(wire: WireFlowMod, at: string): FlowMod {
  const flowMod: FlowMod = {
    type: 'flowMod',
    command: commands.word(wire.command, `${at}command`),
    ...flowFromWire(required(wire.flow, `${at}flow`, 'a flow'), at),
    cookieMask: fromUint64(wire.cookieMask),
  }
  if (isSet(wire.outPort)) flowMod.outPort = wire.outPort
  if (isSet(wire.outGroup)) flowMod.outGroup = wire.outGroup
  if (isSet(wire.bufferId)) flowMod.bufferId = wire.bufferId
  return flowMod
}

function statisticsToWire(flow: FlowStatistics, path: string): WireStatistics {
  return {
    flow: flowToWire(flow, `${path}.`),
    duration: toUint64(flow.duration, `${path}.duration`),
    idleAge: toUint64(flow.idleAge, `${path}.idleAge`),
    packets: toUint64(flow.packets, `${path}.packets`),
    bytes: toUint64(flow.bytes, `${path}.bytes`),
  }
}

function statisticsFromWire(wire: WireStatistics | null | undefined, path: string): FlowStatistics {
  const statistics = required(wire, path, 'a flow with its statistics')
  return {
    ...flowFromWire(required(statistics.flow, path, 'a flow'), `${path}.`),
    duration: fromUint64(statistics.duration),
    idleAge: fromUint64(statistics.idleAge),
    packets: fromUint64(statistics.packets),
    bytes: fromUint64(statistics.bytes),
  }
}

const filterToWire = (filter: FlowFilter, path: string): WireFilter => ({
  table: bounded(filter.table, UINT8, `${path}.table`),
  match: matchToWire(filter.match, `${path}.match`),
  cookie: toUint64(filter.cookie, `${path}.cookie`),
  cookieMask: toUint64(filter.cookieMask, `${path}.cookieMask`),
  outPort: optional(filter.outPort, UINT32, `${path}.outPort`),
  outGroup: optional(filter.outGroup, UINT32, `${path}.outGroup`),
})

const filterFromWire = (wire: WireFilter, path: string): FlowFilter => ({
  table: bounded(wire.table, UINT8, `${path}.table`),
  match: matchFromWire(wire.match, `${path}.match`),
  cookie: fromUint64(wire.cookie),
  cookieMask: fromUint64(wire.cookieMask),
  ...given('outPort', wire.outPort, UINT32, `${path}.`),
  ...given('outGroup', wire.outGroup, UINT32, `${path}.`),
})

/** A request about the flows that a filter selects. */
const filtering = <T extends 'flowStatisticsRequest' | 'aggregateStatisticsRequest'>(type: T) => ({
  toWire: (message: { filter: FlowFilter }, at: string) => filterToWire(message.filter, `${at}filter`),
  fromWire: (wire: WireFilter, at: string) => ({ type, filter: filterFromWire(wire, `${at}filter`) }),
})

const monitorToWire = (monitor: FlowMonitor, path: string): WireMonitor => ({
  id: bounded(monitor.id, UINT32, `${path}.id`),
  ...monitor.flags,
  outPort: optional(monitor.outPort, UINT32, `${path}.outPort`),
  outGroup: optional(monitor.outGroup, UINT32, `${path}.outGroup`),
  table: bounded(monitor.table, UINT8, `${path}.table`),
  match: matchToWire(monitor.match, `${path}.match`),
})

const monitorFromWire = (wire: WireMonitor, path: string): FlowMonitor => ({
  id: wire.id ?? 0,
  flags: {
    initial: wire.initial ?? false,
    add: wire.add ?? false,
    delete: wire.delete ?? false,
    modify: wire.modify ?? false,
    instructions: wire.instructions ?? false,
    own: wire.own ?? false,
  },
  ...given('outPort', wire.outPort, UINT32, `${path}.`),
  ...given('outGroup', wire.outGroup, UINT32, `${path}.`),
  table: bounded(wire.table, UINT8, `${path}.table`),
  match: matchFromWire(wire.match, `${path}.match`),
})

function updateToWire(update: FlowUpdate, path: string): WireUpdate {
  if (update.type === 'abbreviated') return { abbreviated: bounded(update.xid, UINT32, `${path}.xid`) }
  return {
    full: {
      event: events.number(update.event, `${path}.event`),
      reason: update.reason === undefined ? 0 : removalReasons.number(update.reason, `${path}.reason`),
      flow: flowToWire(update.flow, `${path}.flow.`),
    },
  }
}

function updateFromWire({ full, abbreviated }: WireUpdate, path: string): FlowUpdate {
  if (isSet(abbreviated)) return { type: 'abbreviated', xid: abbreviated }
  const wire = required(full, path, 'a change, or the xid of one')
  return {
    type: 'full',
    event: events.word(wire.event, `${path}.event`),
    ...(wire.reason && { reason: removalReasons.word(wire.reason, `${path}.reason`) }),
    flow: flowFromWire(required(wire.flow, `${path}.flow`, 'a flow'), `${path}.flow.`),
  }
}

export const FLOW_MESSAGES = {
  flowMod: { toWire: flowModToWire, fromWire: flowModFromWire },
  flowRemoved: {
    toWire: ({ reason, flow }, at) => ({
      reason: removalReasons.number(reason, `${at}reason`),
      flow: statisticsToWire(flow, `${at}flow`),
    }),
    fromWire: (wire, at) => ({
      type: 'flowRemoved',
      reason: removalReasons.word(wire.reason, `${at}reason`),
      flow: statisticsFromWire(wire.flow, `${at}flow`),
    }),
  },
  flowStatisticsRequest: filtering('flowStatisticsRequest'),
  flowStatisticsReply: {
    toWire: ({ flows, more }, at) => ({ flows: each(flows, `${at}flows`, statisticsToWire), more }),
    fromWire: (wire, at) => ({
      type: 'flowStatisticsReply',
      flows: each(wire.flows, `${at}flows`, statisticsFromWire),
      more: wire.more ?? false,
    }),
  },
  aggregateStatisticsRequest: filtering('aggregateStatisticsRequest'),
  aggregateStatisticsReply: {
    toWire: ({ packets, bytes, flows }, at) => ({
      packets: toUint64(packets, `${at}packets`),
      bytes: toUint64(bytes, `${at}bytes`),
      flows: bounded(flows, UINT32, `${at}flows`),
    }),
    fromWire: (wire) => ({
      type: 'aggregateStatisticsReply',
      packets: fromUint64(wire.packets),
      bytes: fromUint64(wire.bytes),
      flows: wire.flows ?? 0,
    }),
  },
  flowMonitorRequest: listing('flowMonitorRequest', 'monitors', monitorToWire, monitorFromWire),
  flowMonitorReply: {
    toWire: ({ updates, more }, at) => ({ updates: each(updates, `${at}updates`, updateToWire), more }),
    fromWire: (wire, at) => ({
      type: 'flowMonitorReply',
      updates: each(wire.updates, `${at}updates`, updateFromWire),
      more: wire.more ?? false,
    }),
  },
  flowMonitorCancel: {
    toWire: ({ id }, at) => ({ id: bounded(id, UINT32, `${at}id`) }),
    fromWire: (wire) => ({ type: 'flowMonitorCancel', id: wire.id ?? 0 }),
  },
  flowMonitorPaused: signal('flowMonitorPaused'),
  flowMonitorResumed: signal('flowMonitorResumed'),
} satisfies Partial<Codecs<MessageType>>
