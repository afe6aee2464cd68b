// Messages by chance: every type, with all that it may hold.

import type {
  AsyncConfig,
  ConnectionFilter,
  ConnectionTuple,
  FlowMonitor,
  FlowUpdate,
  MessageOf,
  MessageType,
  Message,
  PortConfig,
  PortDescription,
  PortFlags,
  PortStatistics,
  QueueConfig,
  TableConfig,
} from '../../protocols/control/messages.ts'
import {
  ERROR_CODES,
  FRAGMENT_HANDLING,
  PACKET_IN_REASONS,
  PORT_FLAGS,
  REMOVAL_REASONS,
  ROLES,
  ROLE_STATUS_REASONS,
} from '../../protocols/control/messages.ts'
import type { ErrorCode } from '../../protocols/control/messages.ts'
import type { Random } from '../../runtime/random.ts'
import type { RandomFlowOptions } from './random-flows.ts'
import { HOST_MAKERS } from './random-host-messages.ts'
import { VNIC_STATE_MAKERS } from './random-vnic-state.ts'
import {
  chance,
  EVERYTHING,
  pick,
  randomActions,
  randomBits,
  randomFilter,
  randomFlow,
  randomFlowMod,
  randomMatch,
  randomStatistics,
} from './random-flows.ts'
import {
  randomGroup,
  randomGroupMod,
  randomGroupStatistics,
  randomMeter,
  randomMeterStatistics,
} from './random-groups.ts'

const many = <T>(random: Random, make: (random: Random) => T): T[] =>
  Array.from({ length: random.below(4) }, () => make(random))

/** Each of them or not, in their order. */
const some = <T>(random: Random, items: readonly T[]): T[] => items.filter(() => chance(random, 0.5))

const randomBytes = (random: Random) => Uint8Array.from({ length: random.below(80) }, () => random.below(256))

const randomName = (random: Random) => pick(random, ['web1:eth0', 'uplink', 'vxlan0', 'patch-br-web', 'größe'])

const randomVlans = (random: Random) => [1 + random.below(4094), 1 + random.below(4094)]

export function randomPortConfig(random: Random): PortConfig {
  return {
    number: random.below(0xff00),
    name: randomName(random),
    type: pick(random, ['vnic', 'patch', 'tunnel', 'uplink', 'local', 'dgram']),
    state: pick(random, ['closed', 'hold', 'open', 'keep']),
    ...(chance(random, 0.5) && { mac: randomBits(random, 48) }),
    ...(chance(random, 0.5) && {
      vlanMode: pick(random, ['access', 'trunk', 'native-tagged', 'native-untagged', 'dot1q-tunnel'] as const),
    }),
    ...(chance(random, 0.5) && { tag: random.below(4095) }),
    ...(chance(random, 0.3) && { trunks: randomVlans(random) }),
    ...(chance(random, 0.3) && { cvlans: randomVlans(random) }),
    ...(chance(random, 0.3) && { mtu: random.below(9001) }),
    ...(chance(random, 0.3) && { queues: [randomQueue(random), randomQueue(random)] }),
    ...(chance(random, 0.3) && { maxRate: random.below(2 ** 32) * 1000 }),
    ...(chance(random, 0.3) && { burst: random.below(2 ** 32) * 1000 }),
    ...(chance(random, 0.3) && { minRate: random.below(2 ** 32) * 1000 }),
    ...(chance(random, 0.3) && {
      share: { name: randomName(random), maxRate: random.below(2 ** 32) * 1000, burst: random.below(2 ** 32) },
    }),
    ...(chance(random, 0.3) && { tunnel: randomTunnel(random) }),
    ...(chance(random, 0.3) && { hold: { bytes: random.uint32() * 2, time: random.uint32() * 1000 } }),
    ...(chance(random, 0.3) && { activation: [pick(random, ['rarp', 'garp', 'na'] as const)] }),
    ...(chance(random, 0.3) && { patchPeer: { switch: 'h1/br-web', port: randomName(random) } }),
  }
}

export const randomPort = (random: Random): PortDescription => ({
  ...randomPortConfig(random),
  mac: randomBits(random, 48),
  linkUp: chance(random, 0.5),
  flags: randomPortFlags(random),
})

/** Those that are not set may be absent or false. */
function randomPortFlags(random: Random): PortFlags {
  return Object.fromEntries(some(random, PORT_FLAGS).map((flag) => [flag, chance(random, 0.5)]))
}

