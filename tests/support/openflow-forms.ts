// What is left of a message once OpenFlow 1.3 has carried it: each line is something that it has no words for.

import type {
  Action,
  AsyncConfig,
  ConnectionFilter,
  ConnectionTuple,
  FlowSpec,
  FlowStatistics,
  FlowUpdate,
  GroupMod,
  GroupSpec,
  Instructions,
  Message,
  MessageOf,
  MessageType,
  MeterSpec,
  PacketInReason,
  PortDescription,
  PortFlags,
} from '../../protocols/control/messages.ts'
import {
  ERROR_CODES,
  errorWith,
  PACKET_IN_REASONS,
  REMOVAL_REASONS,
  ReservedPort,
} from '../../protocols/control/messages.ts'
import type { Match } from '../../protocols/match.ts'
import { IpProtocol } from '../../protocols/match.ts'
import { decodeActions, encodeActions } from '../../protocols/openflow/actions.ts'
import { ByteReader } from '../../protocols/openflow/byte-reader.ts'
import { ByteWriter } from '../../protocols/openflow/byte-writer.ts'
import { inOrder } from './random-matches.ts'

/** Messages of our own wire that OpenFlow 1.3 does not have. */
export const WITHOUT_FORM: ReadonlySet<MessageType> = new Set<MessageType>([
  'portMod',
  'heldFramesRequest',
  'heldFramesReply',
  'deliverFrames',
  'forgetFrames',
  'hostHello',
  'hostConfig',
  'hostStatus',
  'vnicStateRequest',
  'vnicStateReply',
  'installVnicState',
  'tableDescriptionRequest',
  'tableDescriptionReply',
])

/** The same without some of its properties. */
function without<T extends object, K extends keyof T>(value: T, ...keys: K[]): Omit<T, K> {
  const rest = { ...value }
  for (const key of keys) delete rest[key]
  return rest
}

const utf8 = new TextEncoder()

/** Text cut to `size` bytes with the zero behind it. */
function cut(text: string, size: number): string {
  let kept = text
  while (utf8.encode(kept).length > size - 1) kept = kept.slice(0, -1)
  return kept
}

const LONGEST = 0xffffffffn * 1_000_000_000n + 999_999_999n
const duration = (nanoseconds: bigint) => (nanoseconds > LONGEST ? clamped(nanoseconds) : nanoseconds)
const clamped = (nanoseconds: bigint) => 0xffffffffn * 1_000_000_000n + (nanoseconds % 1_000_000_000n)

const NOTHING: Instructions = { apply: [], clear: false, write: [] }

function statistics(flow: FlowStatistics): FlowStatistics {
  return {
    ...without(flow, 'importance'),
    idleAge: 0n,
    duration: duration(flow.duration),
    instructions: instructions(flow),
  }
}

const portFlags = (flags: PortFlags): PortFlags => without(flags, 'noFlood')

const onFlags = (flags: PortFlags): PortFlags =>
  Object.fromEntries(Object.entries(portFlags(flags)).filter(([, on]) => on))

const port = ({ number, name, mac, linkUp, flags }: PortDescription): PortDescription => ({
  number,
  name: cut(name, 16),
  type: number === ReservedPort.Local ? 'local' : 'vnic',
  mac,
  state: 'open',
  linkUp,
  flags: onFlags(flags),
})

const meter = <T extends MeterSpec>(spec: T): T => ({
  ...spec,
  unit: spec.unit ?? 'bits',
  bands: spec.bands.map((band) =>
    band.type === 'drop' ? band : { ...without(band, 'dscp'), precedence: band.precedence ?? 0 },
  ),
})

/** In OpenFlow 1.3's own form buckets have no ids, and the default weight is not said. */
const group = <T extends GroupSpec>(spec: T): Omit<T, 'selection'> => ({
  ...without(spec, 'selection'),
  buckets: spec.buckets.map((bucket) => ({
    ...without(bucket, 'id', ...(bucket.weight === 1 ? (['weight'] as const) : [])),
    actions: actions(bucket.actions),
  })),
})

function groupMod(message: GroupMod): GroupMod {
  const later =
    message.command.endsWith('_bucket') ||
    message.selection !== undefined ||
    message.buckets.some(({ id }, index) => id !== undefined && id !== index)
  const plain = group(message)
  if (!later) return plain
  const buckets = plain.buckets.map((bucket, index) => ({ id: message.buckets[index]?.id ?? index, ...bucket }))
  return { ...plain, buckets, ...(message.selection && { selection: message.selection }) }
}

const packetInReason = (reason: PacketInReason): PacketInReason =>
  PACKET_IN_REASONS.indexOf(reason) > 2 ? 'action' : reason

