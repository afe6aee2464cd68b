// Matches, actions and flows by chance: every field and every action comes up, prerequisites always hold, and each is in the one
// form that the flow syntax gives it (fields in the order of fields.ts, no mask that says nothing, VLANs as `dl_vlan` would).

import type { Action, FlowSpec, FlowStatistics, Instructions, Subfield } from '../../protocols/control/messages.ts'
import { ReservedPort } from '../../protocols/control/messages.ts'
import type { Field, FieldName } from '../../protocols/fields.ts'
import { FIELDS, fieldOf } from '../../protocols/fields.ts'
import type { FieldMatch, Match } from '../../protocols/match.ts'
import { EtherType, IpProtocol, missingPrerequisite } from '../../protocols/match.ts'
import type { Random } from '../../runtime/random.ts'

export const chance = (random: Random, probability: number): boolean => random.fraction() < probability

export const pick = <T>(random: Random, items: readonly T[]): T => items[random.below(items.length)]!

/** Any value of `bits` bits, all equally likely. */
export function randomBits(random: Random, bits: number): bigint {
  let value = 0n
  for (let have = 0; have < bits; have += 32) value = (value << 32n) | BigInt(random.uint32())
  return BigInt.asUintN(bits, value)
}

export interface RandomFlowOptions {
  /** Tables are drawn from 0..tables-1. */
  tables?: number
  /** Ports that flows match on and send to. */
  ports?: readonly number[]
  /** Fields that may be matched or written; all where absent. */
  fields?: ReadonlySet<FieldName>
  /** Actions that may come up; all where absent. */
  actions?: ReadonlySet<Action['type']>
  /** Only what OpenFlow 1.0 knows: no write actions, meter, metadata to write or table to go to. */
  onlyApply?: boolean
}

const PORTS = [1, 2, 3, 4]

// ---- matches -----------------------------------------------------------------------------------------------------

/** A match whose every prerequisite holds. */
export function randomMatch(random: Random, options: RandomFlowOptions = {}): Match {
  const parts = [...protocolParts(random), ...randomVlan(random)].filter((part) => allowed(options, part.field))
  const fixed = new Set<FieldName>(['eth_type', 'nw_proto', 'vlan_tci', 'vlan_vid', 'vlan_pcp', 'icmpv6_type'])
  for (const field of FIELDS) {
    if (fixed.has(field.name) || !allowed(options, field.name)) continue
    const likely = field.name.startsWith('reg') ? 0.04 : 0.3
    if (missingPrerequisite(field, parts) === undefined && chance(random, likely))
      parts.push(randomPart(random, field, options))
  }
  return inOrder(parts.map((part) => plausible(part, parts)))
}

/**
 * What Open vSwitch asks for beyond OpenFlow's prerequisites: ports and ICMP types are no part of later fragments, and neighbour
 * discovery has the ICMP code 0.
 */
function plausible(part: FieldMatch, match: Match): FieldMatch {
  const has = (field: FieldName) => match.some((other) => other.field === field)
  if (part.field === 'ip_frag' && part.value === 3n && has('nw_proto')) return { field: 'ip_frag', value: 1n, mask: 1n }
  if (part.field === 'icmpv6_code' && has('icmpv6_type')) return { field: 'icmpv6_code', value: 0n }
  return part
}

const allowed = (options: RandomFlowOptions, field: FieldName) => options.fields?.has(field) ?? true

const place = new Map(FIELDS.map((field, index) => [field.name, index]))

/** Sorted as fields.ts lists the fields. */
export const inOrder = (parts: readonly FieldMatch[]): Match =>
  parts.toSorted((a, b) => place.get(a.field)! - place.get(b.field)!)

function protocolParts(random: Random): FieldMatch[] {
  const etherType = pick(random, [
    undefined,
    EtherType.Ipv4,
    EtherType.Ipv4,
    EtherType.Ipv6,
    EtherType.Ipv6,
    EtherType.Arp,
    EtherType.Rarp,
    0x88cc,
  ])
  if (etherType === undefined) return []
  const parts: FieldMatch[] = [{ field: 'eth_type', value: BigInt(etherType) }]
  if (etherType !== EtherType.Ipv4 && etherType !== EtherType.Ipv6) return parts
  const icmp = etherType === EtherType.Ipv4 ? IpProtocol.Icmp : IpProtocol.Icmpv6
  const protocol = pick(random, [undefined, IpProtocol.Tcp, IpProtocol.Udp, IpProtocol.Sctp, icmp, icmp, 47])
  if (protocol !== undefined) parts.push({ field: 'nw_proto', value: BigInt(protocol) })
  if (protocol === IpProtocol.Icmpv6 && chance(random, 0.8)) {
    parts.push({ field: 'icmpv6_type', value: pick(random, [128n, 135n, 136n, 136n, 135n]) })
  }
  return parts
}

