// What became of all frames, as the verdict tells of it: counts, tallies of pairs, and witnesses.

import type { Nanoseconds } from '../../runtime/clock.ts'
import { noFrames, type FrameCounts } from '../verdict.ts'
import { fateOf, isOwed, missing, settleOn } from './fates.ts'
import { Mishaps } from './mishaps.ts'
import { NewestFrames } from './newest-frames.ts'
import type { Record } from './open-records.ts'
import { Pairs, type Pair, type PairTally } from './pairs.ts'
import type { Sight } from './sight.ts'
import type { SteadyKind } from './steady-kinds.ts'
import { witness, type LeakWitness, type LossWitness } from './witnesses.ts'

/** Witnesses kept of each kind; all are counted. */
const WITNESSES = 20

export class Findings {
  readonly frames = noFrames()
  readonly made = noFrames()
  readonly leaks: LeakWitness[] = []
  readonly losses: LossWitness[] = []
  readonly mishaps = new Mishaps()
  /** By the two networks: the first frame that got from the one into the other. */
  readonly crossings = new Map<string, LeakWitness>()
  readonly #pairs = new Pairs()
  readonly #newest = new NewestFrames()

  pair(from: string, to: string): Pair {
    return this.#pairs.of(from, to)
  }

  pairs(): Iterable<[from: string, to: string, tally: PairTally]> {
    return this.#pairs.all()
  }

  entered(made: boolean): void {
    this.#count(made).injected++
  }

  /** Somebody who may hear the frame has heard it. */
  delivered(record: Record, nic: string, at: Nanoseconds, seen: Sight | undefined): 'delivered' | 'duplicated' {
    const counts = this.#count(record.made)
    const pair = this.#pairs.of(record.nic, nic)
    pair.reached++
    if (record.heardBy.includes(nic)) {
      record.isStirred = true
      counts.duplicated++
      pair.duplicated++
      this.mishaps.note('duplicated', record.id, at, [record.nic, nic])
      return 'duplicated'
    }
    record.heardBy.push(nic)
    this.#noteOrder(counts, pair, record.flow, record.id, at, record.nic, nic)
    const { dscps } = record.ruling
    record.isUnmarked = dscps !== undefined && !dscps.includes(seen?.ip?.dscp ?? -1)
    if (record.isUnmarked) counts.unmarked++
    return 'delivered'
  }

  /** Its hearer has heard a frame of the kind, and nothing more comes of it. */
  deliveredInCompany({ nic, hearer, pair, flow, isDue, isUnmarked }: SteadyKind, id: number, at: Nanoseconds): void {
    const counts = this.frames
    pair.reached++
    this.#noteOrder(counts, pair, flow, id, at, nic, hearer)
    if (isUnmarked) counts.unmarked++
    if (isDue) {
      pair.sent++
      pair.heard++
    }
    counts.delivered++
  }

  /** Somebody has heard the frame who may not: in `network`, and for the groups' reason `why`, if they have one. */
  leaked(record: Record, to: string, at: Nanoseconds, network: string | undefined, why: string | undefined): void {
    this.#count(record.made).leaked++
    this.#pairs.of(record.nic, to).reached++
    this.mishaps.note('leaked', record.id, at, [record.nic, to])
    const leak = { ...witness(record), at, to, toNetwork: network, ...(why !== undefined && { why }) }
    const crossing = `${leak.fromNetwork ?? ''} ${leak.toNetwork ?? ''}`
    if (!this.crossings.has(crossing)) this.crossings.set(crossing, leak)
    if (this.leaks.length < WITNESSES) this.leaks.push(leak)
  }

  /** The vNIC has heard an answer of the controller's own that it should not have. */
  leakedOfOurs(to: string, at: Nanoseconds, network: string | undefined, bytes: Uint8Array): void {
    this.frames.leaked++
    this.mishaps.note('leaked', 0, at, [to])
    if (this.leaks.length >= WITNESSES) return
    const nobody = { id: 0, source: 'controller', from: 'controller', fromNetwork: undefined }
    const why =
      'it is an answer for those whom security groups have denied something, and there was no such frame, or one answer'
    this.leaks.push({ ...nobody, at, to, toNetwork: network, bytes, why })
  }

  /** Nothing more comes of the frame. `held`: it is kept somewhere to the end. */
  settle(record: Record, held: boolean): void {
    const counts = this.#count(record.made)
    settleOn(record)
    const fate = fateOf(record, held)
    for (const nic of fate === 'answered' ? record.heardBy : record.ruling.must) {
      const tally = this.#pairs.of(record.nic, nic)
      tally.sent++
      if (record.heardBy.includes(nic) || !record.ruling.must.includes(nic)) tally.heard++
      else if (fate === 'lost' && isOwed(record, nic)) tally.lost++
    }
    if (typeof fate === 'object') counts.dropped[fate.dropped] = (counts.dropped[fate.dropped] ?? 0) + 1
    else counts[fate]++
    if (fate === 'lost')
      this.#noteLoss(
        record,
        missing(record).filter((nic) => isOwed(record, nic)),
      )
  }

  #count(made: boolean): FrameCounts {
    return made ? this.made : this.frames
  }

  #noteOrder(
    counts: FrameCounts,
    pair: Pair,
    flow: number,
    id: number,
    at: Nanoseconds,
    from: string,
    to: string,
  ): void {
    if (this.#newest.note(pair.number, flow, id)) return
    counts.reordered++
    this.mishaps.note('reordered', id, at, [from, to])
  }

  #noteLoss(record: Record, missed: string[]): void {
    // A copy that came where nobody is to hear it is not what was missed.
    const last = record.drops.findLast(({ reason }) => reason !== 'no_recipient') ?? record.drops.at(-1)
    this.mishaps.note('lost', record.id, record.at, [record.nic, ...missed], last)
    if (this.losses.length >= WITNESSES) return
    this.losses.push({
      ...witness(record),
      missed,
      reason: last?.reason ?? 'never seen again',
      place: last?.place ?? 'unknown',
    })
  }
}
