// THE table of match fields: OpenFlow 1.3 §7.2.3.7 (OXM basic) and Open vSwitch's extensions. Text syntax, wire codes, masks,
// prerequisites and the place in the flow key are read from here and written nowhere else.

/** OXM classes: OpenFlow 1.3 §7.2.3.2, Open vSwitch `nx-match`, Ericsson and ONF extensions; by the prefix of the field's name. */
export const OxmClass = {
  NXM_OF: 0x0000,
  NXM_NX: 0x0001,
  ERICOXM_OF: 0x1000,
  OXM_OF: 0x8000,
  OXM_OF_PKT_REG: 0x8001,
  /** Open Networking Foundation: class 0xffff, and the experimenter's number before the value. */
  ONFOXM_ET: 0xffff,
} as const

/** Stands before the value of every field of class 0xffff that we know. */
export const ONF_EXPERIMENTER = 0x4f4e4600

/** One of the headers under which a field goes on the OpenFlow wire, and its name there: `NXM_OF_ETH_SRC`. */
export interface OxmHeader {
  name: string
  class: number
  field: number
}

/** What must be matched beside a field for it to mean anything (OpenFlow 1.3 table 13). */
export type Prerequisite =
  | 'none'
  | 'in_port'
  | 'vlan'
  | 'mpls'
  | 'pbb'
  | 'ip'
  | 'ipv4'
  | 'ipv6'
  | 'arp'
  | 'tcp'
  | 'udp'
  | 'sctp'
  | 'icmp'
  | 'icmp6'
  | 'nd'
  | 'ns'
  | 'na'
  | 'ct'

/**
 * How people write a value: `10`, `0x0800`, `02:00:00:00:00:01`, `10.0.0.0/24`, `fe80::/10`, a port's name or number,
 * `yes|no|first|later|not_later`, `+syn-ack`, `+trk+est`.
 */
export type FieldFormat =
  'decimal' | 'hexadecimal' | 'mac' | 'ipv4' | 'ipv6' | 'port' | 'frag' | 'tcp-flags' | 'ct-state'

interface FieldRow {
  /** Names that mean the same in flow text; Open vSwitch prints `name`. */
  aliases: readonly string[]
  /** What we say on the OpenFlow 1.3 wire comes first; all are understood. */
  headers: readonly OxmHeader[]
  bits: number
  maskable: boolean
  /** May be written by set_field, or be the target of move and load. */
  settable: boolean
  prerequisite: Prerequisite
  format: FieldFormat
  /** First 32-bit word in the flow key, most significant word first, and the left shift within it (fields of up to 32 bits). */
  word: number
  shift: number
}

/** Words of the flow key. Fields that can't occur together share words: ARP and IP addresses, ICMP and transport ports. */
export const Word = {
  // What the pipeline knows of a frame beside its headers: all before `ethernetDestination`.
  inPort: 0,
  metadata: 1,
  registers: 3,
  tunnelId: 19,
  tunnelSource: 21,
  tunnelDestination: 22,
  packetMark: 23,
  /** `CtState` bits; 0 until the frame has been through the connection tracker. */
  ctState: 24,
  ctZone: 25,
  ctMark: 26,
  ctLabel: 27,
  /** The original direction's tuple of the frame's connection. */
  ctProtocol: 31,
  ctIpv4Source: 32,
  ctIpv4Destination: 33,
  ctIpv6Source: 34,
  ctIpv6Destination: 38,
  ctTransportSource: 42,
  ctTransportDestination: 43,
  conjunctionId: 44,
  actionSetOutput: 45,
  // What is read off the frame.
  ethernetDestination: 46,
  ethernetSource: 48,
  etherType: 50,
  /** Outer tag: tag protocol identifier in the high half, control information in the low one with bit 12 set; 0 = untagged. */
  vlan: 51,
  innerVlan: 52,
  /** Label stack entries as on the wire (RFC 3032 §2.1), outermost first: label 20, traffic class 3, bottom of stack 1, TTL 8. */
  mpls: 53,
  /** Service instance of a provider backbone bridge's I-TAG (IEEE 802.1ah). */
  pbbServiceId: 56,
  /** IP protocol, or ARP operation. */
  protocol: 57,
  /** Differentiated services and ECN: the whole octet. */
  trafficClass: 58,
  ttl: 59,
  /** Bit 0: any fragment. Bit 1: a later one. */
  fragment: 60,
  ipv4Source: 61,
  ipv4Destination: 62,
  ipv6Source: 63,
  ipv6Destination: 67,
  flowLabel: 71,
  /** `Ipv6ExtensionBits`: OpenFlow 1.3 §7.2.3.8, OFPIEH_*. */
  ipv6Extensions: 72,
  /** TCP, UDP, SCTP port, or ICMP type. */
  transportSource: 73,
  /** TCP, UDP, SCTP port, or ICMP code. */
  transportDestination: 74,
  tcpFlags: 75,
  ndTarget: 76,
  /** ARP sender or ND source link-layer address. */
  arpSenderHardware: 80,
  /** ARP target or ND target link-layer address. */
  arpTargetHardware: 82,
  ndReserved: 84,
  ndOptionsType: 85,
} as const