const PRESENT = 0x1000n

function randomVlan(random: Random): FieldMatch[] {
  const vid: FieldMatch = { field: 'vlan_vid', value: PRESENT | randomBits(random, 12) }
  const pcp: FieldMatch = { field: 'vlan_pcp', value: randomBits(random, 3) }
  const tagged: FieldMatch = { field: 'vlan_vid', value: PRESENT, mask: PRESENT }
  switch (random.below(12)) {
    case 0:
      return [vid]
    case 1:
      return [vid, pcp]
    case 2:
      return [tagged, pcp]
    case 3:
      return [tagged]
    case 4:
      return [{ field: 'vlan_vid', value: 0n }]
    case 5:
      return [{ field: 'vlan_vid', value: PRESENT | 0x10n, mask: 0x10f0n }]
    case 6:
      return [{ field: 'vlan_tci', value: 0x6000n, mask: 0x6000n }]
    case 7:
      return [{ field: 'vlan_tci', value: 0n }]
    default:
      return []
  }
}

/** `first`, `later`, `no`, `yes`, `not_later`: what the syntax has words for. */
const FRAGMENTS: readonly Omit<FieldMatch, 'field'>[] = [
  { value: 1n },
  { value: 3n },
  { value: 0n },
  { value: 1n, mask: 1n },
  { value: 0n, mask: 2n },
]

function randomPart(random: Random, field: Field, options: RandomFlowOptions): FieldMatch {
  if (field.name === 'ip_frag') return { field: 'ip_frag', ...pick(random, FRAGMENTS) }
  if (field.name === 'in_port') return { field: 'in_port', value: BigInt(pick(random, options.ports ?? PORTS)) }
  const value = field.name === 'arp_op' ? BigInt(random.below(256)) : randomValue(random, field)
  const mask =
    field.maskable && field.name !== 'vlan_pcp' && chance(random, 0.5) ? randomMask(random, field) : field.ones
  return mask === field.ones ? { field: field.name, value } : { field: field.name, value: value & mask, mask }
}

/** Small values and all ones come up more often than by even chance. */
function randomValue(random: Random, field: Field): bigint {
  switch (random.below(8)) {
    case 0:
      return 0n
    case 1:
      return field.ones
    case 2:
    case 3:
      return BigInt.asUintN(field.bits, BigInt(random.below(256)))
    default:
      return randomBits(random, field.bits)
  }
}

/** Open vSwitch takes a mask of an IPv6 address that starts with a digit for a prefix length. */
const IPV6_MASK_START = 0xfn << 124n

/** Never 0: that would say nothing. */
function randomMask(random: Random, field: Field): bigint {
  const prefix = field.ones ^ ((1n << BigInt(random.below(field.bits))) - 1n)
  const bits = randomBits(random, field.bits)
  if (chance(random, 0.6) || bits === 0n) return prefix
  return field.format === 'ipv6' ? bits | IPV6_MASK_START : bits
}

// ---- actions -----------------------------------------------------------------------------------------------------

type Maker = (random: Random, match: Match, options: RandomFlowOptions) => Action | undefined

const RESERVED = [ReservedPort.InPort, ReservedPort.Normal, ReservedPort.Flood, ReservedPort.All, ReservedPort.Local]

const MAKERS: Record<Action['type'], Maker> = {
  output: (random, _match, options) => ({
    type: 'output',
    port: chance(random, 0.3) ? pick(random, RESERVED) : pick(random, options.ports ?? PORTS),
  }),
  controller: (random) => ({ type: 'controller', maxLength: chance(random, 0.5) ? 0xffff : random.below(0x10000) }),
  push_vlan: (random) => ({ type: 'push_vlan', etherType: pick(random, [EtherType.Vlan, EtherType.ProviderVlan]) }),
  pop_vlan: () => ({ type: 'pop_vlan' }),
  set_vlan_vid: (random) => ({ type: 'set_vlan_vid', vid: random.below(4096) }),
  set_vlan_pcp: (random) => ({ type: 'set_vlan_pcp', pcp: random.below(8) }),
  set_field: randomSetField,
  move: randomMove,
  dec_ttl: (_random, match) =>
    missingPrerequisite(fieldOf('nw_ttl'), match) === undefined ? { type: 'dec_ttl' } : undefined,
  resubmit: randomResubmit,
  clone: (random, match, options) => ({ type: 'clone', actions: randomActions(random, match, 3, options) }),
}

/** Fields that `match` lets an action write to. */
function writable(match: Match, options: RandomFlowOptions): Field[] {
  return FIELDS.filter(
    (field) =>
      field.settable &&
      field.name !== 'in_port' &&
      allowed(options, field.name) &&
      missingPrerequisite(field, match) === undefined,
  )
}