const randomQueue = (random: Random): QueueConfig => ({
  queue: random.below(100),
  ...(chance(random, 0.5) && { minRate: random.below(2 ** 32) * 1000 }),
  ...(chance(random, 0.5) && { maxRate: random.below(2 ** 32) * 1000 }),
  ...(chance(random, 0.3) && { burst: random.below(2 ** 32) * 1000 }),
  ...(chance(random, 0.3) && { priority: random.below(8) }),
  ...(chance(random, 0.3) && { weight: random.below(1000) }),
  ...(chance(random, 0.3) && { limit: random.below(10_000) }),
  ...(chance(random, 0.3) && { parent: random.below(100) }),
  ...(chance(random, 0.3) && { dscps: [random.below(64), random.below(64)] }),
})

const randomTunnel = (random: Random) => ({
  localIp: random.uint32(),
  remoteIp: chance(random, 0.5) ? ('flow' as const) : random.uint32(),
  key: chance(random, 0.5) ? ('flow' as const) : random.below(1 << 24),
  ...(chance(random, 0.5) && { destinationPort: random.below(65536) }),
  ...(chance(random, 0.5) && { ttl: chance(random, 0.5) ? ('inherit' as const) : random.below(256) }),
  ...(chance(random, 0.5) && { tos: chance(random, 0.5) ? ('inherit' as const) : random.below(256) }),
})

const randomPortStatistics = (random: Random): PortStatistics => ({
  port: random.below(0xff00),
  name: randomName(random),
  receivedPackets: randomBits(random, 64),
  receivedBytes: randomBits(random, 64),
  receivedDropped: randomBits(random, 20),
  sentPackets: randomBits(random, 64),
  sentBytes: randomBits(random, 64),
  sentDropped: 0n,
  held: random.below(100),
  duration: randomBits(random, 60),
})

const randomTableConfig = (random: Random): TableConfig => ({
  table: random.below(256),
  ...(chance(random, 0.5) && { miss: pick(random, ['controller', 'continue', 'drop'] as const) }),
  ...(chance(random, 0.5) && { eviction: chance(random, 0.5) }),
  ...(chance(random, 0.5) && { maxFlows: random.uint32() }),
})

const randomTableFeatures = (random: Random) => ({
  table: random.below(254),
  name: randomName(random),
  metadataMatch: randomBits(random, 64),
  metadataWrite: randomBits(random, 64),
  maxFlows: random.uint32(),
})

const randomAsyncConfig = (random: Random): AsyncConfig => ({
  packetIn: some(random, PACKET_IN_REASONS),
  portStatus: some(random, ['add', 'delete', 'modify'] as const),
  flowRemoved: some(random, REMOVAL_REASONS),
})

const randomTuple = (random: Random): ConnectionTuple => {
  const family = pick(random, [4, 6] as const)
  const bits = family === 4 ? 32 : 128
  return {
    ...(chance(random, 0.7) && {
      family,
      ...(chance(random, 0.5) && { source: randomBits(random, bits) }),
      ...(chance(random, 0.5) && { destination: randomBits(random, bits) }),
    }),
    ...(chance(random, 0.5) && { protocol: random.below(256) }),
    ...(chance(random, 0.5) && { sourcePort: random.below(65536) }),
    ...(chance(random, 0.5) && { destinationPort: random.below(65536) }),
  }
}

const randomConnectionFilter = (random: Random): ConnectionFilter => ({
  ...(chance(random, 0.5) && { zone: random.below(65536) }),
  ...(chance(random, 0.5) && { mark: { value: random.uint32(), mask: random.uint32() } }),
  ...(chance(random, 0.5) && { original: randomTuple(random) }),
  ...(chance(random, 0.5) && { reply: randomTuple(random) }),
})

const randomBundleFlags = (random: Random) =>
  chance(random, 0.5) && {
    flags: { ...(chance(random, 0.5) && { atomic: true }), ...(chance(random, 0.5) && { ordered: true }) },
  }

const randomBundleControl = (random: Random) => ({
  bundle: random.uint32(),
  command: pick(random, ['open', 'close', 'commit', 'discard'] as const),
  ...randomBundleFlags(random),
})

