// What the two switches are asked, drawn from a seed: flows, VLAN settings and frames that mostly meet the flows. Only what
// Open vSwitch accepts comes up; what it refuses is the subject of other tests.

import type { Action, FlowSpec, Instructions } from '../../../protocols/control/messages.ts'
import { ReservedPort } from '../../../protocols/control/messages.ts'
import type { FlowKey } from '../../../datapath/flow-key.ts'
import { readField } from '../../../datapath/flow-key.ts'
import { internetChecksum } from '../../../protocols/checksum.ts'
import { FIELDS, fieldOf } from '../../../protocols/fields.ts'
import type { FieldMatch, Match } from '../../../protocols/match.ts'
import { EtherType } from '../../../protocols/match.ts'
import { foldRegisters } from '../../../protocols/flow-text/registers.ts'
import type { Random } from '../../../runtime/random.ts'
import * as anyFrames from '../../support/frames.ts'
import { chance, inOrder, pick, randomActions } from '../../support/random-flows.ts'
import { damagedFrame, randomFrame } from '../../support/random-frames.ts'
import { keyOf, matchMetBy } from '../../support/random-keys.ts'
import type { OpenFlowVersion, VlanSettings } from './ovs-twin.ts'
import { atItsEnd } from './routed-frames.ts'
import { TagKnowledge } from './tag-knowledge.ts'

export const PORTS = [1, 2, 3, 4] as const

/** Fields of OpenFlow 1.3 that Open vSwitch refuses. */
export const UNKNOWN_THERE: ReadonlySet<string> = new Set(['pbb_isid', 'ipv6_exthdr', 'in_phy_port'])
const KNOWN_THERE = FIELDS.filter(({ name }) => !UNKNOWN_THERE.has(name))

const TABLES = 4

export interface IncomingFrame {
  port: number
  bytes: Uint8Array
}

export interface SwitchCase {
  version: OpenFlowVersion
  flows: FlowSpec[]
  vlans: VlanSettings[]
  frames: IncomingFrame[]
}

/** Tables of flows with every match, action and instruction. */
export function pipelineCase(random: Random, version: OpenFlowVersion): SwitchCase {
  const frames = randomFrames(random, 12)
  const flows = Array.from({ length: 24 }, (_, index) => ({
    ...randomFlow(random, version, pick(random, frames)),
    cookie: BigInt(index + 1),
    // No two alike: which of two flows of one priority is met is nobody's promise.
    priority: 1 + index,
  }))
  return { version, flows, frames, vlans: [] }
}

/** Ports of every VLAN mode, and NORMAL behind at most a change of the tags. */
export function normalCase(random: Random): SwitchCase {
  const flows = Array.from({ length: 4 }, (_, index) => ({
    ...blank,
    cookie: BigInt(index + 1),
    priority: index,
    match:
      index === 0 ? [] : matchOf(random, { bytes: randomFrame(random), port: pick(random, PORTS) }, 'OpenFlow10', 0.2),
    instructions: instructionsOf(index === 0 ? [NORMAL] : retagged(random)),
  }))
  const vlans = PORTS.map(() => randomVlans(random))
  return { version: 'OpenFlow10', flows, vlans, frames: randomFrames(random, 24) }
}

// ---- frames ------------------------------------------------------------------------------------------------------

const randomFrames = (random: Random, count: number): IncomingFrame[] =>
  Array.from({ length: count }, () => ({ port: pick(random, PORTS), bytes: anyFrame(random) }))

const SHORTEST_FRAME = 14

/** A frame of any kind that has come to its last destination, now and then a damaged one. */
export const anyFrame = (random: Random): Uint8Array => atItsEnd(frameOnItsWay(random))

export function frameOnItsWay(random: Random): Uint8Array {
  switch (random.below(8)) {
    case 0: {
      const frame = damagedFrame(random)
      return frame.length < SHORTEST_FRAME ? randomFrame(random) : frame
    }
    case 1:
      return anyFrames.randomFrame(random)
    case 2:
      return fragment(random, randomFrame(random))
    default:
      return randomFrame(random)
  }
}

