import type { FlowFilter, FlowSpec, FlowStatistics, MessageOf } from '../../../protocols/control/messages.ts'
import { checkFlowMod } from '../../flow-check.ts'
import type { Switch } from '../../switch.ts'
import { asRefusal } from '../../../protocols/control/refused.ts'
import { inParts } from './parts.ts'

/** The flows that the filter selects, in messages of about 1 MiB. */
export function flowStatistics(device: Switch, filter: FlowFilter): MessageOf<'flowStatisticsReply'>[] {
  checkFilter(filter)
  const parts = inParts(device.tables.statistics(filter), sizeOf)
  return parts.map((flows, index) => ({ type: 'flowStatisticsReply', flows, more: index < parts.length - 1 }))
}

export const portStatistics = (device: Switch): MessageOf<'portStatisticsReply'> => ({
  type: 'portStatisticsReply',
  ports: device.ports.statistics(),
})

/** A filter selects as a delete does. */
function checkFilter(filter: FlowFilter): void {
  const nothing = { priority: 0, idleTimeout: 0, hardTimeout: 0, flags: {} }
  const instructions: FlowSpec['instructions'] = { apply: [], clear: false, write: [] }
  try {
    checkFlowMod({ type: 'flowMod', command: 'delete', ...nothing, instructions, ...filter }, () => true)
  } catch (error) {
    throw asRefusal(error).within('filter')
  }
}

/** Bytes on the wire, about; never much less. */
function sizeOf({ match, instructions }: FlowStatistics): number {
  return 128 + 64 * (match.length + instructions.apply.length + instructions.write.length)
}