const asyncConfig = ({ packetIn, portStatus, flowRemoved }: AsyncConfig): AsyncConfig => {
  const spoken = PACKET_IN_REASONS.filter((reason) => packetIn.includes(packetInReason(reason)))
  return {
    packetIn: spoken,
    portStatus: (['add', 'delete', 'modify'] as const).filter((reason) => portStatus.includes(reason)),
    flowRemoved: REMOVAL_REASONS.filter((reason) => flowRemoved.includes(reason)),
  }
}

const roles = <T extends { primary: AsyncConfig; secondary: AsyncConfig }>(message: T): T => ({
  ...message,
  primary: asyncConfig(message.primary),
  secondary: asyncConfig(message.secondary),
})

const share = (rate: number) => Math.min(1000, Math.ceil(rate / 10_000_000)) * 10_000_000

function error({ code }: MessageOf<'error'>, message: string): MessageOf<'error'> {
  const { type, code: number } = ERROR_CODES[code]
  const spoken = errorWith(type, number) ?? code
  return { type: 'error', code: spoken, field: '', message: type === 0 ? message : spoken }
}

function arrived(message: MessageOf<'packetIn'>): MessageOf<'packetIn'> {
  const packet = without(message, 'controllerId', 'userdata')
  const named = packet.match.find(({ field }) => field === 'in_port')
  const inPort = Number(named?.value ?? packet.inPort)
  const match = named ? packet.match : inOrder([...packet.match, { field: 'in_port', value: BigInt(inPort) }])
  return { ...packet, match, inPort, reason: packetInReason(packet.reason) }
}

/** Actions are a matter of their own: some have several forms, and one comes back. */
function actions(list: readonly Action[], match: Match = []): Action[] {
  const writer = new ByteWriter()
  encodeActions(writer, list, match)
  return decodeActions(new ByteReader(writer.take()))
}

const instructions = ({ instructions: given, match }: Pick<FlowSpec, 'instructions' | 'match'>): Instructions => ({
  ...given,
  apply: actions(given.apply, match),
  write: actions(given.write, match),
})

/** One protocol for both directions; zero for what is not asked for; of ICMP either all or nothing. Marks are not said. */
function connections({ zone, original, reply }: ConnectionFilter): ConnectionFilter {
  const protocol = original?.protocol ?? reply?.protocol ?? 0
  const first = original === undefined ? undefined : tuple(original, original.protocol, protocol)
  const second = reply === undefined ? undefined : tuple(reply, reply.protocol ?? original?.protocol, protocol)
  return {
    ...((first !== undefined || protocol !== 0) && { original: first ?? { protocol } }),
    ...(second !== undefined && { reply: second }),
    ...(zone !== undefined && { zone }),
  }
}

function tuple(asked: ConnectionTuple, own: number | undefined, protocol: number): ConnectionTuple | undefined {
  const { source, destination, sourcePort, destinationPort } = asked
  const isIcmp = (one: number | undefined) => one === IpProtocol.Icmp || one === IpProtocol.Icmpv6
  if ([source, destination, sourcePort, destinationPort].every((part) => part === undefined) && !isIcmp(own))
    return undefined
  return {
    ...(protocol !== 0 && { protocol }),
    ...((source !== undefined || destination !== undefined) && { family: asked.family ?? 4 }),
    ...(source !== undefined && { source }),
    ...(destination !== undefined && { destination }),
    ...(isIcmp(own)
      ? ((sourcePort ?? 0) | (destinationPort ?? 0)) !== 0 && {
          sourcePort: sourcePort ?? 0,
          destinationPort: destinationPort ?? 0,
        }
      : { ...(sourcePort !== undefined && { sourcePort }), ...(destinationPort !== undefined && { destinationPort }) }),
  }
}

const soundPort = (number: number) => number % 0xff00

/** The same message without what no OpenFlow switch takes: port numbers between the ports and the reserved ones, idle monitors. */
export function soundly(message: Message): Message {
  switch (message.type) {
    case 'flowMod':
      return message.outPort === undefined ? message : { ...message, outPort: soundPort(message.outPort) }
    case 'queueConfigRequest':
    case 'queueConfigReply':
      return { ...message, port: soundPort(message.port) }
    case 'packetOut':
      return { ...message, inPort: soundPort(message.inPort) }
    case 'bundleAdd':
      return message.message.type === 'portMod'
        ? { ...message, message: { type: 'portFlagsMod', port: 1, mac: 2n, flags: {} } }
        : { ...message, message: soundly(message.message) as typeof message.message }
    case 'flowMonitorRequest':
      return { ...message, monitors: message.monitors.map((one) => ({ ...one, flags: { ...one.flags, add: true } })) }
    case 'flushConnections':
      return { ...message, filter: oneProtocol(message.filter) }
    default:
      return message
  }
}

