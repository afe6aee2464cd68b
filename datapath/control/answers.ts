// Requests that ask the switch itself, and settings of it: the same for every controller.

import { SOFTWARE } from '../../protocols/control/software.ts'
import type { Message } from '../../protocols/control/messages.ts'
import { Refused } from '../../protocols/control/refused.ts'
import type { Switch } from '../switch.ts'
import { features } from './handlers/features.ts'
import { aggregateStatistics, portStatistics } from './handlers/statistics.ts'
import {
  groupStatistics,
  meterConfigs,
  meterStatistics,
  queueConfigs,
  queueStatistics,
  tableFeatures,
} from './handlers/tables.ts'

/**
 * What the switch replies; nothing at all to a setting that it takes. Undefined for what is neither.
 * @throws Refused
 */
export function answer(device: Switch, message: Message): Message[] | undefined {
  const setting = SETTINGS[message.type as keyof typeof SETTINGS] as Setting<Message> | undefined
  if (setting !== undefined) {
    setting(device, message)
    return []
  }
  const request = REQUESTS[message.type as keyof typeof REQUESTS] as Request<Message> | undefined
  return request && [request(device, message)]
}

type Setting<M extends Message> = (device: Switch, message: M) => void
type Request<M extends Message> = (device: Switch, message: M) => Message
type Of<T extends Message['type']> = Extract<Message, { type: T }>

const SETTINGS: { [T in 'tableMod' | 'flushConnections']: Setting<Of<T>> } = {
  tableMod: (device, { type: _type, ...config }) => device.tables.configure(config),
  flushConnections: (device, { filter }) => void device.connections.flush(filter),
}

const REQUESTS: { [T in RequestName]: Request<Of<T>> } = {
  echoRequest: (_device, { data }) => ({ type: 'echoReply', data }),
  featuresRequest: (device) => features(device),
  barrierRequest: () => ({ type: 'barrierReply' }),
  descriptionRequest: ({ name }) => ({ type: 'descriptionReply', ...SOFTWARE, serial: 'None', datapath: name }),
  aggregateStatisticsRequest: (device, { filter }) => aggregateStatistics(device, filter),
  tableStatisticsRequest: ({ tables }) => ({ type: 'tableStatisticsReply', tables: tables.tableStatistics() }),
  tableFeaturesRequest: (device, request) => {
    if (request.features !== undefined)
      throw new Refused('OFPTFFC_EPERM', 'features', 'the tables of this switch are as they are')
    return tableFeatures(device)
  },
  tableDescriptionRequest: ({ tables }) => ({ type: 'tableDescriptionReply', tables: tables.configs() }),
  portStatisticsRequest: (device, { port }) => portStatistics(device, port),
  portDescriptionRequest: ({ ports }) => ({
    type: 'portDescriptionReply',
    ports: [...ports].map((port) => ports.describe(port)),
  }),
  queueStatisticsRequest: (device, { port, queue }) => queueStatistics(device, port, queue),
  queueConfigRequest: (device, { port }) => queueConfigs(device, port),
  groupStatisticsRequest: (device, { group }) => groupStatistics(device, group),
  groupDescriptionRequest: ({ groups }, { group }) => ({
    type: 'groupDescriptionReply',
    groups: groups.descriptions(group),
  }),
  groupFeaturesRequest: () => ({ type: 'groupFeaturesReply' }),
  meterStatisticsRequest: (device, { meter }) => meterStatistics(device, meter),
  meterConfigRequest: (device, { meter }) => meterConfigs(device, meter),
  meterFeaturesRequest: () => ({ type: 'meterFeaturesReply' }),
}

type RequestName =
  | 'echoRequest'
  | 'featuresRequest'
  | 'barrierRequest'
  | 'descriptionRequest'
  | 'aggregateStatisticsRequest'
  | 'tableStatisticsRequest'
  | 'tableFeaturesRequest'
  | 'tableDescriptionRequest'
  | 'portStatisticsRequest'
  | 'portDescriptionRequest'
  | 'queueStatisticsRequest'
  | 'queueConfigRequest'
  | 'groupStatisticsRequest'
  | 'groupDescriptionRequest'
  | 'groupFeaturesRequest'
  | 'meterStatisticsRequest'
  | 'meterConfigRequest'
  | 'meterFeaturesRequest'
