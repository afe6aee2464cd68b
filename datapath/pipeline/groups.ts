// Which buckets of a group a frame meets: OpenFlow 1.3 §5.6.1, chosen as Open vSwitch's `pick_select_group` and `pick_ff_group`
// do (ofproto/ofproto-dpif-xlate.c).

import { fieldOf } from '../../protocols/fields.ts'
import type { Group, GroupBucket, GroupTable } from '../groups.ts'
import { finished, hashOfFlow, mixed } from './hash.ts'
import { hasField } from './prerequisites.ts'
import { wordWrites } from './steps.ts'
import type { Translation } from './translation.ts'
import type { PortTable } from '../ports.ts'
import { isLive } from '../ports.ts'

interface Surroundings {
  readonly groups: GroupTable
  readonly ports: PortTable
}

/** All of a group of type all or indirect, in order; of the others the one chosen, if any lives. */
export function bucketsMet(frame: Translation, group: Group, surroundings: Surroundings): readonly GroupBucket[] {
  switch (group.spec.groupType) {
    case 'all':
    case 'indirect':
      return group.buckets
    case 'fast_failover':
      return group.buckets.filter((bucket) => isAlive(bucket, surroundings)).slice(0, 1)
    case 'select': {
      const alive = group.buckets.filter((bucket) => isAlive(bucket, surroundings))
      const chosen = alive.length > 0 ? chooseByWeight(alive, hashOf(frame, group)) : undefined
      return chosen === undefined ? [] : [chosen]
    }
  }
}

/** One that watches nothing always lives. */
function isAlive({ watchPort, watchGroup }: GroupBucket, { groups, ports }: Surroundings): boolean {
  if (watchPort === undefined && watchGroup === undefined) return true
  const seen = new Set<number>()
  const waiting = [{ watchPort, watchGroup }]
  for (let watched = waiting.pop(); watched !== undefined; watched = waiting.pop()) {
    const { watchPort: port, watchGroup: group } = watched
    if (port === undefined && group === undefined) return true
    const found = port === undefined ? undefined : ports.byNumber(port)
    if (found !== undefined && isLive(found)) return true
    if (group === undefined || seen.has(group)) continue
    seen.add(group)
    for (const bucket of groups.get(group)?.buckets ?? []) waiting.push(bucket)
  }
  return false
}

/**
 * Weighted rendezvous hashing (D. Thaler and C. Ravishankar; weights as in draft-ietf-bess-weighted-hrw §4): each bucket gets
 * flows in proportion to its weight, and one that dies gives its own away and moves no others.
 */
function chooseByWeight(buckets: readonly GroupBucket[], hash: number): GroupBucket | undefined {
  let best: GroupBucket | undefined
  let bestScore = 0
  for (const bucket of buckets) {
    const chance = (finished(mixed(hash, bucket.spec.id)) + 0.5) / 2 ** 32
    const score = bucket.weight === 0 ? 0 : -bucket.weight / Math.log(chance)
    if (score >= bestScore) {
      best = bucket
      bestScore = score
    }
  }
  return best
}

/** Of `hash`, the masked fields that the frame has; without any, and by any other method, its flow. */
function hashOf(frame: Translation, { spec: { selection, group } }: Group): number {
  const parameter = selection?.parameter ?? 0n
  let hash = [group, Number(parameter >> 32n), Number(parameter & 0xffffffffn)].reduce(mixed, 0)
  if (selection?.method !== 'hash' || selection.fields.length === 0) return hashOfFlow(frame, hash)
  for (const { field: name, value: mask } of selection.fields) {
    const field = fieldOf(name)
    if (!hasField(frame, field)) continue
    for (const { word, mask: bits } of wordWrites(field, mask, mask)) {
      frame.consulted[word] |= bits
      hash = mixed(hash, frame.key[word] & bits)
    }
  }
  return finished(hash)
}
