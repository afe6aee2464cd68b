// Matches by chance: every field comes up, prerequisites always hold, and each is in the one form that the flow syntax gives it
// (fields in the order of fields.ts, no mask that says nothing, VLANs as `dl_vlan` would).

import type { Action } from '../../protocols/control/messages.ts'
import type { Field, FieldName } from '../../protocols/fields.ts'
import { CtState, FIELDS, fieldOf } from '../../protocols/fields.ts'
import type { FieldMatch, Match } from '../../protocols/match.ts'
import { EtherType, IpProtocol, missingPrerequisite } from '../../protocols/match.ts'
import type { Random } from '../../runtime/random.ts'

export const chance = (random: Random, probability: number): boolean => random.fraction() < probability

export const pick = <T>(random: Random, items: readonly T[]): T => items[random.below(items.length)]!

/** Any value of `bits` bits, all equally likely. */
export function randomBits(random: Random, bits: number): bigint {
  let value = 0n
  for (let have = 0; have < bits; have += 32) value = (value << 32n) | BigInt(random.uint32())
  return BigInt.asUintN(bits, value)
}

export interface RandomFlowOptions {
  /** Tables are drawn from 0..tables-1. */
  tables?: number
  /** Ports that flows match on and send to. */
  ports?: readonly number[]
  /** Groups that flows send to. */
  groups?: readonly number[]
  /** Fields that may be matched or written; those of frames, tunnels and registers of 32 bits where absent. */
  fields?: ReadonlySet<FieldName> | 'all'
  /** Actions that may come up; `BASIC_ACTIONS` where absent. `nat` comes up in `ct`, if both may. */
  actions?: ReadonlySet<Action['type']> | 'all'
  /** Every argument of an action and every property of a flow, not only the usual ones; where absent if all actions are wanted. */
  detailed?: boolean
  /** Only what OpenFlow 1.0 knows: no write actions, meter, metadata to write or table to go to. */
  onlyApply?: boolean
}

export const EVERYTHING: RandomFlowOptions = { fields: 'all', actions: 'all' }

export const PORTS = [1, 2, 3, 4]

const OUT_OF_THE_WAY = /^(ct_|x+reg|mpls_|pbb_|pkt_mark|conj_id|actset_output|in_phy_port|ipv6_exthdr)/

export const allowed = (options: RandomFlowOptions, field: FieldName) =>
  options.fields === 'all' || (options.fields?.has(field) ?? !OUT_OF_THE_WAY.test(field))

/** A match whose every prerequisite holds. */
export function randomMatch(random: Random, options: RandomFlowOptions = {}): Match {
  const drawn = [...protocolParts(random, options), ...randomVlan(random), ...randomTracking(random, options)]
  const parts = drawn.filter((part) => allowed(options, part.field))
  for (const field of FIELDS) {
    if (DRAWN_FIRST.has(field.name) || !allowed(options, field.name)) continue
    if (missingPrerequisite(field, parts) !== undefined || contradicts(field, parts)) continue
    if (chance(random, field.name.includes('reg') ? 0.04 : 0.3)) parts.push(randomPart(random, field, options, parts))
  }
  return inOrder(parts.map((part) => plausible(part, parts)))
}

const DRAWN_FIRST = new Set<FieldName>([
  'eth_type',
  'nw_proto',
  'vlan_tci',
  'vlan_vid',
  'vlan_pcp',
  'icmpv6_type',
  'ct_state',
])

/** Two names of the same register; a connection's tuple of the wrong kind; the ports of a connection that has none. */
function contradicts(field: Field, match: Match): boolean {
  const has = (name: FieldName, ...values: number[]) =>
    match.some((part) => part.field === name && values.includes(Number(part.value)))
  if (field.name.includes('reg'))
    return match.some((part) => part.field.includes('reg') && overlap(field, fieldOf(part.field)))
  if (field.name.startsWith('ct_nw_') && field.name !== 'ct_nw_proto') return !has('eth_type', EtherType.Ipv4)
  if (field.name.startsWith('ct_ipv6_')) return !has('eth_type', EtherType.Ipv6)
  if (field.name.startsWith('ct_tp_')) return !has('ct_nw_proto', IpProtocol.Tcp, IpProtocol.Udp, IpProtocol.Sctp)
  return false
}

const overlap = (a: Field, b: Field) => a.word < b.word + b.bits / 32 && b.word < a.word + a.bits / 32

/**
 * What Open vSwitch asks for beyond OpenFlow's prerequisites: ports and ICMP types are no part of later fragments, and neighbour
 * discovery has the ICMP code 0.
 */
function plausible(part: FieldMatch, match: Match): FieldMatch {
  const has = (field: FieldName) => match.some((other) => other.field === field)
  if (part.field === 'ip_frag' && part.value === 3n && has('nw_proto')) return { field: 'ip_frag', value: 1n, mask: 1n }
  if (part.field === 'icmpv6_code' && has('icmpv6_type')) return { field: 'icmpv6_code', value: 0n }
  return part
}

const place = new Map(FIELDS.map((field, index) => [field.name, index]))

/** Sorted as fields.ts lists the fields. */
export const inOrder = (parts: readonly FieldMatch[]): Match =>
  parts.toSorted((a, b) => place.get(a.field)! - place.get(b.field)!)

