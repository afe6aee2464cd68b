// `set(…)` of Open vSwitch's datapath: all changes to one header in one word, only what differs from what the frame has.

import { formatIpv4, formatIpv6, formatMac } from '../../protocols/address.ts'
import { Word } from '../../protocols/fields.ts'
import { EtherType, IpProtocol } from '../../protocols/match.ts'
import type { DatapathAction } from '../datapath-actions.ts'
import type { FlowKey } from '../flow-key.ts'

type SetAction = Extract<DatapathAction, { type: 'set' }>

/** Some bits of the key by the name that they have in a header. */
interface Part {
  name: string
  word: number
  words: number
  /** Bits of the last word, from `shift` on; all where absent. */
  ones?: number
  shift?: number
  format: (value: bigint) => string
  /** Where a mask is written other than a value. */
  formatMask?: (mask: bigint) => string
}

const decimal = (value: bigint) => String(value)
const hexadecimal = (value: bigint) => (value === 0n ? '0' : `0x${value.toString(16)}`)
const ipv4 = (value: bigint) => formatIpv4(Number(value))

const MAC_ONES = 0xffff_ffff_ffffn
const mac = (name: string, word: number): Part => ({ name, word, words: 2, format: formatMac })
const port = (name: string, word: number): Part => ({
  name,
  word,
  words: 1,
  ones: 0xffff,
  format: decimal,
  formatMask: hexadecimal,
})
const octet = (name: string, word: number, format = decimal): Part => ({
  name,
  word,
  words: 1,
  ones: 0xff,
  format,
  formatMask: hexadecimal,
})
const address = (name: string, word: number): Part => ({ name, word, words: 1, format: ipv4 })
const wideAddress = (name: string, word: number): Part => ({ name, word, words: 4, format: formatIpv6 })

const PORTS = [port('src', Word.transportSource), port('dst', Word.transportDestination)]
const TYPES = [octet('type', Word.transportSource), octet('code', Word.transportDestination)]
const ETHERNET = [mac('src', Word.ethernetSource), mac('dst', Word.ethernetDestination)]
const IPV4 = [
  address('src', Word.ipv4Source),
  address('dst', Word.ipv4Destination),
  octet('tos', Word.trafficClass, hexadecimal),
  octet('ttl', Word.ttl),
]
const IPV6 = [
  wideAddress('src', Word.ipv6Source),
  wideAddress('dst', Word.ipv6Destination),
  { ...octet('label', Word.flowLabel, hexadecimal), ones: 0xfffff },
  octet('tclass', Word.trafficClass, hexadecimal),
  octet('hlimit', Word.ttl),
]
const ARP = [
  address('sip', Word.ipv4Source),
  address('tip', Word.ipv4Destination),
  { ...port('op', Word.protocol), formatMask: decimal },
  mac('sha', Word.arpSenderHardware),
  mac('tha', Word.arpTargetHardware),
]
const ND = [
  wideAddress('target', Word.ndTarget),
  mac('sll', Word.arpSenderHardware),
  mac('tll', Word.arpTargetHardware),
]
const ND_EXTENSIONS = [
  { ...address('nd_reserved', Word.ndReserved), format: hexadecimal },
  octet('nd_options_type', Word.ndOptionsType),
]
const TRANSPORT: Readonly<Record<number, readonly [string, readonly Part[]]>> = {
  [IpProtocol.Tcp]: ['tcp', PORTS],
  [IpProtocol.Udp]: ['udp', PORTS],
  [IpProtocol.Sctp]: ['sctp', PORTS],
  [IpProtocol.Icmp]: ['icmp', TYPES],
  [IpProtocol.Icmpv6]: ['icmpv6', TYPES],
}

/** The headers that can be set in a frame of this key, in the order in which Open vSwitch sets them. */
function headersOf(key: FlowKey): (readonly [string, readonly Part[]])[] {
  const transport = TRANSPORT[key[Word.protocol]]
  const behind = transport === undefined ? [] : [transport]
  switch (key[Word.etherType]) {
    case EtherType.Ipv4:
      return [['eth', ETHERNET], ['ipv4', IPV4], ...behind]
    case EtherType.Ipv6:
      return [['eth', ETHERNET], ['ipv6', IPV6], ['nd', ND], ['nd_ext', ND_EXTENSIONS], ...behind]
    case EtherType.Arp:
    case EtherType.Rarp:
      return [
        ['eth', ETHERNET],
        ['arp', ARP],
      ]
    default:
      return [['eth', ETHERNET]]
  }
}

/** The words for a run of sets; `key` becomes what the frame's is after them. */
export function formatSets(sets: readonly SetAction[], key: FlowKey): string[] {
  const masks = new Map<number, number>()
  const before = key.slice()
  for (const { word, value, mask } of sets) {
    key[word] = ((key[word] & ~mask) | value) >>> 0
    masks.set(word, (masks.get(word) ?? 0) | mask)
  }
  const words = headersOf(before).flatMap(([name, parts]) => {
    const said = parts.flatMap((part) => formatPart(part, key, before, masks))
    return said.length === 0 ? [] : [`set(${name}(${said.join(',')}))`]
  })
  const label = key[Word.mpls]
  if (label !== before[Word.mpls] || masks.get(Word.mpls) !== undefined)
    words.push(`set(mpls(label=${label >>> 12},tc=${(label >>> 9) & 7},ttl=${label & 0xff},bos=${(label >>> 8) & 1}))`)
  if (masks.has(Word.pbbServiceId)) words.push(`set(pbb(isid=${key[Word.pbbServiceId]}))`)
  return words
}

function formatPart(part: Part, key: FlowKey, before: FlowKey, masks: ReadonlyMap<number, number>): string[] {
  const value = wide(part, (word) => key[word])
  const mask = wide(part, (word) => (masks.get(word) ?? 0) >>> 0)
  if (((value ^ wide(part, (word) => before[word])) & mask) === 0n) return []
  const ones = onesOf(part)
  const shown = part.format(value & mask)
  return [`${part.name}=${shown}${mask === ones ? '' : `/${(part.formatMask ?? part.format)(mask)}`}`]
}

const onesOf = ({ words, ones, format }: Part): bigint =>
  format === formatMac ? MAC_ONES : words === 1 ? BigInt(ones ?? 0xffffffff) : (1n << BigInt(32 * words)) - 1n

function wide({ word, words }: Part, read: (word: number) => number): bigint {
  let value = 0n
  for (let index = 0; index < words; index++) value = (value << 32n) | BigInt(read(word + index) >>> 0)
  return value
}