const randomPortMod = (random: Random): MessageOf<'portMod'> => ({
  type: 'portMod',
  command: pick(random, ['add', 'modify', 'delete']),
  port: randomPortConfig(random),
})

const randomPortFlagsMod = (random: Random): MessageOf<'portFlagsMod'> => ({
  type: 'portFlagsMod',
  port: random.below(0xff00),
  mac: randomBits(random, 48),
  flags: randomPortFlags(random),
})

const randomMeterMod = (random: Random): MessageOf<'meterMod'> => ({
  type: 'meterMod',
  command: pick(random, ['add', 'modify', 'delete']),
  ...randomMeter(random),
})

const randomPacketOut = (random: Random, options: RandomFlowOptions): MessageOf<'packetOut'> => ({
  type: 'packetOut',
  inPort: random.uint32(),
  actions: randomActions(random, randomMatch(random, options), 4, options),
  frame: randomBytes(random),
  ...(chance(random, 0.2) && { bufferId: random.below(0xffffffff) }),
})

const randomMonitor = (random: Random, options: RandomFlowOptions): FlowMonitor => ({
  id: random.uint32(),
  flags: {
    initial: chance(random, 0.5),
    add: chance(random, 0.5),
    delete: chance(random, 0.5),
    modify: chance(random, 0.5),
    instructions: chance(random, 0.5),
    own: chance(random, 0.5),
  },
  ...(chance(random, 0.3) && { outPort: random.below(100) }),
  ...(chance(random, 0.3) && { outGroup: random.below(100) }),
  table: random.below(256),
  match: randomMatch(random, options),
})

const randomUpdate = (random: Random, options: RandomFlowOptions): FlowUpdate =>
  chance(random, 0.3)
    ? { type: 'abbreviated', xid: random.uint32() }
    : {
        type: 'full',
        event: pick(random, ['added', 'deleted', 'modified']),
        ...(chance(random, 0.5) && { reason: pick(random, REMOVAL_REASONS) }),
        flow: randomFlow(random, options),
      }

/** One of a thing, or all of them. */
const perhaps = (random: Random) => (chance(random, 0.5) ? random.below(1000) : undefined)

type Makers<T extends MessageType> = { [K in T]: (random: Random, options: RandomFlowOptions) => MessageOf<K> }

