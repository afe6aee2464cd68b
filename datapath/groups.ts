// Groups: OpenFlow 1.3 §5.6 and §6.7, with the bucket commands of OpenFlow 1.5 that Open vSwitch offers on all versions.

import type { Action, Bucket, GroupMod, GroupSpec, GroupStatistics } from '../protocols/control/messages.ts'
import { ReservedGroup } from '../protocols/control/messages.ts'
import { Refused } from '../protocols/control/refused.ts'
import type { Nanoseconds } from '../runtime/clock.ts'
import type { HashedPart } from './pipeline/hashed-parts.ts'
import { hashedParts } from './pipeline/hashed-parts.ts'
import type { Step } from './pipeline/steps.ts'
import { stepsOf } from './pipeline/steps.ts'

/** A bucket as its group has it. */
export interface GroupBucket {
  readonly spec: Bucket & { id: number }
  /** Its share in a select group. */
  readonly weight: number
  readonly watchPort: number | undefined
  readonly watchGroup: number | undefined
  /** Its action set, as written. */
  readonly steps: readonly Step[]
  packets: number
  bytes: number
}

export interface Group {
  readonly spec: GroupSpec
  readonly buckets: readonly GroupBucket[]
  /** What a select group goes by, where it was told. */
  readonly hashed: readonly HashedPart[]
  readonly madeAt: Nanoseconds
  packets: number
  bytes: number
}

/** What is known of the world when a group is changed. */
export interface GroupChecks {
  now: Nanoseconds
  /** @throws Refused actions that a bucket can not hold. */
  checkActions(actions: readonly Action[], path: string): void
}

/** Takes back one change. */
type Undo = () => void

export interface GroupTableEvents {
  /** Counters are about to be read, or groups to change: whoever has counted for them is to say so now. */
  catchUp(): void
  /** `group` is another, or no more. */
  changed(group: number): void
}

export class GroupTable {
  readonly #events: GroupTableEvents
  #groups = new Map<number, Group>()

  constructor(events: GroupTableEvents = { catchUp: () => {}, changed: () => {} }) {
    this.#events = events
  }

  get size(): number {
    return this.#groups.size
  }

  get(group: number): Group | undefined {
    return this.#groups.get(group)
  }

  has(group: number): boolean {
    return this.#groups.has(group)
  }

  /** In order of number. */
  *[Symbol.iterator](): Iterator<Group> {
    for (const number of [...this.#groups.keys()].sort((a, b) => a - b)) yield this.#groups.get(number)!
  }

  /**
   * Carries out `mod`; gives what undoes it.
   * @throws Refused
   */
  apply(mod: GroupMod, checks: GroupChecks): Undo {
    this.#events.catchUp()
    const named = this.#namedBy(mod)
    const undo = this.#remember(mod, named)
    try {
      change(this.#groups, mod, checks)
    } catch (error) {
      undo()
      throw error
    }
    for (const group of named) this.#events.changed(group)
    return undo
  }

  #namedBy({ group }: GroupMod): number[] {
    return group === ReservedGroup.All ? [...this.#groups.keys()] : [group]
  }

  /** Gives what puts things back as they are now, after a change of what `mod` names. */
  #remember({ command, group }: GroupMod, named: readonly number[]): Undo {
    const all = this.#groups
    const before = all.get(group)
    if (command === 'delete' && group === ReservedGroup.All) this.#groups = new Map(all)
    return () => {
      this.#events.catchUp()
      this.#groups = all
      if (before === undefined) all.delete(group)
      else all.set(group, before)
      for (const changed of named) this.#events.changed(changed)
    }
  }

  /** Those of one group, or of all: none where there is no such group. */
  statistics(group: number | undefined, now: Nanoseconds, references: (group: number) => number): GroupStatistics[] {
    this.#events.catchUp()
    return this.#selected(group).map((one) => ({
      group: one.spec.group,
      references: references(one.spec.group),
      packets: BigInt(one.packets),
      bytes: BigInt(one.bytes),
      duration: BigInt(now - one.madeAt),
      buckets: one.buckets.map(({ packets, bytes }) => ({ packets: BigInt(packets), bytes: BigInt(bytes) })),
    }))
  }

  /** As they were asked for, every bucket with its number. */
  descriptions(group: number | undefined): GroupSpec[] {
    return this.#selected(group).map(({ spec }) => spec)
  }

  #selected(group: number | undefined): Group[] {
    return [...this].filter(({ spec }) => group === undefined || group === ReservedGroup.All || spec.group === group)
  }
}

