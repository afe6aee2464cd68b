// Actions by chance: every kind comes up, and what an action needs of the flow's match, or of the actions before it, is there.

import type { Action, CtAction, LearnAction, LearnSpec, NatAction, Subfield } from '../../protocols/control/messages.ts'
import { HASH_FIELDS, PACKET_IN_REASONS, ReservedPort } from '../../protocols/control/messages.ts'
import type { Field, FieldName } from '../../protocols/fields.ts'
import { FIELDS, fieldOf } from '../../protocols/fields.ts'
import type { Match } from '../../protocols/match.ts'
import { EtherType, missingPrerequisite } from '../../protocols/match.ts'
import type { Random } from '../../runtime/random.ts'
import type { RandomFlowOptions } from './random-matches.ts'
import { allowed, chance, pick, PORTS, PRESENT, randomBits, randomPart } from './random-matches.ts'

type Kind = Action['type']
type Maker = (random: Random, match: Match, options: RandomFlowOptions) => Action | undefined

const RESERVED = [ReservedPort.InPort, ReservedPort.Normal, ReservedPort.Flood, ReservedPort.All, ReservedPort.Local]
const MPLS_TYPES = [EtherType.Mpls, EtherType.MplsMulticast]

/** Where a field must be there to be changed. */
const needing =
  (field: FieldName, make: Maker): Maker =>
  (random, match, options) =>
    missingPrerequisite(fieldOf(field), match) === undefined ? make(random, match, options) : undefined

const BASIC_MAKERS = {
  output: (random, _match, options) => ({
    type: 'output',
    port: chance(random, 0.3) ? pick(random, RESERVED) : randomPort(random, options),
  }),
  controller: randomController,
  push_vlan: (random) => ({ type: 'push_vlan', etherType: pick(random, [EtherType.Vlan, EtherType.ProviderVlan]) }),
  pop_vlan: () => ({ type: 'pop_vlan' }),
  set_vlan_vid: (random) => ({ type: 'set_vlan_vid', vid: random.below(4096) }),
  set_vlan_pcp: (random) => ({ type: 'set_vlan_pcp', pcp: random.below(8) }),
  set_field: randomSetField,
  move: randomMove,
  dec_ttl: needing('nw_ttl', (random, _match, options) =>
    isDetailed(options) && chance(random, 0.3)
      ? { type: 'dec_ttl', controllers: [1 + random.below(9), 10 + random.below(9)] }
      : { type: 'dec_ttl' },
  ),
  resubmit: randomResubmit,
  clone: (random, match, options) => ({ type: 'clone', actions: nested(random, match, 3, options) }),
} satisfies Partial<Record<Kind, Maker>>

/** What comes up where nobody asks for more. */
export const BASIC_ACTIONS: ReadonlySet<Kind> = new Set(Object.keys(BASIC_MAKERS) as Kind[])

