import type { HeldFrame, Message, PortDescription, PortStatistics } from '../../protocols/control/messages.ts'
import { ERROR_CODES } from '../../protocols/control/messages.ts'
import type { Random } from '../../runtime/random.ts'
import { chance, pick, randomActions, randomBits, randomFlow, randomMatch, randomStatistics } from './random-flows.ts'

const many = <T>(random: Random, make: (random: Random) => T): T[] =>
  Array.from({ length: random.below(4) }, () => make(random))

const randomBytes = (random: Random) => Uint8Array.from({ length: random.below(80) }, () => random.below(256))

const randomName = (random: Random) => pick(random, ['web1:eth0', 'uplink', 'vxlan0', 'patch-br-web', 'größe'])

export function randomPort(random: Random): PortDescription {
  return {
    number: random.below(0xff00),
    name: randomName(random),
    type: pick(random, ['vnic', 'patch', 'tunnel', 'uplink', 'local']),
    state: pick(random, ['closed', 'hold', 'open']),
    linkUp: chance(random, 0.5),
    ...(chance(random, 0.5) && {
      vlanMode: pick(random, ['access', 'trunk', 'native-tagged', 'native-untagged', 'dot1q-tunnel'] as const),
    }),
    ...(chance(random, 0.5) && { tag: random.below(4095) }),
    ...(chance(random, 0.3) && { trunks: [1 + random.below(4094), 1 + random.below(4094)] }),
    ...(chance(random, 0.3) && { mtu: random.below(9001) }),
    ...(chance(random, 0.3) && { tunnel: randomTunnel(random) }),
    ...(chance(random, 0.3) && { patchPeer: { switch: 'h1/br-web', port: randomName(random) } }),
  }
}

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
})

const randomHeldFrame = (random: Random): HeldFrame => ({ id: randomBits(random, 64), bytes: randomBytes(random) })

function randomFlowMod(random: Random) {
  return {
    ...randomFlow(random),
    type: 'flowMod' as const,
    command: pick(random, ['add', 'modify', 'modify-strict', 'delete', 'delete-strict'] as const),
    cookieMask: randomBits(random, 64),
    ...(chance(random, 0.3) && { outPort: random.uint32() }),
  }
}

const randomMeterMod = (random: Random) => ({
  type: 'meterMod' as const,
  command: pick(random, ['add', 'modify', 'delete'] as const),
  meter: random.below(1000),
  bands: many(random, () => ({
    type: pick(random, ['drop', 'dscp_remark'] as const),
    rate: randomBits(random, 40),
    burst: randomBits(random, 40),
    ...(chance(random, 0.5) && { dscp: random.below(64) }),
  })),
})

const randomPortMod = (random: Random) => {
  const { linkUp: _, ...port } = randomPort(random)
  return { type: 'portMod' as const, command: pick(random, ['add', 'modify', 'delete'] as const), port }
}

const randomFilter = (random: Random) => ({
  table: random.below(256),
  match: randomMatch(random),
  cookie: randomBits(random, 64),
  cookieMask: randomBits(random, 64),
  ...(chance(random, 0.3) && { outPort: random.below(100) }),
})

const MAKERS: { [T in Message['type']]: (random: Random) => Extract<Message, { type: T }> } = {
  hello: (random) => ({ type: 'hello', version: random.uint32() }),
  error: (random) => ({
    type: 'error',
    code: pick(random, ERROR_CODES),
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
  portMod: randomPortMod,
  portStatus: (random) => ({
    type: 'portStatus',
    reason: pick(random, ['add', 'delete', 'modify']),
    port: randomPort(random),
  }),
  packetIn: (random) => ({
    type: 'packetIn',
    reason: pick(random, ['action', 'invalid_ttl', 'no_match']),
    table: random.below(254),
    cookie: randomBits(random, 64),
    inPort: random.below(0xff00),
    totalLength: random.below(9000),
    match: randomMatch(random),
    frame: randomBytes(random),
  }),
  packetOut: (random) => ({
    type: 'packetOut',
    inPort: random.uint32(),
    actions: randomActions(random, randomMatch(random), 4),
    frame: randomBytes(random),
  }),
  flowMod: randomFlowMod,
  flowRemoved: (random) => ({
    type: 'flowRemoved',
    reason: pick(random, ['idle_timeout', 'hard_timeout', 'delete']),
    flow: randomStatistics(random),
  }),
  meterMod: randomMeterMod,
  barrierRequest: () => ({ type: 'barrierRequest' }),
  barrierReply: () => ({ type: 'barrierReply' }),
  bundleControl: (random) => ({
    type: 'bundleControl',
    bundle: random.uint32(),
    command: pick(random, ['open', 'commit', 'discard']),
  }),
  bundleControlReply: (random) => ({
    type: 'bundleControlReply',
    bundle: 1,
    command: pick(random, ['open', 'commit', 'discard']),
  }),
  bundleAdd: (random) => ({
    type: 'bundleAdd',
    bundle: random.uint32(),
    message: pick(random, [randomFlowMod, randomMeterMod, randomPortMod])(random),
  }),
  flowStatisticsRequest: (random) => ({ type: 'flowStatisticsRequest', filter: randomFilter(random) }),
  flowStatisticsReply: (random) => ({
    type: 'flowStatisticsReply',
    flows: many(random, (each) => randomStatistics(each)),
    more: chance(random, 0.5),
  }),
  portStatisticsRequest: () => ({ type: 'portStatisticsRequest' }),
  portStatisticsReply: (random) => ({ type: 'portStatisticsReply', ports: many(random, randomPortStatistics) }),
  heldFramesRequest: (random) => ({ type: 'heldFramesRequest', port: randomName(random) }),
  heldFramesReply: (random) => ({
    type: 'heldFramesReply',
    port: randomName(random),
    frames: many(random, randomHeldFrame),
    more: chance(random, 0.5),
  }),
  deliverFrames: (random) => ({
    type: 'deliverFrames',
    port: randomName(random),
    frames: many(random, randomHeldFrame),
  }),
}

/** Any message, each type equally likely. */
export const randomMessage = (random: Random): Message =>
  MAKERS[pick(random, Object.keys(MAKERS) as Message['type'][])](random)
