// Frames that wait in queues, and whose turn it is. It knows no clock: whoever asks says what time it is.
//
// As linux-htb serves them for Open vSwitch. A queue may be part of another (`parent`), one level deep. A frame may leave when what
// all queues share, its queue and the parent are out of debt to their maxima. Of those that may, first comes who has not had its
// minimum; then those whose parent has not had its own; then all others. Among these the lower priority number goes first, the
// parent's before the part's; then who has had the least for its weight: of minima, in proportion to them.
//
// Frames of one queue leave in the order in which they came.

import type { Nanoseconds } from '../../runtime/clock.ts'
import { SECOND } from '../../runtime/clock.ts'
import type { QueueConfig, ShapingLevels } from '../../protocols/control/messages.ts'
import type { FrameHandle } from '../frames.ts'
import { TokenBucket } from '../token-bucket.ts'
import { assured, weightOf } from './competition.ts'
import { FairShare, newSharer } from './fair-share.ts'
import { FrameRing } from './frame-ring.ts'

/** Frames that one queue keeps at most, if it is not said: the queue length of a Linux network device. */
const LONGEST = 1000
/** Bits of its minimum that a queue may have still to come while others' frames are on the wire: two frames, or 10 ms of it. */
const LEAST_CREDIT = 24_288
const CREDITS_PER_SECOND = 100

/** What is owed to a queue, or to one with its parts, and how much it has had. */
class Claim {
  readonly config: QueueConfig
  readonly min: TokenBucket | undefined
  readonly max: TokenBucket | undefined
  /** What it had of minima, and of what nobody had claimed. */
  readonly guaranteed = newSharer()
  readonly excess = newSharer()

  /** Who `guarantees` nothing leaves the minimum to its parts. */
  constructor(config: QueueConfig, now: Nanoseconds, guarantees = true) {
    const { minRate, maxRate, burst = 0 } = config
    this.config = config
    if (guarantees && minRate !== undefined) this.min = new TokenBucket(minRate, creditOf(minRate), now, 0)
    if (maxRate !== undefined) this.max = new TokenBucket(maxRate, burst, now)
  }

  get priority(): number {
    return this.config.priority ?? 0
  }
}

const creditOf = (rate: number) => Math.max(LEAST_CREDIT, Math.ceil(rate / CREDITS_PER_SECOND))

/** Those that share a parent, or one queue that has none. */
class Group {
  readonly claim: Claim
  /** Where all is equal, the lower goes first. */
  readonly rank: number
  readonly share = new FairShare()
  waiting = 0
  /** Of the frames that wait. */
  bits = 0

  constructor(claim: Claim, rank: number) {
    this.claim = claim
    this.rank = rank
  }
}

class Queue {
  readonly number: number
  readonly limit: number
  readonly group: Group
  /** As a part of its group; of one that stands alone, nothing is claimed twice. */
  readonly claim: Claim
  /** As a group's. */
  readonly rank: number
  /** Its place among the backlogged ones; -1 while it is none of them. */
  place = -1
  frames = new FrameRing()
  counts: QueueCounts

  constructor(
    config: QueueConfig,
    group: Group,
    claim: Claim,
    { rank, madeAt }: { rank: number; madeAt: Nanoseconds },
  ) {
    this.number = config.queue
    this.rank = rank
    this.limit = config.limit ?? LONGEST
    this.counts = { queue: config.queue, sentPackets: 0, sentBytes: 0, errors: 0, madeAt }
    this.group = group
    this.claim = claim
  }
}

/** Whose turn it is by right: of its own minimum, of its group's, or of what is left. */
const Right = { Own: 0, Group: 1, Excess: 2 } as const

export interface SchedulerOptions {
  queues: readonly QueueConfig[]
  /** Bits a second of all queues together; absent: no limit. */
  maxRate?: number | undefined
  /** Bits that may leave at once over that. */
  burst?: number | undefined
}

export interface QueueCounts {
  queue: number
  sentPackets: number
  sentBytes: number
  /** Frames for which it had no room. */
  errors: number
  madeAt: Nanoseconds
}

export class FrameScheduler {
  #queues: Queue[] = []
  /** Those with frames, in no order: of many queues few have any, and nobody looks at the others. */
  readonly #backlogged: Queue[] = []
  #groups: Group[] = []
  readonly #byNumber = new Map<number, Queue>()
  readonly #byDscp = new Map<number, Queue>()
  #max: TokenBucket | undefined
  /** Among groups. */
  readonly #excess = new FairShare()
  readonly #guaranteed = new FairShare()
  /** Among queues, of their own minima. */
  readonly #ownGuaranteed = new FairShare()
  #turns = 0
  /** Frames in all queues. */
  waiting = 0
  /** Bits of them. */
  waitingBits = 0
  /** Of the frame that was taken last: the port that it leaves through, and its length. */
  port = 0
  bits = 0

