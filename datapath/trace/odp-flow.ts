// A megaflow as Open vSwitch's datapath writes it: `format_odp_flow` (lib/odp-util.c).

import { formatIpv4, formatIpv6, formatMac } from '../../protocols/address.ts'
import type { FieldName } from '../../protocols/fields.ts'
import { MAX_LABELS, Word, fieldOf } from '../../protocols/fields.ts'
import { formatFlags } from '../../protocols/flow-text/flags.ts'
import { EtherType, IpProtocol } from '../../protocols/match.ts'
import type { FlowKey } from '../flow-key.ts'
import { VLAN_PRESENT, readField } from '../flow-key.ts'
import { isMpls } from '../pipeline/header-stacks.ts'
import { formatDatapathPort } from './odp-actions.ts'

type Format = (value: bigint) => string
const decimal: Format = String
const hex: Format = (value) => (value === 0n ? '0' : `0x${value.toString(16)}`)
const ipv4: Format = (value) => formatIpv4(Number(value))

const FRAGMENTS = ['no', 'first', 'later', 'later']

/** A key with its mask: what of it is written, and how. */
class OdpWriter {
  readonly #key: FlowKey
  readonly #mask: FlowKey

  constructor(key: FlowKey, mask: FlowKey) {
    this.#key = key
    this.#mask = mask
  }

