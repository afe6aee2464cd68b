// messages.ts <-> control.proto. Everything that reaches or leaves protobufjs goes through here and through wire/.

import protobuf from 'protobufjs/minimal.js'
import { InvalidField, Malformed } from '../errors.ts'
import { signalbox } from './generated/control.js'
import type { BundledMessage, Envelope, ErrorCode, HeldFrame, Message, MessageOf } from './messages.ts'
import { ERROR_CODES } from './messages.ts'
import { actionsFromWire, actionsToWire } from './wire/actions.ts'
import {
  filterFromWire,
  filterToWire,
  flowModFromWire,
  flowModToWire,
  statisticsFromWire,
  statisticsToWire,
} from './wire/flows.ts'
import { matchFromWire, matchToWire } from './wire/match.ts'
import {
  descriptionFromWire,
  descriptionToWire,
  portFromWire,
  portStatisticsFromWire,
  portStatisticsToWire,
  portToWire,
} from './wire/ports.ts'
import { bounded, fromUint64, isSet, required, toUint64, UINT32, UINT8, Vocabulary } from './wire/values.ts'

type Wire = signalbox.control.Envelope.$Properties

const { Envelope: WireEnvelope, BundleAdd: WireBundleAdd } = signalbox.control

const commands = new Vocabulary(['add', 'modify', 'delete'])
const portReasons = new Vocabulary(['add', 'modify', 'delete'])
const packetInReasons = new Vocabulary(['action', 'invalid_ttl', 'no_match'])
const removalReasons = new Vocabulary(['idle_timeout', 'hard_timeout', 'delete'])
const bundleCommands = new Vocabulary(['open', 'commit', 'discard'])
const bandTypes = new Vocabulary(['drop', 'dscp_remark'])

/** @throws InvalidField a value that its place on the wire can not hold. */
export function encodeEnvelope({ xid, message }: Envelope): Uint8Array {
  bounded(xid, UINT32, 'xid')
  if (message.type === 'bundleAdd') return encodeBundleAdd(xid, message)
  const wire = toWire(message)
  wire.xid = xid
  return WireEnvelope.encode(wire).finish()
}

/** The tag of `bundle_add` in an envelope: what stands before an empty one's length. */
const BUNDLE_ADD_TAG = new protobuf.Reader(WireEnvelope.encode({ bundleAdd: {} }).finish()).uint32()
const bundled = new WeakMap<BundledMessage, Uint8Array>()

/**
 * Most of what is bundled goes to many switches, so it is encoded once: a message on the wire is its fields one after the
 * other, so the bundle's number can be put in front afterwards.
 */
function encodeBundleAdd(xid: number, { bundle, message }: MessageOf<'bundleAdd'>): Uint8Array {
  let content = bundled.get(message)
  if (content === undefined) bundled.set(message, (content = WireBundleAdd.encode(bundledToWire(message)).finish()))
  const number = WireBundleAdd.encode({ bundle }).finish()
  return WireEnvelope.encode({ xid })
    .uint32(BUNDLE_ADD_TAG)
    .bytes(Buffer.concat([number, content]))
    .finish()
}

/**
 * The message that `bytes` hold; it keeps no reference to them. Only its shape is checked: whether a match makes sense is for
 * the switch to say.
 * @throws Malformed bytes that are no envelope.
 * @throws InvalidField an envelope whose content is not of the agreed shape; `path` is the offending field's place in the message.
 */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  const wire = parse(bytes)
  return { xid: wire.xid ?? 0, message: fromWire(wire) }
}

/** The xid of an envelope that could not be decoded, so that an error can name it; 0 where even that can't be read. */
export function envelopeXid(bytes: Uint8Array): number {
  const reader = readerOf(bytes)
  try {
    return reader.tag() === XID_TAG ? reader.uint32() : 0
  } catch {
    return 0
  }
}

/** Field 1, a varint: what every encoder writes first. */
const XID_TAG = (1 << 3) | 0

function parse(bytes: Uint8Array): Wire {
  const reader = readerOf(bytes)
  try {
    return WireEnvelope.decode(reader)
  } catch (error) {
    throw new Malformed(
      'control',
      error instanceof Error ? error.message : 'unreadable',
      Math.min(reader.pos, bytes.length),
    )
  }
}