const MAKERS: Record<Kind, Maker> = {
  ...BASIC_MAKERS,
  output_reg: (random) => ({ type: 'output_reg', from: randomRegister(random, 32), maxLength: 0xffff }),
  output_trunc: (random, _match, options) => ({
    type: 'output_trunc',
    port: randomPort(random, options),
    maxLength: 14 + random.below(1500),
  }),
  group: (random, _match, options) => ({ type: 'group', group: pick(random, options.groups ?? [1, 2, 3, 4]) }),
  set_queue: (random) => ({ type: 'set_queue', queue: random.below(100) }),
  pop_queue: () => ({ type: 'pop_queue' }),
  push_mpls: (random) => ({ type: 'push_mpls', etherType: pick(random, MPLS_TYPES) }),
  pop_mpls: needing('mpls_label', (random) => ({
    type: 'pop_mpls',
    etherType: pick(random, [EtherType.Ipv4, EtherType.Ipv6, ...MPLS_TYPES]),
  })),
  push_pbb: () => ({ type: 'push_pbb', etherType: EtherType.Pbb }),
  pop_pbb: needing('pbb_isid', () => ({ type: 'pop_pbb' })),
  encap: (random) => ({ type: 'encap', header: pick(random, ['ethernet', 'mpls', 'mpls_mc']) }),
  decap: (random) => ({ type: 'decap', ...(chance(random, 0.3) && { packetType: 0x10000 | EtherType.Ipv4 }) }),
  load: randomLoad,
  stack_push: (random) => ({ type: 'stack_push', from: randomRegister(random, 1 + random.below(32)) }),
  stack_pop: (random) => ({ type: 'stack_pop', to: randomRegister(random, 1 + random.below(32)) }),
  set_tunnel: (random) => {
    const wide = chance(random, 0.5)
    return { type: 'set_tunnel', id: randomBits(random, wide ? 64 : 32), wide }
  },
  set_nw_ttl: needing('nw_ttl', (random) => ({ type: 'set_nw_ttl', ttl: random.below(256) })),
  set_mpls_ttl: needing('mpls_ttl', (random) => ({ type: 'set_mpls_ttl', ttl: random.below(256) })),
  dec_mpls_ttl: needing('mpls_ttl', () => ({ type: 'dec_mpls_ttl' })),
  copy_ttl_out: needing('mpls_ttl', () => ({ type: 'copy_ttl_out' })),
  copy_ttl_in: needing('mpls_ttl', () => ({ type: 'copy_ttl_in' })),
  exit: () => ({ type: 'exit' }),
  // As long as the OpenFlow wire pads it to.
  note: (random) => ({ type: 'note', data: someBytes(random, pick(random, [6, 14])) }),
  learn: randomLearn,
  conjunction: (random) => {
    const clauses = 2 + random.below(63)
    return { type: 'conjunction', id: random.uint32(), clause: 1 + random.below(clauses), clauses }
  },
  ct: randomCt,
  nat: randomNat,
  ct_clear: () => ({ type: 'ct_clear' }),
  multipath: (random) => ({
    type: 'multipath',
    fields: pick(random, HASH_FIELDS),
    basis: random.below(0x10000),
    algorithm: pick(random, ['modulo_n', 'hash_threshold', 'hrw', 'iter_hash']),
    links: 1 + random.below(0x10000),
    argument: random.below(0x10000),
    to: randomRegister(random, 16 + random.below(17)),
  }),
  bundle: (random, _match, options) => ({
    type: 'bundle',
    fields: pick(random, HASH_FIELDS),
    basis: random.below(0x10000),
    algorithm: pick(random, ['active_backup', 'hrw']),
    members: Array.from({ length: 1 + random.below(5) }, () => randomPort(random, options)),
    ...(chance(random, 0.5) && { to: randomRegister(random, 16 + random.below(17)) }),
  }),
  fin_timeout: needing('tcp_flags', (random) => ({
    type: 'fin_timeout',
    idleTimeout: random.below(0x10000),
    hardTimeout: random.below(0x10000),
  })),
  check_pkt_larger: (random) => ({
    type: 'check_pkt_larger',
    length: random.below(0x10000),
    to: randomRegister(random, 1),
  }),
  sample: (random) => ({
    type: 'sample',
    probability: 1 + random.below(0xffff),
    collectorSet: random.uint32(),
    observationDomain: random.uint32(),
    observationPoint: random.uint32(),
    ...(chance(random, 0.5) && { samplingPort: pick(random, PORTS) }),
    ...(chance(random, 0.5) && { direction: pick(random, ['ingress', 'egress']) }),
  }),
}

/** What may stand in an action set: OpenFlow 1.3 §5.10. */
const WRITABLE: ReadonlySet<Kind> = new Set([
  'output',
  'push_vlan',
  'pop_vlan',
  'set_field',
  'dec_ttl',
  'group',
  'set_queue',
  'push_mpls',
  'pop_mpls',
  'push_pbb',
  'pop_pbb',
  'set_nw_ttl',
  'set_mpls_ttl',
  'dec_mpls_ttl',
  'copy_ttl_out',
  'copy_ttl_in',
])

const kindsOf = (options: RandomFlowOptions): ReadonlySet<Kind> =>
  options.actions === 'all' ? new Set(Object.keys(MAKERS) as Kind[]) : (options.actions ?? BASIC_ACTIONS)

export const isDetailed = (options: RandomFlowOptions): boolean => options.detailed ?? options.actions === 'all'

/** Up to `most` actions that a flow with this match may have. */
export function randomActions(random: Random, match: Match, most: number, options: RandomFlowOptions = {}): Action[] {
  const wanted = kindsOf(options)
  const kinds = (Object.keys(MAKERS) as Kind[]).filter((kind) => kind !== 'nat' && wanted.has(kind))
  const actions: Action[] = []
  let known = match
  for (let left = random.below(most + 1); left > 0; left--) {
    const action = MAKERS[pick(random, kinds)](random, known, options)
    if (action === undefined || !mayFollow(action, actions)) continue
    actions.push(action)
    known = matchAfter(action, known)
  }
  return actions
}

/** Up to `most` actions for an action set. */
export const randomWrittenActions = (
  random: Random,
  match: Match,
  most: number,
  options: RandomFlowOptions,
): Action[] =>
  randomActions(random, match, most, { ...options, actions: intersection(kindsOf(options), WRITABLE), detailed: false })

const intersection = (some: ReadonlySet<Kind>, others: ReadonlySet<Kind>): ReadonlySet<Kind> =>
  new Set([...some].filter((kind) => others.has(kind)))