/** 32-bit words in a flow key. */
export const KEY_WORDS = 86

/** Label stack entries that a key shows, as many as Open vSwitch knows. */
export const MAX_LABELS = 3

/** Bits of ct_state: ovs-fields(7). */
export const CtState = {
  New: 0x01,
  Established: 0x02,
  Related: 0x04,
  Reply: 0x08,
  Invalid: 0x10,
  Tracked: 0x20,
  SourceNat: 0x40,
  DestinationNat: 0x80,
} as const

/** `OXM_OF_ETH_SRC:4`: the class is known by the prefix. */
function headerOf(text: string): OxmHeader {
  const [name, number] = text.split(':') as [string, string]
  const prefix = name.startsWith('OXM_OF_PKT_REG') ? 'OXM_OF_PKT_REG' : /^(.*?_[A-Z]+)_/.exec(name)![1]!
  return { name, class: OxmClass[prefix as keyof typeof OxmClass], field: Number(number) }
}

const row = (
  aliases: string[],
  headers: string,
  bits: number,
  maskable: boolean,
  settable: boolean,
  prerequisite: Prerequisite,
  format: FieldFormat,
  word: number,
  shift = 0,
): FieldRow => ({
  aliases,
  headers: headers.split(' ').map(headerOf),
  bits,
  maskable,
  settable,
  prerequisite,
  format,
  word,
  shift,
})

const register = (index: number) =>
  row([], `NXM_NX_REG${index}:${index}`, 32, true, true, 'none', 'hexadecimal', Word.registers + index)
const wideRegister = (index: number) =>
  row([], `OXM_OF_PKT_REG${index}:${index}`, 64, true, true, 'none', 'hexadecimal', Word.registers + 2 * index)
const widestRegister = (index: number) =>
  row([], `NXM_NX_XXREG${index}:${111 + index}`, 128, true, true, 'none', 'hexadecimal', Word.registers + 4 * index)

