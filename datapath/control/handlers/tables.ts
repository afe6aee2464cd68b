// What a switch says of its tables, groups, meters and queues: OpenFlow 1.3 §7.3.5.

import type { Message, MessageOf } from '../../../protocols/control/messages.ts'
import { ReservedMeter, ReservedPort } from '../../../protocols/control/messages.ts'
import { Refused } from '../../../protocols/control/refused.ts'
import { TABLES } from '../../flow-check.ts'
import type { Switch } from '../../switch.ts'

const ALL_BITS = 0xffffffffffffffffn

/** Every table can do the same. None has a name: tools would write names in the place of numbers. */
export function tableFeatures(device: Switch): MessageOf<'tableFeaturesReply'> {
  const tables = Array.from({ length: TABLES }, (_, table) => ({
    table,
    name: '',
    metadataMatch: ALL_BITS,
    metadataWrite: ALL_BITS,
    maxFlows: device.tables.capacityOf(table),
  }))
  return { type: 'tableFeaturesReply', tables }
}

export function meterStatistics(device: Switch, meter: number | undefined): Message {
  const meters = device.meters.statistics(device.clock.now(), (one) => device.tables.countUsingMeter(one))
  return { type: 'meterStatisticsReply', meters: selected(meters, meter) }
}

export const meterConfigs = (device: Switch, meter: number | undefined): Message => ({
  type: 'meterConfigReply',
  meters: selected(device.meters.specs(), meter),
})

/** @throws Refused where a meter is named that is not there. */
function selected<M extends { meter: number }>(meters: readonly M[], meter = ReservedMeter.All as number): M[] {
  if (meter === ReservedMeter.All) return [...meters]
  const found = meters.filter((one) => one.meter === meter)
  if (found.length === 0) throw new Refused('OFPMMFC_UNKNOWN_METER', 'meter', `there is no meter ${meter}`)
  return found
}

export function groupStatistics(device: Switch, group: number | undefined): Message {
  const references = (one: number) => device.tables.countUsingGroup(one)
  return { type: 'groupStatisticsReply', groups: device.groups.statistics(group, device.clock.now(), references) }
}

/** @throws Refused where a port or a queue is named that is not there. */
export function queueStatistics(device: Switch, port: number | undefined, queue: number | undefined): Message {
  if (port !== undefined && port !== ReservedPort.Any) requirePort(device, port)
  const ofPort = device.ports
    .queueStatistics()
    .filter((one) => port === undefined || port === ReservedPort.Any || one.port === port)
  const queues = ofPort.filter((one) => queue === undefined || queue === ALL_QUEUES || one.queue === queue)
  if (queues.length === 0 && queue !== undefined && queue !== ALL_QUEUES)
    throw new Refused('OFPQOFC_BAD_QUEUE', 'queue', `there is no queue ${queue}`)
  return { type: 'queueStatisticsReply', queues }
}

/** OFPQ_ALL. */
const ALL_QUEUES = 0xffffffff

/** @throws Refused where there is no such port. */
export function queueConfigs(device: Switch, port: number): Message {
  if (port !== ReservedPort.Any) requirePort(device, port)
  const queues = [...device.ports]
    .filter(({ number }) => port === ReservedPort.Any || number === port)
    .flatMap(({ number, config }) => (config.queues ?? []).map((queue) => ({ ...queue, port: number })))
  return { type: 'queueConfigReply', port, queues }
}

function requirePort(device: Switch, port: number): void {
  if (device.ports.byNumber(port) === undefined)
    throw new Refused('OFPQOFC_BAD_PORT', 'port', `there is no port ${port}`)
}
