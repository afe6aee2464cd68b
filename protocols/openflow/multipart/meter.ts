// OFPMP_METER, OFPMP_METER_CONFIG, OFPMP_METER_FEATURES: OpenFlow 1.3 §7.3.5.12 to §7.3.5.14.

import type { MeterSpec, MeterStatistics } from '../../control/messages.ts'
import { ReservedMeter } from '../../control/messages.ts'
import { Refused } from '../../control/refused.ts'
import type { Body } from '../body.ts'
import { body, emptyBody, listBody } from '../body.ts'
import type { ByteReader } from '../byte-reader.ts'
import type { ByteWriter } from '../byte-writer.ts'
import { MultipartCode, reply, request } from '../header.ts'
import { readAll, readSized, writeSized } from '../lists.ts'
import { ALL_METER_FLAGS, BAND_TYPES, decodeBands, encodeBands, meterFlagBits, readMeterFlags } from '../meters.ts'
import { readDuration, unless, writeDuration } from '../values.ts'

const meterRequest = (type: 'meterStatisticsRequest' | 'meterConfigRequest', multipart: number): Body =>
  body(
    type,
    request(multipart),
    (writer, { meter }) => {
      writer.u32(meter ?? ReservedMeter.All)
      writer.zero(4)
    },
    (reader) => {
      const meter = reader.u32()
      reader.skip(4)
      return { type, ...unless(ReservedMeter.All, 'meter', meter) }
    },
  )

/** The meter's number comes before the length here. Without the counters of its bands. */
const STATISTICS_SIZE = 40

function writeStatistics(writer: ByteWriter, meter: MeterStatistics): void {
  writer.u32(meter.meter)
  writer.u16(STATISTICS_SIZE + 16 * meter.bands.length)
  writer.zero(6)
  writer.u32(meter.flows)
  writer.u64(meter.packets)
  writer.u64(meter.bytes)
  writeDuration(writer, meter.duration)
  for (const { packets, bytes } of meter.bands) {
    writer.u64(packets)
    writer.u64(bytes)
  }
}

function readStatistics(list: ByteReader): MeterStatistics {
  const [meter, length] = [list.u32(), list.u16()]
  if (length < STATISTICS_SIZE) throw new Refused('bad_request', 'meters', `a meter's statistics of ${length} bytes`)
  const reader = list.sub(length - 6)
  reader.skip(6)
  const flows = reader.u32()
  const [packets, bytes] = [reader.u64(), reader.u64()]
  const duration = readDuration(reader)
  const bands = readAll(reader, (band) => ({ packets: band.u64(), bytes: band.u64() }))
  return { meter, flows, packets, bytes, duration, bands }
}

const meterStatisticsReply = listBody(
  'meterStatisticsReply',
  reply(MultipartCode.Meter),
  ({ meters }) => meters,
  writeStatistics,
  (reader) => ({ type: 'meterStatisticsReply', meters: readAll(reader, readStatistics) }),
)

/** Without its bands. */
const CONFIG_SIZE = 8

function writeConfig(writer: ByteWriter, meter: MeterSpec): void {
  writeSized(writer, () => {
    writer.u16(meterFlagBits(meter))
    writer.u32(meter.meter)
    encodeBands(writer, meter)
  })
}

function readConfig(list: ByteReader): MeterSpec {
  const reader = readSized(list, CONFIG_SIZE)
  const counting = readMeterFlags(reader)
  return { meter: reader.u32(), ...counting, bands: decodeBands(reader, counting.unit) }
}

const meterConfigReply = listBody(
  'meterConfigReply',
  reply(MultipartCode.MeterConfig),
  ({ meters }) => meters,
  writeConfig,
  (reader) => ({ type: 'meterConfigReply', meters: readAll(reader, readConfig) }),
)

/** Those of a meter of this switch, as of Open vSwitch's. */
const MAXIMUM_BANDS = 8

const meterFeaturesReply = body(
  'meterFeaturesReply',
  reply(MultipartCode.MeterFeatures),
  (writer) => {
    writer.u32(ReservedMeter.Max)
    writer.u32(BAND_TYPES)
    writer.u32(ALL_METER_FLAGS)
    writer.u8(MAXIMUM_BANDS)
    writer.zero(3)
  },
  (reader) => {
    reader.skip(16)
    return { type: 'meterFeaturesReply' }
  },
)

export const METERS: readonly Body[] = [
  meterRequest('meterStatisticsRequest', MultipartCode.Meter),
  meterStatisticsReply,
  meterRequest('meterConfigRequest', MultipartCode.MeterConfig),
  meterConfigReply,
  emptyBody('meterFeaturesRequest', request(MultipartCode.MeterFeatures), { type: 'meterFeaturesRequest' }),
  meterFeaturesReply,
]
