// A match as data, for all that is not the packet path: a list of fields with values and masks.

import type { ErrorCode } from './control/error-codes.ts'
import { InvalidField } from './errors.ts'
import type { Field, FieldName, Prerequisite } from './fields.ts'
import { CtState, fieldOf } from './fields.ts'

export interface FieldMatch {
  field: FieldName
  value: bigint
  /** Bits that count; all of the field's where absent. */
  mask?: bigint
}

/** All must hold. An empty match is met by every frame. */
export type Match = readonly FieldMatch[]

export const EtherType = {
  Ipv4: 0x0800,
  Arp: 0x0806,
  Rarp: 0x8035,
  Vlan: 0x8100,
  Ipv6: 0x86dd,
  Mpls: 0x8847,
  MplsMulticast: 0x8848,
  ProviderVlan: 0x88a8,
  Pbb: 0x88e7,
  /** Transparent Ethernet bridging: what follows is an Ethernet frame (RFC 1701). */
  Bridged: 0x6558,
} as const
export const IpProtocol = { Icmp: 1, Igmp: 2, Tcp: 6, Udp: 17, Icmpv6: 58, Pim: 103, Sctp: 132 } as const

const exactly = (match: Match, field: FieldName, values: readonly number[]) =>
  match.some((part) => part.field === field && part.mask === undefined && values.includes(Number(part.value)))

const isIpv4 = (match: Match) => exactly(match, 'eth_type', [EtherType.Ipv4])
const isIpv6 = (match: Match) => exactly(match, 'eth_type', [EtherType.Ipv6])
const isIp = (match: Match) => isIpv4(match) || isIpv6(match)
/** A later fragment has no header of its transport protocol. */
const isLaterFragment = (match: Match) => match.some((part) => part.field === 'ip_frag' && (part.value & 2n) !== 0n)
const carries = (protocol: number) => (match: Match) =>
  isIp(match) && exactly(match, 'nw_proto', [protocol]) && !isLaterFragment(match)
const isIcmpv6 = (match: Match) => isIpv6(match) && carries(IpProtocol.Icmpv6)(match)
/** RFC 4861 §4: the code is 0. */
const neighbourDiscovery = (types: number[]) => (match: Match) =>
  isIcmpv6(match) &&
  exactly(match, 'icmpv6_type', types) &&
  !match.some((part) => part.field === 'icmpv6_code' && part.value !== 0n)

/** OpenFlow 1.3 §7.2.3.8: what makes each prerequisite hold, and how flow text would ask for it. */
const PREREQUISITES: Record<Prerequisite, { holds: (match: Match) => boolean; wanted: string }> = {
  none: { holds: () => true, wanted: '' },
  in_port: { holds: (match) => match.some((part) => part.field === 'in_port'), wanted: 'in_port' },
  vlan: { holds: matchesTagged, wanted: 'dl_vlan' },
  mpls: {
    holds: (match) => exactly(match, 'eth_type', [EtherType.Mpls, EtherType.MplsMulticast]),
    wanted: 'mpls or mplsm',
  },
  pbb: { holds: (match) => exactly(match, 'eth_type', [EtherType.Pbb]), wanted: 'dl_type=0x88e7' },
  ip: { holds: isIp, wanted: 'ip or ipv6' },
  ipv4: { holds: isIpv4, wanted: 'ip' },
  ipv6: { holds: isIpv6, wanted: 'ipv6' },
  arp: { holds: (match) => exactly(match, 'eth_type', [EtherType.Arp, EtherType.Rarp]), wanted: 'arp' },
  tcp: { holds: carries(IpProtocol.Tcp), wanted: 'tcp or tcp6' },
  udp: { holds: carries(IpProtocol.Udp), wanted: 'udp or udp6' },
  sctp: { holds: carries(IpProtocol.Sctp), wanted: 'sctp or sctp6' },
  icmp: { holds: (match) => isIpv4(match) && carries(IpProtocol.Icmp)(match), wanted: 'icmp' },
  icmp6: { holds: isIcmpv6, wanted: 'icmp6' },
  nd: { holds: neighbourDiscovery([135, 136]), wanted: 'icmp6,icmp_type=135 or icmp6,icmp_type=136' },
  ns: { holds: neighbourDiscovery([135]), wanted: 'icmp6,icmp_type=135' },
  na: { holds: neighbourDiscovery([136]), wanted: 'icmp6,icmp_type=136' },
  ct: { holds: matchesConnection, wanted: 'ct_state with one of +new, +est, +rel, +rpl, +snat, +dnat or +trk-inv' },
}