function change(groups: Map<number, Group>, mod: GroupMod, checks: GroupChecks): void {
  switch (mod.command) {
    case 'delete':
      if (mod.group === ReservedGroup.All) groups.clear()
      else groups.delete(mod.group)
      return
    case 'add':
      if (groups.has(mod.group)) throw new Refused('OFPGMFC_GROUP_EXISTS', 'group', `there is a group ${mod.group}`)
      return put(groups, mod, checks)
    case 'modify':
      existing(groups, mod)
      return put(groups, mod, checks)
    case 'add_or_modify':
      return put(groups, mod, checks)
    case 'insert_bucket':
      return put(groups, { ...existing(groups, mod).spec, buckets: inserted(existing(groups, mod).spec, mod) }, checks)
    case 'remove_bucket':
      return put(groups, { ...existing(groups, mod).spec, buckets: removed(existing(groups, mod).spec, mod) }, checks)
  }
}

function existing(groups: Map<number, Group>, { group }: GroupMod): Group {
  const found = groups.get(group)
  if (found === undefined) throw new Refused('OFPGMFC_UNKNOWN_GROUP', 'group', `there is no group ${group}`)
  return found
}

/** A group that was there keeps its age, and a bucket that stays what it has counted; as in Open vSwitch, the group counts anew. */
function put(
  groups: Map<number, Group>,
  { group, groupType, buckets, selection }: GroupSpec,
  checks: GroupChecks,
): void {
  const numbered = withNumbers(buckets)
  const spec: GroupSpec = { group, groupType, buckets: numbered, ...(selection && { selection }) }
  checkGroup(spec)
  numbered.forEach((bucket, index) => checks.checkActions(bucket.actions, `buckets[${index}].actions`))
  const before = groups.get(group)
  groups.set(group, {
    spec,
    buckets: numbered.map((bucket) => makeBucket(bucket, before)),
    hashed: selection?.method === 'hash' ? hashedParts(selection.fields) : [],
    madeAt: before?.madeAt ?? checks.now,
    packets: 0,
    bytes: 0,
  })
  checkLoop(groups, group)
}

function makeBucket(spec: Bucket & { id: number }, before: Group | undefined): GroupBucket {
  const same = before?.buckets.find((bucket) => bucket.spec === spec)
  return {
    spec,
    weight: spec.weight ?? 1,
    watchPort: spec.watchPort,
    watchGroup: spec.watchGroup,
    steps: stepsOf(spec.actions),
    packets: same?.packets ?? 0,
    bytes: same?.bytes ?? 0,
  }
}

/** Buckets without a number get the lowest free ones, in order. */
function withNumbers(buckets: readonly Bucket[]): (Bucket & { id: number })[] {
  const taken = new Set<number>()
  for (const { id } of buckets) {
    if (id === undefined) continue
    if (taken.has(id)) throw new Refused('OFPGMFC_BUCKET_EXISTS', 'buckets', `two buckets have the number ${id}`)
    taken.add(id)
  }
  let next = 0
  const free = () => {
    while (taken.has(next)) next++
    taken.add(next)
    return next
  }
  return buckets.map((bucket) => (hasNumber(bucket) ? bucket : { ...bucket, id: free() }))
}

const hasNumber = (bucket: Bucket): bucket is Bucket & { id: number } => bucket.id !== undefined

