import type { signalbox } from '../generated/control.js'
import type { MessageType, MeterBand, MeterSpec, MeterStatistics } from '../messages.ts'
import type { Codecs } from './codecs.ts'
import { askingFor, listing, signal } from './codecs.ts'
import { countersFromWire, countersToWire } from './counters.ts'
import {
  bounded,
  each,
  fromUint64,
  given,
  isSet,
  optional,
  required,
  toUint64,
  UINT32,
  UINT8,
  Vocabulary,
} from './values.ts'

type WireMeter = signalbox.control.Meter.$Properties
type WireBand = signalbox.control.MeterBand.$Properties
type WireStatistics = signalbox.control.MeterStatistics.$Properties

const commands = new Vocabulary(['add', 'modify', 'delete'])
const units = new Vocabulary(['bits', 'packets'])
const bandTypes = new Vocabulary(['drop', 'dscp_remark'])

// `at` is the path of the meter with a dot at the end, '' where it is the message.

function meterToWire({ meter, unit, flags, bands }: MeterSpec, at: string): WireMeter {
  const wire: WireMeter = {
    meter: bounded(meter, UINT32, `${at}meter`),
    bands: each(bands, `${at}bands`, bandToWire),
  }
  if (unit !== undefined) wire.unit = units.number(unit, `${at}unit`)
  if (flags !== undefined) wire.flags = flags
  return wire
}

function meterFromWire(wire: WireMeter, at: string): MeterSpec {
  const spec: MeterSpec = { meter: wire.meter ?? 0, bands: each(wire.bands, `${at}bands`, bandFromWire) }
  if (wire.unit) spec.unit = units.word(wire.unit, `${at}unit`)
  if (wire.flags) {
    const { burst, stats } = wire.flags
    spec.flags = { ...(isSet(burst) && { burst }), ...(isSet(stats) && { stats }) }
  }
  return spec
}

const bandToWire = (band: MeterBand, path: string): WireBand => ({
  type: bandTypes.number(band.type, `${path}.type`),
  rate: toUint64(band.rate, `${path}.rate`),
  burst: toUint64(band.burst, `${path}.burst`),
  dscp: optional(band.dscp, UINT8, `${path}.dscp`),
  precedence: optional(band.precedence, UINT8, `${path}.precedence`),
})

const bandFromWire = (wire: WireBand, path: string): MeterBand => ({
  type: bandTypes.word(wire.type, `${path}.type`),
  rate: fromUint64(wire.rate),
  burst: fromUint64(wire.burst),
  ...given('dscp', wire.dscp, UINT8, `${path}.`),
  ...given('precedence', wire.precedence, UINT8, `${path}.`),
})

const statisticsToWire = (meter: MeterStatistics, path: string): WireStatistics => ({
  meter: bounded(meter.meter, UINT32, `${path}.meter`),
  flows: bounded(meter.flows, UINT32, `${path}.flows`),
  ...countersToWire(meter, path),
  duration: toUint64(meter.duration, `${path}.duration`),
  bands: each(meter.bands, `${path}.bands`, countersToWire),
})

const statisticsFromWire = (wire: WireStatistics): MeterStatistics => ({
  meter: wire.meter ?? 0,
  flows: wire.flows ?? 0,
  ...countersFromWire(wire),
  duration: fromUint64(wire.duration),
  bands: (wire.bands ?? []).map(countersFromWire),
})

export const METER_MESSAGES = {
  meterMod: {
    toWire: (message, at) => ({
      command: commands.number(message.command, `${at}command`),
      meter: meterToWire(message, at),
    }),
    fromWire: (wire, at) => ({
      type: 'meterMod',
      command: commands.word(wire.command, `${at}command`),
      ...meterFromWire(required(wire.meter, `${at}meter`, 'a meter'), at),
    }),
  },
  meterStatisticsRequest: askingFor('meterStatisticsRequest', 'meter'),
  meterStatisticsReply: listing('meterStatisticsReply', 'meters', statisticsToWire, statisticsFromWire),
  meterConfigRequest: askingFor('meterConfigRequest', 'meter'),
  meterConfigReply: listing(
    'meterConfigReply',
    'meters',
    (meter: MeterSpec, path) => meterToWire(meter, `${path}.`),
    (wire, path) => meterFromWire(wire, `${path}.`),
  ),
  meterFeaturesRequest: signal('meterFeaturesRequest'),
  meterFeaturesReply: signal('meterFeaturesReply'),
} satisfies Partial<Codecs<MessageType>>
