// `NXM_OF_ETH_SRC[]`, `NXM_NX_REG0[0..15]`, `OXM_OF_METADATA[3]`: some bits of a field.

import type { Subfield } from '../control/messages.ts'
import type { FieldName } from '../fields.ts'
import { FIELDS, fieldOf } from '../fields.ts'
import { suggestion } from './suggestion.ts'
import { FlowSyntaxError } from './syntax-error.ts'
import type { Piece } from './words.ts'
import { slice } from './words.ts'

const registerNames = Object.fromEntries(
  Array.from({ length: 16 }, (_, index) => [`reg${index}`, [`NXM_NX_REG${index}`]]),
)

/** Names in NXM and OXM; Open vSwitch prints the first. */
const NAMES: Readonly<Partial<Record<string, readonly string[]>>> = {
  ...registerNames,
  tun_id: ['NXM_NX_TUN_ID', 'OXM_OF_TUNNEL_ID'],
  tun_src: ['NXM_NX_TUN_IPV4_SRC'],
  tun_dst: ['NXM_NX_TUN_IPV4_DST'],
  metadata: ['OXM_OF_METADATA'],
  in_port: ['OXM_OF_IN_PORT'],
  vlan_tci: ['NXM_OF_VLAN_TCI'],
  vlan_vid: ['OXM_OF_VLAN_VID'],
  vlan_pcp: ['OXM_OF_VLAN_PCP'],
  eth_src: ['NXM_OF_ETH_SRC', 'OXM_OF_ETH_SRC'],
  eth_dst: ['NXM_OF_ETH_DST', 'OXM_OF_ETH_DST'],
  eth_type: ['NXM_OF_ETH_TYPE', 'OXM_OF_ETH_TYPE'],
  nw_src: ['NXM_OF_IP_SRC', 'OXM_OF_IPV4_SRC'],
  nw_dst: ['NXM_OF_IP_DST', 'OXM_OF_IPV4_DST'],
  ipv6_src: ['NXM_NX_IPV6_SRC', 'OXM_OF_IPV6_SRC'],
  ipv6_dst: ['NXM_NX_IPV6_DST', 'OXM_OF_IPV6_DST'],
  arp_spa: ['NXM_OF_ARP_SPA', 'OXM_OF_ARP_SPA'],
  arp_tpa: ['NXM_OF_ARP_TPA', 'OXM_OF_ARP_TPA'],
  arp_op: ['NXM_OF_ARP_OP', 'OXM_OF_ARP_OP'],
  arp_sha: ['NXM_NX_ARP_SHA', 'OXM_OF_ARP_SHA'],
  arp_tha: ['NXM_NX_ARP_THA', 'OXM_OF_ARP_THA'],
  ipv6_label: ['NXM_NX_IPV6_LABEL', 'OXM_OF_IPV6_FLABEL'],
  nw_proto: ['NXM_OF_IP_PROTO', 'OXM_OF_IP_PROTO'],
  ip_dscp: ['OXM_OF_IP_DSCP'],
  nw_ecn: ['NXM_NX_IP_ECN', 'OXM_OF_IP_ECN'],
  nw_ttl: ['NXM_NX_IP_TTL'],
  ip_frag: ['NXM_NX_IP_FRAG'],
  icmp_type: ['NXM_OF_ICMP_TYPE', 'OXM_OF_ICMPV4_TYPE'],
  icmp_code: ['NXM_OF_ICMP_CODE', 'OXM_OF_ICMPV4_CODE'],
  icmpv6_type: ['NXM_NX_ICMPV6_TYPE', 'OXM_OF_ICMPV6_TYPE'],
  icmpv6_code: ['NXM_NX_ICMPV6_CODE', 'OXM_OF_ICMPV6_CODE'],
  tcp_src: ['NXM_OF_TCP_SRC', 'OXM_OF_TCP_SRC'],
  tcp_dst: ['NXM_OF_TCP_DST', 'OXM_OF_TCP_DST'],
  udp_src: ['NXM_OF_UDP_SRC', 'OXM_OF_UDP_SRC'],
  udp_dst: ['NXM_OF_UDP_DST', 'OXM_OF_UDP_DST'],
  sctp_src: ['OXM_OF_SCTP_SRC'],
  sctp_dst: ['OXM_OF_SCTP_DST'],
  tcp_flags: ['NXM_NX_TCP_FLAGS', 'OXM_OF_TCP_FLAGS'],
  nd_target: ['NXM_NX_ND_TARGET', 'OXM_OF_IPV6_ND_TARGET'],
  nd_sll: ['NXM_NX_ND_SLL', 'OXM_OF_IPV6_ND_SLL'],
  nd_tll: ['NXM_NX_ND_TLL', 'OXM_OF_IPV6_ND_TLL'],
  nd_reserved: ['ERICOXM_OF_ICMPV6_ND_RESERVED'],
  nd_options_type: ['ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE'],
}

/** The field's own name serves as well, as in newer Open vSwitch: `reg0[0..15]`. */
const byName = new Map<string, FieldName>(
  FIELDS.flatMap((field) =>
    [field.name, ...field.aliases, ...(NAMES[field.name] ?? [])].map((name) => [name, field.name]),
  ),
)

/** Bits that `[]` stands for: a VLAN has 12, the thirteenth of the OXM field says that there is one. */
const wholeBits = (field: FieldName) => (field === 'vlan_vid' ? 12 : fieldOf(field).bits)

export function parseSubfield(piece: Piece): Subfield {
  const found = /^([\w-]+)(\[(?:(\d+)(?:\.\.(\d+))?)?\])?$/.exec(piece.text)
  if (found === null)
    throw new FlowSyntaxError(piece.column, `'${piece.text}' names no bits of a field`, 'as NXM_NX_REG0[0..15]')
  const field = byName.get(found[1]!)
  if (field === undefined) {
    throw new FlowSyntaxError(
      piece.column,
      `unknown field '${found[1]}'`,
      'a field, as NXM_NX_REG0[0..15]',
      suggestion(found[1]!, byName.keys()),
    )
  }
  const first = found[3] === undefined ? 0 : Number(found[3])
  const last = found[3] === undefined ? wholeBits(field) - 1 : Number(found[4] ?? found[3])
  if (last < first || last >= fieldOf(field).bits) {
    throw new FlowSyntaxError(
      piece.column + found[1]!.length,
      `bits ${first}..${last} are not in ${found[1]}`,
      `bits within 0..${fieldOf(field).bits - 1}`,
    )
  }
  return { field, offset: first, bits: last - first + 1 }
}

export function formatSubfield({ field, offset, bits }: Subfield): string {
  const name = NAMES[field]?.[0] ?? field
  if (offset === 0 && bits === wholeBits(field)) return `${name}[]`
  return bits === 1 ? `${name}[${offset}]` : `${name}[${offset}..${offset + bits - 1}]`
}

/** The two sides of `source->destination`. */
export function sides(piece: Piece): [Piece, Piece] {
  const arrow = piece.text.indexOf('->')
  if (arrow < 0) throw new FlowSyntaxError(piece.column, `'${piece.text}' has no '->'`, 'SOURCE->DESTINATION')
  return [slice(piece, 0, arrow), slice(piece, arrow + 2)]
}
