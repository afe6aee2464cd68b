// START HERE. A scenario under many schedules: each run is held to the invariants (invariants.ts), and of those that break one, the
// shortest is found.
//
//   draw.ts       a seed -> a schedule: what is delayed, reordered, cut, killed, and when
//   run.ts        a schedule -> what came of it, always the same
//   shrink.ts     a schedule that breaks something -> a short one that does
//   workers.ts    the same in several processes at once

import { drawSchedule, type Profile } from './draw.ts'
import type { Breakage, Invariant } from './invariants.ts'
import { runSchedule, type Interposed, type Outcome } from './run.ts'
import type { PerturbationKind, Schedule } from './schedule.ts'
import { shrink } from './shrink.ts'
import { switchesOf, type Subject } from './subject.ts'

/** Schedules that break something and are made shorter; the others are counted. */
const SHRUNK = 20

export interface ExploreOptions extends Interposed {
  first: number
  seeds: number
  /** Called after each schedule. */
  progress?: (done: number, broken: number) => void
  /** Asked before each: whether to go on. */
  goOn?: () => boolean
  /** Who runs schedules; this process where absent. What comes of each seed is the same whoever has run it. */
  runners?: (profile: Profile) => readonly Runner[]
}

/** Runs schedules of one scenario, one at a time. */
export interface Runner {
  run(seed: number): Promise<Ran>
  /** The same again, and made short. */
  shorten(seed: number): Promise<Found>
}

export interface Ran {
  /** Of those perturbations that have begun. */
  begun: readonly PerturbationKind[]
  broken?: Breakage
}

export interface Found {
  schedule: Schedule
  broken: Breakage
}

export interface BrokenSeed {
  /** Undefined where nothing had to be perturbed. */
  seed: number | undefined
  invariant: Invariant
  why: string
}

export interface Exploration {
  /** Schedules that were run, the one without perturbations included. */
  schedules: number
  /** Perturbations that have begun, by kind. */
  perturbations: Record<string, number>
  /** In the order of their seeds. */
  broken: BrokenSeed[]
  /** The one with the fewest perturbations of those that break something. */
  shortest: (Found & { seed: number | undefined }) | undefined
}

const NOTHING: Omit<Schedule, 'seed'> = { perturbations: [] }

/** What the scenario is like without perturbations. */
export async function profileOf(
  subject: Subject,
  options: Interposed = {},
): Promise<{ profile: Profile; outcome: Outcome }> {
  const { scenario } = subject
  const outcome = await runSchedule(subject, { ...NOTHING, seed: scenario.seed }, options)
  const switches = switchesOf(scenario.topology)
  return { profile: { scenario, switches, events: outcome.events, duration: outcome.duration }, outcome }
}

export async function explore(subject: Subject, options: ExploreOptions): Promise<Exploration> {
  const found: Exploration = { schedules: 1, perturbations: {}, broken: [], shortest: undefined }
  const { profile, outcome } = await profileOf(subject, options)
  if (outcome.broken !== undefined) {
    const schedule = { ...NOTHING, seed: subject.scenario.seed }
    found.broken.push({ seed: undefined, ...outcome.broken })
    found.shortest = { seed: undefined, schedule, broken: outcome.broken }
    return found
  }
  const { runners = (known) => [runnerHere(subject, known, options)] } = options
  await exploreWith(runners(profile), options, found)
  return found
}

async function exploreWith(
  runners: readonly Runner[],
  { first, seeds, progress, goOn = () => true }: ExploreOptions,
  found: Exploration,
): Promise<void> {
  let next = first
  await Promise.all(
    runners.map(async (runner) => {
      while (next < first + seeds && goOn()) {
        const seed = next++
        const { begun, broken } = await runner.run(seed)
        found.schedules++
        for (const kind of begun) found.perturbations[kind] = (found.perturbations[kind] ?? 0) + 1
        if (broken !== undefined) found.broken.push({ seed, ...broken })
        progress?.(found.schedules, found.broken.length)
      }
    }),
  )
  // Which runner was the first to be done says nothing.
  found.perturbations = Object.fromEntries(Object.entries(found.perturbations).sort(([a], [b]) => (a < b ? -1 : 1)))
  found.broken.sort((a, b) => a.seed! - b.seed!)
  found.shortest = await shortestOf(found.broken.slice(0, SHRUNK), runners, goOn)
}

async function shortestOf(
  broken: readonly BrokenSeed[],
  runners: readonly Runner[],
  goOn: () => boolean,
): Promise<Exploration['shortest']> {
  const shortened: NonNullable<Exploration['shortest']>[] = []
  let next = 0
  await Promise.all(
    runners.map(async (runner) => {
      while (next < broken.length && (next === 0 || goOn())) {
        const place = next++
        const seed = broken[place]!.seed!
        shortened[place] = { seed, ...(await runner.shorten(seed)) }
      }
    }),
  )
  const length = (one: Found) => one.schedule.perturbations.length
  return shortened.reduce<Exploration['shortest']>(
    (least, one) => (least === undefined || length(one) < length(least) ? one : least),
    undefined,
  )
}

/** In this process. */
export function runnerHere(
  subject: Subject,
  profile: Profile,
  options: Interposed & Pick<ExploreOptions, 'goOn'> = {},
): Runner {
  const run = (schedule: Schedule) => runSchedule(subject, schedule, options)
  return {
    async run(seed) {
      const { begun, broken } = await run(drawSchedule(seed, profile))
      return { begun: begun.map(({ kind }) => kind), ...(broken && { broken }) }
    },
    async shorten(seed) {
      const schedule = drawSchedule(seed, profile)
      const shortest = await shrink({ schedule, outcome: await run(schedule) }, run, options.goOn)
      return { schedule: shortest.schedule, broken: shortest.outcome.broken! }
    },
  }
}
