// Flow keys by chance, and matches that they meet.

import { extractKey, readField } from '../../datapath/flow-key.ts'
import type { FlowKey } from '../../datapath/flow-key.ts'
import { FrameArena } from '../../datapath/frames.ts'
import type { Field } from '../../protocols/fields.ts'
import { FIELDS, KEY_WORDS } from '../../protocols/fields.ts'
import type { FieldMatch, Match } from '../../protocols/match.ts'
import { missingPrerequisite } from '../../protocols/match.ts'
import type { Random } from '../../runtime/random.ts'
import { chance, pick, randomBits } from './random-flows.ts'
import { damagedFrame } from './random-frames.ts'

const ARENA = new FrameArena()

export function keyOf(bytes: Uint8Array, inPort = 1): FlowKey {
  const key = new Uint32Array(KEY_WORDS)
  const frame = ARENA.allocateFrom(bytes)
  extractKey(ARENA, frame, inPort, key)
  ARENA.release(frame)
  return key
}

/** Keys of frames, some of them damaged, that came in at ports 1 to 4. */
export const randomKeys = (random: Random, count: number): FlowKey[] =>
  Array.from({ length: count }, () => keyOf(damagedFrame(random), 1 + random.below(4)))

/** A match that `key` meets: some of the fields that it has, exact or masked. */
export function matchMetBy(random: Random, key: FlowKey, likely = 0.2, fields: readonly Field[] = FIELDS): Match {
  const match: FieldMatch[] = []
  for (const field of fields) {
    const wanted = field.name === 'eth_type' || field.name === 'nw_proto' ? 0.5 : likely
    const clashes = field.name.startsWith('vlan') && match.some((part) => part.field.startsWith('vlan'))
    if (!chance(random, wanted) || clashes || missingPrerequisite(field, match) !== undefined) continue
    const value = readField(key, field)
    const mask = field.maskable && chance(random, 0.4) ? randomBits(random, field.bits) : field.ones
    match.push(mask === field.ones ? { field: field.name, value } : { field: field.name, value: value & mask, mask })
  }
  return match
}

/** A key that agrees with `key` on the bits of `consulted`, and differs in some of the others. */
export function agreeingKey(random: Random, key: FlowKey, consulted: Uint32Array, others: readonly FlowKey[]): FlowKey {
  const other = pick(random, others)
  const fromOther = chance(random, 0.5)
  return key.map((word, at) => {
    const free = fromOther ? other[at]! : chance(random, 0.5) ? random.uint32() : word
    return (word & consulted[at]!) | (free & ~consulted[at]!)
  })
}
