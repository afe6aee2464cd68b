import type { signalbox } from '../generated/control.js'
import type { MessageType, TableConfig, TableFeatures, TableStatistics } from '../messages.ts'
import type { Codecs } from './codecs.ts'
import { listing, signal } from './codecs.ts'
import { bounded, each, fromUint64, given, isSet, optional, toUint64, UINT32, UINT8, Vocabulary } from './values.ts'

type WireConfig = signalbox.control.TableConfig.$Properties
type WireFeatures = signalbox.control.TableFeatures.$Properties
type WireStatistics = signalbox.control.TableStatistics.$Properties

const misses = new Vocabulary(['controller', 'continue', 'drop'])

// `at` is the path of the configuration with a dot at the end, '' where it is the message.

const configToWire = ({ table, miss, eviction, maxFlows }: TableConfig, at: string): WireConfig => ({
  table: bounded(table, UINT8, `${at}table`),
  miss: miss === undefined ? 0 : misses.number(miss, `${at}miss`),
  eviction: eviction ?? null,
  maxFlows: optional(maxFlows, UINT32, `${at}maxFlows`),
})

const configFromWire = (wire: WireConfig, at: string): TableConfig => ({
  table: bounded(wire.table, UINT8, `${at}table`),
  ...(wire.miss && { miss: misses.word(wire.miss, `${at}miss`) }),
  ...(isSet(wire.eviction) && { eviction: wire.eviction }),
  ...given('maxFlows', wire.maxFlows, UINT32, at),
})

const featuresToWire = (features: TableFeatures, path: string): WireFeatures => ({
  table: bounded(features.table, UINT8, `${path}.table`),
  name: features.name,
  metadataMatch: toUint64(features.metadataMatch, `${path}.metadataMatch`),
  metadataWrite: toUint64(features.metadataWrite, `${path}.metadataWrite`),
  maxFlows: bounded(features.maxFlows, UINT32, `${path}.maxFlows`),
})

const featuresFromWire = (wire: WireFeatures, path: string): TableFeatures => ({
  table: bounded(wire.table, UINT8, `${path}.table`),
  name: wire.name ?? '',
  metadataMatch: fromUint64(wire.metadataMatch),
  metadataWrite: fromUint64(wire.metadataWrite),
  maxFlows: wire.maxFlows ?? 0,
})

const statisticsToWire = (table: TableStatistics, path: string): WireStatistics => ({
  table: bounded(table.table, UINT8, `${path}.table`),
  active: bounded(table.active, UINT32, `${path}.active`),
  lookups: toUint64(table.lookups, `${path}.lookups`),
  matched: toUint64(table.matched, `${path}.matched`),
})

const statisticsFromWire = (wire: WireStatistics, path: string): TableStatistics => ({
  table: bounded(wire.table, UINT8, `${path}.table`),
  active: wire.active ?? 0,
  lookups: fromUint64(wire.lookups),
  matched: fromUint64(wire.matched),
})

export const TABLE_MESSAGES = {
  tableMod: {
    toWire: configToWire,
    fromWire: (wire, at) => ({ type: 'tableMod', ...configFromWire(wire, at) }),
  },
  tableStatisticsRequest: signal('tableStatisticsRequest'),
  tableStatisticsReply: listing('tableStatisticsReply', 'tables', statisticsToWire, statisticsFromWire),
  tableFeaturesRequest: {
    toWire: ({ features }, at) => ({
      set: features !== undefined,
      features: each(features, `${at}features`, featuresToWire),
    }),
    fromWire: (wire, at) => ({
      type: 'tableFeaturesRequest',
      ...(wire.set && { features: each(wire.features, `${at}features`, featuresFromWire) }),
    }),
  },
  tableFeaturesReply: listing('tableFeaturesReply', 'tables', featuresToWire, featuresFromWire),
  tableDescriptionRequest: signal('tableDescriptionRequest'),
  tableDescriptionReply: listing(
    'tableDescriptionReply',
    'tables',
    (config: TableConfig, path) => configToWire(config, `${path}.`),
    (wire, path) => configFromWire(wire, `${path}.`),
  ),
} satisfies Partial<Codecs<MessageType>>
