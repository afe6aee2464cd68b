// Flows as Open vSwitch's `ovs-ofctl -O OpenFlow15 dump-flows` prints them: fields in its order, in its spelling.

import type { Action, FlowSpec, FlowStatistics, Instructions } from '../control/messages.ts'
import { ReservedPort } from '../control/messages.ts'
import type { FieldName } from '../fields.ts'
import { fieldOf } from '../fields.ts'
import type { Match } from '../match.ts'
import { DEFAULT_PRIORITY } from './parse.ts'
import type { FlowTextOptions } from './ports.ts'
import { formatPort, reservedPortName } from './ports.ts'
import { protocolName } from './protocol-names.ts'
import { formatSubfield } from './subfields.ts'
import { formatInAction, formatInMatch, hexadecimal } from './values.ts'
import { tagBits, tagText } from './vlan.ts'

const UINT64 = 0xffffffffffffffffn

// ---- flows -------------------------------------------------------------------------------------------------------

/** One line of `dump-flows --no-stats`: what has its default is left out. */
export function printFlow(flow: FlowSpec, options: FlowTextOptions = {}): string {
  const head = [
    flow.cookie === 0n ? '' : `cookie=${hexadecimal(flow.cookie)}, `,
    flow.table === 0 ? '' : `table=${flow.table}, `,
    properties(flow),
  ]
  return ` ${head.join('')}${matchAndActions(flow, options)}`
}

/** One line of `dump-flows`. */
export function printFlowStatistics(flow: FlowStatistics, options: FlowTextOptions = {}): string {
  const head = [
    `cookie=0x${flow.cookie.toString(16)}, `,
    `duration=${seconds(flow.duration)}s, `,
    `table=${flow.table}, n_packets=${flow.packets}, n_bytes=${flow.bytes}, `,
    properties(flow),
    `idle_age=${flow.idleAge / NANOSECONDS}, `,
  ]
  return ` ${head.join('')}${matchAndActions(flow, options)}`
}

const NANOSECONDS = 1_000_000_000n

const seconds = (duration: bigint) =>
  `${duration / NANOSECONDS}.${String((duration % NANOSECONDS) / 1_000_000n).padStart(3, '0')}`

function properties({ idleTimeout, hardTimeout, flags }: FlowSpec): string {
  return [
    idleTimeout === 0 ? '' : `idle_timeout=${idleTimeout}, `,
    hardTimeout === 0 ? '' : `hard_timeout=${hardTimeout}, `,
    flags.sendFlowRemoved ? 'send_flow_rem ' : '',
    flags.checkOverlap ? 'check_overlap ' : '',
    flags.resetCounts ? 'reset_counts ' : '',
  ].join('')
}

function matchAndActions(flow: FlowSpec, options: FlowTextOptions): string {
  const priority = flow.priority === DEFAULT_PRIORITY ? [] : [`priority=${flow.priority}`]
  const match = [...priority, ...matchWords(flow.match, options)].join(',')
  return `${match === '' ? '' : `${match} `}actions=${printInstructions(flow.instructions, options)}`
}

// ---- matches -----------------------------------------------------------------------------------------------------

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

function matchWords(match: Match, options: FlowTextOptions): string[] {
  const { name, named } = shorthand(match)
  const text = name === undefined ? [] : [name]
  let tagPrinted = false
  for (const part of match) {
    if (named.has(part.field)) continue
    if (!TAG_FIELDS.has(part.field)) text.push(matchWord(part, options))
    else if (!tagPrinted) {
      text.push(...tagText(tagBits(match)!))
      tagPrinted = true
    }
  }
  return text
}

const TAG_FIELDS: ReadonlySet<FieldName> = new Set(['vlan_tci', 'vlan_vid', 'vlan_pcp'])

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

// ---- actions -----------------------------------------------------------------------------------------------------

/** What follows `actions=`. */
export function printInstructions(instructions: Instructions, options: FlowTextOptions = {}): string {
  const { meter, apply, clear, write, writeMetadata, gotoTable } = instructions
  const text: string[] = []
  if (meter !== undefined) text.push(`meter:${meter}`)
  text.push(...apply.map((action) => printAction(action, options)))
  if (clear) text.push('clear_actions')
  if (write.length > 0) text.push(`write_actions(${write.map((action) => printAction(action, options)).join(',')})`)
  if (writeMetadata) text.push(`write_metadata:${hexadecimal(writeMetadata.value)}${metadataMask(writeMetadata.mask)}`)
  if (gotoTable !== undefined) text.push(`goto_table:${gotoTable}`)
  return text.length === 0 ? 'drop' : text.join(',')
}

const metadataMask = (mask: bigint) => (mask === UINT64 ? '' : `/${hexadecimal(mask)}`)

/** A list of actions; `drop` where it is empty. */
export const printActions = (actions: readonly Action[], options: FlowTextOptions = {}): string =>
  actions.length === 0 ? 'drop' : actions.map((action) => printAction(action, options)).join(',')

function printAction(action: Action, options: FlowTextOptions): string {
  switch (action.type) {
    case 'output':
      return printOutput(action.port, options)
    case 'controller':
      return `CONTROLLER:${action.maxLength}`
    case 'push_vlan':
      return `push_vlan:0x${action.etherType.toString(16)}`
    case 'pop_vlan':
      return 'pop_vlan'
    case 'set_vlan_vid':
      return `mod_vlan_vid:${action.vid}`
    case 'set_vlan_pcp':
      return `mod_vlan_pcp:${action.pcp}`
    case 'set_field':
      return printSetField(action, options)
    case 'move':
      return `move:${formatSubfield(action.from)}->${formatSubfield(action.to)}`
    case 'dec_ttl':
      return 'dec_ttl'
    case 'resubmit':
      return printResubmit(action, options)
    case 'clone':
      return `clone(${printActions(action.actions, options)})`
  }
}

function printOutput(port: number, options: FlowTextOptions): string {
  if (port === ReservedPort.Controller) return 'CONTROLLER:65535'
  return reservedPortName(port) ?? `output:${formatPort(port, options)}`
}

/** Fields whose names in set_field are not ours. */
const SET_FIELD_NAMES: Readonly<Partial<Record<FieldName, string>>> = { nw_src: 'ip_src', nw_dst: 'ip_dst' }

function printSetField(action: Extract<Action, { type: 'set_field' }>, options: FlowTextOptions): string {
  if (action.field === 'nw_ttl' && action.mask === undefined) return `mod_nw_ttl:${action.value}`
  const text = formatInAction(fieldOf(action.field), action, options)
  return `set_field:${text}->${SET_FIELD_NAMES[action.field] ?? action.field}`
}

function printResubmit({ port, table }: Extract<Action, { type: 'resubmit' }>, options: FlowTextOptions): string {
  const where = port === undefined ? '' : formatPort(port, options)
  return table === undefined ? `resubmit:${where === '' ? 'IN_PORT' : where}` : `resubmit(${where},${table})`
}
