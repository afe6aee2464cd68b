// Every field of a header that actions may write, written in every way to frames that have it.

import { readField } from '../../../datapath/flow-key.ts'
import type { Action, Subfield } from '../../../protocols/control/messages.ts'
import type { Field, FieldName } from '../../../protocols/fields.ts'
import { FIELDS, Word, fieldOf } from '../../../protocols/fields.ts'
import type { Match } from '../../../protocols/match.ts'
import { missingPrerequisite } from '../../../protocols/match.ts'
import type { Random } from '../../../runtime/random.ts'
import { inOrder, pick, randomBits } from '../../support/random-flows.ts'
import { randomFrame } from '../../support/random-frames.ts'
import { keyOf } from '../../support/random-keys.ts'
import type { IncomingFrame, SwitchCase } from './switch-cases.ts'
import { PORTS, anyFrame, blank, frameOnItsWay, instructionsOf, UNKNOWN_THERE } from './switch-cases.ts'

/** OpenFlow 1.5 has no word for vlan_tci. */
export const REWRITABLE: readonly Field[] = FIELDS.filter(
  ({ settable, word, name }) =>
    settable && word >= Word.ethernetDestination && name !== 'vlan_tci' && !UNKNOWN_THERE.has(name),
)

/** Frames that have the field, and a flow for each kind of them that writes to it. */
export function rewriteCase(random: Random, field: Field): SwitchCase {
  const frames = Array.from({ length: 8 }, () => frameWith(random, field))
  const flows = frames.map((frame, index) => ({
    ...blank,
    cookie: BigInt(index + 1),
    priority: 1 + index,
    match: protocolOf(frame),
    instructions: instructionsOf(rewrites(random, field)),
  }))
  return { version: 'OpenFlow15', flows, frames, vlans: [] }
}

const MOST_DRAWS = 10_000

/**
 * Written to frames that are whole. Of a neighbour discovery Open vSwitch works the checksum out anew, where everywhere else
 * both sides let a wrong one stay wrong; and it writes an ARP operation past the end of a message that was cut short.
 */
const TO_WHOLE_FRAMES: ReadonlySet<FieldName> = new Set(['nd_reserved', 'nd_options_type', 'arp_op'])

function frameWith(random: Random, field: Field): IncomingFrame {
  for (let draw = 0; draw < MOST_DRAWS; draw++) {
    const bytes = frameFor(random, field)
    const frame = { port: pick(random, PORTS), bytes }
    if (has(protocolOf(frame), field)) return frame
  }
  throw new Error(`no frame has ${field.name}`)
}

function frameFor(random: Random, { name }: Field): Uint8Array {
  if (TO_WHOLE_FRAMES.has(name)) return randomFrame(random)
  return name === 'ipv6_dst' ? frameOnItsWay(random) : anyFrame(random)
}

/** A VLAN can be written only where there is a tag. */
const has = (match: Match, field: Field) =>
  missingPrerequisite(field.name === 'vlan_vid' ? fieldOf('vlan_pcp') : field, match) === undefined

const PROTOCOL: readonly FieldName[] = ['vlan_vid', 'eth_type', 'nw_proto', 'ip_frag', 'icmpv6_type', 'icmpv6_code']
const LATER_FRAGMENT = 3n

/** What tells the kind of the frame: all that is a prerequisite of something. */
function protocolOf({ bytes, port }: IncomingFrame): Match {
  const key = keyOf(bytes, port)
  const match: { field: FieldName; value: bigint }[] = []
  for (const name of PROTOCOL) {
    const field = fieldOf(name)
    if (missingPrerequisite(field, match) !== undefined) continue
    if (name === 'nw_proto' && readField(key, fieldOf('ip_frag')) === LATER_FRAGMENT) continue
    match.push({ field: name, value: readField(key, field) })
  }
  return inOrder(match)
}

/** Between any two changes, a copy that shows what the first one did. */
function rewrites(random: Random, field: Field): Action[] {
  const show: Action = { type: 'output', port: pick(random, PORTS) }
  return [
    { type: 'set_field', field: field.name, value: valueOf(random, field) },
    show,
    masked(random, field),
    show,
    ...moved(random, field),
    show,
    { type: 'set_field', field: field.name, value: valueOf(random, field) },
    { type: 'output', port: pick(random, PORTS) },
  ]
}

/** Some bits of a register. Open vSwitch 3.1 sets the other bits of nd_options_type to 0, whatever they were. */
function moved(random: Random, field: Field): Action[] {
  if (field.name === 'nd_options_type') return []
  const { bits } = field.name === 'vlan_vid' ? { bits: 12 } : field
  const some = 1 + random.below(Math.min(32, bits))
  const from: Subfield = { field: 'reg1', offset: random.below(32 - some + 1), bits: some }
  const to: Subfield = { field: field.name, offset: random.below(bits - some + 1), bits: some }
  return [
    { type: 'set_field', field: 'reg1', value: randomBits(random, 32) },
    { type: 'move', from, to },
  ]
}

const PRESENT = 0x1000n

function valueOf(random: Random, { name, bits }: Field): bigint {
  if (name === 'vlan_vid') return PRESENT | randomBits(random, 12)
  return randomBits(random, name === 'arp_op' ? 8 : bits)
}

/** Some bits where some can be written, and else all again. */
function masked(random: Random, field: Field): Action {
  const value = valueOf(random, field)
  if (!field.maskable || field.name.startsWith('vlan')) return { type: 'set_field', field: field.name, value }
  const start = field.format === 'ipv6' ? 0xfn << 124n : 1n
  const mask = randomBits(random, field.bits) | start
  return { type: 'set_field', field: field.name, value: value & mask, mask }
}
