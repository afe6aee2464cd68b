// What both switches are sent over OpenFlow, drawn from a seed: meters, groups and flows with every action, and frames that mostly
// meet them. What either refuses the other has to refuse too, and for the same reason.

import type { FlowKey } from '../../../datapath/flow-key.ts'
import { readField } from '../../../datapath/flow-key.ts'
import type { Action, FlowMod, GroupMod, Instructions, Message } from '../../../protocols/control/messages.ts'
import { ALL_TABLES, ReservedPort } from '../../../protocols/control/messages.ts'
import type { FieldName } from '../../../protocols/fields.ts'
import { CtState, FIELDS, fieldOf } from '../../../protocols/fields.ts'
import { foldRegisters } from '../../../protocols/flow-text/registers.ts'
import { viewOf } from '../../../protocols/bytes.ts'
import { ETHERNET_HEADER_SIZE } from '../../../protocols/packet/ethernet.ts'
import { announcesVlan, VLAN_TAG_SIZE } from '../../../protocols/packet/vlan.ts'
import type { FieldMatch, Match } from '../../../protocols/match.ts'
import { IpProtocol, missingPrerequisite } from '../../../protocols/match.ts'
import { encodeOpenFlow } from '../../../protocols/openflow/codec.ts'
import type { Random } from '../../../runtime/random.ts'
import { PRESENT, chance, inOrder, pick, randomActions } from '../../support/random-flows.ts'
import { randomWrittenActions } from '../../support/random-actions.ts'
import { keyOf, matchMetBy } from '../../support/random-keys.ts'
import type { IncomingFrame } from './switch-cases.ts'
import { PORTS, UNKNOWN_THERE, anyFrame, blank } from './switch-cases.ts'
import { TagKnowledge } from './tag-knowledge.ts'

const TABLES = 4
const GROUPS = [1, 2, 3, 4]

export interface WireCase {
  messages: Message[]
  /** What is asked once half of the frames have come in. */
  changes: Message[]
  frames: IncomingFrame[]
  /**
   * Whether both count the same. Where a frame is measured, Open vSwitch counts it for both answers; clones in each other it follows
   * for longer before it gives up (docs/openflow.md).
   */
  counted: boolean
}

type Kind = Action['type']

/**
 * What Open vSwitch refuses, and what is free to choose: where a connection is translated to, and what is sampled
 * (choices-differential.test.ts, conntrack-pipeline.test.ts).
 */
const ELSEWHERE: ReadonlySet<Kind> = new Set<Kind>([
  'push_pbb',
  'pop_pbb',
  'copy_ttl_in',
  'copy_ttl_out',
  'nat',
  'sample',
  // Open vSwitch 3.1 dies of a decap too many, and writes VLAN tags into the middle of what is under a new header.
  'encap',
  'decap',
])

export const ALL_KINDS: readonly Kind[] = [
  'output',
  'output_reg',
  'output_trunc',
  'controller',
  'group',
  'set_queue',
  'pop_queue',
  'push_vlan',
  'pop_vlan',
  'set_vlan_vid',
  'set_vlan_pcp',
  'push_mpls',
  'pop_mpls',
  'set_field',
  'load',
  'move',
  'stack_push',
  'stack_pop',
  'set_tunnel',
  'dec_ttl',
  'set_nw_ttl',
  'set_mpls_ttl',
  'dec_mpls_ttl',
  'resubmit',
  'clone',
  'exit',
  'note',
  'learn',
  'conjunction',
  'ct',
  'ct_clear',
  'multipath',
  'bundle',
  'fin_timeout',
  'check_pkt_larger',
]

export const KNOWN_THERE = FIELDS.filter(({ name }) => !UNKNOWN_THERE.has(name))

/** Tables of flows with every match, action and instruction. */
export function wireCase(random: Random): WireCase {
  // A few kinds of actions at a time: of all of them at once no two meet.
  const drawn = Array.from({ length: 8 }, () => pick(random, ALL_KINDS))
  const few = together(new Set([...drawn, 'output', ...(chance(random, 0.8) ? (['resubmit'] as const) : [])]))
  const frames = Array.from({ length: 16 }, () => ({ port: pick(random, PORTS), bytes: frameFor(random, few) }))
  const groups = GROUPS.map((group) => randomGroup(random, group, few))
  const flows = Array.from({ length: 24 }, (_, index) => ({
    ...randomFlow(random, pick(random, frames), few),
    cookie: BigInt(index + 1),
    // No two alike: which of two flows of one priority is met is nobody's promise.
    priority: 1 + index,
  }))
  const changes = Array.from({ length: random.below(8) }, (_, index) => randomChange(random, flows, frames, few, index))
  let learns = 0
  const priority = () => 1000 + learns++
  const said = (messages: readonly Message[]) =>
    messages.filter(isSayable).map((message) => withLearns(message, priority) as Message)
  const counted = !few.has('check_pkt_larger') && !(few.has('clone') && few.has('resubmit'))
  return { messages: said([...groups, ...flows]), changes: said(changes), frames, counted }
}