function protocolParts(random: Random, options: RandomFlowOptions): FieldMatch[] {
  const { Ipv4, Ipv6, Arp, Rarp, Mpls, MplsMulticast, Pbb } = EtherType
  const labels = allowed(options, 'mpls_label') ? [Mpls, MplsMulticast] : []
  const services = allowed(options, 'pbb_isid') ? [Pbb] : []
  const etherType = pick(random, [undefined, Ipv4, Ipv4, Ipv6, Ipv6, Arp, Rarp, 0x88cc, ...labels, ...services])
  if (etherType === undefined) return []
  const parts: FieldMatch[] = [{ field: 'eth_type', value: BigInt(etherType) }]
  if (etherType !== Ipv4 && etherType !== Ipv6) return parts
  const icmp = etherType === Ipv4 ? IpProtocol.Icmp : IpProtocol.Icmpv6
  const protocol = pick(random, [undefined, IpProtocol.Tcp, IpProtocol.Udp, IpProtocol.Sctp, icmp, icmp, 47])
  if (protocol !== undefined) parts.push({ field: 'nw_proto', value: BigInt(protocol) })
  if (protocol === IpProtocol.Icmpv6 && chance(random, 0.8)) {
    parts.push({ field: 'icmpv6_type', value: pick(random, [128n, 135n, 136n, 136n, 135n]) })
  }
  return parts
}

/** Half of the time such that the connection's tuple may be matched too. */
function randomTracking(random: Random, options: RandomFlowOptions): FieldMatch[] {
  if (!allowed(options, 'ct_state') || chance(random, 0.6)) return []
  const { Tracked, New, Established, Related, Reply } = CtState
  const known = Tracked | pick(random, [New, Established, Related, Reply])
  const mask = chance(random, 0.5) ? known : 1 + random.below(0xff)
  return [{ field: 'ct_state', value: BigInt(mask === known ? known : mask & random.below(0x100)), mask: BigInt(mask) }]
}

export const PRESENT = 0x1000n

function randomVlan(random: Random): FieldMatch[] {
  const vid: FieldMatch = { field: 'vlan_vid', value: PRESENT | randomBits(random, 12) }
  const pcp: FieldMatch = { field: 'vlan_pcp', value: randomBits(random, 3) }
  const tagged: FieldMatch = { field: 'vlan_vid', value: PRESENT, mask: PRESENT }
  switch (random.below(12)) {
    case 0:
      return [vid]
    case 1:
      return [vid, pcp]
    case 2:
      return [tagged, pcp]
    case 3:
      return [tagged]
    case 4:
      return [{ field: 'vlan_vid', value: 0n }]
    case 5:
      return [{ field: 'vlan_vid', value: PRESENT | 0x10n, mask: 0x10f0n }]
    case 6:
      return [{ field: 'vlan_tci', value: 0x6000n, mask: 0x6000n }]
    case 7:
      return [{ field: 'vlan_tci', value: 0n }]
    default:
      return []
  }
}

/** `first`, `later`, `no`, `yes`, `not_later`: what the syntax has words for. */
const FRAGMENTS: readonly Omit<FieldMatch, 'field'>[] = [
  { value: 1n },
  { value: 3n },
  { value: 0n },
  { value: 1n, mask: 1n },
  { value: 0n, mask: 2n },
]

/** A value, and perhaps a mask, for the field; `match` is what stands beside it. */
export function randomPart(random: Random, field: Field, options: RandomFlowOptions, match: Match = []): FieldMatch {
  if (field.name === 'ip_frag') return { field: 'ip_frag', ...pick(random, FRAGMENTS) }
  const value = exactValue(random, field, options, match) ?? randomValue(random, field)
  const mask = field.maskable && chance(random, 0.5) ? randomMask(random, field) : field.ones
  return mask === field.ones ? { field: field.name, value } : { field: field.name, value: value & mask, mask }
}

/** Where not any value of the field's width makes sense. */
function exactValue(random: Random, field: Field, options: RandomFlowOptions, match: Match): bigint | undefined {
  switch (field.name) {
    case 'in_port':
    case 'actset_output':
      return BigInt(pick(random, options.ports ?? PORTS))
    case 'in_phy_port':
      return match.find((part) => part.field === 'in_port')!.value
    case 'arp_op':
      return BigInt(random.below(256))
    case 'ct_nw_proto':
      return BigInt(pick(random, [IpProtocol.Tcp, IpProtocol.Udp, IpProtocol.Sctp, 47]))
    default:
      return undefined
  }
}

/** Small values and all ones come up more often than by even chance. */
function randomValue(random: Random, field: Field): bigint {
  switch (random.below(8)) {
    case 0:
      return 0n
    case 1:
      return field.ones
    case 2:
    case 3:
      return BigInt.asUintN(field.bits, BigInt(random.below(256)))
    default:
      return randomBits(random, field.bits)
  }
}

/** Open vSwitch takes a mask of an IPv6 address that starts with a digit for a prefix length. */
const IPV6_MASK_START = 0xfn << 124n

/** Never 0: that would say nothing. */
function randomMask(random: Random, field: Field): bigint {
  const prefix = field.ones ^ ((1n << BigInt(random.below(field.bits))) - 1n)
  const bits = randomBits(random, field.bits)
  if (chance(random, 0.6) || bits === 0n) return prefix
  return field.format === 'ipv6' ? bits | IPV6_MASK_START : bits
}