/** Not `Reader.create`, which would hand out Buffers where a Buffer came in. */
const readerOf = (bytes: Uint8Array) =>
  new protobuf.Reader(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength))

const copyOf = (bytes: Uint8Array | null | undefined) => bytes?.slice() ?? new Uint8Array(0)

// ---- to the wire -------------------------------------------------------------------------------------------------

function toWire(message: Exclude<Message, { type: 'bundleAdd' }>): Wire {
  switch (message.type) {
    case 'hello':
      return { hello: { version: message.version } }
    case 'error':
      return {
        error: { code: message.code, field: message.field, message: message.message },
      }
    case 'echoRequest':
      return { echoRequest: { data: message.data } }
    case 'echoReply':
      return { echoReply: { data: message.data } }
    case 'featuresRequest':
      return { featuresRequest: {} }
    case 'featuresReply':
      return { featuresReply: featuresToWire(message) }
    case 'portMod':
      return { portMod: portModToWire(message) }
    case 'portStatus':
      return {
        portStatus: {
          reason: portReasons.number(message.reason, 'reason'),
          port: descriptionToWire(message.port, 'port'),
        },
      }
    case 'flowMod':
      return { flowMod: flowModToWire(message) }
    case 'flowRemoved':
      return {
        flowRemoved: {
          reason: removalReasons.number(message.reason, 'reason'),
          flow: statisticsToWire(message.flow, 'flow.'),
        },
      }
    case 'meterMod':
      return { meterMod: meterModToWire(message) }
    case 'barrierRequest':
      return { barrierRequest: {} }
    case 'barrierReply':
      return { barrierReply: {} }
    case 'bundleControl':
      return { bundleControl: { bundle: message.bundle, command: bundleCommands.number(message.command, 'command') } }
    case 'bundleControlReply':
      return {
        bundleControlReply: { bundle: message.bundle, command: bundleCommands.number(message.command, 'command') },
      }
    default:
      return statisticsOrFramesToWire(message)
  }
}

type StatisticsOrFrames = MessageOf<
  | 'packetIn'
  | 'packetOut'
  | 'flowStatisticsRequest'
  | 'flowStatisticsReply'
  | 'portStatisticsRequest'
  | 'portStatisticsReply'
  | 'heldFramesRequest'
  | 'heldFramesReply'
  | 'deliverFrames'
>

function statisticsOrFramesToWire(message: StatisticsOrFrames): Wire {
  switch (message.type) {
    case 'packetIn':
      return { packetIn: packetInToWire(message) }
    case 'packetOut':
      return {
        packetOut: { inPort: message.inPort, actions: actionsToWire(message.actions, 'actions'), frame: message.frame },
      }
    case 'flowStatisticsRequest':
      return { flowStatisticsRequest: filterToWire(message.filter) }
    case 'flowStatisticsReply':
      return {
        flowStatisticsReply: {
          flows: message.flows.map((flow, index) => statisticsToWire(flow, `flows[${index}].`)),
          more: message.more,
        },
      }
    case 'portStatisticsRequest':
      return { portStatisticsRequest: {} }
    case 'portStatisticsReply':
      return { portStatisticsReply: { ports: message.ports.map(portStatisticsToWire) } }
    case 'heldFramesRequest':
      return { heldFramesRequest: { port: message.port } }
    case 'heldFramesReply':
      return {
        heldFramesReply: { port: message.port, frames: message.frames.map(heldFrameToWire), more: message.more },
      }
    case 'deliverFrames':
      return { deliverFrames: { port: message.port, frames: message.frames.map(heldFrameToWire) } }
  }
}

const featuresToWire = (message: MessageOf<'featuresReply'>): signalbox.control.FeaturesReply.$Properties => ({
  datapathId: toUint64(message.datapathId, 'datapathId'),
  name: message.name,
  host: message.host,
  tables: message.tables,
  ports: message.ports.map((port, index) => descriptionToWire(port, `ports[${index}]`)),
})

const portModToWire = (message: MessageOf<'portMod'>, at = ''): signalbox.control.PortMod.$Properties => ({
  command: commands.number(message.command, `${at}command`),
  port: portToWire(message.port, `${at}port`),
})