/** Rows are in the order in which Open vSwitch prints a match. */
// prettier-ignore
const TABLE = {
  pkt_mark: row([], 'NXM_NX_PKT_MARK:33', 32, true, true, 'none', 'hexadecimal', Word.packetMark),
  conj_id: row([], 'NXM_NX_CONJ_ID:37', 32, false, false, 'none', 'decimal', Word.conjunctionId),
  actset_output: row([], 'ONFOXM_ET_ACTSET_OUTPUT:43 OXM_OF_ACTSET_OUTPUT:43', 32, false, false, 'none', 'port', Word.actionSetOutput),
  ct_state: row([], 'NXM_NX_CT_STATE:105', 32, true, false, 'none', 'ct-state', Word.ctState),
  ct_zone: row([], 'NXM_NX_CT_ZONE:106', 16, false, false, 'none', 'decimal', Word.ctZone),
  ct_mark: row([], 'NXM_NX_CT_MARK:107', 32, true, true, 'none', 'hexadecimal', Word.ctMark),
  ct_label: row([], 'NXM_NX_CT_LABEL:108', 128, true, true, 'none', 'hexadecimal', Word.ctLabel),
  ct_nw_src: row([], 'NXM_NX_CT_NW_SRC:120', 32, true, false, 'ct', 'ipv4', Word.ctIpv4Source),
  ct_ipv6_src: row([], 'NXM_NX_CT_IPV6_SRC:122', 128, true, false, 'ct', 'ipv6', Word.ctIpv6Source),
  ct_nw_dst: row([], 'NXM_NX_CT_NW_DST:121', 32, true, false, 'ct', 'ipv4', Word.ctIpv4Destination),
  ct_ipv6_dst: row([], 'NXM_NX_CT_IPV6_DST:123', 128, true, false, 'ct', 'ipv6', Word.ctIpv6Destination),
  ct_nw_proto: row([], 'NXM_NX_CT_NW_PROTO:119', 8, false, false, 'ct', 'decimal', Word.ctProtocol),
  ct_tp_src: row([], 'NXM_NX_CT_TP_SRC:124', 16, true, false, 'ct', 'decimal', Word.ctTransportSource),
  ct_tp_dst: row([], 'NXM_NX_CT_TP_DST:125', 16, true, false, 'ct', 'decimal', Word.ctTransportDestination),
  reg0: register(0),
  reg1: register(1),
  reg2: register(2),
  reg3: register(3),
  reg4: register(4),
  reg5: register(5),
  reg6: register(6),
  reg7: register(7),
  reg8: register(8),
  reg9: register(9),
  reg10: register(10),
  reg11: register(11),
  reg12: register(12),
  reg13: register(13),
  reg14: register(14),
  reg15: register(15),
  xreg0: wideRegister(0),
  xreg1: wideRegister(1),
  xreg2: wideRegister(2),
  xreg3: wideRegister(3),
  xreg4: wideRegister(4),
  xreg5: wideRegister(5),
  xreg6: wideRegister(6),
  xreg7: wideRegister(7),
  xxreg0: widestRegister(0),
  xxreg1: widestRegister(1),
  xxreg2: widestRegister(2),
  xxreg3: widestRegister(3),
  tun_id: row(['tunnel_id'], 'OXM_OF_TUNNEL_ID:38 NXM_NX_TUN_ID:16', 64, true, true, 'none', 'hexadecimal', Word.tunnelId),
  tun_src: row([], 'NXM_NX_TUN_IPV4_SRC:31', 32, true, true, 'none', 'ipv4', Word.tunnelSource),
  tun_dst: row([], 'NXM_NX_TUN_IPV4_DST:32', 32, true, true, 'none', 'ipv4', Word.tunnelDestination),
  metadata: row([], 'OXM_OF_METADATA:2', 64, true, true, 'none', 'hexadecimal', Word.metadata),
  in_port: row(['in_port_oxm'], 'OXM_OF_IN_PORT:0', 32, false, true, 'none', 'port', Word.inPort),
  in_phy_port: row([], 'OXM_OF_IN_PHY_PORT:1', 32, false, false, 'in_port', 'port', Word.inPort),
  vlan_tci: row([], 'NXM_OF_VLAN_TCI:4', 16, true, true, 'none', 'hexadecimal', Word.vlan),
  vlan_vid: row([], 'OXM_OF_VLAN_VID:6', 13, true, true, 'none', 'hexadecimal', Word.vlan),
  vlan_pcp: row(['dl_vlan_pcp'], 'OXM_OF_VLAN_PCP:7', 3, false, true, 'vlan', 'decimal', Word.vlan, 13),
  eth_src: row(['dl_src'], 'OXM_OF_ETH_SRC:4 NXM_OF_ETH_SRC:2', 48, true, true, 'none', 'mac', Word.ethernetSource),
  eth_dst: row(['dl_dst'], 'OXM_OF_ETH_DST:3 NXM_OF_ETH_DST:1', 48, true, true, 'none', 'mac', Word.ethernetDestination),
  eth_type: row(['dl_type'], 'OXM_OF_ETH_TYPE:5 NXM_OF_ETH_TYPE:3', 16, false, false, 'none', 'hexadecimal', Word.etherType),
  pbb_isid: row([], 'OXM_OF_PBB_ISID:37', 24, true, true, 'pbb', 'hexadecimal', Word.pbbServiceId),
  mpls_label: row([], 'OXM_OF_MPLS_LABEL:34', 20, false, true, 'mpls', 'decimal', Word.mpls, 12),
  mpls_tc: row([], 'OXM_OF_MPLS_TC:35', 3, false, true, 'mpls', 'decimal', Word.mpls, 9),
  mpls_ttl: row([], 'NXM_NX_MPLS_TTL:30', 8, false, true, 'mpls', 'decimal', Word.mpls),
  mpls_bos: row([], 'OXM_OF_MPLS_BOS:36', 1, false, false, 'mpls', 'decimal', Word.mpls, 8),
  nw_src: row(['ip_src'], 'OXM_OF_IPV4_SRC:11 NXM_OF_IP_SRC:7', 32, true, true, 'ipv4', 'ipv4', Word.ipv4Source),
  nw_dst: row(['ip_dst'], 'OXM_OF_IPV4_DST:12 NXM_OF_IP_DST:8', 32, true, true, 'ipv4', 'ipv4', Word.ipv4Destination),
  ipv6_src: row([], 'OXM_OF_IPV6_SRC:26 NXM_NX_IPV6_SRC:19', 128, true, true, 'ipv6', 'ipv6', Word.ipv6Source),
  ipv6_dst: row([], 'OXM_OF_IPV6_DST:27 NXM_NX_IPV6_DST:20', 128, true, true, 'ipv6', 'ipv6', Word.ipv6Destination),
  arp_spa: row([], 'OXM_OF_ARP_SPA:22 NXM_OF_ARP_SPA:16', 32, true, true, 'arp', 'ipv4', Word.ipv4Source),
  arp_tpa: row([], 'OXM_OF_ARP_TPA:23 NXM_OF_ARP_TPA:17', 32, true, true, 'arp', 'ipv4', Word.ipv4Destination),
  arp_op: row([], 'OXM_OF_ARP_OP:21 NXM_OF_ARP_OP:15', 16, false, true, 'arp', 'decimal', Word.protocol),
  arp_sha: row([], 'OXM_OF_ARP_SHA:24 NXM_NX_ARP_SHA:17', 48, true, true, 'arp', 'mac', Word.arpSenderHardware),
  arp_tha: row([], 'OXM_OF_ARP_THA:25 NXM_NX_ARP_THA:18', 48, true, true, 'arp', 'mac', Word.arpTargetHardware),
  ipv6_label: row([], 'OXM_OF_IPV6_FLABEL:28 NXM_NX_IPV6_LABEL:27', 20, true, true, 'ipv6', 'hexadecimal', Word.flowLabel),
  ipv6_exthdr: row([], 'OXM_OF_IPV6_EXTHDR:39', 9, true, false, 'ipv6', 'hexadecimal', Word.ipv6Extensions),
  nw_proto: row(['ip_proto'], 'OXM_OF_IP_PROTO:10 NXM_OF_IP_PROTO:6', 8, false, false, 'ip', 'decimal', Word.protocol),
  ip_dscp: row([], 'OXM_OF_IP_DSCP:8', 6, false, true, 'ip', 'decimal', Word.trafficClass, 2),
  nw_ecn: row(['ip_ecn'], 'OXM_OF_IP_ECN:9 NXM_NX_IP_ECN:28', 2, false, true, 'ip', 'decimal', Word.trafficClass),
  nw_ttl: row([], 'NXM_NX_IP_TTL:29', 8, false, true, 'ip', 'decimal', Word.ttl),
  ip_frag: row(['nw_frag'], 'NXM_NX_IP_FRAG:26', 2, true, false, 'ip', 'frag', Word.fragment),
  icmp_type: row([], 'OXM_OF_ICMPV4_TYPE:19 NXM_OF_ICMP_TYPE:13', 8, false, true, 'icmp', 'decimal', Word.transportSource),
  icmp_code: row([], 'OXM_OF_ICMPV4_CODE:20 NXM_OF_ICMP_CODE:14', 8, false, true, 'icmp', 'decimal', Word.transportDestination),
  icmpv6_type: row([], 'OXM_OF_ICMPV6_TYPE:29 NXM_NX_ICMPV6_TYPE:21', 8, false, true, 'icmp6', 'decimal', Word.transportSource),
  icmpv6_code: row([], 'OXM_OF_ICMPV6_CODE:30 NXM_NX_ICMPV6_CODE:22', 8, false, true, 'icmp6', 'decimal', Word.transportDestination),
  tcp_src: row([], 'OXM_OF_TCP_SRC:13 NXM_OF_TCP_SRC:9', 16, true, true, 'tcp', 'decimal', Word.transportSource),
  tcp_dst: row([], 'OXM_OF_TCP_DST:14 NXM_OF_TCP_DST:10', 16, true, true, 'tcp', 'decimal', Word.transportDestination),
  udp_src: row([], 'OXM_OF_UDP_SRC:15 NXM_OF_UDP_SRC:11', 16, true, true, 'udp', 'decimal', Word.transportSource),
  udp_dst: row([], 'OXM_OF_UDP_DST:16 NXM_OF_UDP_DST:12', 16, true, true, 'udp', 'decimal', Word.transportDestination),
  sctp_src: row([], 'OXM_OF_SCTP_SRC:17', 16, true, true, 'sctp', 'decimal', Word.transportSource),
  sctp_dst: row([], 'OXM_OF_SCTP_DST:18', 16, true, true, 'sctp', 'decimal', Word.transportDestination),
  tcp_flags: row([], 'NXM_NX_TCP_FLAGS:34 OXM_OF_TCP_FLAGS:42 ONFOXM_ET_TCP_FLAGS:42', 12, true, false, 'tcp', 'tcp-flags', Word.tcpFlags),
  nd_target: row([], 'OXM_OF_IPV6_ND_TARGET:31 NXM_NX_ND_TARGET:23', 128, true, true, 'nd', 'ipv6', Word.ndTarget),
  nd_sll: row([], 'OXM_OF_IPV6_ND_SLL:32 NXM_NX_ND_SLL:24', 48, true, true, 'ns', 'mac', Word.arpSenderHardware),
  nd_tll: row([], 'OXM_OF_IPV6_ND_TLL:33 NXM_NX_ND_TLL:25', 48, true, true, 'na', 'mac', Word.arpTargetHardware),
  nd_reserved: row([], 'ERICOXM_OF_ICMPV6_ND_RESERVED:1', 32, false, true, 'nd', 'hexadecimal', Word.ndReserved),
  nd_options_type: row([], 'ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE:2', 8, false, true, 'nd', 'decimal', Word.ndOptionsType),
} as const

