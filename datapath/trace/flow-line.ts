// A flow key in a line, as Open vSwitch's `flow_format` and `match_format` print theirs.

import type { FieldName } from '../../protocols/fields.ts'
import { FIELDS, MAX_LABELS, Word, fieldOf } from '../../protocols/fields.ts'
import type { FieldMatch } from '../../protocols/match.ts'
import { EtherType, IpProtocol } from '../../protocols/match.ts'
import { printMatch } from '../../protocols/flow-text/print.ts'
import type { FlowKey } from '../flow-key.ts'
import { Fragment, readField } from '../flow-key.ts'
import { UNSET } from '../pipeline/action-set.ts'
import { BOTTOM_OF_STACK, isMpls } from '../pipeline/header-stacks.ts'

/** A key, and what a line tells beside it. */
export interface FlowLine {
  key: FlowKey
  /** Bits that count; absent: those of every header that the frame has, and what the pipeline knows of it that is not 0. */
  mask?: FlowKey
  /** 0: the frame has not been read anew. */
  recirculation: number
  /** The frame has no Ethernet header. */
  bare: boolean
}

const FIRST_REGISTER = FIELDS.findIndex(({ name }) => name === 'reg0')
/** Each bit once: the wide registers and the tag's other fields say again what these say. */
const PRINTED = FIELDS.map(({ name }) => name).filter(
  (name) => !/^(x|in_phy_port|vlan_[vp]|actset|nd_res|nd_opt)/.test(name),
)
const METADATA = PRINTED.filter((name) => fieldOf(name).word < Word.ethernetDestination)
const IP: readonly FieldName[] = ['nw_proto', 'ip_dscp', 'nw_ecn', 'nw_ttl', 'ip_frag']
const TRANSPORT: Readonly<Record<number, readonly FieldName[]>> = {
  [IpProtocol.Tcp]: ['tcp_src', 'tcp_dst', 'tcp_flags'],
  [IpProtocol.Udp]: ['udp_src', 'udp_dst'],
  [IpProtocol.Sctp]: ['sctp_src', 'sctp_dst'],
}
const ND: readonly FieldName[] = ['nd_target', 'nd_sll', 'nd_tll']

/** The fields that the frame of this key has, in no order. */
function headersOf(key: FlowKey, bare: boolean): FieldName[] {
  const ethernet: FieldName[] = bare ? [] : ['vlan_tci', 'eth_src', 'eth_dst', 'eth_type']
  switch (key[Word.etherType]) {
    case EtherType.Arp:
    case EtherType.Rarp:
      return [...ethernet, 'arp_spa', 'arp_tpa', 'arp_op', 'arp_sha', 'arp_tha']
    case EtherType.Ipv4:
      return [...ethernet, 'nw_src', 'nw_dst', ...IP, ...transportOf(key, ['icmp_type', 'icmp_code'], IpProtocol.Icmp)]
    case EtherType.Ipv6:
      return [
        ...ethernet,
        ...(['ipv6_src', 'ipv6_dst', 'ipv6_label'] as const),
        ...IP,
        ...transportOf(key, icmpv6Fields(key), IpProtocol.Icmpv6),
      ]
    case EtherType.Mpls:
    case EtherType.MplsMulticast:
      return [...ethernet, 'mpls_label', 'mpls_tc', 'mpls_ttl', 'mpls_bos']
    case EtherType.Pbb:
      return [...ethernet, 'pbb_isid']
    default:
      return ethernet
  }
}

function transportOf(key: FlowKey, icmp: readonly FieldName[], icmpProtocol: number): readonly FieldName[] {
  if ((key[Word.fragment] & Fragment.Later) !== 0) return []
  const protocol = key[Word.protocol]
  if (protocol === icmpProtocol) return icmp
  // Of the other family's ICMP, Open vSwitch shows the two as though they were ports.
  return TRANSPORT[protocol === IpProtocol.Icmp || protocol === IpProtocol.Icmpv6 ? IpProtocol.Udp : protocol] ?? []
}

function icmpv6Fields(key: FlowKey): FieldName[] {
  const type = key[Word.transportSource]
  const isNd = (type === 135 || type === 136) && key[Word.transportDestination] === 0
  return ['icmpv6_type', 'icmpv6_code', ...(isNd ? ND : [])]
}

