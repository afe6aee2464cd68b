// Which buckets of a group a frame meets: OpenFlow 1.3 §5.6.1, chosen as Open vSwitch's `pick_select_group` and `pick_ff_group`
// do (ofproto/ofproto-dpif-xlate.c).

import type { Group, GroupBucket, GroupTable } from '../groups.ts'
import { finished, hashOfFlow, hashOfPair, mixed } from './hash.ts'
import { hasField } from './prerequisites.ts'
import { hashOfPart } from './selection.ts'
import type { Translation } from './translation.ts'
import type { PortTable } from '../ports.ts'
import { isLive } from '../port.ts'

interface Surroundings {
  readonly groups: Pick<GroupTable, 'get'>
  readonly ports: Pick<PortTable, 'byNumber'>
}

/** All of a group of type all or indirect, in order; of the others the one chosen, if any lives: `tell` hears by what. */
export function bucketsMet(
  frame: Translation,
  group: Group,
  surroundings: Surroundings,
  tell?: (reason: string) => void,
): readonly GroupBucket[] {
  switch (group.spec.groupType) {
    case 'all':
    case 'indirect':
      return group.buckets
    case 'fast_failover':
      return group.buckets.filter((bucket) => isAlive(bucket, surroundings)).slice(0, 1)
    case 'select': {
      const alive = group.buckets.filter((bucket) => canBeChosen(group, bucket) && isAlive(bucket, surroundings))
      const chosen = alive.length > 0 ? chooseByWeight(alive, hashOf(frame, group), tell) : undefined
      return chosen === undefined ? [] : [chosen]
    }
  }
}

/** As in Open vSwitch, a share of nothing is none, even where there is no other. */
const canBeChosen = ({ spec }: Group, { weight }: GroupBucket) => spec.groupType !== 'select' || weight > 0

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
    const next = groups.get(group)
    if (next !== undefined) waiting.push(...next.buckets.filter((bucket) => canBeChosen(next, bucket)))
  }
  return false
}

/**
 * Weighted rendezvous hashing (D. Thaler and C. Ravishankar; weights as in draft-ietf-bess-weighted-hrw §4): each bucket gets
 * flows in proportion to its weight, and one that dies gives its own away and moves no others. Where weights are equal, the
 * bucket is the one that Open vSwitch's `group_best_live_bucket` chooses by the same hash.
 */
function chooseByWeight(
  buckets: readonly GroupBucket[],
  hash: number,
  tell?: (reason: string) => void,
): GroupBucket | undefined {
  let best: GroupBucket | undefined
  let bestScore = 0
  for (const bucket of buckets) {
    const drawn = hashOfPair(bucket.spec.id, hash) & 0xffff
    tell?.(`bucket ${bucket.spec.id}: score ${drawn * bucket.weight}`)
    const chance = (drawn + 0.5) / 2 ** 16
    const score = -bucket.weight / Math.log(chance)
    if (score >= bestScore) {
      best = bucket
      bestScore = score
    }
  }
  return best
}

/** Of `hash`, the masked fields that the frame has; without any, and by any other method, its flow. */
function hashOf(frame: Translation, { spec: { selection, group }, hashed }: Group): number {
  const parameter = selection?.parameter ?? 0n
  const halves = [Number(parameter & 0xffffffffn), Number(parameter >> 32n)]
  if (hashed.length === 0) return hashOfFlow(frame, [group, ...halves].reduce(mixed, 0))
  let hash = finished(halves.reduce(mixed, 0) ^ 8)
  for (const part of hashed) if (hasField(frame, part.field)) hash = hashOfPart(frame, part, hash)
  return hash
}
