// Ports as OpenFlow describes them: OpenFlow 1.3 §7.2.1.

import type { PortDescription, PortFlag, PortFlags } from '../control/ports.ts'
import { PORT_FLAGS, ReservedPort } from '../control/ports.ts'
import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'
import { readText, writeText } from './values.ts'

/** OFPPC_*. OpenFlow 1.3 took the flag for floods out. */
const CONFIG_BITS: Readonly<Partial<Record<PortFlag, number>>> = {
  down: 1 << 0,
  noReceive: 1 << 2,
  noForward: 1 << 5,
  noPacketIn: 1 << 6,
}
export const ALL_CONFIG_BITS = PORT_FLAGS.reduce((bits, flag) => bits | (CONFIG_BITS[flag] ?? 0), 0)

/** OFPPS_*. */
const LINK_DOWN = 1 << 0
const LIVE = 1 << 2

const MAC_SIZE = 6
const NAME_SIZE = 16
/** Current, advertised, supported and the peer's features; current and highest speed: nothing is said of them. */
const FEATURES_SIZE = 24

export const configBits = (flags: PortFlags): number =>
  PORT_FLAGS.reduce((bits, flag) => (flags[flag] === true ? bits | (CONFIG_BITS[flag] ?? 0) : bits), 0)

/** The flags that `mask` selects, by `config`. */
export function portFlags(config: number, mask: number): PortFlags {
  const selected = PORT_FLAGS.filter((flag) => ((CONFIG_BITS[flag] ?? 0) & mask) !== 0)
  return Object.fromEntries(selected.map((flag) => [flag, (config & (CONFIG_BITS[flag] ?? 0)) !== 0]))
}

export function encodePort(writer: ByteWriter, port: PortDescription): void {
  writer.u32(port.number)
  writer.zero(4)
  writer.big(port.mac, MAC_SIZE)
  writer.zero(2)
  writeText(writer, port.name, NAME_SIZE)
  writer.u32(configBits(port.flags))
  writer.u32(stateBits(port))
  writer.zero(FEATURES_SIZE)
}

function stateBits({ linkUp, flags }: PortDescription): number {
  if (!linkUp) return LINK_DOWN
  return flags.down === true ? 0 : LIVE
}

/** OpenFlow says nothing of what the port is good for: it counts as an open one of the usual kind. */
export function decodePort(reader: ByteReader): PortDescription {
  const number = reader.u32()
  reader.skip(4)
  const mac = reader.big(MAC_SIZE)
  reader.skip(2)
  const name = readText(reader, NAME_SIZE)
  const config = reader.u32()
  const state = reader.u32()
  reader.skip(FEATURES_SIZE)
  const flags = portFlags(config, config)
  const type = number === ReservedPort.Local ? 'local' : 'vnic'
  return { number, name, type, mac, state: 'open', linkUp: (state & LINK_DOWN) === 0, flags }
}

/** A port's own address with its padding: in a port-mod it proves that the right port is meant. */
export function readMac(reader: ByteReader): bigint {
  const mac = reader.big(MAC_SIZE)
  reader.skip(2)
  return mac
}

export function writeMac(writer: ByteWriter, mac: bigint): void {
  writer.big(mac, MAC_SIZE)
  writer.zero(2)
}
