import type { signalbox } from '../generated/control.js'
import { fromUint64, toUint64 } from './values.ts'

type WireCounters = signalbox.control.Counters.$Properties

interface Counters {
  packets: bigint
  bytes: bigint
}

export const countersToWire = ({ packets, bytes }: Counters, path: string): WireCounters => ({
  packets: toUint64(packets, `${path}.packets`),
  bytes: toUint64(bytes, `${path}.bytes`),
})

export const countersFromWire = (wire: WireCounters): Counters => ({
  packets: fromUint64(wire.packets),
  bytes: fromUint64(wire.bytes),
})
