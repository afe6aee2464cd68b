import type { signalbox } from '../generated/control.js'
import type {
  ActivationFrame,
  MessageOf,
  MessageType,
  PortConfig,
  PortDescription,
  PortFlags,
  PortShare,
  PortState,
  PortStatistics,
  PortType,
  VlanMode,
} from '../messages.ts'
import { ACTIVATION_FRAMES, PORT_FLAGS, PORT_STATES } from '../messages.ts'
import type { Codecs } from './codecs.ts'
import { askingFor, listing, signal } from './codecs.ts'
import { queueFromWire, queueToWire } from './queues.ts'
import { tunnelFromWire, tunnelToWire } from './tunnels.ts'
import {
  bounded,
  each,
  fromUint64,
  fromWide,
  isSet,
  optional,
  required,
  toUint64,
  toWide,
  UINT32,
  uint48,
  Vocabulary,
} from './values.ts'

type WirePort = signalbox.control.Port.$Properties
type WireShare = signalbox.control.PortShare.$Properties
type WireFlags = signalbox.control.PortFlags.$Properties
type WireStatistics = signalbox.control.PortStatistics.$Properties

const types = new Vocabulary<PortType>(['vnic', 'patch', 'tunnel', 'uplink', 'local', 'dgram', 'capture'])
const vlanModes = new Vocabulary<VlanMode>(['access', 'trunk', 'native-tagged', 'native-untagged', 'dot1q-tunnel'])
const states = new Vocabulary<PortState>(PORT_STATES)
const activations = new Vocabulary<ActivationFrame>(ACTIVATION_FRAMES)
const commands = new Vocabulary(['add', 'modify', 'delete'])
export const portReasons = commands

function portToWire(port: PortConfig, path: string): WirePort {
  const wire: WirePort = {
    number: bounded(port.number, UINT32, `${path}.number`),
    name: port.name,
    type: types.number(port.type, `${path}.type`),
    tag: optional(port.tag, UINT32, `${path}.tag`),
    mtu: optional(port.mtu, UINT32, `${path}.mtu`),
    maxRate: toWide(port.maxRate, `${path}.maxRate`),
    burst: toWide(port.burst, `${path}.burst`),
    minRate: toWide(port.minRate, `${path}.minRate`),
    state: states.number(port.state, `${path}.state`),
  }
  if (port.mac !== undefined) wire.mac = toUint64(uint48(port.mac, `${path}.mac`), `${path}.mac`)
  if (port.vlanMode !== undefined) wire.vlanMode = vlanModes.number(port.vlanMode, `${path}.vlanMode`)
  if (port.trunks !== undefined) wire.trunks = port.trunks
  if (port.cvlans !== undefined) wire.cvlans = port.cvlans
  if (port.queues !== undefined) wire.queues = each(port.queues, `${path}.queues`, queueToWire)
  if (port.share !== undefined) wire.share = shareToWire(port.share, `${path}.share`)
  if (port.tunnel !== undefined) wire.tunnel = tunnelToWire(port.tunnel)
  if (port.patchPeer !== undefined) wire.patchPeer = port.patchPeer
  if (port.activation !== undefined)
    wire.activation = port.activation.map((kind) => activations.number(kind, `${path}.activation`))
  if (port.hold !== undefined)
    wire.hold = {
      bytes: toWide(port.hold.bytes, `${path}.hold.bytes`),
      time: toWide(port.hold.time, `${path}.hold.time`),
    }
  return wire
}

const shareToWire = ({ name, maxRate, burst }: PortShare, path: string): WireShare => ({
  name,
  maxRate: bounded(maxRate, Number.MAX_SAFE_INTEGER, `${path}.maxRate`),
  burst: bounded(burst, Number.MAX_SAFE_INTEGER, `${path}.burst`),
})

const shareFromWire = ({ name, maxRate, burst }: WireShare, path: string): PortShare => ({
  name: name ?? '',
  maxRate: fromWide(maxRate ?? 0, `${path}.maxRate`),
  burst: fromWide(burst ?? 0, `${path}.burst`),
})

function descriptionToWire(port: PortDescription, path: string): WirePort {
  const wire = portToWire(port, path)
  wire.linkUp = port.linkUp
  wire.flags = port.flags
  return wire
}

function portFromWire(given: WirePort | null | undefined, path: string): PortConfig {
  const wire = required(given, path, 'a port')
  const port: PortConfig = {
    number: wire.number ?? 0,
    name: wire.name ?? '',
    type: types.word(wire.type, `${path}.type`),
    state: states.word(wire.state, `${path}.state`),
  }
  if (isSet(wire.mac)) port.mac = uint48(fromUint64(wire.mac), `${path}.mac`)
  if (wire.vlanMode) port.vlanMode = vlanModes.word(wire.vlanMode, `${path}.vlanMode`)
  if (isSet(wire.tag)) port.tag = wire.tag
  if (wire.trunks && wire.trunks.length > 0) port.trunks = wire.trunks
  if (wire.cvlans && wire.cvlans.length > 0) port.cvlans = wire.cvlans
  if (isSet(wire.mtu)) port.mtu = wire.mtu
  if (wire.queues && wire.queues.length > 0) port.queues = each(wire.queues, `${path}.queues`, queueFromWire)
  if (isSet(wire.maxRate)) port.maxRate = fromWide(wire.maxRate, `${path}.maxRate`)
  if (isSet(wire.burst)) port.burst = fromWide(wire.burst, `${path}.burst`)
  if (isSet(wire.minRate)) port.minRate = fromWide(wire.minRate, `${path}.minRate`)
  if (wire.share) port.share = shareFromWire(wire.share, `${path}.share`)
  if (wire.tunnel) port.tunnel = tunnelFromWire(wire.tunnel)
  if (wire.hold)
    port.hold = {
      bytes: fromWide(wire.hold.bytes ?? 0, `${path}.hold.bytes`),
      time: fromWide(wire.hold.time ?? 0, `${path}.hold.time`),
    }
  if (wire.activation && wire.activation.length > 0)
    port.activation = wire.activation.map((kind) => activations.word(kind, `${path}.activation`))
  if (wire.patchPeer) port.patchPeer = { switch: wire.patchPeer.switch ?? '', port: wire.patchPeer.port ?? '' }
  return port
}

