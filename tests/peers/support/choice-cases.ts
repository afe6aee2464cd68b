// What asks a switch to choose - groups, multipath, bundles - and flows of all kinds for it to choose by, drawn from a seed.

import type {
  Action,
  Bucket,
  BundleAction,
  FlowMod,
  GroupMod,
  HashFields,
  MultipathAction,
  SelectionMethod,
} from '../../../protocols/control/messages.ts'
import type { FieldName } from '../../../protocols/fields.ts'
import { fieldOf } from '../../../protocols/fields.ts'
import { EtherType } from '../../../protocols/match.ts'
import {
  arpRequest,
  icmpEchoFrame,
  icmpv6EchoFrame,
  mplsFrame,
  sctpFrame,
  tcpFrame,
  udpFrame,
} from '../../../protocols/packet/compose.ts'
import type { FrameOptions } from '../../../protocols/packet/compose.ts'
import type { Random } from '../../../runtime/random.ts'
import { chance, inOrder, pick, randomBits } from '../../support/random-flows.ts'
import { blank } from './switch-cases.ts'

/** Frames leave by these; they enter by `ENTRANCE`. */
export const EXITS: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 8]
export const ENTRANCE = 9

// ---- flows -------------------------------------------------------------------------------------------------------

/** A frame of a flow that there has hardly been: IPv4 or IPv6, TCP, UDP, SCTP or ICMP, ARP, labels; a tag or two at times. */
export function frameOfFlow(random: Random): Uint8Array {
  const link = { ethSrc: station(random), ethDst: station(random), vlan: tags(random) }
  if (chance(random, 0.05)) return arpRequest({ ...link, ipSrc: random.below(2 ** 32), ipDst: random.below(2 ** 32) })
  if (chance(random, 0.05)) {
    const labels = [{ label: random.below(1 << 20), trafficClass: 0, ttl: 64 }]
    return mplsFrame({ ...link, labels, payload: Uint8Array.from([0x45, 0, 0]), etherType: EtherType.Mpls })
  }
  return ipFlow(random, link)
}

function ipFlow(random: Random, link: FrameOptions): Uint8Array {
  const isIpv6 = chance(random, 0.4)
  const echo = { identifier: random.below(2 ** 16), sequence: 0 }
  const kind = pick(random, ['tcp', 'tcp', 'udp', 'sctp', 'icmp'] as const)
  if (kind === 'icmp')
    return isIpv6
      ? icmpv6EchoFrame({ ...link, ...ipv6(random), ...echo })
      : icmpEchoFrame({ ...link, ...ipv4(random), ...echo })
  const frame = { tcp: tcpFrame, udp: udpFrame, sctp: sctpFrame }[kind]
  return frame({ ...link, ...(isIpv6 ? ipv6(random) : ipv4(random)), ...ports(random) })
}

const station = (random: Random) => randomBits(random, 48) & 0xfeffffffffffn
const ipv4 = (random: Random) => ({ ipSrc: 1 + random.below(0xdfffffff), ipDst: 1 + random.below(0xdfffffff) })
const ipv6 = (random: Random) => ({ ipSrc: unicast6(random), ipDst: unicast6(random) })
const unicast6 = (random: Random) => (0x2001n << 112n) | randomBits(random, 112)
const ports = (random: Random) => ({ srcPort: random.below(2 ** 16), dstPort: random.below(2 ** 16) })
const tags = (random: Random) =>
  Array.from({ length: pick(random, [0, 0, 0, 1, 2]) }, () => ({
    id: 1 + random.below(4094),
    priority: random.below(8),
  }))

// ---- choosing by a hash ------------------------------------------------------------------------------------------

const HASH_FIELDS: readonly HashFields[] = [
  'eth_src',
  'symmetric_l4',
  'symmetric_l3l4',
  'symmetric_l3l4+udp',
  'nw_src',
  'nw_dst',
  'symmetric_l3',
]

export function randomMultipath(random: Random, register: FieldName): MultipathAction {
  const links = pick(random, [1, 2, 3, 1 + random.below(64), 65 + random.below(1000), 65536])
  return {
    type: 'multipath',
    fields: pick(random, HASH_FIELDS),
    basis: chance(random, 0.3) ? 0 : random.below(2 ** 16),
    algorithm: pick(random, ['modulo_n', 'hash_threshold', 'hrw', 'iter_hash']),
    links,
    argument: pick(random, [0, links, 2 * links, 2 * links + 1, random.below(2 ** 32), random.below(4 * links)]),
    to: { field: register, offset: 0, bits: 16 + random.below(17) },
  }
}

