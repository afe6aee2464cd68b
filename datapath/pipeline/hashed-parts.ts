import type { Field } from '../../protocols/fields.ts'
import { fieldOf } from '../../protocols/fields.ts'
import type { FieldMatch } from '../../protocols/match.ts'
import type { Part } from './steps.ts'
import { wordWrites } from './steps.ts'

/** Some bits of a field. */
export interface HashedPart extends Pick<Part, 'field' | 'words'> {
  /** Octets that the field takes. */
  readonly size: number
}

const numbered = (name: string, count: number) => Array.from({ length: count }, (_, index) => `${name}${index}`)

/** Fields are hashed in the order of Open vSwitch's numbers for them (include/openvswitch/meta-flow.h). */
// prettier-ignore
const ORDER: readonly string[] = [
  'conj_id', 'tun_id', 'tun_src', 'tun_dst', 'metadata', 'in_port', 'in_phy_port', 'actset_output', 'pkt_mark',
  'ct_state', 'ct_zone', 'ct_mark', 'ct_label', 'ct_nw_proto', 'ct_nw_src', 'ct_nw_dst', 'ct_ipv6_src',
  'ct_ipv6_dst', 'ct_tp_src', 'ct_tp_dst', ...numbered('reg', 16), ...numbered('xreg', 8), ...numbered('xxreg', 4),
  'eth_src', 'eth_dst', 'eth_type', 'vlan_tci', 'vlan_vid', 'vlan_pcp', 'mpls_label', 'mpls_tc', 'mpls_bos',
  'mpls_ttl', 'nw_src', 'nw_dst', 'ipv6_src', 'ipv6_dst', 'ipv6_label', 'nw_proto', 'ip_dscp', 'nw_ecn', 'nw_ttl',
  'ip_frag', 'arp_op', 'arp_spa', 'arp_tpa', 'arp_sha', 'arp_tha', 'tcp_src', 'tcp_dst', 'tcp_flags', 'udp_src',
  'udp_dst', 'sctp_src', 'sctp_dst', 'icmp_type', 'icmp_code', 'icmpv6_type', 'icmpv6_code', 'nd_target',
  'nd_reserved', 'nd_sll', 'nd_tll', 'nd_options_type', 'ipv6_exthdr', 'pbb_isid',
]

/** Those fields, the value of each being its mask. */
export const hashedParts = (fields: readonly FieldMatch[]): readonly HashedPart[] =>
  fields.map(partOf).sort((a, b) => ORDER.indexOf(a.field.name) - ORDER.indexOf(b.field.name))

function partOf({ field: name, value: mask }: FieldMatch): HashedPart {
  const field = fieldOf(name)
  const words = wordWrites(field, mask, mask).map(({ word, mask: bits }) => ({ word, mask: bits }))
  return { field, words, size: sizeOf(field) }
}

function sizeOf({ bits }: Field): number {
  if (bits <= 16) return Math.ceil(bits / 8)
  return bits <= 32 ? 4 : bits / 8
}
