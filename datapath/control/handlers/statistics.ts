import type { FlowFilter, FlowStatistics, MessageOf } from '../../../protocols/control/messages.ts'
import { ReservedPort } from '../../../protocols/control/messages.ts'
import { asRefusal } from '../../../protocols/control/refused.ts'
import { checkFlowFilter } from '../../flow-check.ts'
import type { Switch } from '../../switch.ts'
import { inParts } from './parts.ts'

/** The flows that the filter selects, in messages of about 1 MiB. */
export function flowStatistics(device: Switch, filter: FlowFilter): MessageOf<'flowStatisticsReply'>[] {
  checkFilter(filter)
  const parts = inParts(device.tables.statistics(filter), sizeOf)
  return parts.map((flows, index) => ({ type: 'flowStatisticsReply', flows, more: index < parts.length - 1 }))
}

export function aggregateStatistics(device: Switch, filter: FlowFilter): MessageOf<'aggregateStatisticsReply'> {
  checkFilter(filter)
  const flows = device.tables.statistics(filter)
  return {
    type: 'aggregateStatisticsReply',
    packets: flows.reduce((sum, flow) => sum + flow.packets, 0n),
    bytes: flows.reduce((sum, flow) => sum + flow.bytes, 0n),
    flows: flows.length,
  }
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
