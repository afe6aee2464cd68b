// Meters and their bands: OpenFlow 1.3 §7.3.4.4.
//
//   | type 16 | length 16 | rate 32 | burst 32 | pad 32, or drop precedence 8 and pad 24 |
//
// OpenFlow counts in kilobits or in packets, we in bits or in packets.

import type { MeterBand, MeterSpec } from '../control/messages.ts'
import { Refused } from '../control/refused.ts'
import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'

/** OFPMF_*. */
const KBPS = 1 << 0
const PKTPS = 1 << 1
const BURST = 1 << 2
const STATS = 1 << 3
export const ALL_METER_FLAGS = KBPS | PKTPS | BURST | STATS

/** OFPMBT_*. */
const DROP = 1
const DSCP_REMARK = 2
/** Bit set of the kinds of band there are. */
export const BAND_TYPES = (1 << DROP) | (1 << DSCP_REMARK)

const BAND_HEADER_SIZE = 4
const BAND_SIZE = 16
const LARGEST = 0xffffffffn

type Unit = NonNullable<MeterSpec['unit']>

/** How many of ours make one of OpenFlow's. */
const scale = (unit: Unit | undefined) => (unit === 'packets' ? 1n : 1000n)

export const meterFlagBits = ({ unit, flags }: MeterSpec): number =>
  (unit === 'packets' ? PKTPS : KBPS) | (flags?.burst === true ? BURST : 0) | (flags?.stats === true ? STATS : 0)

/** @throws Refused OFPMMFC_BAD_FLAGS bits that mean nothing, or not one unit. */
export function readMeterFlags(reader: ByteReader): { unit: Unit; flags?: NonNullable<MeterSpec['flags']> } {
  const bits = reader.u16()
  const unitBits = bits & (KBPS | PKTPS)
  if ((bits & ~ALL_METER_FLAGS) !== 0 || (unitBits !== KBPS && unitBits !== PKTPS))
    throw new Refused('OFPMMFC_BAD_FLAGS', 'flags', `no meter has flags 0x${bits.toString(16)}`)
  const flags = { ...((bits & BURST) !== 0 && { burst: true }), ...((bits & STATS) !== 0 && { stats: true }) }
  const unit = unitBits === KBPS ? 'bits' : 'packets'
  return (bits & (BURST | STATS)) === 0 ? { unit } : { unit, flags }
}

export function encodeBands(writer: ByteWriter, { bands, unit }: MeterSpec): void {
  for (const band of bands) {
    writer.u16(band.type === 'drop' ? DROP : DSCP_REMARK)
    writer.u16(BAND_SIZE)
    writer.u32(inWireUnits(band.rate, unit))
    writer.u32(inWireUnits(band.burst, unit))
    // A band that writes one DSCP whatever was there has no form in OpenFlow: it shows as one that adds nothing.
    writer.u8(band.type === 'drop' ? 0 : (band.precedence ?? 0))
    writer.zero(3)
  }
}

/** Rounded up: a rate that is not 0 does not become 0. */
function inWireUnits(amount: bigint, unit: Unit | undefined): number {
  const units = (amount + scale(unit) - 1n) / scale(unit)
  return Number(units < LARGEST ? units : LARGEST)
}

/**
 * Bands up to the end of `reader`.
 * @throws Refused OFPMMFC_BAD_BAND a kind that nobody knows; OFPBRC_BAD_LEN.
 */
export function decodeBands(reader: ByteReader, unit: Unit): MeterBand[] {
  const bands: MeterBand[] = []
  while (reader.remaining > 0) {
    const [type, length] = [reader.u16(), reader.u16()]
    if (type !== DROP && type !== DSCP_REMARK)
      throw new Refused('OFPMMFC_BAD_BAND', `bands[${bands.length}].type`, `there is no band of type ${type}`)
    if (length !== BAND_SIZE)
      throw new Refused('bad_request', `bands[${bands.length}]`, `a band has ${BAND_SIZE} bytes, not ${length}`)
    bands.push(decodeBand(type, reader.sub(length - BAND_HEADER_SIZE), scale(unit)))
  }
  return bands
}

function decodeBand(type: number, reader: ByteReader, bitsPerUnit: bigint): MeterBand {
  const rate = BigInt(reader.u32()) * bitsPerUnit
  const burst = BigInt(reader.u32()) * bitsPerUnit
  return type === DROP ? { type: 'drop', rate, burst } : { type: 'dscp_remark', rate, burst, precedence: reader.u8() }
}
