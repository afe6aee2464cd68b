// Datapath actions as Open vSwitch writes them: `format_odp_actions` (lib/odp-util.c). What it has no word for goes by our own.

import { formatIpv4 } from '../../protocols/address.ts'
import { APPLICATION_GATEWAYS, ReservedPort } from '../../protocols/control/messages.ts'
import { printNat } from '../../protocols/flow-text/print-ct.ts'
import { Word } from '../../protocols/fields.ts'
import { EtherType } from '../../protocols/match.ts'
import type { TrackRequest } from '../conntrack/tracker.ts'
import type { DatapathAction } from '../datapath-actions.ts'
import type { FlowKey } from '../flow-key.ts'
import type { Frozen } from '../pipeline/freeze.ts'
import { formatSets } from './odp-sets.ts'

export interface OdpContext {
  /** The key of the frame that the actions are for. */
  key: FlowKey
  /** The number under which a frozen frame goes on. */
  recirculation(frozen: Frozen): number
  /** What is done where the frame is longer than was asked, and where not; undefined where nobody knows. */
  branches?(frozen: Frozen): readonly [readonly DatapathAction[], readonly DatapathAction[]] | undefined
  /** Packet-ins are only told of. */
  suppressed?: boolean
}

/** `drop` where nothing is done. */
export function formatActions(actions: readonly DatapathAction[], context: OdpContext): string {
  return wordsOf(actions, context.key.slice(), context).join(',') || 'drop'
}

/** `key` becomes what the frame's is after the actions, as far as sets go. */
function wordsOf(actions: readonly DatapathAction[], key: FlowKey, context: OdpContext): string[] {
  const words: string[] = []
  let queue = 0
  // Where the changes begin that were made for the next output. A copy is cut before them.
  let changes = 0
  for (let index = 0; index < actions.length; index++) {
    const action = actions[index]
    const next = actions[index + 1]
    if (action.type === 'output' && action.maxLength !== undefined)
      words.splice(changes, 0, `trunc(${action.maxLength})`)
    if (action.type === 'set') {
      let end = index + 1
      while (actions[end]?.type === 'set') end++
      const sets = actions.slice(index, end).filter((one) => one.type === 'set')
      words.push(...formatSets(sets, key))
      index = end - 1
    } else if (action.type === 'check_length' && next?.type === 'recirculate') {
      words.push(checkLength(action.length, next.frozen, key, context))
      index++
    } else words.push(...wordOf(action, key, context))
    if ((action.type === 'output' || action.type === 'tunnel_output') && action.queue !== queue) {
      queue = action.queue
      words.splice(words.length - 1, 0, `set(skb_priority(${queue === 0 ? '0' : hex(queue)}))`)
    }
    if (!CHANGES.has(action.type)) changes = words.length
  }
  return words
}

const CHANGES: ReadonlySet<DatapathAction['type']> = new Set([
  'set',
  'push_vlan',
  'pop_vlan',
  'push_mpls',
  'pop_mpls',
  'push_pbb',
  'pop_pbb',
])

function checkLength(length: number, frozen: Frozen, key: FlowKey, context: OdpContext): string {
  const branches = context.branches?.(frozen)
  if (branches === undefined) return `check_pkt_len(size=${length}),recirc(${hex(context.recirculation(frozen))})`
  const [greater, notGreater] = branches.map((actions) => wordsOf(actions, key.slice(), context).join(',') || 'drop')
  return `check_pkt_len(size=${length},gt(${greater}),le(${notGreater}))`
}

function wordOf(action: DatapathAction, key: FlowKey, context: OdpContext): string[] {
  switch (action.type) {
    case 'output':
      return [formatDatapathPort(action.port)]
    case 'tunnel_output':
      return [...cut(action.maxLength), tunnel(action), formatDatapathPort(action.port)]
    case 'meter':
      return [`meter(${action.meter})`]
    case 'clone':
      // As in Open vSwitch, a copy goes on by itself where it is read anew.
      if (action.actions.every(({ type }) => type === 'recirculate')) return wordsOf(action.actions, key, context)
      return [`clone(${wordsOf(action.actions, key.slice(), context).join(',') || 'drop'})`]
    case 'ct':
      return [formatTracking(action.request)]
    case 'recirculate':
      return [`recirc(${hex(context.recirculation(action.frozen))})`]
    case 'check_length':
      return [`check_pkt_len(size=${action.length})`]
    case 'controller':
      return [controller(action, context)]
    // Nobody is told of samples, and a drop that comes last says why nothing else is done.
    case 'sample':
    case 'drop':
      return []
    default:
      return [wordOfHeader(action, key)]
  }
}