/**
 * Where tags come off and on again for one copy, Open vSwitch leaves out their drop-eligible bit; it puts labels into the middle of
 * the third of three tags; and of a frame of IEEE 802.3 it forgets the length under a label that it takes off again
 * (docs/openflow.md).
 */
function frameFor(random: Random, kinds: ReadonlySet<Kind>): Uint8Array {
  const frame = anyFrame(random)
  const view = viewOf(frame)
  const losesBits = RETAGGING.some((kind) => kinds.has(kind))
  let at = ETHERNET_HEADER_SIZE
  for (; at + VLAN_TAG_SIZE <= frame.length && announcesVlan(view.getUint16(at - 2)); at += VLAN_TAG_SIZE)
    if (losesBits) view.setUint8(at, view.getUint8(at) & ~DROP_ELIGIBLE)
  const tags = (at - ETHERNET_HEADER_SIZE) / VLAN_TAG_SIZE
  const hasLength = view.getUint16(at - 2) < FIRST_TYPE
  return kinds.has('push_mpls') && (tags > MOST_TAGS || hasLength) ? frameFor(random, kinds) : frame
}

const RETAGGING: readonly Kind[] = ['pop_vlan', 'push_vlan', 'set_vlan_vid', 'set_vlan_pcp', 'push_mpls']
const DROP_ELIGIBLE = 0x10
const FIRST_TYPE = 0x600
const MOST_TAGS = 2

/** What does not come up beside what. */
const APART: readonly (readonly [ReadonlySet<Kind>, ReadonlySet<Kind>])[] = [
  // Open vSwitch tries both answers of check_pkt_larger on what is left of its own list, and on the action set: where that is not
  // all that is left, the two part ways (docs/openflow.md).
  [new Set<Kind>(['check_pkt_larger']), new Set<Kind>(['resubmit', 'group', 'clone', 'push_mpls', 'learn', 'exit'])],
  // Headers that are pushed before them, and not yet there for it, do not count for the length (docs/openflow.md).
  [new Set<Kind>(['output_trunc']), new Set<Kind>(['group', 'clone'])],
]

const together = (kinds: ReadonlySet<Kind>): ReadonlySet<Kind> =>
  APART.reduce(
    (left, [some, others]) =>
      [...left].some((kind) => some.has(kind)) ? new Set([...left].filter((kind) => !others.has(kind))) : left,
    kinds,
  )

/**
 * Flows that two of them have learned do not stand in each other's way: which of two of one priority is met is nobody's promise. And
 * Open vSwitch takes the option of a neighbour solicitation for the flag of a TCP segment that ends a connection.
 */
function withLearns(part: unknown, priority: () => number): unknown {
  if (Array.isArray(part)) return part.map((one) => withLearns(one, priority))
  if (typeof part !== 'object' || part === null || part instanceof Uint8Array) return part
  const entries = Object.entries(part).map(([name, value]) => [name, withLearns(value, priority)])
  return {
    ...Object.fromEntries(entries),
    ...('type' in part && part.type === 'learn' && { priority: priority(), finIdleTimeout: 0, finHardTimeout: 0 }),
  }
}

/** Whether OpenFlow 1.3 has a form for it. */
function isSayable(message: Message): boolean {
  try {
    return encodeOpenFlow({ xid: 1, message }).length === 1
  } catch {
    return false
  }
}

const addition = { type: 'flowMod', command: 'add', cookieMask: 0n } as const

