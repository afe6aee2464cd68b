// THE table of match fields: OpenFlow 1.3 §7.2.3.7 (OXM basic) and Open vSwitch's extensions. Text syntax, wire codes, masks,
// prerequisites and the place in the flow key are read from here and written nowhere else.

/** OXM classes: OpenFlow 1.3 §7.2.3.2, Open vSwitch `nx-match`, ONF experimenter ids. */
export const OxmClass = { Nxm0: 0x0000, Nxm1: 0x0001, Basic: 0x8000, PacketRegs: 0x8001, Experimenter: 0xffff } as const

/** What must be matched beside a field for it to mean anything (OpenFlow 1.3 table 13). Each names the text that would do. */
export type Prerequisite =
  'none' | 'vlan' | 'ip' | 'ipv4' | 'ipv6' | 'arp' | 'tcp' | 'udp' | 'sctp' | 'icmp' | 'icmp6' | 'nd' | 'ns' | 'na'

/**
 * How people write a value: `10`, `0x0800`, `02:00:00:00:00:01`, `10.0.0.0/24`, `fe80::/10`, a port's name or number,
 * `yes|no|first|later|not_later`, `+syn-ack`.
 */
export type FieldFormat = 'decimal' | 'hexadecimal' | 'mac' | 'ipv4' | 'ipv6' | 'port' | 'frag' | 'tcp-flags'