  constructor(options: SchedulerOptions, now: Nanoseconds) {
    this.configure(options, now)
  }

  /** Whether frames are told apart by their DSCP. */
  get readsDscp(): boolean {
    return this.#byDscp.size > 0
  }

  /**
   * From here on serves these queues. One that stays keeps its frames and counts, and its buckets their levels; frames of one
   * that goes wait in queue 0, behind those there.
   */
  configure({ queues, maxRate, burst = 0 }: SchedulerOptions, now: Nanoseconds): void {
    const before = new Map(this.#byNumber)
    const levels = this.levels(now)
    const configs = [{ queue: 0 }, ...queues].filter(
      ({ queue }, index, all) => all.findLastIndex((other) => other.queue === queue) === index,
    )
    this.#max = maxRate === undefined ? undefined : new TokenBucket(maxRate, burst, now)
    this.#make(configs, now)
    for (const queue of this.#queues) {
      const known = before.get(queue.number)
      if (known === undefined) continue
      queue.frames = known.frames
      queue.group.waiting += known.frames.size
      queue.group.bits += known.frames.bits
      if (queue.frames.size > 0) this.#note(queue)
      queue.counts = known.counts
      before.delete(queue.number)
    }
    for (const { frames } of [...before.values()].sort((a, b) => a.frames.firstTurn - b.frames.firstTurn))
      this.#takeOver(frames)
    this.restore(levels, now)
  }

  /** Whether the queue has room for one more; counts those that it has none for. */
  admits(number: number, dscp: number): boolean {
    const queue = this.#choose(number, dscp)
    if (queue.frames.size < queue.limit) return true
    queue.counts.errors++
    return false
  }

  /** The frame waits from here on, room or no room, until it is taken. `dscp` counts where the queue is 0, or not there. */
  enqueue(frame: FrameHandle, bits: number, port: number, number: number, dscp: number): void {
    const queue = this.#choose(number, dscp)
    const { group, frames } = queue
    if (frames.size === 0) {
      this.#joinAll(queue)
      this.#note(queue)
    }
    frames.push(frame, bits, port, this.#turns++)
    group.waiting++
    group.bits += bits
    this.waiting++
    this.waitingBits += bits
  }

  /** Takes the frame whose turn it is; -1 where none may leave yet. */
  dequeue(now: Nanoseconds): FrameHandle {
    if (this.waiting === 0 || this.#max?.isReady(now) === false) return -1
    let best: Queue | undefined
    let right: number = Right.Excess
    for (const queue of this.#backlogged) {
      if (!mayLeave(queue, now)) continue
      const its = rightOf(queue, now)
      if (best !== undefined && !goesBefore(queue, its, best, right)) continue
      best = queue
      right = its
    }
    return best === undefined ? -1 : this.#serve(best, right, now)
  }

  /** The first instant from `now` on at which a frame may leave; Infinity where none waits. */
  nextTurn(now: Nanoseconds): Nanoseconds {
    if (this.waiting === 0) return Infinity
    let first = Infinity
    for (const { group, claim } of this.#backlogged) {
      first = Math.min(first, Math.max(claim.max?.readyAt(now) ?? now, group.claim.max?.readyAt(now) ?? now))
    }
    return Math.max(first, this.#max?.readyAt(now) ?? now)
  }

  /**
   * No frame that waits now is still there after so much time, whatever comes; of a queue that others may leave nothing, if nothing comes.
   * `rate`: what serves the queues, in bits a second, where that is not their own maximum. Frames wait for one bucket at a time.
   */
  timeToEmpty(now: Nanoseconds, rate = this.#max?.rate): Nanoseconds {
    let longest = 0
    for (const { frames, group, claim } of this.#backlogged)
      longest = Math.max(longest, timeFor(frames.bits, claim.max, now) + timeFor(group.bits, group.claim.max, now))
    if (rate === undefined || this.waiting === 0) return longest
    const debt = this.#max === undefined ? 0 : this.#max.readyAt(now) - now
    let together = timeAt(rate, this.waitingBits)
    for (const queue of this.#backlogged) together = Math.max(together, this.#waitBeside(queue, rate, now))
    return longest + debt + together
  }

  /** How long the queue's frames wait while all others have frames without end; 0 where that has no end either. */
  #waitBeside(queue: Queue, rate: number, now: Nanoseconds): Nanoseconds {
    const { group, claim, frames } = queue
    const groups = this.#groups.filter((other) => other !== group).map((other) => other.claim)
    const parts = this.#queues.filter((other) => other !== queue && other.group === group).map((other) => other.claim)
    const ofGroup = assured(group.claim, groups, rate, now)
    const own = assured(claim, parts, Math.min(ofGroup.rate, group.claim.max?.rate ?? Infinity), now)
    return own.rate === 0 ? 0 : ofGroup.delay + own.delay + timeAt(own.rate, frames.bits)
  }

  /** All that waits in the queue. It is the caller's from here on. */
  take(number: number): FrameHandle[] {
    const queue = this.#byNumber.get(number)
    return queue === undefined ? [] : Array.from({ length: queue.frames.size }, () => this.#takeFirst(queue))
  }

  /** All that waits, in the order in which it came. It is the caller's from here on. */
  takeAll(): FrameHandle[] {
    return Array.from({ length: this.waiting }, () => {
      let first = this.#backlogged[0]
      for (const queue of this.#backlogged) if (queue.frames.firstTurn < first.frames.firstTurn) first = queue
      return this.#takeFirst(first)
    })
  }

  /** All that waits, left there. */
  frames(): FrameHandle[] {
    return this.#queues.flatMap(({ frames }) => Array.from({ length: frames.size }, (_, place) => frames.at(place)))
  }

  counts(): QueueCounts[] {
    return this.#queues.map(({ counts }) => ({ ...counts }))
  }

  levels(now: Nanoseconds): ShapingLevels {
    const queues = this.#queues.flatMap((queue) => {
      const max = maximumOf(queue)
      return max === undefined ? [] : [{ queue: queue.number, level: max.level(now) }]
    })
    return this.#max === undefined ? { queues } : { all: this.#max.level(now), queues }
  }

  /** Makes buckets as full as others were: of what there is here, and never fuller than their burst. */
  restore({ all, queues }: ShapingLevels, now: Nanoseconds): void {
    if (all !== undefined) this.#max?.restore(all, now)
    for (const { queue: number, level } of queues) {
      const queue = this.#byNumber.get(number)
      if (queue !== undefined) maximumOf(queue)?.restore(level, now)
    }
  }

  #make(configs: readonly QueueConfig[], now: Nanoseconds): void {
    const parents = new Set(configs.map(({ parent }) => parent))
    const groups = new Map<number, Group>()
    const groupOf = (number: number) => {
      const config = configs.find(({ queue }) => queue === number) ?? { queue: number }
      const group = groups.get(number) ?? new Group(new Claim(config, now, parents.has(number)), groups.size)
      groups.set(number, group)
      return group
    }
    this.#byNumber.clear()
    this.#byDscp.clear()
    this.#backlogged.length = 0
    this.#queues = configs.map((config, rank) => {
      const { queue, parent, minRate, dscps = [] } = config
      const isParent = parents.has(queue)
      const isPart = parent !== undefined && !isParent
      const own = isPart ? config : isParent || minRate === undefined ? { queue } : { queue, minRate }
      const made = new Queue(config, groupOf(isPart ? parent : queue), new Claim(own, now), { rank, madeAt: now })
      this.#byNumber.set(queue, made)
      for (const dscp of dscps) this.#byDscp.set(dscp, made)
      return made
    })
    this.#groups = [...groups.values()]
    this.#share()
  }

  #share(): void {
    const claims = this.#groups.map(({ claim }) => claim)
    this.#excess.among(byWeight(claims))
    this.#guaranteed.among(byMinimum(claims))
    this.#ownGuaranteed.among(byMinimum(this.#queues.map(({ claim }) => claim)))
    for (const group of this.#groups)
      group.share.among(byWeight(this.#queues.filter((queue) => queue.group === group).map(({ claim }) => claim)))
  }

  #takeOver(frames: FrameRing): void {
    const target = this.#queues[0]
    if (frames.size > 0) this.#note(target)
    target.group.bits += frames.bits
    while (frames.size > 0) {
      const { firstBits, firstPort } = frames
      target.frames.push(frames.shift(), firstBits, firstPort, this.#turns++)
      target.group.waiting++
    }
  }

  #choose(number: number, dscp: number): Queue {
    const chosen = number === 0 ? undefined : this.#byNumber.get(number)
    return chosen ?? this.#byDscp.get(dscp) ?? this.#byNumber.get(0)!
  }

  #joinAll({ group, claim }: Queue): void {
    this.#ownGuaranteed.join(claim.guaranteed)
    group.share.join(claim.excess)
    if (group.waiting > 0) return
    this.#guaranteed.join(group.claim.guaranteed)
    this.#excess.join(group.claim.excess)
  }

  #note(queue: Queue): void {
    if (queue.place >= 0) return
    queue.place = this.#backlogged.length
    this.#backlogged.push(queue)
  }

  /** The last one takes its place. */
  #forget(queue: Queue): void {
    const last = this.#backlogged.pop()!
    if (last !== queue) {
      this.#backlogged[queue.place] = last
      last.place = queue.place
    }
    queue.place = -1
  }