function inserted(group: GroupSpec, { bucket = 'last', buckets }: GroupMod): Bucket[] {
  if (bucket === 'all') throw new Refused('OFPGMFC_BAD_BUCKET', 'bucket', 'no bucket to insert behind is named')
  const place = bucket === 'first' ? 0 : bucket === 'last' ? group.buckets.length : placeOf(group, bucket) + 1
  return [...group.buckets.slice(0, place), ...buckets, ...group.buckets.slice(place)]
}

function removed(group: GroupSpec, { bucket = 'all', buckets }: GroupMod): Bucket[] {
  if (buckets.length > 0) throw new Refused('OFPGMFC_BAD_BUCKET', 'buckets', 'none are expected where one is removed')
  switch (bucket) {
    case 'all':
      return []
    case 'first':
      return group.buckets.slice(1)
    case 'last':
      return group.buckets.slice(0, -1)
    default:
      return group.buckets.toSpliced(placeOf(group, bucket), 1)
  }
}

function placeOf(group: GroupSpec, id: number): number {
  const place = group.buckets.findIndex((bucket) => bucket.id === id)
  if (place < 0) throw new Refused('OFPGMFC_UNKNOWN_BUCKET', 'bucket', `group ${group.group} has no bucket ${id}`)
  return place
}

/** OpenFlow 1.3 §6.7: what a group of its type has and what it has not. */
function checkGroup({ group, groupType, buckets, selection }: GroupSpec): void {
  if (group > ReservedGroup.Max)
    throw new Refused('OFPGMFC_INVALID_GROUP', 'group', `${group} is no group; expected 0 to ${ReservedGroup.Max}`)
  if (groupType === 'indirect' && buckets.length !== 1)
    throw new Refused('OFPGMFC_INVALID_GROUP', 'buckets', `an indirect group has one bucket, not ${buckets.length}`)
  if (selection !== undefined && groupType !== 'select')
    throw new Refused('OFPGMFC_INVALID_GROUP', 'selection', 'only a select group chooses')
  buckets.forEach((bucket, index) => checkBucket(bucket, groupType, `buckets[${index}]`))
}

function checkBucket({ weight, watchPort, watchGroup }: Bucket, type: GroupSpec['groupType'], path: string): void {
  const watches = watchPort !== undefined || watchGroup !== undefined
  if (type !== 'select' && weight !== undefined && weight !== 0)
    throw new Refused('OFPGMFC_INVALID_GROUP', `${path}.weight`, 'only buckets of a select group have a weight')
  if (type === 'fast_failover' && !watches)
    throw new Refused('OFPGMFC_INVALID_GROUP', path, 'a bucket of a fast-failover group watches a port or a group')
  if ((type === 'all' || type === 'indirect') && watches)
    throw new Refused('OFPGMFC_WATCH_UNSUPPORTED', path, `a bucket of an ${type} group watches nothing`)
}

/** OpenFlow 1.3 §5.6.1: a chain of groups does not come back to where it began. */
function checkLoop(groups: ReadonlyMap<number, Group>, start: number): void {
  const seen = new Set<number>()
  const waiting = [start]
  for (let group = waiting.pop(); group !== undefined; group = waiting.pop()) {
    for (const next of referredTo(groups.get(group)?.spec)) {
      if (next === start) throw new Refused('OFPGMFC_LOOP', 'buckets', `group ${start} would come back to itself`)
      if (seen.has(next)) continue
      seen.add(next)
      waiting.push(next)
    }
  }
}

const referredTo = (spec: GroupSpec | undefined): number[] =>
  spec?.buckets.flatMap(({ actions }) => groupsIn(actions)) ?? []

const groupsIn = (actions: readonly Action[]): number[] =>
  actions.flatMap((action) =>
    action.type === 'group' ? [action.group] : action.type === 'clone' ? groupsIn(action.actions) : [],
  )