interface FieldRow {
  /** Names that mean the same in flow text; Open vSwitch prints `name`. */
  aliases: readonly string[]
  oxm: { class: number; field: number }
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

const BASIC = OxmClass.Basic
const NXM1 = OxmClass.Nxm1
const ERICSSON = 0x0000 // placed under the experimenter class; see `experimenter` below

/** Words of the flow key. Fields that can't occur together share words: ARP and IP addresses, ICMP and transport ports. */
export const Word = {
  inPort: 0,
  metadata: 1,
  registers: 3,
  tunnelId: 19,
  tunnelSource: 21,
  tunnelDestination: 22,
  ethernetDestination: 23,
  ethernetSource: 25,
  etherType: 27,
  /** Outer tag: tag protocol identifier in the high half, control information in the low one with bit 12 set; 0 = untagged. */
  vlan: 28,
  innerVlan: 29,
  /** IP protocol, or ARP operation. */
  protocol: 30,
  /** Differentiated services and ECN: the whole octet. */
  trafficClass: 31,
  ttl: 32,
  /** Bit 0: any fragment. Bit 1: a later one. */
  fragment: 33,
  ipv4Source: 34,
  ipv4Destination: 35,
  ipv6Source: 36,
  ipv6Destination: 40,
  flowLabel: 44,
  /** TCP, UDP, SCTP port, or ICMP type. */
  transportSource: 45,
  /** TCP, UDP, SCTP port, or ICMP code. */
  transportDestination: 46,
  tcpFlags: 47,
  ndTarget: 48,
  /** ARP sender or ND source link-layer address. */
  arpSenderHardware: 52,
  /** ARP target or ND target link-layer address. */
  arpTargetHardware: 54,
  ndReserved: 56,
  ndOptionsType: 57,
} as const

/** 32-bit words in a flow key. */
export const KEY_WORDS = 58

const row = (
  aliases: string[],
  oxm: [number, number],
  bits: number,
  maskable: boolean,
  settable: boolean,
  prerequisite: Prerequisite,
  format: FieldFormat,
  word: number,
  shift = 0,
): FieldRow => ({
  aliases,
  oxm: { class: oxm[0], field: oxm[1] },
  bits,
  maskable,
  settable,
  prerequisite,
  format,
  word,
  shift,
})

const register = (index: number) =>
  row([], [NXM1, index], 32, true, true, 'none', 'hexadecimal', Word.registers + index)

/** Rows are in the order in which Open vSwitch prints a match. */
const TABLE = {
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
  tun_id: row(['tunnel_id'], [BASIC, 38], 64, true, true, 'none', 'hexadecimal', Word.tunnelId),
  tun_src: row([], [NXM1, 31], 32, true, true, 'none', 'ipv4', Word.tunnelSource),
  tun_dst: row([], [NXM1, 32], 32, true, true, 'none', 'ipv4', Word.tunnelDestination),
  metadata: row([], [BASIC, 2], 64, true, true, 'none', 'hexadecimal', Word.metadata),
  in_port: row([], [BASIC, 0], 32, false, true, 'none', 'port', Word.inPort),
  vlan_tci: row([], [OxmClass.Nxm0, 4], 16, true, true, 'none', 'hexadecimal', Word.vlan),
  vlan_vid: row([], [BASIC, 6], 13, true, true, 'none', 'hexadecimal', Word.vlan),
  vlan_pcp: row(['dl_vlan_pcp'], [BASIC, 7], 3, true, true, 'vlan', 'decimal', Word.vlan, 13),
  eth_src: row(['dl_src'], [BASIC, 4], 48, true, true, 'none', 'mac', Word.ethernetSource),
  eth_dst: row(['dl_dst'], [BASIC, 3], 48, true, true, 'none', 'mac', Word.ethernetDestination),
  eth_type: row(['dl_type'], [BASIC, 5], 16, false, false, 'none', 'hexadecimal', Word.etherType),
  nw_src: row(['ip_src', 'ipv4_src'], [BASIC, 11], 32, true, true, 'ipv4', 'ipv4', Word.ipv4Source),
  nw_dst: row(['ip_dst', 'ipv4_dst'], [BASIC, 12], 32, true, true, 'ipv4', 'ipv4', Word.ipv4Destination),
  ipv6_src: row([], [BASIC, 26], 128, true, true, 'ipv6', 'ipv6', Word.ipv6Source),
  ipv6_dst: row([], [BASIC, 27], 128, true, true, 'ipv6', 'ipv6', Word.ipv6Destination),
  arp_spa: row([], [BASIC, 22], 32, true, true, 'arp', 'ipv4', Word.ipv4Source),
  arp_tpa: row([], [BASIC, 23], 32, true, true, 'arp', 'ipv4', Word.ipv4Destination),
  arp_op: row([], [BASIC, 21], 16, false, true, 'arp', 'decimal', Word.protocol),
  arp_sha: row([], [BASIC, 24], 48, true, true, 'arp', 'mac', Word.arpSenderHardware),
  arp_tha: row([], [BASIC, 25], 48, true, true, 'arp', 'mac', Word.arpTargetHardware),
  ipv6_label: row([], [BASIC, 28], 20, true, true, 'ipv6', 'hexadecimal', Word.flowLabel),
  nw_proto: row(['ip_proto'], [BASIC, 10], 8, false, false, 'ip', 'decimal', Word.protocol),
  ip_dscp: row([], [BASIC, 8], 6, false, true, 'ip', 'decimal', Word.trafficClass, 2),
  nw_ecn: row(['ip_ecn'], [BASIC, 9], 2, false, true, 'ip', 'decimal', Word.trafficClass),
  nw_ttl: row([], [NXM1, 29], 8, false, true, 'ip', 'decimal', Word.ttl),
  ip_frag: row(['nw_frag'], [NXM1, 26], 2, true, false, 'ip', 'frag', Word.fragment),
  icmp_type: row(['icmpv4_type'], [BASIC, 19], 8, false, true, 'icmp', 'decimal', Word.transportSource),
  icmp_code: row(['icmpv4_code'], [BASIC, 20], 8, false, true, 'icmp', 'decimal', Word.transportDestination),
  icmpv6_type: row([], [BASIC, 29], 8, false, true, 'icmp6', 'decimal', Word.transportSource),
  icmpv6_code: row([], [BASIC, 30], 8, false, true, 'icmp6', 'decimal', Word.transportDestination),
  tcp_src: row([], [BASIC, 13], 16, true, true, 'tcp', 'decimal', Word.transportSource),
  tcp_dst: row([], [BASIC, 14], 16, true, true, 'tcp', 'decimal', Word.transportDestination),
  udp_src: row([], [BASIC, 15], 16, true, true, 'udp', 'decimal', Word.transportSource),
  udp_dst: row([], [BASIC, 16], 16, true, true, 'udp', 'decimal', Word.transportDestination),
  sctp_src: row([], [BASIC, 17], 16, true, true, 'sctp', 'decimal', Word.transportSource),
  sctp_dst: row([], [BASIC, 18], 16, true, true, 'sctp', 'decimal', Word.transportDestination),
  tcp_flags: row([], [BASIC, 42], 12, true, false, 'tcp', 'tcp-flags', Word.tcpFlags),
  nd_target: row([], [BASIC, 31], 128, true, true, 'nd', 'ipv6', Word.ndTarget),
  nd_sll: row([], [BASIC, 32], 48, true, true, 'ns', 'mac', Word.arpSenderHardware),
  nd_tll: row([], [BASIC, 33], 48, true, true, 'na', 'mac', Word.arpTargetHardware),
  nd_reserved: row([], [OxmClass.Experimenter, ERICSSON + 1], 32, false, true, 'nd', 'hexadecimal', Word.ndReserved),
  nd_options_type: row([], [OxmClass.Experimenter, ERICSSON + 2], 8, false, true, 'nd', 'decimal', Word.ndOptionsType),
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
const byOxm = new Map<number, Field>(FIELDS.map((field) => [oxmKey(field.oxm.class, field.oxm.field), field]))

function oxmKey(oxmClass: number, field: number): number {
  return oxmClass * 128 + field
}

/** The field that flow text calls `name`, an alias of it included. */
export const fieldNamed = (name: string): Field | undefined => byName.get(name)

/** The field with this OXM header. */
export const fieldWithOxm = (oxmClass: number, field: number): Field | undefined => byOxm.get(oxmKey(oxmClass, field))

/** The row of a field known by its canonical name. */
export const fieldOf = (name: FieldName): Field => byName.get(name)!