  #serve(queue: Queue, right: number, now: Nanoseconds): FrameHandle {
    const { frames, group, claim } = queue
    const bits = frames.firstBits
    this.#max?.spend(bits, now)
    group.claim.max?.spend(bits, now)
    claim.max?.spend(bits, now)
    if (right === Right.Own) {
      claim.min?.spend(bits, now)
      this.#ownGuaranteed.serve(claim.guaranteed, bits)
    } else group.share.serve(claim.excess, bits)
    if (right === Right.Group) this.#guaranteed.serve(group.claim.guaranteed, bits)
    // What its parts have by their own right is the group's, too; where theirs come to more than its own, it does not pay for that later.
    if (right !== Right.Excess) group.claim.min?.spend(bits, now, -bits)
    else this.#excess.serve(group.claim.excess, bits)
    queue.counts.sentPackets++
    queue.counts.sentBytes += bits / 8
    return this.#takeFirst(queue)
  }

  #takeFirst(queue: Queue): FrameHandle {
    const { frames, group } = queue
    this.port = frames.firstPort
    this.bits = frames.firstBits
    group.waiting--
    group.bits -= this.bits
    this.waiting--
    this.waitingBits -= this.bits
    const frame = frames.shift()
    if (frames.size === 0) this.#forget(queue)
    return frame
  }
}