const STATISTICS = {
  descriptionRequest: () => ({ type: 'descriptionRequest' }),
  descriptionReply: (random) => ({
    type: 'descriptionReply',
    manufacturer: randomName(random),
    hardware: randomName(random),
    software: randomName(random),
    serial: randomName(random),
    datapath: randomName(random),
  }),
  flowStatisticsRequest: (random, options) => ({
    type: 'flowStatisticsRequest',
    filter: randomFilter(random, options),
  }),
  flowStatisticsReply: (random, options) => ({
    type: 'flowStatisticsReply',
    flows: many(random, (each) => randomStatistics(each, options)),
    more: chance(random, 0.5),
  }),
  aggregateStatisticsRequest: (random, options) => ({
    type: 'aggregateStatisticsRequest',
    filter: randomFilter(random, options),
  }),
  aggregateStatisticsReply: (random) => ({
    type: 'aggregateStatisticsReply',
    packets: randomBits(random, 64),
    bytes: randomBits(random, 64),
    flows: random.uint32(),
  }),
  tableStatisticsRequest: () => ({ type: 'tableStatisticsRequest' }),
  tableStatisticsReply: (random) => ({
    type: 'tableStatisticsReply',
    tables: many(random, () => ({
      table: random.below(254),
      active: random.uint32(),
      lookups: randomBits(random, 64),
      matched: randomBits(random, 64),
    })),
  }),
  tableFeaturesRequest: (random) => ({
    type: 'tableFeaturesRequest',
    ...(chance(random, 0.5) && { features: many(random, randomTableFeatures) }),
  }),
  tableFeaturesReply: (random) => ({ type: 'tableFeaturesReply', tables: many(random, randomTableFeatures) }),
  tableDescriptionRequest: () => ({ type: 'tableDescriptionRequest' }),
  tableDescriptionReply: (random) => ({ type: 'tableDescriptionReply', tables: many(random, randomTableConfig) }),
  portStatisticsRequest: (random) => {
    const port = perhaps(random)
    return { type: 'portStatisticsRequest', ...(port !== undefined && { port }) }
  },
  portStatisticsReply: (random) => ({ type: 'portStatisticsReply', ports: many(random, randomPortStatistics) }),
  portDescriptionRequest: () => ({ type: 'portDescriptionRequest' }),
  portDescriptionReply: (random) => ({ type: 'portDescriptionReply', ports: many(random, randomPort) }),
  queueStatisticsRequest: (random) => {
    const [port, queue] = [perhaps(random), perhaps(random)]
    return {
      type: 'queueStatisticsRequest',
      ...(port !== undefined && { port }),
      ...(queue !== undefined && { queue }),
    }
  },
  queueStatisticsReply: (random) => ({
    type: 'queueStatisticsReply',
    queues: many(random, () => ({
      port: random.below(0xff00),
      queue: random.below(100),
      sentPackets: randomBits(random, 64),
      sentBytes: randomBits(random, 64),
      sentErrors: randomBits(random, 20),
      duration: randomBits(random, 60),
    })),
  }),
  groupStatisticsRequest: (random) => {
    const group = perhaps(random)
    return { type: 'groupStatisticsRequest', ...(group !== undefined && { group }) }
  },
  groupStatisticsReply: (random) => ({ type: 'groupStatisticsReply', groups: many(random, randomGroupStatistics) }),
  groupDescriptionRequest: (random) => {
    const group = perhaps(random)
    return { type: 'groupDescriptionRequest', ...(group !== undefined && { group }) }
  },
  groupDescriptionReply: (random, options) => ({
    type: 'groupDescriptionReply',
    groups: many(random, () => randomGroup(random, options)),
  }),
  groupFeaturesRequest: () => ({ type: 'groupFeaturesRequest' }),
  groupFeaturesReply: () => ({ type: 'groupFeaturesReply' }),
  meterStatisticsRequest: (random) => {
    const meter = perhaps(random)
    return { type: 'meterStatisticsRequest', ...(meter !== undefined && { meter }) }
  },
  meterStatisticsReply: (random) => ({ type: 'meterStatisticsReply', meters: many(random, randomMeterStatistics) }),
  meterConfigRequest: (random) => {
    const meter = perhaps(random)
    return { type: 'meterConfigRequest', ...(meter !== undefined && { meter }) }
  },
  meterConfigReply: (random) => ({ type: 'meterConfigReply', meters: many(random, randomMeter) }),
  meterFeaturesRequest: () => ({ type: 'meterFeaturesRequest' }),
  meterFeaturesReply: () => ({ type: 'meterFeaturesReply' }),
  flowMonitorRequest: (random, options) => ({
    type: 'flowMonitorRequest',
    monitors: many(random, () => randomMonitor(random, options)),
  }),
  flowMonitorReply: (random, options) => ({
    type: 'flowMonitorReply',
    updates: many(random, () => randomUpdate(random, options)),
    more: chance(random, 0.5),
  }),
} satisfies Partial<Makers<MessageType>>

