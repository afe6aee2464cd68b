import type { FlowFilter, FlowStatistics, MessageOf } from '../../../protocols/control/messages.ts'
import { ReservedPort } from '../../../protocols/control/messages.ts'
import { asRefusal } from '../../../protocols/control/refused.ts'
import { checkFlowFilter } from '../../flow-check.ts'
import type { Switch } from '../../switch.ts'
import { inParts } from './parts.ts'

/** The flows that the filter selects now, in messages of some 600 bytes; each says how they stand when it is taken. */
export function flowStatistics(device: Switch, filter: FlowFilter): Iterable<MessageOf<'flowStatisticsReply'>> {
  checkFilter(filter)
  return flowStatisticsReplies(device.tables.statistics(filter))
}

function* flowStatisticsReplies(flows: Iterable<FlowStatistics>): Generator<MessageOf<'flowStatisticsReply'>> {
  for (const { items, more } of inParts(flows, sizeOf)) yield { type: 'flowStatisticsReply', flows: items, more }
}

export function aggregateStatistics(device: Switch, filter: FlowFilter): MessageOf<'aggregateStatisticsReply'> {
  checkFilter(filter)
  const sums: MessageOf<'aggregateStatisticsReply'> = {
    type: 'aggregateStatisticsReply',
    packets: 0n,
    bytes: 0n,
    flows: 0,
  }
  for (const { packets, bytes } of device.tables.statistics(filter)) {
    sums.packets += packets
    sums.bytes += bytes
    sums.flows++
  }
  return sums
}

/** As in Open vSwitch, there is nothing to say of a port that is not there. */
export function portStatistics(device: Switch, port: number = ReservedPort.Any): MessageOf<'portStatisticsReply'> {
  const ports = device.ports.statistics().filter((one) => port === ReservedPort.Any || one.port === port)
  return { type: 'portStatisticsReply', ports }
}

/** A filter selects as a delete does. */
function checkFilter(filter: FlowFilter): void {
  try {
    checkFlowFilter(filter)
  } catch (error) {
    throw asRefusal(error).within('filter')
  }
}

/** Bytes on the wire, about; never much less. */
function sizeOf({ match, instructions }: FlowStatistics): number {
  return 128 + 64 * (match.length + instructions.apply.length + instructions.write.length)
}