function randomSetField(random: Random, match: Match, options: RandomFlowOptions): Action | undefined {
  const fields = writable(match, options).filter((field) => field.name !== 'vlan_tci')
  if (fields.length === 0) return undefined
  const field = pick(random, fields)
  if (field.name === 'vlan_vid')
    return { type: 'set_field', field: 'vlan_vid', value: PRESENT | randomBits(random, 12) }
  const { value, mask } = randomPart(random, field, options)
  return mask === undefined
    ? { type: 'set_field', field: field.name, value }
    : { type: 'set_field', field: field.name, value, mask }
}

function randomMove(random: Random, match: Match, options: RandomFlowOptions): Action | undefined {
  const fields = writable(match, options).filter((field) => !field.name.startsWith('vlan'))
  if (fields.length < 2) return undefined
  const from = pick(random, fields)
  const to = pick(random, fields)
  if (from === to) return undefined
  const bits = 1 + random.below(Math.min(from.bits, to.bits))
  return { type: 'move', from: randomSubfield(random, from, bits), to: randomSubfield(random, to, bits) }
}

const randomSubfield = (random: Random, field: Field, bits: number): Subfield => ({
  field: field.name,
  offset: random.below(field.bits - bits + 1),
  bits,
})

function randomResubmit(random: Random, _match: Match, options: RandomFlowOptions): Action {
  const port = pick(random, options.ports ?? PORTS)
  const table = random.below(options.tables ?? 254)
  return pick<Action>(random, [
    { type: 'resubmit', table },
    { type: 'resubmit', port },
    { type: 'resubmit', port, table },
  ])
}

/** Up to `most` actions that a flow with this match may have. */
export function randomActions(random: Random, match: Match, most: number, options: RandomFlowOptions = {}): Action[] {
  const kinds = (Object.keys(MAKERS) as Action['type'][]).filter((kind) => options.actions?.has(kind) ?? true)
  const actions = Array.from({ length: random.below(most + 1) }, () =>
    MAKERS[pick(random, kinds)](random, match, options),
  )
  return actions.filter((action) => action !== undefined)
}

// ---- flows -------------------------------------------------------------------------------------------------------

/** A flow with a match, a priority, timeouts, flags and instructions of every kind. */
export function randomFlow(random: Random, options: RandomFlowOptions = {}): FlowSpec {
  const table = random.below(options.tables ?? 254)
  const match = randomMatch(random, options)
  return {
    table,
    priority: chance(random, 0.3) ? 32768 : random.below(0x10000),
    match,
    cookie: chance(random, 0.5) ? 0n : randomBits(random, 64),
    idleTimeout: chance(random, 0.7) ? 0 : random.below(0x10000),
    hardTimeout: chance(random, 0.7) ? 0 : random.below(0x10000),
    flags: randomFlags(random),
    instructions: randomInstructions(random, match, table, options),
  }
}

function randomFlags(random: Random): FlowSpec['flags'] {
  return {
    ...(chance(random, 0.1) && { sendFlowRemoved: true }),
    ...(chance(random, 0.1) && { checkOverlap: true }),
    ...(chance(random, 0.1) && { resetCounts: true }),
  }
}

function randomInstructions(random: Random, match: Match, table: number, options: RandomFlowOptions): Instructions {
  const instructions: Instructions = { apply: randomActions(random, match, 4, options), clear: false, write: [] }
  if (options.onlyApply) return instructions
  if (chance(random, 0.1)) instructions.meter = 1 + random.below(1000)
  if (chance(random, 0.1)) instructions.clear = true
  if (chance(random, 0.15)) instructions.write = randomActions(random, match, 3, { ...options, actions: WRITABLE })
  if (chance(random, 0.1)) instructions.writeMetadata = randomMetadata(random)
  if (chance(random, 0.15) && table < 253) instructions.gotoTable = table + 1 + random.below(254 - table - 1)
  return instructions
}

/** What may stand in an action set: OpenFlow 1.3 §5.10. */
const WRITABLE: ReadonlySet<Action['type']> = new Set(['output', 'push_vlan', 'pop_vlan', 'set_field', 'dec_ttl'])

function randomMetadata(random: Random): { value: bigint; mask: bigint } {
  const ones = fieldOf('metadata').ones
  const mask = chance(random, 0.5) ? ones : randomBits(random, 64) | 1n
  return { value: randomBits(random, 64) & mask, mask }
}

/** A flow as a switch reports it. */
export const randomStatistics = (random: Random, options: RandomFlowOptions = {}): FlowStatistics => ({
  ...randomFlow(random, options),
  duration: randomBits(random, 40),
  idleAge: randomBits(random, 40),
  packets: randomBits(random, 64),
  bytes: randomBits(random, 64),
})
