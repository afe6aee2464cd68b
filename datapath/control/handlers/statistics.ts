import type { FlowFilter, FlowStatistics, MessageOf } from '../../../protocols/control/messages.ts'
import { ReservedPort } from '../../../protocols/control/messages.ts'
import { asRefusal, Refused } from '../../../protocols/control/refused.ts'
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

/** @throws Refused where a port is named that is not there. */
export function portStatistics(device: Switch, port: number | undefined): MessageOf<'portStatisticsReply'> {
  const ports = device.ports.statistics()
  if (port === undefined || port === ReservedPort.Any) return { type: 'portStatisticsReply', ports }
  const found = ports.filter((one) => one.port === port)
  if (found.length === 0) throw new Refused('OFPBRC_BAD_PORT', 'port', `there is no port ${port}`)
  return { type: 'portStatisticsReply', ports: found }
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