export type FieldName = keyof typeof TABLE

export interface Field extends FieldRow {
  readonly name: FieldName
  /** All ones over the field's width. */
  readonly ones: bigint
}

/** Every field, in printing order. */
export const FIELDS: readonly Field[] = Object.entries(TABLE).map(([name, fieldRow]) => ({
  ...fieldRow,
  name: name as FieldName,
  ones: (1n << BigInt(fieldRow.bits)) - 1n,
}))

const byName = new Map<string, Field>(
  FIELDS.flatMap((field) => [field.name, ...field.aliases].map((name) => [name, field])),
)
const byOxm = new Map<number, Field>(
  FIELDS.flatMap((field) => field.headers.map((header) => [oxmKey(header.class, header.field), field] as const)),
)

function oxmKey(oxmClass: number, field: number): number {
  return oxmClass * 128 + field
}

/** The field that flow text calls `name`, an alias of it included. */
export const fieldNamed = (name: string): Field | undefined => byName.get(name)

/** The field with this OXM class and number, whichever of its headers they are; the experimenter of class 0xffff is ONF. */
export const fieldWithOxm = (oxmClass: number, field: number): Field | undefined =>
  field < 128 ? byOxm.get(oxmKey(oxmClass, field)) : undefined

/** The row of a field known by its canonical name. */
export const fieldOf = (name: FieldName): Field => byName.get(name)!