  /** `name=value/mask`; nothing where no bit counts. */
  part(name: string, field: FieldName, format: Format, formatMask: Format = format): string[] {
    const row = fieldOf(field)
    const mask = readField(this.#mask, row)
    if (mask === 0n) return []
    const value = format(readField(this.#key, row) & mask)
    return [`${name}=${value}${mask === row.ones ? '' : `/${formatMask(mask)}`}`]
  }

  /** `tos` holds two fields of OpenFlow's. */
  octet(name: string, word: number): string[] {
    const mask = this.#mask[word] & 0xff
    if (mask === 0) return []
    return [`${name}=${hex(BigInt(this.#key[word] & mask))}${mask === 0xff ? '' : `/${hex(BigInt(mask))}`}`]
  }

  number(name: string, word: number, bits: number): string[] {
    const mask = this.#mask[word] & bits
    if (mask === 0) return []
    return [`${name}=${this.#key[word] & mask}${mask === bits ? '' : `/${hex(BigInt(mask))}`}`]
  }
}

/** `recirc_id(0),in_port(1),packet_type(ns=0,id=0),eth(src=…),eth_type(0x0800),ipv4(frag=no)` */
export function formatOdpFlow(key: FlowKey, mask: FlowKey, recirculation: number, bare: boolean): string {
  const writer = new OdpWriter(key, mask)
  const group = (name: string, parts: string[]) => (parts.length === 0 ? [] : [`${name}(${parts.join(',')})`])
  const tunnel = [
    ...writer.part('tun_id', 'tun_id', hex),
    ...writer.part('src', 'tun_src', ipv4),
    ...writer.part('dst', 'tun_dst', ipv4),
  ]
  const type = bare ? `packet_type(ns=1,id=0x${key[Word.etherType].toString(16)})` : 'packet_type(ns=0,id=0)'
  return [
    ...(key[Word.tunnelDestination] === 0 ? [] : group('tunnel', tunnel)),
    ...connection(key, mask, writer),
    `recirc_id(${recirculation === 0 ? '0' : `0x${recirculation.toString(16)}`})`,
    `in_port(${formatDatapathPort(key[Word.inPort])})`,
    type,
    ...group('eth', [...writer.part('src', 'eth_src', formatMac), ...writer.part('dst', 'eth_dst', formatMac)]),
    ...inTags(key, mask, [`eth_type(0x${key[Word.etherType].toString(16).padStart(4, '0')})`, ...network(key, writer)]),
  ].join(',')
}

function connection(key: FlowKey, mask: FlowKey, writer: OdpWriter): string[] {
  const state = readField(mask, fieldOf('ct_state'))
  const shown = { value: readField(key, fieldOf('ct_state')) & state, mask: state }
  const number = (name: 'ct_zone' | 'ct_mark' | 'ct_label') =>
    writer.part(name, name, hex).map((text) => text.replace('=', '(') + ')')
  return [
    ...(state === 0n ? [] : [`ct_state(${formatFlags(fieldOf('ct_state'), shown)})`]),
    ...number('ct_zone'),
    ...number('ct_mark'),
    ...number('ct_label'),
  ]
}

/** What is behind a tag stands in `encap(…)`. */
function inTags(key: FlowKey, mask: FlowKey, behind: string[]): string[] {
  return [Word.innerVlan, Word.vlan].reduce((inner, word) => {
    const tag = key[word]
    if ((tag & VLAN_PRESENT) === 0) return inner
    const parts = [
      ...((mask[word] & 0xfff) === 0 ? [] : [`vid=${tag & 0xfff}`]),
      ...((mask[word] & 0xe000) === 0 ? [] : [`pcp=${(tag & 0xffff) >>> 13}`]),
    ]
    const type = `eth_type(0x${(tag >>> 16).toString(16).padStart(4, '0')})`
    return [type, ...(parts.length === 0 ? [] : [`vlan(${parts.join(',')})`]), `encap(${inner.join(',')})`]
  }, behind)
}

function network(key: FlowKey, writer: OdpWriter): string[] {
  const group = (name: string, parts: string[]) => [`${name}(${parts.join(',')})`]
  const ip = (ttl: string, tos: string) => [
    ...writer.part('proto', 'nw_proto', decimal, hex),
    ...writer.octet(tos, Word.trafficClass),
    ...writer.part(ttl, 'nw_ttl', decimal, hex),
    `frag=${FRAGMENTS[key[Word.fragment] & 3]}`,
  ]
  switch (key[Word.etherType]) {
    case EtherType.Ipv4: {
      const ends = [...writer.part('src', 'nw_src', ipv4), ...writer.part('dst', 'nw_dst', ipv4)]
      return [...group('ipv4', [...ends, ...ip('ttl', 'tos')]), ...transport(key, writer)]
    }
    case EtherType.Ipv6: {
      const ends = [...writer.part('src', 'ipv6_src', formatIpv6), ...writer.part('dst', 'ipv6_dst', formatIpv6)]
      const label = writer.part('label', 'ipv6_label', hex)
      return [...group('ipv6', [...ends, ...label, ...ip('hlimit', 'tclass')]), ...transport(key, writer)]
    }
    case EtherType.Arp:
    case EtherType.Rarp: {
      const parts = [
        ...writer.part('sip', 'arp_spa', ipv4),
        ...writer.part('tip', 'arp_tpa', ipv4),
        ...writer.part('op', 'arp_op', decimal),
        ...writer.part('sha', 'arp_sha', formatMac),
        ...writer.part('tha', 'arp_tha', formatMac),
      ]
      return parts.length === 0 ? [] : group('arp', parts)
    }
    default:
      return isMpls(key[Word.etherType]) ? labels(key) : []
  }
}

function labels(key: FlowKey): string[] {
  const entries = [...key.subarray(Word.mpls, Word.mpls + MAX_LABELS)].filter((entry) => entry !== 0)
  const words = entries.map(
    (entry) => `label=${entry >>> 12},tc=${(entry >>> 9) & 7},ttl=${entry & 0xff},bos=${(entry >>> 8) & 1}`,
  )
  return words.length === 0 ? [] : [`mpls(${words.join('),mpls(')})`]
}

const TRANSPORTS: Readonly<Record<number, readonly [string, string, string]>> = {
  [IpProtocol.Tcp]: ['tcp', 'src', 'dst'],
  [IpProtocol.Udp]: ['udp', 'src', 'dst'],
  [IpProtocol.Sctp]: ['sctp', 'src', 'dst'],
  [IpProtocol.Icmp]: ['icmp', 'type', 'code'],
  [IpProtocol.Icmpv6]: ['icmpv6', 'type', 'code'],
}

function transport(key: FlowKey, writer: OdpWriter): string[] {
  const named = TRANSPORTS[key[Word.protocol]]
  if (named === undefined) return []
  const [name, source, destination] = named
  const bits = source === 'src' ? 0xffff : 0xff
  const parts = [
    ...writer.number(source, Word.transportSource, bits),
    ...writer.number(destination, Word.transportDestination, bits),
  ]
  const flags =
    name === 'tcp' ? writer.part('tcp_flags', 'tcp_flags', hex).map((text) => text.replace('=', '(') + ')') : []
  return [...(parts.length === 0 ? [] : [`${name}(${parts.join(',')})`]), ...flags]
}