const meterModToWire = (message: MessageOf<'meterMod'>, at = ''): signalbox.control.MeterMod.$Properties => ({
  command: commands.number(message.command, `${at}command`),
  meter: message.meter,
  bands: message.bands.map((band) => ({
    type: bandTypes.number(band.type, `${at}bands.type`),
    rate: toUint64(band.rate, `${at}bands.rate`),
    burst: toUint64(band.burst, `${at}bands.burst`),
    dscp: band.dscp ?? null,
  })),
})

function bundledToWire(message: BundledMessage): signalbox.control.BundleAdd.$Properties {
  switch (message.type) {
    case 'flowMod':
      return { flowMod: flowModToWire(message, 'message.') }
    case 'meterMod':
      return { meterMod: meterModToWire(message, 'message.') }
    case 'portMod':
      return { portMod: portModToWire(message, 'message.') }
  }
}

const packetInToWire = (message: MessageOf<'packetIn'>): signalbox.control.PacketIn.$Properties => ({
  reason: packetInReasons.number(message.reason, 'reason'),
  table: message.table,
  cookie: toUint64(message.cookie, 'cookie'),
  inPort: message.inPort,
  totalLength: message.totalLength,
  match: matchToWire(message.match, 'match'),
  frame: message.frame,
})

const heldFrameToWire = (frame: HeldFrame) => ({ id: toUint64(frame.id, 'frames.id'), bytes: frame.bytes })

// ---- from the wire -----------------------------------------------------------------------------------------------

function fromWire(wire: Wire): Message {
  if (wire.flowMod) return flowModFromWire(wire.flowMod)
  if (wire.bundleAdd) return bundleAddFromWire(wire.bundleAdd)
  if (wire.packetIn) return packetInFromWire(wire.packetIn)
  if (wire.packetOut) return packetOutFromWire(wire.packetOut)
  if (wire.flowRemoved) return flowRemovedFromWire(wire.flowRemoved)
  if (wire.barrierRequest) return { type: 'barrierRequest' }
  if (wire.barrierReply) return { type: 'barrierReply' }
  if (wire.error) return errorFromWire(wire.error)
  if (wire.hello) return { type: 'hello', version: wire.hello.version ?? 0 }
  if (wire.echoRequest) return { type: 'echoRequest', data: copyOf(wire.echoRequest.data) }
  if (wire.echoReply) return { type: 'echoReply', data: copyOf(wire.echoReply.data) }
  if (wire.featuresRequest) return { type: 'featuresRequest' }
  if (wire.featuresReply) return featuresFromWire(wire.featuresReply)
  if (wire.portMod) return portModFromWire(wire.portMod)
  if (wire.portStatus) return portStatusFromWire(wire.portStatus)
  if (wire.meterMod) return meterModFromWire(wire.meterMod)
  if (wire.bundleControl) return { type: 'bundleControl', ...bundleControlFromWire(wire.bundleControl) }
  if (wire.bundleControlReply) return { type: 'bundleControlReply', ...bundleControlFromWire(wire.bundleControlReply) }
  return statisticsOrFramesFromWire(wire)
}

function statisticsOrFramesFromWire(wire: Wire): Message {
  if (wire.flowStatisticsRequest)
    return { type: 'flowStatisticsRequest', filter: filterFromWire(wire.flowStatisticsRequest) }
  if (wire.flowStatisticsReply) return flowStatisticsFromWire(wire.flowStatisticsReply)
  if (wire.portStatisticsRequest) return { type: 'portStatisticsRequest' }
  if (wire.portStatisticsReply) {
    return { type: 'portStatisticsReply', ports: (wire.portStatisticsReply.ports ?? []).map(portStatisticsFromWire) }
  }
  if (wire.heldFramesRequest) return { type: 'heldFramesRequest', port: wire.heldFramesRequest.port ?? '' }
  if (wire.heldFramesReply) {
    const { port, frames, more } = wire.heldFramesReply
    return { type: 'heldFramesReply', port: port ?? '', frames: heldFramesFromWire(frames), more: more ?? false }
  }
  if (wire.deliverFrames) {
    const { port, frames } = wire.deliverFrames
    return { type: 'deliverFrames', port: port ?? '', frames: heldFramesFromWire(frames) }
  }
  throw new InvalidField('body', 'is empty or of an unknown kind', 'one message')
}

const errorFromWire = (wire: signalbox.control.Error.$Properties): Message => ({
  type: 'error',
  code: errorCodeFromWire(wire.code ?? ''),
  field: wire.field ?? '',
  message: wire.message ?? '',
})