/** The line behind `Flow: `, `Final flow: ` and `Megaflow: `. */
export function formatFlow(line: FlowLine): string {
  const { key, mask, recirculation, bare } = line
  const parts = mask === undefined ? wholeParts(key, bare) : maskedParts(key, mask, bare)
  const isMegaflow = mask !== undefined || recirculation !== 0
  const [early, late] = [parts.filter(isBeforeProtocol), parts.filter((part) => !isBeforeProtocol(part))]
  const [marks, known] = [early.filter(isMark), early.filter((part) => !isMark(part))]
  const type = `packet_type=(1,0x${key[Word.etherType].toString(16)})`
  const words = [
    printMatch(marks),
    isMegaflow ? `recirc_id=${recirculation === 0 ? '0' : `0x${recirculation.toString(16)}`}` : '',
    printMatch(known),
    bare ? type : isMegaflow ? 'eth' : '',
    ...withInner(printMatch(late), key, mask),
  ]
  return words.filter((word) => word !== '').join(',')
}

const isMark = ({ field }: FieldMatch) => field === 'pkt_mark'
const isBeforeProtocol = ({ field }: FieldMatch) => FIELDS.indexOf(fieldOf(field)) < FIRST_REGISTER

/** What has no name in flow syntax: the second tag stands behind the first, labels behind all. */
function withInner(text: string, key: FlowKey, mask: FlowKey | undefined): string[] {
  const inner = innerTag(key, mask)
  const behindTag = text.replace(/((?:dl_vlan|dl_vlan_pcp|vlan_tci)=[^,]*(?:,|$))+/, (tag) => `${tag}${inner},`)
  return [inner === '' ? text : behindTag, innerLabels(key, mask)]
}

function innerTag(key: FlowKey, mask: FlowKey | undefined): string {
  const bits = mask === undefined ? 0xffff : mask[Word.innerVlan] & 0xffff
  if (key[Word.vlan] === 0 || bits === 0) return ''
  const tag = { field: 'vlan_tci' as const, value: BigInt(key[Word.innerVlan] & bits) }
  const text = printMatch([bits === 0xffff ? tag : { ...tag, mask: BigInt(bits) }])
  return text.replace(/(dl_vlan|dl_vlan_pcp|vlan_tci)=/g, '$11=')
}

function innerLabels(key: FlowKey, mask: FlowKey | undefined): string {
  if (!isMpls(key[Word.etherType])) return ''
  const words: string[] = []
  for (let index = 1; index < MAX_LABELS && (key[Word.mpls + index - 1] & BOTTOM_OF_STACK) === 0; index++)
    if (mask === undefined || mask[Word.mpls + index] !== 0) words.push(`mpls_lse${index}=${key[Word.mpls + index]}`)
  return words.join(',')
}

function wholeParts(key: FlowKey, bare: boolean): FieldMatch[] {
  const wanted = new Set<FieldName>(headersOf(key, bare))
  for (const name of METADATA) if (readField(key, fieldOf(name)) !== 0n) wanted.add(name)
  if (readField(key, fieldOf('ct_state')) === 0n || key[Word.ctProtocol] === 0)
    for (const name of METADATA) if (/^ct_(nw|ipv6|tp)/.test(name)) wanted.delete(name)
  // Without a destination there is no tunnel, whatever was written of its source.
  if (key[Word.tunnelDestination] === 0) wanted.delete('tun_src')
  else wanted.add('tun_src')
  dropOtherFamily(wanted, key)
  return PRINTED.filter((name) => wanted.has(name)).map((field) => ({ field, value: readField(key, fieldOf(field)) }))
}

function maskedParts(key: FlowKey, mask: FlowKey, bare: boolean): FieldMatch[] {
  const wanted = new Set<FieldName>([...METADATA, ...headersOf(key, bare)])
  dropOtherFamily(wanted, key)
  if (key[Word.actionSetOutput] === UNSET) wanted.delete('actset_output')
  return PRINTED.filter((name) => wanted.has(name)).flatMap((name) => {
    const field = fieldOf(name)
    const bits = readField(mask, field)
    if (bits === 0n) return []
    const value = readField(key, field) & bits
    return [bits === field.ones ? { field: name, value } : { field: name, value, mask: bits }]
  })
}

/** A connection's addresses are of the frame's family. */
function dropOtherFamily(wanted: Set<FieldName>, key: FlowKey): void {
  const isIpv4 = key[Word.etherType] === EtherType.Ipv4
  const isIpv6 = key[Word.etherType] === EtherType.Ipv6
  if (!isIpv4) for (const name of ['ct_nw_src', 'ct_nw_dst'] as const) wanted.delete(name)
  if (!isIpv6) for (const name of ['ct_ipv6_src', 'ct_ipv6_dst'] as const) wanted.delete(name)
}