function descriptionFromWire(wire: WirePort | null | undefined, path: string): PortDescription {
  const port = portFromWire(wire, path)
  return {
    ...port,
    mac: required(port.mac, `${path}.mac`, 'a hardware address'),
    linkUp: wire?.linkUp ?? false,
    flags: flagsFromWire(wire?.flags),
  }
}

function flagsFromWire(wire: WireFlags | null | undefined): PortFlags {
  const flags: { -readonly [Flag in keyof PortFlags]: PortFlags[Flag] } = {}
  for (const flag of PORT_FLAGS) {
    const value = wire?.[flag]
    if (isSet(value)) flags[flag] = value
  }
  return flags
}

const statisticsToWire = (port: PortStatistics, path: string): WireStatistics => ({
  port: bounded(port.port, UINT32, `${path}.port`),
  name: port.name,
  receivedPackets: toUint64(port.receivedPackets, `${path}.receivedPackets`),
  receivedBytes: toUint64(port.receivedBytes, `${path}.receivedBytes`),
  receivedDropped: toUint64(port.receivedDropped, `${path}.receivedDropped`),
  sentPackets: toUint64(port.sentPackets, `${path}.sentPackets`),
  sentBytes: toUint64(port.sentBytes, `${path}.sentBytes`),
  sentDropped: toUint64(port.sentDropped, `${path}.sentDropped`),
  held: bounded(port.held, UINT32, `${path}.held`),
  duration: toUint64(port.duration, `${path}.duration`),
})

const statisticsFromWire = (wire: WireStatistics): PortStatistics => ({
  port: wire.port ?? 0,
  name: wire.name ?? '',
  receivedPackets: fromUint64(wire.receivedPackets),
  receivedBytes: fromUint64(wire.receivedBytes),
  receivedDropped: fromUint64(wire.receivedDropped),
  sentPackets: fromUint64(wire.sentPackets),
  sentBytes: fromUint64(wire.sentBytes),
  sentDropped: fromUint64(wire.sentDropped),
  held: wire.held ?? 0,
  duration: fromUint64(wire.duration),
})

type WireFeatures = signalbox.control.FeaturesReply.$Properties

const featuresToWire = (message: MessageOf<'featuresReply'>, at: string): WireFeatures => ({
  datapathId: toUint64(message.datapathId, `${at}datapathId`),
  name: message.name,
  host: message.host,
  tables: bounded(message.tables, UINT32, `${at}tables`),
  ports: each(message.ports, `${at}ports`, descriptionToWire),
})

const featuresFromWire = (wire: WireFeatures, at: string): MessageOf<'featuresReply'> => ({
  type: 'featuresReply',
  datapathId: fromUint64(wire.datapathId),
  name: wire.name ?? '',
  host: wire.host ?? '',
  tables: wire.tables ?? 0,
  ports: each(wire.ports, `${at}ports`, descriptionFromWire),
})

export const PORT_MESSAGES = {
  featuresRequest: signal('featuresRequest'),
  featuresReply: { toWire: featuresToWire, fromWire: featuresFromWire },
  portMod: {
    toWire: ({ command, port }, at) => ({
      command: commands.number(command, `${at}command`),
      port: portToWire(port, `${at}port`),
    }),
    fromWire: (wire, at) => ({
      type: 'portMod',
      command: commands.word(wire.command, `${at}command`),
      port: portFromWire(wire.port, `${at}port`),
    }),
  },
  portFlagsMod: {
    toWire: ({ port, mac, flags }, at) => ({
      port: bounded(port, UINT32, `${at}port`),
      mac: toUint64(uint48(mac, `${at}mac`), `${at}mac`),
      flags,
    }),
    fromWire: (wire, at) => ({
      type: 'portFlagsMod',
      port: wire.port ?? 0,
      mac: uint48(fromUint64(wire.mac), `${at}mac`),
      flags: flagsFromWire(wire.flags),
    }),
  },
  portStatus: {
    toWire: ({ reason, port }, at) => ({
      reason: portReasons.number(reason, `${at}reason`),
      port: descriptionToWire(port, `${at}port`),
    }),
    fromWire: (wire, at) => ({
      type: 'portStatus',
      reason: portReasons.word(wire.reason, `${at}reason`),
      port: descriptionFromWire(wire.port, `${at}port`),
    }),
  },
  portStatisticsRequest: askingFor('portStatisticsRequest', 'port'),
  portStatisticsReply: listing('portStatisticsReply', 'ports', statisticsToWire, statisticsFromWire),
  portDescriptionRequest: signal('portDescriptionRequest'),
  portDescriptionReply: listing('portDescriptionReply', 'ports', descriptionToWire, descriptionFromWire),
} satisfies Partial<Codecs<MessageType>>