function matchesTagged(match: Match): boolean {
  const PRESENT = 0x1000n
  return match.some(
    (part) =>
      (part.field === 'vlan_vid' || part.field === 'vlan_tci') &&
      ((part.mask ?? fieldOf(part.field).ones) & part.value & PRESENT) !== 0n,
  )
}

/** Open vSwitch's MFP_CT_VALID (lib/meta-flow.c): something that only a frame with a valid connection can have. */
function matchesConnection(match: Match): boolean {
  const { Tracked, New, Established, Related, Reply, Invalid, SourceNat, DestinationNat } = CtState
  const state = match.find((part) => part.field === 'ct_state')
  if (state === undefined) return false
  const mask = Number(state.mask ?? fieldOf('ct_state').ones)
  const value = Number(state.value) & mask
  const isValid = (value & Tracked) !== 0 && (mask & Invalid) !== 0 && (value & Invalid) === 0
  return isValid || (value & (New | Established | Related | Reply | SourceNat | DestinationNat)) !== 0
}

/** A connection's addresses that are matched are of the family that the match says; Open vSwitch asks no more for the rest of the tuple. */
function missingFamily({ name }: Field, match: Match): string | undefined {
  const isV4 = name === 'ct_nw_src' || name === 'ct_nw_dst'
  const isV6 = name === 'ct_ipv6_src' || name === 'ct_ipv6_dst'
  if (isV4 && !isIpv4(match)) return 'ip'
  return isV6 && !isIpv6(match) ? 'ipv6' : undefined
}

/** What `field` needs in `match` to be read or written, and does not find, as flow text; undefined where nothing is missing. */
export function missingPrerequisite(field: Field, match: Match): string | undefined {
  const prerequisite = PREREQUISITES[field.prerequisite]
  return prerequisite.holds(match) ? undefined : prerequisite.wanted
}

/** The same of a field that is matched itself. */
export const missingBeside = (field: Field, match: Match): string | undefined =>
  missingPrerequisite(field, match) ?? missingFamily(field, match)

/**
 * Holds a match from outside against the table of fields.
 * @throws InvalidField a value too wide, a mask where none is allowed, a bit set outside its mask, a field named twice, a missing prerequisite.
 */
export function checkMatch(match: Match, path = 'match'): void {
  for (let index = 0; index < match.length; index++) {
    const part = match[index]!
    const fault = faultOf(part, match, index)
    if (fault !== undefined) throw new InvalidField(`${path}.${part.field}`, fault.problem, fault.expected, fault.code)
  }
}

interface Fault {
  code: ErrorCode
  problem: string
  expected: string
}

const isTooWide = (bits: bigint, field: Field) => bits < 0n || bits > field.ones

function faultOf(part: FieldMatch, match: Match, index: number): Fault | undefined {
  const field = fieldOf(part.field)
  const mask = part.mask ?? field.ones
  if (match.findIndex((other) => other.field === part.field) < index)
    return { code: 'OFPBMC_DUP_FIELD', problem: 'given twice', expected: 'one value for each field' }
  if (isTooWide(part.value, field))
    return {
      code: 'OFPBMC_BAD_VALUE',
      problem: `0x${part.value.toString(16)} is too wide`,
      expected: `${field.bits} bits`,
    }
  if (isTooWide(mask, field))
    return {
      code: 'OFPBMC_BAD_MASK',
      problem: `mask 0x${mask.toString(16)} is too wide`,
      expected: `${field.bits} bits`,
    }
  if (mask !== field.ones && !field.maskable)
    return { code: 'OFPBMC_BAD_MASK', problem: 'can not be masked', expected: 'an exact value' }
  if (part.mask !== undefined && (part.value & ~mask) !== 0n)
    return { code: 'OFPBMC_BAD_WILDCARDS', problem: 'has a bit set outside its mask', expected: 'value & ~mask = 0' }
  const missing = missingBeside(field, match)
  if (missing === undefined) return undefined
  const isFamily = missingPrerequisite(field, match) === undefined
  return {
    code: isFamily ? 'OFPBAC_MATCH_INCONSISTENT' : 'OFPBMC_BAD_PREREQ',
    problem: 'lacks its prerequisite',
    expected: `${missing} beside it`,
  }
}