/** Some of the members are not there. */
export function randomBundle(random: Random, register?: FieldName): BundleAction {
  const members = Array.from({ length: 1 + random.below(6) }, () => pick(random, [...EXITS, 20]))
  return {
    type: 'bundle',
    fields: pick(random, HASH_FIELDS),
    basis: random.below(2 ** 16),
    algorithm: pick(random, ['hrw', 'hrw', 'active_backup']),
    members,
    ...(register !== undefined && { to: { field: register, offset: 0, bits: 16 } }),
  }
}

// ---- groups ------------------------------------------------------------------------------------------------------

const HASHED: readonly FieldName[] = [
  'reg1',
  'metadata',
  'eth_src',
  'eth_dst',
  'eth_type',
  'vlan_vid',
  'vlan_pcp',
  'mpls_label',
  'nw_src',
  'nw_dst',
  'ipv6_src',
  'ipv6_dst',
  'nw_proto',
  'ip_dscp',
  'tcp_src',
  'tcp_dst',
  'udp_src',
  'udp_dst',
  'arp_spa',
]

/** By some fields, masked at times: the value is the mask. */
export function randomSelection(random: Random): SelectionMethod {
  const names = new Set<FieldName>()
  const count = 1 + random.below(5)
  while (names.size < count) names.add(pick(random, HASHED))
  const fields = [...names].map((name) => {
    const { ones, bits, maskable } = fieldOf(name)
    return { field: name, value: maskable && chance(random, 0.4) ? randomBits(random, bits) | 1n : ones }
  })
  return { method: 'hash', parameter: randomBits(random, 64), fields: [...inOrder(fields)] }
}

const toPort = (port: number): Action => ({ type: 'output', port })

/** Each bucket to a port of its own, of these weights. */
export const bucketsOf = (weights: readonly number[]): Bucket[] =>
  weights.map((weight, index) => ({ id: index, weight, actions: [toPort(EXITS[index]!)] }))

export const selectGroup = (buckets: Bucket[], selection?: SelectionMethod, group = 1): GroupMod => ({
  type: 'groupMod',
  command: 'add',
  group,
  groupType: 'select',
  buckets,
  ...(selection && { selection }),
})

/** Groups 1 to `count` of every type, each leading to earlier ones or to ports, the last to most of them. */
export const randomGroups = (random: Random, count: number): GroupMod[] =>
  Array.from({ length: count }, (_, index) => randomGroup(random, index + 1))

function randomGroup(random: Random, group: number): GroupMod {
  const groupType = pick(random, ['all', 'indirect', 'fast_failover', 'fast_failover', 'select'] as const)
  const size = groupType === 'indirect' ? 1 : 1 + random.below(5)
  const weight = pick(random, [0, 1, 5, 100])
  const buckets = Array.from({ length: size }, (_, id): Bucket => {
    const next = group > 1 && chance(random, 0.5) ? 1 + random.below(group - 1) : undefined
    const watches = groupType === 'fast_failover' || (groupType === 'select' && chance(random, 0.5))
    return {
      id: groupType === 'select' ? 7 * id + random.below(7) : id,
      ...(groupType === 'select' && { weight }),
      ...(watches && watched(random, group)),
      actions: [next === undefined ? toPort(pick(random, EXITS)) : { type: 'group', group: next }],
    }
  })
  const selection = groupType === 'select' ? randomSelection(random) : undefined
  return { type: 'groupMod', command: 'add', group, groupType, buckets, ...(selection && { selection }) }
}

function watched(random: Random, group: number): Pick<Bucket, 'watchPort' | 'watchGroup'> {
  const watchPort = pick(random, [...EXITS, 20])
  if (group === 1 || chance(random, 0.6)) return { watchPort }
  const watchGroup = 1 + random.below(group - 1)
  return chance(random, 0.3) ? { watchPort, watchGroup } : { watchGroup }
}

/** A flow that does this with all frames. */
export const flowFor = (apply: Action[], table = 0): FlowMod => ({
  ...blank,
  type: 'flowMod',
  command: 'add',
  cookieMask: 0n,
  table,
  priority: 1,
  match: [],
  instructions: { apply, clear: false, write: [] },
})
