// Schedules by chance, from a seed and what is known of the scenario: where its control events are, and what could break.

import { MICROSECOND, MILLISECOND, type Nanoseconds } from '../../runtime/clock.ts'
import { seeded, type Random } from '../../runtime/random.ts'
import type { Scenario } from '../../topologies/scenario.ts'
import { DIRECTIONS, type Moment, type Perturbation, type Schedule } from './schedule.ts'

/** What a run without perturbations shows of a scenario. */
export interface Profile {
  scenario: Scenario
  switches: readonly string[]
  events: { start: number; all: number }
  duration: Nanoseconds
}

type Draw = (random: Random, profile: Profile, at: () => Moment) => Perturbation | undefined

/** What disturbs and breaks nothing. */
const DISTURBANCES: readonly Draw[] = [
  (random, { switches }, at) => ({
    kind: 'slow',
    at: at(),
    switch: pick(random, switches),
    direction: pick(random, DIRECTIONS),
    latency: span(random, 100 * MICROSECOND, 20 * MILLISECOND),
    lasts: span(random, MILLISECOND, 100 * MILLISECOND),
  }),
  (random, { switches }, at) => ({
    kind: 'split',
    at: at(),
    switch: pick(random, switches),
    direction: pick(random, DIRECTIONS),
    share: random.fraction(),
    later: span(random, 10 * MICROSECOND, 10 * MILLISECOND),
  }),
  (random, _profile, at) => ({
    kind: 'late',
    at: at(),
    by: span(random, 10 * MICROSECOND, 10 * MILLISECOND),
    lasts: span(random, MILLISECOND, 100 * MILLISECOND),
  }),
  (random, { scenario: { timeline } }) =>
    timeline.length === 0
      ? undefined
      : { kind: 'shift', step: random.below(timeline.length), by: span(random, 10 * MICROSECOND, 20 * MILLISECOND) },
  (random) => ({ kind: 'jitter', by: pick(random, [5, 50, 500]) * MICROSECOND }),
]

const FAILURES: readonly Draw[] = [
  (random, { switches }, at) => ({
    kind: 'cut',
    at: at(),
    switch: pick(random, switches),
    down: share(random),
    up: share(random),
    noticed: {
      switch: span(random, MICROSECOND, MILLISECOND),
      controller: span(random, MICROSECOND, 10 * MILLISECOND),
    },
    away: away(random),
  }),
  (random, _profile, at) => ({ kind: 'kill', at: at(), share: share(random), away: away(random) }),
  (random, _profile, at) => ({ kind: 'takeover', at: at(), frozen: pick(random, [0, away(random)]) }),
  (random, { scenario }, at) => ({ kind: 'restart', at: at(), host: anyHost(random, scenario), away: away(random) }),
  (random, { scenario }, at) => ({ kind: 'power', at: at(), host: anyHost(random, scenario), away: away(random) }),
  (random, { scenario: { topology } }, at) =>
    topology.fabric.links.length === 0
      ? undefined
      : { kind: 'link', at: at(), endpoints: pick(random, topology.fabric.links).endpoints, away: away(random) },
  (random, _profile, at) => ({ kind: 'disk', at: at(), lasts: span(random, 10 * MICROSECOND, 20 * MILLISECOND) }),
  (_random, { scenario: { timeline } }, at) =>
    timeline.some(({ step }) => step.type === 'migrate') ? { kind: 'abort', at: at() } : undefined,
]

/** The frequent ones more often. */
const FAILURES_BY_WEIGHT: readonly Draw[] = [FAILURES[0]!, FAILURES[1]!, ...FAILURES]

export function drawSchedule(seed: number, profile: Profile): Schedule {
  const random = seeded(seed)
  const moments = new Moments(random, profile)
  const at = () => moments.next()
  const disturbances = Array.from({ length: random.below(4) }, () => pick(random, DISTURBANCES))
  const failures = Array.from({ length: random.below(4) }, () => pick(random, FAILURES_BY_WEIGHT))
  const perturbations = [...disturbances, ...failures].flatMap((draw) => draw(random, profile, at) ?? [])
  return { seed, perturbations }
}

class Moments {
  readonly #random: Random
  readonly #profile: Profile
  #last: Moment | undefined

  constructor(random: Random, profile: Profile) {
    this.#random = random
    this.#profile = profile
  }

  /** Mostly while steps of the scenario are done; often soon after the one before. */
  next(): Moment {
    const draw = this.#random.below(100)
    const { start, all } = this.#profile.events
    const isBusy = all - start > 10
    if (this.#last !== undefined && draw < 25) this.#last = this.#after(this.#last)
    else if (draw < 35) this.#last = { event: this.#random.below(start) }
    else if (isBusy && draw < 92) this.#last = { event: start + this.#random.below(all - start) }
    else this.#last = { time: this.#random.below(Math.min(this.#profile.duration, LONGEST)) }
    return this.#last
  }

  #after(last: Moment): Moment {
    if ('event' in last) return { event: last.event + this.#random.below(12) }
    return { time: last.time + span(this.#random, MICROSECOND, 20 * MILLISECOND) }
  }
}

/** What `Random.below` takes. */
const LONGEST = 2 ** 32

const pick = <T>(random: Random, items: readonly T[]): T => items[random.below(items.length)]!

const anyHost = (random: Random, { topology }: Scenario): string => pick(random, topology.hosts).name

/** Of what is on its way: all, nothing, or something between. */
const share = (random: Random): number => pick(random, [0, 1, random.fraction()])

/** Short spans as often as long ones. */
const span = (random: Random, least: Nanoseconds, most: Nanoseconds): Nanoseconds =>
  Math.round(least * (most / least) ** random.fraction())

const away = (random: Random): Nanoseconds => span(random, 10 * MICROSECOND, 50 * MILLISECOND)