/** A conjunction stands alone but for others and notes. */
function mayFollow(action: Action, actions: readonly Action[]): boolean {
  const isClause = ({ type }: Action) => type === 'conjunction' || type === 'note'
  if (action.type === 'conjunction') return actions.every(isClause)
  return action.type === 'note' || !actions.some(({ type }) => type === 'conjunction')
}

/** What is known of the frame once the action is done, as far as the labels of MPLS and PBB go. */
function matchAfter(action: Action, match: Match): Match {
  if (action.type === 'pop_pbb' || action.type === 'encap' || action.type === 'decap') return []
  const etherType =
    action.type === 'push_mpls' || action.type === 'pop_mpls' || action.type === 'push_pbb'
      ? action.etherType
      : undefined
  if (etherType === undefined) return match
  const opaque = match.filter(({ field }) => field !== 'eth_type' && NEEDS_NOTHING.has(fieldOf(field).prerequisite))
  return [...opaque, { field: 'eth_type', value: BigInt(etherType) }]
}

const NEEDS_NOTHING = new Set<Field['prerequisite']>(['none', 'in_port', 'vlan'])

/** Within a clone: a clause of a conjunction has no place there. */
const nested = (random: Random, match: Match, most: number, options: RandomFlowOptions): Action[] =>
  randomActions(random, match, most, {
    ...options,
    actions: new Set([...kindsOf(options)].filter((kind) => kind !== 'conjunction')),
    detailed: isDetailed(options),
  })

const randomPort = (random: Random, options: RandomFlowOptions) => pick(random, options.ports ?? PORTS)

const someBytes = (random: Random, length: number) => Uint8Array.from({ length }, () => random.below(256))

function randomController(random: Random, _match: Match, options: RandomFlowOptions): Action {
  const maxLength = chance(random, 0.5) ? 0xffff : random.below(0x10000)
  if (!isDetailed(options)) return { type: 'controller', maxLength }
  return {
    type: 'controller',
    maxLength,
    ...(chance(random, 0.3) && { controllerId: 1 + random.below(0xffff) }),
    ...(chance(random, 0.3) && {
      reason: pick(
        random,
        PACKET_IN_REASONS.filter((reason) => reason !== 'action'),
      ),
    }),
    ...(chance(random, 0.3) && { userdata: someBytes(random, 1 + random.below(20)) }),
    ...(chance(random, 0.2) && { meter: 1 + random.below(1000) }),
  }
}

// ---- fields ------------------------------------------------------------------------------------------------------

/** Fields that `match` lets an action write to. */
function writable(match: Match, options: RandomFlowOptions): Field[] {
  return FIELDS.filter(
    (field) =>
      field.settable &&
      field.name !== 'in_port' &&
      !field.name.startsWith('ct_') &&
      allowed(options, field.name) &&
      missingPrerequisite(field, match) === undefined,
  )
}

