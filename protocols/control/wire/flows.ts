import type { signalbox } from '../generated/control.js'
import type { FlowFilter, FlowMod, FlowSpec, FlowStatistics } from '../messages.ts'
import { instructionsFromWire, instructionsToWire } from './actions.ts'
import { matchFromWire, matchToWire } from './match.ts'
import { bounded, fromUint64, isSet, required, toUint64, UINT16, UINT32, UINT8, Vocabulary } from './values.ts'

type WireFlow = signalbox.control.Flow.$Properties
type WireFlowMod = signalbox.control.FlowMod.$Properties
type WireStatistics = signalbox.control.FlowStatistics.$Properties
type WireFilter = signalbox.control.FlowStatisticsRequest.$Properties

const commands = new Vocabulary(['add', 'modify', 'modify-strict', 'delete', 'delete-strict'])

// `at` is the path of the flow within its message with a dot at the end, '' where the message is the flow.

function flowToWire(flow: FlowSpec, at: string): WireFlow {
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
  return wire
}

function flowFromWire(wire: WireFlow, at: string): FlowSpec {
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
  return flow
}

export function flowModToWire(flowMod: FlowMod, at = ''): WireFlowMod {
  const wire: WireFlowMod = {
    command: commands.number(flowMod.command, `${at}command`),
    flow: flowToWire(flowMod, at),
    cookieMask: toUint64(flowMod.cookieMask, `${at}cookieMask`),
  }
  if (flowMod.outPort !== undefined) wire.outPort = bounded(flowMod.outPort, UINT32, `${at}outPort`)
  return wire
}

export function flowModFromWire(wire: WireFlowMod, at = ''): FlowMod {
  const flowMod: FlowMod = {
    type: 'flowMod',
    command: commands.word(wire.command, `${at}command`),
    ...flowFromWire(required(wire.flow, `${at}flow`, 'a flow'), at),
    cookieMask: fromUint64(wire.cookieMask),
  }
  if (isSet(wire.outPort)) flowMod.outPort = wire.outPort
  return flowMod
}

export function statisticsToWire(flow: FlowStatistics, at: string): WireStatistics {
  return {
    flow: flowToWire(flow, at),
    duration: toUint64(flow.duration, `${at}duration`),
    idleAge: toUint64(flow.idleAge, `${at}idleAge`),
    packets: toUint64(flow.packets, `${at}packets`),
    bytes: toUint64(flow.bytes, `${at}bytes`),
  }
}

export function statisticsFromWire(wire: WireStatistics | null | undefined, at: string): FlowStatistics {
  const statistics = required(wire, at, 'a flow with its statistics')
  return {
    ...flowFromWire(required(statistics.flow, `${at}flow`, 'a flow'), at),
    duration: fromUint64(statistics.duration),
    idleAge: fromUint64(statistics.idleAge),
    packets: fromUint64(statistics.packets),
    bytes: fromUint64(statistics.bytes),
  }
}

export function filterToWire(filter: FlowFilter): WireFilter {
  return {
    table: bounded(filter.table, UINT8, 'filter.table'),
    match: matchToWire(filter.match, 'filter.match'),
    cookie: toUint64(filter.cookie, 'filter.cookie'),
    cookieMask: toUint64(filter.cookieMask, 'filter.cookieMask'),
    outPort: filter.outPort ?? null,
  }
}

export function filterFromWire(wire: WireFilter): FlowFilter {
  const filter: FlowFilter = {
    table: bounded(wire.table, UINT8, 'filter.table'),
    match: matchFromWire(wire.match, 'filter.match'),
    cookie: fromUint64(wire.cookie),
    cookieMask: fromUint64(wire.cookieMask),
  }
  if (isSet(wire.outPort)) filter.outPort = wire.outPort
  return filter
}
