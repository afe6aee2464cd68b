// Matches as Open vSwitch prints them: fields in its order, in its spelling.

import type { FieldName } from '../fields.ts'
import { FIELDS, fieldOf } from '../fields.ts'
import type { Match } from '../match.ts'
import type { FlowTextOptions } from './ports.ts'
import { protocolName } from './protocol-names.ts'
import { foldRegisters } from './registers.ts'
import { formatInMatch } from './values.ts'
import { tagBits, tagText } from './vlan.ts'

export const printMatch = (match: Match, options: FlowTextOptions = {}): string => matchWords(match, options).join(',')

/** Fields whose words in a match are not their names. */
const WORDS: Readonly<Partial<Record<FieldName, string>>> = {
  eth_src: 'dl_src',
  eth_dst: 'dl_dst',
  ip_dscp: 'nw_tos',
  ip_frag: 'nw_frag',
  icmpv6_type: 'icmp_type',
  icmpv6_code: 'icmp_code',
  tcp_src: 'tp_src',
  tcp_dst: 'tp_dst',
  udp_src: 'tp_src',
  udp_dst: 'tp_dst',
  sctp_src: 'tp_src',
  sctp_dst: 'tp_dst',
}

const TAG_FIELDS: ReadonlySet<FieldName> = new Set(['vlan_tci', 'vlan_vid', 'vlan_pcp'])

/** Fields before this one are what the pipeline knows, and stand before the name of the protocol. */
const FIRST_BEHIND_PROTOCOL = FIELDS.findIndex((field) => field.name === 'reg0')
const BEFORE_PROTOCOL = new Set<FieldName>(FIELDS.slice(0, FIRST_BEHIND_PROTOCOL).map((field) => field.name))

export function matchWords(given: Match, options: FlowTextOptions): string[] {
  const match = foldRegisters(given)
  const { name, named } = shorthand(match)
  const before: string[] = []
  const behind: string[] = []
  let tagPrinted = false
  for (const part of match) {
    if (named.has(part.field)) continue
    if (BEFORE_PROTOCOL.has(part.field)) before.push(matchWord(part, options))
    else if (!TAG_FIELDS.has(part.field)) behind.push(matchWord(part, options))
    else if (!tagPrinted) {
      behind.push(...tagText(tagBits(match)!))
      tagPrinted = true
    }
  }
  return [...before, ...(name === undefined ? [] : [name]), ...behind]
}

function matchWord(part: Match[number], options: FlowTextOptions): string {
  const word = WORDS[part.field] ?? part.field
  if (part.field === 'ip_dscp') return `${word}=${part.value << 2n}`
  if (part.field === 'eth_type') return `dl_type=0x${part.value.toString(16).padStart(4, '0')}`
  return `${word}=${formatInMatch(fieldOf(part.field), part, options)}`
}

/** `tcp` for Ethernet type and protocol, and which fields it speaks for. */
function shorthand(match: Match): { name?: string; named: ReadonlySet<FieldName> } {
  const value = (field: FieldName) => match.find((part) => part.field === field)?.value
  const etherType = value('eth_type')
  if (etherType === undefined) return { named: new Set() }
  const protocol = value('nw_proto')
  const both = protocol === undefined ? undefined : protocolName(Number(etherType), Number(protocol))
  if (both !== undefined) return { name: both, named: new Set(['eth_type', 'nw_proto']) }
  const name = protocolName(Number(etherType), undefined)
  return name === undefined ? { named: new Set() } : { name, named: new Set(['eth_type']) }
}
