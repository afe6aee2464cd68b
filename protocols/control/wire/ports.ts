import type { signalbox } from '../generated/control.js'
import type {
  PortConfig,
  PortDescription,
  PortState,
  PortStatistics,
  PortType,
  TunnelOptions,
  VlanMode,
} from '../messages.ts'
import { bounded, fromUint64, isSet, required, toUint64, UINT32, Vocabulary } from './values.ts'

type WirePort = signalbox.control.Port.$Properties
type WireTunnel = signalbox.control.Tunnel.$Properties
type WireStatistics = signalbox.control.PortStatistics.$Properties

const types = new Vocabulary<PortType>(['vnic', 'patch', 'tunnel', 'uplink', 'local'])
const vlanModes = new Vocabulary<VlanMode>(['access', 'trunk', 'native-tagged', 'native-untagged', 'dot1q-tunnel'])
const states = new Vocabulary<PortState>(['closed', 'hold', 'open'])

export function portToWire(port: PortConfig, at: string): WirePort {
  const wire: WirePort = {
    number: bounded(port.number, UINT32, `${at}.number`),
    name: port.name,
    type: types.number(port.type, `${at}.type`),
    tag: port.tag ?? null,
    mtu: port.mtu ?? null,
    state: states.number(port.state, `${at}.state`),
  }
  if (port.vlanMode !== undefined) wire.vlanMode = vlanModes.number(port.vlanMode, `${at}.vlanMode`)
  if (port.trunks !== undefined) wire.trunks = port.trunks
  if (port.tunnel !== undefined) wire.tunnel = tunnelToWire(port.tunnel)
  if (port.patchPeer !== undefined) wire.patchPeer = port.patchPeer
  return wire
}

export const descriptionToWire = (port: PortDescription, at: string): WirePort => ({
  ...portToWire(port, at),
  linkUp: port.linkUp,
})

export function portFromWire(wire: WirePort | null | undefined, at: string): PortConfig {
  const from = required(wire, at, 'a port')
  const port: PortConfig = {
    number: from.number ?? 0,
    name: from.name ?? '',
    type: types.word(from.type, `${at}.type`),
    state: states.word(from.state, `${at}.state`),
  }
  if (from.vlanMode) port.vlanMode = vlanModes.word(from.vlanMode, `${at}.vlanMode`)
  if (isSet(from.tag)) port.tag = from.tag
  if (from.trunks && from.trunks.length > 0) port.trunks = from.trunks
  if (isSet(from.mtu)) port.mtu = from.mtu
  if (from.tunnel) port.tunnel = tunnelFromWire(from.tunnel)
  if (from.patchPeer) port.patchPeer = { switch: from.patchPeer.switch ?? '', port: from.patchPeer.port ?? '' }
  return port
}

export function descriptionFromWire(wire: WirePort | null | undefined, at: string): PortDescription {
  return { ...portFromWire(wire, at), linkUp: wire?.linkUp ?? false }
}

const flowOr = (option: number | 'flow') => (option === 'flow' ? null : option)
const inheritOr = (option: number | 'inherit' | undefined) => (option === 'inherit' ? null : (option ?? null))

function tunnelToWire(tunnel: TunnelOptions): WireTunnel {
  return {
    localIp: tunnel.localIp,
    remoteIp: flowOr(tunnel.remoteIp),
    key: flowOr(tunnel.key),
    destinationPort: tunnel.destinationPort ?? null,
    ttl: inheritOr(tunnel.ttl),
    inheritTtl: tunnel.ttl === 'inherit',
    tos: inheritOr(tunnel.tos),
    inheritTos: tunnel.tos === 'inherit',
  }
}

function tunnelFromWire(wire: WireTunnel): TunnelOptions {
  const tunnel: TunnelOptions = {
    localIp: wire.localIp ?? 0,
    remoteIp: wire.remoteIp ?? 'flow',
    key: wire.key ?? 'flow',
  }
  if (isSet(wire.destinationPort)) tunnel.destinationPort = wire.destinationPort
  if (wire.inheritTtl) tunnel.ttl = 'inherit'
  else if (isSet(wire.ttl)) tunnel.ttl = wire.ttl
  if (wire.inheritTos) tunnel.tos = 'inherit'
  else if (isSet(wire.tos)) tunnel.tos = wire.tos
  return tunnel
}

export const portStatisticsToWire = (port: PortStatistics): WireStatistics => ({
  port: port.port,
  name: port.name,
  receivedPackets: toUint64(port.receivedPackets, 'receivedPackets'),
  receivedBytes: toUint64(port.receivedBytes, 'receivedBytes'),
  receivedDropped: toUint64(port.receivedDropped, 'receivedDropped'),
  sentPackets: toUint64(port.sentPackets, 'sentPackets'),
  sentBytes: toUint64(port.sentBytes, 'sentBytes'),
  sentDropped: toUint64(port.sentDropped, 'sentDropped'),
  held: port.held,
})

export const portStatisticsFromWire = (wire: WireStatistics): PortStatistics => ({
  port: wire.port ?? 0,
  name: wire.name ?? '',
  receivedPackets: fromUint64(wire.receivedPackets),
  receivedBytes: fromUint64(wire.receivedBytes),
  receivedDropped: fromUint64(wire.receivedDropped),
  sentPackets: fromUint64(wire.sentPackets),
  sentBytes: fromUint64(wire.sentBytes),
  sentDropped: fromUint64(wire.sentDropped),
  held: wire.held ?? 0,
})