/** The bucket of the maximum that the queue's own configuration names. */
const maximumOf = ({ number, claim, group }: Queue): TokenBucket | undefined =>
  group.claim.config.queue === number ? group.claim.max : claim.max

const mayLeave = ({ claim, group }: Queue, now: Nanoseconds): boolean =>
  claim.max?.isReady(now) !== false && group.claim.max?.isReady(now) !== false

function rightOf({ claim, group }: Queue, now: Nanoseconds): number {
  if (claim.min?.isReady(now)) return Right.Own
  return group.claim.min?.isReady(now) ? Right.Group : Right.Excess
}

/** Of two that may leave, each by the right that it has. */
function goesBefore(a: Queue, rightOfA: number, b: Queue, rightOfB: number): boolean {
  if (rightOfA !== rightOfB) return rightOfA < rightOfB
  const [one, other] = [a.group.claim, b.group.claim]
  if (one.priority !== other.priority) return one.priority < other.priority
  if (rightOfA !== Right.Own && one !== other)
    return rightOfA === Right.Group
      ? hasComeLess(one.guaranteed.at, a.group.rank, other.guaranteed.at, b.group.rank)
      : hasComeLess(one.excess.at, a.group.rank, other.excess.at, b.group.rank)
  if (a.claim.priority !== b.claim.priority) return a.claim.priority < b.claim.priority
  return rightOfA === Right.Own
    ? hasComeLess(a.claim.guaranteed.at, a.rank, b.claim.guaranteed.at, b.rank)
    : hasComeLess(a.claim.excess.at, a.rank, b.claim.excess.at, b.rank)
}

const hasComeLess = (far: number, rank: number, otherFar: number, otherRank: number): boolean =>
  far === otherFar ? rank < otherRank : far < otherFar

const byWeight = (claims: readonly Claim[]) =>
  claims.map((claim) => ({ sharer: claim.excess, weight: weightOf(claim, claims) }))

const byMinimum = (claims: readonly Claim[]) =>
  claims.map(({ guaranteed, config: { minRate = 1 } }) => ({ sharer: guaranteed, weight: minRate }))

const timeFor = (bits: number, bucket: TokenBucket | undefined, now: Nanoseconds): Nanoseconds =>
  bits === 0 || bucket === undefined ? 0 : bucket.readyAt(now) - now + timeAt(bucket.rate, bits)

const timeAt = (rate: number, bits: number): Nanoseconds => Math.ceil((bits * SECOND) / rate)