/** A flow that the frame meets, if it gets to its table as it came in. */
function randomFlow(random: Random, { bytes, port }: IncomingFrame, kinds: ReadonlySet<Kind>): FlowMod {
  const table = pick(random, [0, 0, 0, 1, 2, 3])
  const key = keyOf(bytes, port)
  const drawn = matchMetBy(random, key, pick(random, [0.03, 0.1, 0.2, 0.4]), KNOWN_THERE).flatMap(decodable)
  const isTracked = table > 0 && kinds.has('ct') && chance(random, 0.4)
  const asked = isTracked ? tracked(random, drawn, key) : drawn
  const met = isTracked || chance(random, 0.5) ? foldRegisters(asked) : asked
  const isStable = ({ field }: FieldMatch) => chance(random, !isTracked && MAY_CHANGE.test(field) ? 0.3 : 1)
  const match = table === 0 ? met : met.filter(isStable)
  return {
    ...blank,
    ...addition,
    table,
    priority: 0,
    match,
    ...randomTimeouts(random),
    flags: {
      ...(chance(random, 0.1) && { sendFlowRemoved: true }),
      ...(chance(random, 0.1) && { noPacketCounts: true }),
      ...(chance(random, 0.1) && { noByteCounts: true }),
    },
    instructions: randomInstructions(random, match, table, kinds),
  }
}

/** Of what OpenFlow 1.3 can not say of tags, Open vSwitch tells a part that makes no sense: a priority of frames without a tag. */
function decodable(part: FieldMatch): FieldMatch[] {
  if (part.mask === 0n) return []
  if (part.field !== 'vlan_tci') return [part]
  if (part.mask === undefined && (part.value & PRESENT) !== 0n)
    return [
      { field: 'vlan_vid', value: part.value & 0x1fffn },
      { field: 'vlan_pcp', value: part.value >> 13n },
    ]
  if ((part.value & PRESENT) !== 0n) return [part]
  const mask = (part.mask ?? 0x1fffn) & 0x1fffn
  return mask === 0n ? [] : [{ field: 'vlan_tci', value: part.value & mask, mask }]
}

/** What earlier tables write to, and what a frame that nobody tracks does not have. */
const MAY_CHANGE = /reg|^ct_|metadata|^tun_/

/** So long that none ends here: no time passes. */
const randomTimeouts = (random: Random) => ({
  idleTimeout: chance(random, 0.9) ? 0 : 1 + random.below(0xffff),
  hardTimeout: chance(random, 0.9) ? 0 : 1 + random.below(0xffff),
})

/** The frame has been told to the connection tracker before: its connection has the frame's own tuple. */
function tracked(random: Random, match: Match, key: FlowKey): Match {
  const state = BigInt(CtState.Tracked | pick(random, [0, CtState.New, CtState.Established]))
  const parts: FieldMatch[] = [
    ...match.filter(({ field }) => !field.startsWith('ct_') && !field.includes('reg')),
    { field: 'ct_state', value: state, mask: state },
  ]
  for (const [name, own] of TUPLE) {
    const field = fieldOf(name)
    const belongs = name.startsWith('ct_tp_') === isWithPorts(parts) || !name.startsWith('ct_tp_')
    if (!belongs || !chance(random, 0.5) || missingPrerequisite(field, parts) !== undefined) continue
    const value = readField(key, fieldOf(own))
    // Of protocol 0 there is no connection.
    if (name !== 'ct_nw_proto' || value !== 0n) parts.push({ field: name, value })
  }
  return inOrder(parts)
}

const isWithPorts = (match: Match) =>
  match.some(
    ({ field, value }) =>
      field === 'ct_nw_proto' && (Number(value) === IpProtocol.Tcp || Number(value) === IpProtocol.Udp),
  )

/** Fields of a connection, and those of its frames that they are taken from. */
const TUPLE: readonly (readonly [FieldName, FieldName])[] = [
  ['ct_nw_proto', 'nw_proto'],
  ['ct_nw_src', 'nw_src'],
  ['ct_nw_dst', 'nw_dst'],
  ['ct_ipv6_src', 'ipv6_src'],
  ['ct_ipv6_dst', 'ipv6_dst'],
  ['ct_tp_src', 'tcp_src'],
  ['ct_tp_dst', 'tcp_dst'],
]

function randomInstructions(random: Random, match: Match, table: number, kinds: ReadonlySet<Kind>): Instructions {
  const options = {
    actions: new Set([...kinds].filter((kind) => !ELSEWHERE.has(kind))),
    ports: [...PORTS, 9],
    tables: TABLES,
    groups: GROUPS,
    fields: FIELDS_THERE,
    detailed: true,
  }
  const tags = new TagKnowledge(match, 'OpenFlow15')
  const admitted = (actions: readonly Action[]) => actions.filter((action) => tags.admit(action))
  const apply = admitted(randomActions(random, match, 6, options))
  const isClause = apply.some(({ type }) => type === 'conjunction')
  if (isClause) return { apply, clear: false, write: [] }
  if (chance(random, 0.6)) apply.push({ type: 'output', port: pick(random, [...PORTS, ReservedPort.InPort]) })
  const isSafe = ({ type }: Action) => type !== 'group' || !READS_ANEW.some((kind) => kinds.has(kind))
  const writes = !kinds.has('check_pkt_larger') && chance(random, 0.25)
  return {
    apply,
    clear: chance(random, 0.1),
    write: writes ? admitted(randomWrittenActions(random, match, 4, options)).filter(isSafe) : [],
    ...(chance(random, 0.15) && { writeMetadata: { value: BigInt(random.below(16)), mask: 0xffn } }),
    ...(table < TABLES - 1 && chance(random, 0.4) && { gotoTable: table + 1 + random.below(TABLES - 1 - table) }),
  }
}