function wordOfHeader(
  action: Exclude<
    DatapathAction,
    { type: 'output' | 'tunnel_output' | 'meter' | 'clone' | 'ct' | 'recirculate' | 'check_length' | 'controller' }
  >,
  key: FlowKey,
): string {
  switch (action.type) {
    case 'push_vlan':
      return pushVlan(action.etherType, action.tci)
    case 'push_mpls':
      shift(key, action.entry, action.etherType)
      return `${action.around ? 'add' : 'push'}_mpls(${label(action.entry)},eth_type=${hex(action.etherType)})`
    case 'pop_mpls':
      key.copyWithin(Word.mpls, Word.mpls + 1, Word.mpls + 3)
      return `pop_mpls(eth_type=${hex(action.etherType)})`
    case 'push_ethernet':
      return 'push_eth(src=00:00:00:00:00:00,dst=00:00:00:00:00:00)'
    case 'pop_ethernet':
      return 'pop_eth'
    case 'push_pbb':
      return `push_pbb(isid=${action.serviceId})`
    default:
      return action.type
  }
}

function shift(key: FlowKey, entry: number, etherType: number): void {
  key.copyWithin(Word.mpls + 1, Word.mpls, Word.mpls + 2)
  key[Word.mpls] = entry
  key[Word.etherType] = etherType
}

const hex = (value: number) => `0x${value.toString(16)}`
const cut = (maxLength: number | undefined) => (maxLength === undefined ? [] : [`trunc(${maxLength})`])

/** Our port numbers stand for those of the datapath. */
export const formatDatapathPort = (port: number): string => (port === ReservedPort.Local ? 'LOCAL' : String(port))

const VLAN_DROP_ELIGIBLE = 0x1000

function pushVlan(etherType: number, tci: number): string {
  const type = etherType === EtherType.Vlan ? '' : `tpid=${hex(etherType)},`
  // What we leave out of `tci` is the present bit, which stands in the place of Open vSwitch's cfi and is always 1.
  return `push_vlan(${type}vid=${tci & (VLAN_DROP_ELIGIBLE - 1)},pcp=${tci >>> 13})`
}

/** A label stack entry: RFC 3032 §2.1. */
const label = (entry: number) =>
  `label=${entry >>> 12},tc=${(entry >>> 9) & 7},ttl=${entry & 0xff},bos=${(entry >>> 8) & 1}`

function tunnel({ tunnelId, source, destination }: Extract<DatapathAction, { type: 'tunnel_output' }>): string {
  const from = source === 0 ? '' : `src=${formatIpv4(source)},`
  return `set(tunnel(tun_id=${hex(Number(tunnelId))},${from}dst=${formatIpv4(destination)},flags(df|key)))`
}

/** OpenFlow's numbers of the reasons for a packet-in. */
const REASONS = ['no_match', 'action', 'invalid_ttl', 'action_set', 'group', 'packet_out'] as const

function controller(
  action: Extract<DatapathAction, { type: 'controller' }>,
  { suppressed = false }: OdpContext,
): string {
  const { reason, cookie, controllerId = 0, maxLength } = action
  const number = REASONS.indexOf(reason as (typeof REASONS)[number])
  const said = [
    `reason=${number}`,
    `dont_send=${suppressed ? 1 : 0}`,
    'continuation=0',
    'recirc_id=0',
    `rule_cookie=${cookie === 0n ? '0' : `0x${cookie.toString(16)}`}`,
    `controller_id=${controllerId}`,
    `max_len=${maxLength}`,
  ]
  return `userspace(pid=0,controller(${said.join(',')}))`
}

/** `ct(…)`: what the connection tracker is asked. */
function formatTracking({ zone, commit, force, mark, label: given, nat, alg }: TrackRequest): string {
  const said = [
    ...(commit ? [force ? 'force_commit' : 'commit'] : []),
    ...(zone === 0 ? [] : [`zone=${zone}`]),
    ...(mark === undefined ? [] : [`mark=${hex(mark.value)}/${hex(mark.mask)}`]),
    ...(given === undefined ? [] : [`label=${wide(given.value)}/${wide(given.mask)}`]),
    ...(alg === 0
      ? []
      : [`helper=${Object.entries(APPLICATION_GATEWAYS).find(([, port]) => port === alg)?.[0] ?? alg}`]),
    ...(nat === undefined ? [] : [formatNat(nat)]),
  ]
  return said.length === 0 ? 'ct' : `ct(${said.join(',')})`
}

const wide = (words: Uint32Array) =>
  `0x${words.reduce((value, word) => (value << 32n) | BigInt(word), 0n).toString(16)}`

function formatNat(nat: NonNullable<TrackRequest['nat']>): string {
  if (nat === 'restore') return 'nat'
  const { direction, addresses, ports, persistent, algorithm } = nat
  return printNat({
    type: 'nat',
    direction,
    ...(addresses && { addresses }),
    ...(ports && { ports }),
    ...(persistent && { persistent }),
    ...(algorithm && { algorithm }),
  })
}