const MAKERS: Makers<MessageType> = {
  ...STATISTICS,
  ...HOST_MAKERS,
  ...VNIC_STATE_MAKERS,
  hello: (random) => ({
    type: 'hello',
    version: random.uint32(),
    ...(chance(random, 0.5) && { versions: [1, 1 + random.below(10)] }),
  }),
  error: (random) => ({
    type: 'error',
    code: pick(random, Object.keys(ERROR_CODES) as ErrorCode[]),
    field: 'match.tp_dst',
    message: randomName(random),
  }),
  echoRequest: (random) => ({ type: 'echoRequest', data: randomBytes(random) }),
  echoReply: (random) => ({ type: 'echoReply', data: randomBytes(random) }),
  featuresRequest: () => ({ type: 'featuresRequest' }),
  featuresReply: (random) => ({
    type: 'featuresReply',
    datapathId: randomBits(random, 64),
    name: 'h1/br-int',
    host: 'h1',
    tables: 254,
    ports: many(random, randomPort),
  }),
  configRequest: () => ({ type: 'configRequest' }),
  configReply: (random) => ({ type: 'configReply', ...randomConfig(random) }),
  setConfig: (random) => ({ type: 'setConfig', ...randomConfig(random) }),
  portMod: randomPortMod,
  portFlagsMod: randomPortFlagsMod,
  portStatus: (random) => ({
    type: 'portStatus',
    reason: pick(random, ['add', 'delete', 'modify']),
    port: randomPort(random),
  }),
  packetIn: (random, options) => ({
    type: 'packetIn',
    reason: pick(random, PACKET_IN_REASONS),
    table: random.below(254),
    cookie: randomBits(random, 64),
    inPort: random.below(0xff00),
    totalLength: random.below(9000),
    match: randomMatch(random, options),
    frame: randomBytes(random),
    ...(chance(random, 0.3) && { controllerId: 1 + random.below(0xffff) }),
    ...(chance(random, 0.3) && { userdata: Uint8Array.of(random.below(256), 2, 3) }),
  }),
  packetOut: randomPacketOut,
  flowMod: randomFlowMod,
  flowRemoved: (random, options) => ({
    type: 'flowRemoved',
    reason: pick(random, REMOVAL_REASONS),
    flow: randomStatistics(random, options),
  }),
  groupMod: randomGroupMod,
  meterMod: randomMeterMod,
  tableMod: (random) => ({ type: 'tableMod', ...randomTableConfig(random) }),
  queueConfigRequest: (random) => ({ type: 'queueConfigRequest', port: random.uint32() }),
  queueConfigReply: (random) => ({
    type: 'queueConfigReply',
    port: random.uint32(),
    queues: many(random, () => ({ ...randomQueue(random), port: random.below(0xff00) })),
  }),
  roleRequest: (random) => ({ type: 'roleRequest', role: pick(random, ROLES), generationId: randomBits(random, 64) }),
  roleReply: (random) => ({ type: 'roleReply', role: pick(random, ROLES), generationId: randomBits(random, 64) }),
  roleStatus: (random) => ({
    type: 'roleStatus',
    role: pick(random, ROLES),
    reason: pick(random, ROLE_STATUS_REASONS),
    generationId: randomBits(random, 64),
  }),
  asyncConfigRequest: () => ({ type: 'asyncConfigRequest' }),
  asyncConfigReply: (random) => ({
    type: 'asyncConfigReply',
    primary: randomAsyncConfig(random),
    secondary: randomAsyncConfig(random),
  }),
  setAsyncConfig: (random) => ({
    type: 'setAsyncConfig',
    primary: randomAsyncConfig(random),
    secondary: randomAsyncConfig(random),
  }),
  barrierRequest: () => ({ type: 'barrierRequest' }),
  barrierReply: () => ({ type: 'barrierReply' }),
  bundleControl: (random) => ({ type: 'bundleControl', ...randomBundleControl(random) }),
  bundleControlReply: (random) => ({ type: 'bundleControlReply', ...randomBundleControl(random) }),
  bundleAdd: (random, options) => ({
    type: 'bundleAdd',
    bundle: random.uint32(),
    message: MAKERS[pick(random, BUNDLED)](random, options),
    ...randomBundleFlags(random),
  }),
  flowMonitorCancel: (random) => ({ type: 'flowMonitorCancel', id: random.uint32() }),
  flowMonitorPaused: () => ({ type: 'flowMonitorPaused' }),
  flowMonitorResumed: () => ({ type: 'flowMonitorResumed' }),
  setPacketInFormat: (random) => ({
    type: 'setPacketInFormat',
    format: pick(random, ['openflow', 'nxt_packet_in', 'nxt_packet_in2']),
  }),
  setControllerId: (random) => ({ type: 'setControllerId', controllerId: random.below(65536) }),
  flushConnections: (random) => ({ type: 'flushConnections', filter: randomConnectionFilter(random) }),
}

const BUNDLED = ['flowMod', 'groupMod', 'meterMod', 'portMod', 'portFlagsMod', 'packetOut'] as const

const randomConfig = (random: Random) => ({
  fragments: pick(random, FRAGMENT_HANDLING),
  missSendLength: random.below(65536),
})

export const MESSAGE_TYPES = Object.keys(MAKERS) as MessageType[]

/** A message of one type; flows, matches and actions in it have every field and kind where the options don't say otherwise. */
export const randomMessageOf = <T extends MessageType>(
  random: Random,
  type: T,
  options: RandomFlowOptions = EVERYTHING,
): MessageOf<T> => MAKERS[type](random, options)

/** Any message, each type equally likely. */
export const randomMessage = (random: Random, options: RandomFlowOptions = EVERYTHING): Message =>
  randomMessageOf(random, pick(random, MESSAGE_TYPES), options)