/** Both ways of a connection have one protocol, and addresses of one kind. */
function oneProtocol({ original, reply, ...filter }: ConnectionFilter): ConnectionFilter {
  const protocol = original?.protocol
  const spoken = protocol === undefined ? {} : { protocol }
  const { protocol: _, ...answered } = reply ?? {}
  const { family, source: _from, destination: _to, ...unaddressed } = answered
  const replied = family === original?.family || original?.family === undefined ? answered : unaddressed
  return { ...filter, ...(original && { original }), ...(reply && { reply: { ...replied, ...spoken } }) }
}

type QueueSetting = MessageOf<'queueConfigReply'>['queues'][number]

const queueConfig = ({ queue, port: at, minRate, maxRate }: QueueSetting): QueueSetting => ({
  queue,
  port: at,
  ...(minRate !== undefined && { minRate: share(minRate) }),
  ...(maxRate !== undefined && { maxRate: share(maxRate) }),
})

function flowUpdate(update: FlowUpdate): FlowUpdate {
  if (update.type === 'abbreviated') return update
  const { importance: _, ...flow } = update.flow
  const reason = update.event === 'deleted' && (update.reason ?? 'idle_timeout')
  const spoken = { ...flow, flags: {}, instructions: instructions(flow) }
  return { type: 'full', event: update.event, ...(reason && { reason }), flow: spoken }
}

/** What the hearer reads where `message` was said. */
export function asOpenFlowSays(message: Message): Message {
  switch (message.type) {
    case 'flushConnections':
      return { type: message.type, filter: connections(message.filter) }
    case 'packetOut':
      return { ...message, actions: actions(message.actions) }
    case 'hello':
      return {
        type: 'hello',
        version: 4,
        ...(message.versions && { versions: [...new Set(message.versions)].sort((a, b) => a - b) }),
      }
    case 'error':
      return error(message, message.message)
    case 'featuresReply':
      return { ...message, name: '', host: '', ports: [] }
    case 'portStatus':
      return { ...message, port: port(message.port) }
    case 'portDescriptionReply':
      return { ...message, ports: message.ports.map(port) }
    case 'portFlagsMod':
      return { ...message, flags: portFlags(message.flags) }
    case 'packetIn':
      return arrived(message)
    case 'flowMod': {
      const { importance: _, ...flow } = message
      return { ...flow, instructions: instructions(flow) }
    }
    case 'flowRemoved':
      return {
        ...message,
        reason: message.reason === 'meter_delete' ? 'delete' : message.reason,
        flow: { ...statistics(message.flow), flags: {}, instructions: NOTHING },
      }
    case 'flowStatisticsReply':
      return { ...message, flows: message.flows.map(statistics) }
    case 'portStatisticsReply':
      return {
        ...message,
        ports: message.ports.map((one) => ({ ...one, name: '', held: 0, duration: duration(one.duration) })),
      }
    case 'queueStatisticsReply':
      return { ...message, queues: message.queues.map((one) => ({ ...one, duration: duration(one.duration) })) }
    case 'groupMod':
      return groupMod(message)
    case 'groupStatisticsReply':
      return { ...message, groups: message.groups.map((one) => ({ ...one, duration: duration(one.duration) })) }
    case 'groupDescriptionRequest':
      return { type: message.type }
    case 'groupDescriptionReply':
      return { ...message, groups: message.groups.map(group) }
    case 'meterMod':
      // Of a deletion only the number is said.
      return message.command === 'delete' ? { ...without(message, 'unit', 'flags'), bands: [] } : meter(message)
    case 'meterConfigReply':
      return { ...message, meters: message.meters.map(meter) }
    case 'meterStatisticsReply':
      return { ...message, meters: message.meters.map((one) => ({ ...one, duration: duration(one.duration) })) }
    case 'tableMod':
      return { type: 'tableMod', table: message.table, ...(message.eviction === true && { eviction: true }) }
    case 'tableFeaturesRequest':
      return message.features?.length === 0 ? { type: message.type } : message
    case 'queueConfigReply':
      return { ...message, queues: message.queues.map(queueConfig) }
    case 'asyncConfigReply':
    case 'setAsyncConfig':
      return roles(message)
    case 'bundleControl':
    case 'bundleControlReply':
      return withoutEmptyFlags(message)
    case 'bundleAdd':
      return withoutEmptyFlags({ ...message, message: asOpenFlowSays(message.message) as typeof message.message })
    case 'flowMonitorRequest':
      return { ...message, monitors: message.monitors.map((monitor) => without(monitor, 'outGroup')) }
    case 'flowMonitorReply':
      return { ...message, updates: message.updates.map(flowUpdate) }
    default:
      return message
  }
}

function withoutEmptyFlags<T extends { flags?: object }>(message: T): T {
  const { flags, ...rest } = message
  return flags === undefined || Object.keys(flags).length > 0 ? message : (rest as T)
}
