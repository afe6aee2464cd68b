import type { signalbox } from '../generated/control.js'
import type { TunnelOptions } from '../messages.ts'
import { isSet } from './values.ts'

type WireTunnel = signalbox.control.Tunnel.$Properties

const flowOr = (option: number | 'flow') => (option === 'flow' ? null : option)
const inheritOr = (option: number | 'inherit' | undefined) => (option === 'inherit' ? null : (option ?? null))

export function tunnelToWire(tunnel: TunnelOptions): WireTunnel {
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

export function tunnelFromWire(wire: WireTunnel): TunnelOptions {
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
