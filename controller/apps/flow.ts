// The words in which apps write flows.

import type { Action, FlowSpec, Instructions } from '../../protocols/control/messages.ts'
import type { FieldName } from '../../protocols/fields.ts'
import type { FieldMatch } from '../../protocols/match.ts'
import { EtherType, IpProtocol } from '../../protocols/match.ts'
import type { AppName } from '../tables.ts'
import { cookieOf, Register } from '../tables.ts'

/** What an app says of a flow; the rest follows from the app. */
export interface Rule {
  table: number
  priority: number
  match: FieldMatch[]
  /** Where the frame goes on; nowhere at all with no actions means that it is dropped. */
  goto?: number
  actions?: Action[]
  meter?: number
  /** Seconds; its end is told to the controller. */
  idleTimeout?: number
}

/** One object for all flows: there are many. */
const NOTHING: Action[] = []
Object.freeze(NOTHING)
const TOLD: Readonly<FlowSpec['flags']> = Object.freeze({ sendFlowRemoved: true })
const UNTOLD: Readonly<FlowSpec['flags']> = Object.freeze({})

/** The writer of one app's flows. */
export function writerFor(app: AppName): (rule: Rule) => FlowSpec {
  const cookie = cookieOf(app)
  return ({ table, priority, match, goto, actions = NOTHING, meter, idleTimeout = 0 }) => {
    const instructions: Instructions = { apply: actions, clear: false, write: NOTHING }
    if (goto !== undefined) instructions.gotoTable = goto
    if (meter !== undefined) instructions.meter = meter
    const flags = idleTimeout > 0 ? TOLD : UNTOLD
    return { table, priority, match, cookie, idleTimeout, hardTimeout: 0, flags, instructions }
  }
}

/** Small numbers stand for ports, networks and the like: most of them in many flows. */
const SMALL = 0x10000
const known = new Map<FieldName, FieldMatch[]>()

export function is(field: FieldName, value: number | bigint): FieldMatch {
  if (typeof value === 'bigint' || value >= SMALL) return { field, value: BigInt(value) }
  let ofField = known.get(field)
  if (ofField === undefined) known.set(field, (ofField = []))
  return (ofField[value] ??= { field, value: BigInt(value) })
}

export const inNetwork = (network: number): FieldMatch => is(Register.Network, network)
export const fromPort = (port: number): FieldMatch => is('in_port', port)

export const ARP = is('eth_type', EtherType.Arp)
export const RARP = is('eth_type', EtherType.Rarp)
export const IPV4 = is('eth_type', EtherType.Ipv4)
export const IPV6 = is('eth_type', EtherType.Ipv6)
export const UDP = [IPV4, is('nw_proto', IpProtocol.Udp)]

const NEIGHBOUR_SOLICITATION = 135
const NEIGHBOUR_ADVERTISEMENT = 136
export const icmpv6 = (type: number): FieldMatch[] => [IPV6, is('nw_proto', IpProtocol.Icmpv6), is('icmpv6_type', type)]
/** With code 0, without which a message is none of neighbour discovery. */
export const SOLICITATION = [...icmpv6(NEIGHBOUR_SOLICITATION), is('icmpv6_code', 0)]
export const ADVERTISEMENT = [...icmpv6(NEIGHBOUR_ADVERTISEMENT), is('icmpv6_code', 0)]

const TAG_PRESENT = 0x1000
export const UNTAGGED = is('vlan_vid', 0)
/** Tagged with VLAN 0: a priority and no VLAN. */
export const PRIORITY_TAGGED = is('vlan_vid', TAG_PRESENT)
export const tagged = (vlan: number): FieldMatch => is('vlan_vid', TAG_PRESENT | vlan)

export const set = (field: FieldName, value: number | bigint): Action => ({
  type: 'set_field',
  field,
  value: BigInt(value),
})
export const move = (from: FieldName, to: FieldName, bits: number): Action => ({
  type: 'move',
  from: { field: from, offset: 0, bits },
  to: { field: to, offset: 0, bits },
})
export const output = (port: number): Action => ({ type: 'output', port })
export const resubmit = (table: number): Action => ({ type: 'resubmit', table })
export const clone = (actions: Action[]): Action => ({ type: 'clone', actions })
/** Forgets what a tracker has said of the frame. */
export const CLEAR_CONNECTION: Action = { type: 'ct_clear' }
export const POP_TAG: Action = { type: 'pop_vlan' }
export const pushTag = (vlan: number): Action[] => [
  { type: 'push_vlan', etherType: EtherType.Vlan },
  set('vlan_vid', TAG_PRESENT | vlan),
]