/**
 * A first or later fragment, where the frame is untagged IPv4. A later one is too short for a header of TCP or UDP: Open
 * vSwitch 3.1 takes what stands there for one, and changes two bytes of the payload when an action changes an address.
 */
function fragment(random: Random, frame: Uint8Array): Uint8Array {
  const view = new DataView(frame.buffer, frame.byteOffset)
  const IP = 14
  const [TOTAL, FRAGMENT, CHECKSUM, SIZE] = [2, 6, 10, 20]
  if (view.getUint16(IP - 2) !== EtherType.Ipv4) return frame
  const isLater = chance(random, 0.5)
  if (isLater) view.setUint16(IP + TOTAL, SIZE + 4)
  view.setUint16(IP + FRAGMENT, isLater ? 0x0008 : 0x2000)
  view.setUint16(IP + CHECKSUM, 0)
  view.setUint16(IP + CHECKSUM, internetChecksum(frame, IP, SIZE))
  return frame
}

// ---- flows -------------------------------------------------------------------------------------------------------

/** What these flows have alike. */
export const blank: Omit<FlowSpec, 'match' | 'instructions' | 'priority'> = {
  table: 0,
  cookie: 0n,
  idleTimeout: 0,
  hardTimeout: 0,
  flags: {},
}

const NORMAL: Action = { type: 'output', port: ReservedPort.Normal }

export const instructionsOf = (apply: Action[]): Instructions => ({ apply, clear: false, write: [] })

/** A flow that the frame meets, if it gets to its table as it came in. */
function randomFlow(random: Random, version: OpenFlowVersion, frame: IncomingFrame): FlowSpec {
  const table = pick(random, [0, 0, 0, 1, 2, 3])
  const met = matchOf(random, frame, version, pick(random, [0.03, 0.1, 0.2]))
  const match = table === 0 ? met : withRegister(random, met)
  return { ...blank, table, priority: 0, match, instructions: randomInstructions(random, match, table, version) }
}

/** Later tables sometimes ask for what earlier ones leave in a register. */
function withRegister(random: Random, match: Match): Match {
  if (chance(random, 0.8)) return match
  const register: FieldMatch = { field: 'reg0', value: BigInt(random.below(2)), mask: 1n }
  return inOrder([register, ...match.filter(({ field }) => field !== 'reg0')])
}

/** A match that the frame meets as it came in, and that Open vSwitch takes in this version. */
function matchOf(random: Random, { bytes, port }: IncomingFrame, version: OpenFlowVersion, likely: number): Match {
  const key = keyOf(bytes, port)
  const match = matchMetBy(random, key, likely, KNOWN_THERE).map((part) => spelt(part, key))
  return foldRegisters(match.filter((part) => isTaken(part, match, version)))
}

function isTaken({ field, value }: FieldMatch, match: Match, version: OpenFlowVersion): boolean {
  const has = (other: FieldMatch['field'], wanted: bigint) =>
    match.some((part) => part.field === other && part.value === wanted)
  // Of a later fragment there is nothing more to match, and neighbour discovery has the code 0.
  if (has('ip_frag', 3n) && isTransport(field)) return false
  if (field === 'icmpv6_code') return value === 0n || !(has('icmpv6_type', 135n) || has('icmpv6_type', 136n))
  return field !== 'vlan_tci' || version === 'OpenFlow10'
}

/** Fragments as the syntax has words for them; and an IPv6 mask has to begin with a letter, lest it be taken for a length. */
function spelt(part: FieldMatch, key: FlowKey): FieldMatch {
  const field = fieldOf(part.field)
  const value = readField(key, field)
  if (part.field === 'ip_frag') return { field: 'ip_frag', value }
  if (field.format !== 'ipv6' || part.mask === undefined) return part
  const mask = part.mask | (0xfn << 124n)
  return { field: part.field, value: value & mask, mask }
}

const isTransport = (field: string) => /^(nw_proto|tcp|udp|sctp|icmp|nd)/.test(field)