function errorCodeFromWire(name: string): ErrorCode {
  if (!Object.hasOwn(ERROR_CODES, name)) throw new InvalidField('code', `'${name}' is unknown`, 'a name of error-codes.ts')
  return name as ErrorCode
}

const featuresFromWire = (wire: signalbox.control.FeaturesReply.$Properties): Message => ({
  type: 'featuresReply',
  datapathId: fromUint64(wire.datapathId),
  name: wire.name ?? '',
  host: wire.host ?? '',
  tables: wire.tables ?? 0,
  ports: (wire.ports ?? []).map((port, index) => descriptionFromWire(port, `ports[${index}]`)),
})

const portModFromWire = (wire: signalbox.control.PortMod.$Properties, at = ''): MessageOf<'portMod'> => ({
  type: 'portMod',
  command: commands.word(wire.command, `${at}command`),
  port: portFromWire(wire.port, `${at}port`),
})

const portStatusFromWire = (wire: signalbox.control.PortStatus.$Properties): Message => ({
  type: 'portStatus',
  reason: portReasons.word(wire.reason, 'reason'),
  port: descriptionFromWire(wire.port, 'port'),
})

const meterModFromWire = (wire: signalbox.control.MeterMod.$Properties, at = ''): MessageOf<'meterMod'> => ({
  type: 'meterMod',
  command: commands.word(wire.command, `${at}command`),
  meter: wire.meter ?? 0,
  bands: (wire.bands ?? []).map((band, index) => ({
    type: bandTypes.word(band.type, `${at}bands[${index}].type`),
    rate: fromUint64(band.rate),
    burst: fromUint64(band.burst),
    ...(isSet(band.dscp) && { dscp: band.dscp }),
  })),
})

const bundleControlFromWire = (wire: signalbox.control.BundleControl.$Properties) => ({
  bundle: wire.bundle ?? 0,
  command: bundleCommands.word(wire.command, 'command'),
})

function bundleAddFromWire(wire: signalbox.control.BundleAdd.$Properties): Message {
  const bundle = wire.bundle ?? 0
  if (wire.flowMod) return { type: 'bundleAdd', bundle, message: flowModFromWire(wire.flowMod, 'message.') }
  if (wire.meterMod) return { type: 'bundleAdd', bundle, message: meterModFromWire(wire.meterMod, 'message.') }
  if (wire.portMod) return { type: 'bundleAdd', bundle, message: portModFromWire(wire.portMod, 'message.') }
  throw new InvalidField('message', 'is empty or of an unknown kind', 'a flowMod, meterMod or portMod')
}

const packetInFromWire = (wire: signalbox.control.PacketIn.$Properties): Message => ({
  type: 'packetIn',
  reason: packetInReasons.word(wire.reason, 'reason'),
  table: bounded(wire.table, UINT8, 'table'),
  cookie: fromUint64(wire.cookie),
  inPort: wire.inPort ?? 0,
  totalLength: wire.totalLength ?? 0,
  match: matchFromWire(wire.match, 'match'),
  frame: copyOf(wire.frame),
})

const packetOutFromWire = (wire: signalbox.control.PacketOut.$Properties): Message => ({
  type: 'packetOut',
  inPort: wire.inPort ?? 0,
  actions: actionsFromWire(wire.actions, 'actions'),
  frame: copyOf(wire.frame),
})

const flowRemovedFromWire = (wire: signalbox.control.FlowRemoved.$Properties): Message => ({
  type: 'flowRemoved',
  reason: removalReasons.word(wire.reason, 'reason'),
  flow: statisticsFromWire(required(wire.flow, 'flow', 'a flow with its statistics'), 'flow.'),
})

const flowStatisticsFromWire = (wire: signalbox.control.FlowStatisticsReply.$Properties): Message => ({
  type: 'flowStatisticsReply',
  flows: (wire.flows ?? []).map((flow, index) => statisticsFromWire(flow, `flows[${index}].`)),
  more: wire.more ?? false,
})

const heldFramesFromWire = (wire: readonly signalbox.control.HeldFrame.$Properties[] | null | undefined): HeldFrame[] =>
  (wire ?? []).map((frame) => ({ id: fromUint64(frame.id), bytes: copyOf(frame.bytes) }))