function randomSetField(random: Random, match: Match, options: RandomFlowOptions): Action | undefined {
  const fields = writable(match, options).filter((field) => field.name !== 'vlan_tci')
  if (fields.length === 0) return undefined
  const ofThisFrame = fields.filter(({ prerequisite }) => !NEEDS_NOTHING.has(prerequisite))
  const field = pick(
    random,
    isDetailed(options) && chance(random, 0.6) && ofThisFrame.length > 0 ? ofThisFrame : fields,
  )
  if (field.name === 'vlan_vid')
    return { type: 'set_field', field: 'vlan_vid', value: PRESENT | randomBits(random, 12) }
  return { type: 'set_field', ...randomPart(random, field, options) }
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

/** Of 64 bits at most, as the OpenFlow wire has it. */
function randomLoad(random: Random, match: Match, options: RandomFlowOptions): Action | undefined {
  const fields = writable(match, options).filter((field) => !field.name.startsWith('vlan'))
  if (fields.length === 0) return undefined
  const field = pick(random, fields)
  const bits = 1 + random.below(Math.min(field.bits, 64))
  return { type: 'load', value: randomBits(random, bits), to: randomSubfield(random, field, bits) }
}

const randomSubfield = (random: Random, field: Field, bits: number): Subfield => ({
  field: field.name,
  offset: random.below(field.bits - bits + 1),
  bits,
})

const REGISTERS = FIELDS.filter((field) => /^reg\d/.test(field.name))

const randomRegister = (random: Random, bits: number) => randomSubfield(random, pick(random, REGISTERS), bits)

// ---- resubmit, ct, learn -----------------------------------------------------------------------------------------

function randomResubmit(random: Random, match: Match, options: RandomFlowOptions): Action {
  const port = randomPort(random, options)
  const table = random.below(options.tables ?? 254)
  const tracked = isDetailed(options) && missingPrerequisite(fieldOf('ct_nw_proto'), match) === undefined
  if (tracked && chance(random, 0.5)) return { type: 'resubmit', table, swapped: true }
  return pick<Action>(random, [
    { type: 'resubmit', table },
    { type: 'resubmit', port },
    { type: 'resubmit', port, table },
  ])
}

/** Translates only where it commits, and then first. */
function randomCt(random: Random, match: Match, options: RandomFlowOptions): CtAction {
  const commit = chance(random, 0.6)
  const may = (kind: Kind) => kindsOf(options).has(kind) && chance(random, 0.5)
  const actions: Action[] = []
  if (may('nat')) actions.push(commit ? randomNat(random, match) : { type: 'nat' })
  if (commit && may('set_field')) actions.push(randomMark(random, options))
  if (commit && may('load')) {
    const bits = 1 + random.below(32)
    actions.push({
      type: 'load',
      value: randomBits(random, bits),
      to: randomSubfield(random, fieldOf('ct_mark'), bits),
    })
  }
  if (commit && may('move')) {
    const bits = 1 + random.below(32)
    const to = randomSubfield(random, fieldOf('ct_label'), bits)
    actions.push({ type: 'move', from: randomRegister(random, bits), to })
  }
  return {
    type: 'ct',
    commit,
    force: commit && chance(random, 0.2),
    zone: chance(random, 0.7) ? random.below(0x10000) : randomRegister(random, 16),
    ...(chance(random, 0.5) && { table: random.below(options.tables ?? 254) }),
    alg: chance(random, 0.8) ? 0 : pick(random, [21, 69]),
    actions,
  }
}

const randomMark = (random: Random, options: RandomFlowOptions): Action => ({
  type: 'set_field',
  ...randomPart(random, fieldOf(pick(random, ['ct_mark', 'ct_label'])), options),
})

/** Addresses of the flow's own family, where it has one. */
function randomNat(random: Random, match: Match): NatAction {
  if (chance(random, 0.2)) return { type: 'nat' }
  const direction = pick(random, ['src', 'dst'] as const)
  if (chance(random, 0.1)) return { type: 'nat', direction }
  const isIpv6 = match.some(({ field, value }) => field === 'eth_type' && value === BigInt(EtherType.Ipv6))
  const first = isIpv6 ? (0xfd00n << 112n) | randomBits(random, 32) : 0x0a000000n | randomBits(random, 20)
  const firstPort = 1 + random.below(60000)
  const modes = chance(random, 0.5) ? { algorithm: pick(random, ['hash', 'random'] as const) } : {}
  return {
    type: 'nat',
    direction,
    addresses: { family: isIpv6 ? 6 : 4, first, last: chance(random, 0.5) ? first : first + BigInt(random.below(9)) },
    ...(chance(random, 0.5) && { ports: { first: firstPort, last: firstPort + random.below(100) } }),
    ...(chance(random, 0.2) && { persistent: true }),
    ...modes,
  }
}

function randomLearn(random: Random, _match: Match, options: RandomFlowOptions): LearnAction {
  const seconds = () => (chance(random, 0.6) ? 0 : random.below(0x10000))
  return {
    type: 'learn',
    table: 1 + random.below((options.tables ?? 254) - 1),
    priority: chance(random, 0.5) ? 32768 : random.below(0x10000),
    cookie: chance(random, 0.5) ? 0n : randomBits(random, 64),
    idleTimeout: seconds(),
    hardTimeout: seconds(),
    finIdleTimeout: seconds(),
    finHardTimeout: seconds(),
    sendFlowRemoved: chance(random, 0.2),
    deleteLearned: chance(random, 0.2),
    limit: chance(random, 0.7) ? 0 : 1 + random.below(1000),
    ...(chance(random, 0.3) && { result: randomRegister(random, 1) }),
    specs: Array.from({ length: random.below(5) }, () => randomLearnSpec(random)),
  }
}

const LEARNED: readonly FieldName[] = ['eth_src', 'eth_dst', 'metadata', 'tun_id', 'reg0', 'reg7', 'vlan_tci']

function randomLearnSpec(random: Random): LearnSpec {
  const field = fieldOf(pick(random, LEARNED))
  const bits = chance(random, 0.5) ? field.bits : 1 + random.below(field.bits)
  const to = randomSubfield(random, field, bits)
  if (chance(random, 0.2))
    return { bits: 16, source: { type: 'field', from: randomRegister(random, 16) }, target: { type: 'output' } }
  const others = LEARNED.map(fieldOf).filter((other) => other.bits >= bits)
  return {
    bits,
    source: chance(random, 0.5)
      ? { type: 'value', value: randomBits(random, bits) }
      : { type: 'field', from: randomSubfield(random, pick(random, others), bits) },
    // Open vSwitch has no words for parts of vlan_tci in the match of what was learned.
    target: { type: field.name === 'vlan_tci' ? 'load' : pick(random, ['match', 'load']), to },
  }
}