const ACTIONS: Record<OpenFlowVersion, ReadonlySet<Action['type']>> = {
  // Not for a switch without a controller: `controller`.
  OpenFlow15: new Set(['output', 'push_vlan', 'pop_vlan', 'set_field', 'move', 'dec_ttl', 'resubmit']),
  OpenFlow10: new Set([
    'output',
    'pop_vlan',
    'set_vlan_vid',
    'set_vlan_pcp',
    'set_field',
    'move',
    'dec_ttl',
    'resubmit',
  ]),
}
const WRITABLE = new Set<Action['type']>(['output', 'push_vlan', 'pop_vlan', 'set_field', 'dec_ttl'])

function randomInstructions(random: Random, match: Match, table: number, version: OpenFlowVersion): Instructions {
  const tags = new TagKnowledge(match, version)
  const draw = (actions: ReadonlySet<Action['type']>) =>
    randomActions(random, match, 5, { actions, ports: [...PORTS, 9], tables: TABLES })
      .flatMap((action) => followed(random, action))
      .map((action) => expressible(action, version))
      .filter((action) => tags.admit(action))
  const apply = draw(ACTIONS[version])
  if (chance(random, 0.6)) apply.push({ type: 'output', port: pick(random, [...PORTS, ReservedPort.InPort]) })
  if (version === 'OpenFlow10') return instructionsOf(apply)
  return {
    apply,
    clear: chance(random, 0.1),
    write: chance(random, 0.25) ? draw(WRITABLE) : [],
    ...(chance(random, 0.15) && { writeMetadata: { value: BigInt(random.below(16)), mask: 0xffn } }),
    ...(table < TABLES - 1 && chance(random, 0.4) && { gotoTable: table + 1 + random.below(TABLES - 1 - table) }),
  }
}

/** OpenFlow 1.0 has actions of its own for most fields, and those have no mask: Open vSwitch 3.1 leaves it off in silence. */
function expressible(action: Action, version: OpenFlowVersion): Action {
  if (action.type !== 'set_field' || version === 'OpenFlow15') return action
  return { type: 'set_field', field: action.field, value: action.value }
}

/** A tag just put on is mostly given a VLAN and a priority; registers are filled with what later tables ask for. */
function followed(random: Random, action: Action): Action[] {
  if (action.type === 'push_vlan' && chance(random, 0.7))
    return [
      action,
      { type: 'set_field', field: 'vlan_vid', value: 0x1000n | BigInt(pick(random, [10, 20, 30])) },
      { type: 'set_field', field: 'vlan_pcp', value: BigInt(random.below(8)) },
    ]
  if (action.type === 'resubmit' && chance(random, 0.3))
    return [{ type: 'set_field', field: 'reg0', value: BigInt(random.below(2)) }, action]
  return [action]
}

// ---- VLANs -------------------------------------------------------------------------------------------------------

const VLANS = [10, 20, 30]

function randomVlans(random: Random): VlanSettings {
  const trunks = VLANS.filter(() => chance(random, 0.5))
  switch (random.below(7)) {
    case 0:
      return {}
    case 6:
      return { vlanMode: 'dot1q-tunnel', tag: pick(random, VLANS), ...(chance(random, 0.5) && { cvlans: trunks }) }
    case 1:
      return { tag: pick(random, VLANS) }
    case 2:
      return { vlanMode: 'trunk', trunks }
    case 3:
      return { vlanMode: 'access', tag: pick(random, VLANS) }
    case 4:
      return { vlanMode: 'native-tagged', tag: pick(random, VLANS), trunks }
    default:
      return { vlanMode: 'native-untagged', tag: pick(random, VLANS), trunks }
  }
}

/** NORMAL for a frame whose tags were changed on the way. */
function retagged(random: Random): Action[] {
  const before = pick<Action[]>(random, [
    [],
    [{ type: 'set_vlan_vid', vid: pick(random, VLANS) }],
    [{ type: 'set_vlan_pcp', pcp: random.below(8) }],
    [{ type: 'pop_vlan' }],
    [{ type: 'output', port: pick(random, PORTS) }],
  ])
  return [...before, NORMAL]
}