const FIELDS_THERE = new Set(KNOWN_THERE.map(({ name }) => name))

/** Open vSwitch 3.1 dies where a group in the action set has the frame read anew: where these are about, no action set has one. */
const READS_ANEW: readonly Kind[] = ['ct', 'pop_mpls']

/** Leads to groups of lower numbers only: a circle is refused here, and taken there. */
function randomGroup(random: Random, group: number, kinds: ReadonlySet<Kind>): GroupMod {
  const lower = GROUPS.filter((other) => other < group)
  const groupType = pick(random, ['all', 'all', 'indirect', 'fast_failover'] as const)
  const count = groupType === 'indirect' ? 1 : 1 + random.below(3)
  const actions = new Set(
    [...kinds].filter(
      (kind) => !ELSEWHERE.has(kind) && kind !== 'conjunction' && (kind !== 'group' || lower.length > 0),
    ),
  )
  const options = { actions, ports: [...PORTS, 9], tables: TABLES, groups: lower, fields: FIELDS_THERE, detailed: true }
  const buckets = Array.from({ length: count }, (_, id) => ({
    id,
    ...(groupType === 'fast_failover' && { watchPort: pick(random, [...PORTS, 9]) }),
    actions: [...randomActions(random, [], 3, options), { type: 'output', port: pick(random, PORTS) } as const],
  }))
  return { type: 'groupMod', command: 'add', group, groupType, buckets }
}

// ---- changes -----------------------------------------------------------------------------------------------------

/** A change of the flows, of a group or of a table that are there. */
function randomChange(
  random: Random,
  flows: readonly FlowMod[],
  frames: readonly IncomingFrame[],
  kinds: ReadonlySet<Kind>,
  index: number,
): Message {
  switch (random.below(7)) {
    case 0:
      return { ...randomGroup(random, pick(random, GROUPS), kinds), command: pick(random, ['modify', 'add_or_modify']) }
    case 1:
      return { type: 'tableMod', table: random.below(TABLES), ...(chance(random, 0.5) && { eviction: true }) }
    case 2:
      return { ...randomFlow(random, pick(random, frames), kinds), ...changeFlags(random), priority: 100 + index }
    case 3:
      // One that is there already, or would stand in the way of another.
      return { ...pick(random, flows), ...changeFlags(random), cookie: BigInt(100 + index) }
    default:
      return randomFlowChange(random, pick(random, flows))
  }
}

const changeFlags = (random: Random) => ({
  flags: {
    ...(chance(random, 0.5) && { checkOverlap: true }),
    ...(chance(random, 0.5) && { resetCounts: true }),
  },
})

/** Of this flow and perhaps others: they do something else, or go. */
function randomFlowChange(random: Random, flow: FlowMod): FlowMod {
  const command = pick(random, ['modify', 'modify-strict', 'delete', 'delete-strict'] as const)
  const isStrict = command.endsWith('strict')
  const wider: FieldMatch[] = []
  for (const part of flow.match)
    if (chance(random, 0.5) && missingPrerequisite(fieldOf(part.field), wider) === undefined) wider.push(part)
  return {
    ...flow,
    command,
    table: command === 'delete' && chance(random, 0.2) ? ALL_TABLES : flow.table,
    match: isStrict ? flow.match : wider,
    instructions: command.startsWith('modify')
      ? { ...NOTHING, apply: [{ type: 'output', port: pick(random, PORTS) }] }
      : NOTHING,
    ...(chance(random, 0.3) && { cookieMask: BigInt(pick(random, [1, 3, 7, 0xff])) }),
    ...(chance(random, 0.2) && { outPort: pick(random, [...PORTS, ReservedPort.Controller, ReservedPort.InPort]) }),
    ...(chance(random, 0.2) && { outGroup: pick(random, GROUPS) }),
    flags: { ...(chance(random, 0.3) && { resetCounts: true }) },
  }
}

const NOTHING: Instructions = { apply: [], clear: false, write: [] }
