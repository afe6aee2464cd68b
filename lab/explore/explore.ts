// START HERE. A scenario under many schedules: each run is held to the invariants (invariants.ts), and of those that break one, the
// shortest is found.
//
//   draw.ts       a seed -> a schedule: what is delayed, reordered, cut, killed, and when
//   run.ts        a schedule -> what came of it, always the same
//   shrink.ts     a schedule that breaks something -> a short one that does

import { drawSchedule, type Profile } from './draw.ts'
import type { Invariant } from './invariants.ts'
import { runSchedule, type Interposed, type Outcome } from './run.ts'
import type { Schedule } from './schedule.ts'
import { shrink, type Shrunk } from './shrink.ts'
import type { Subject } from './subject.ts'

/** Schedules that break something and are made shorter; the others are counted. */
const SHRUNK = 20

export interface ExploreOptions extends Interposed {
  first: number
  seeds: number
  /** Called after each schedule. */
  progress?: (done: number, broken: number) => void
  /** Asked before each: whether to go on. */
  goOn?: () => boolean
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
  broken: BrokenSeed[]
  /** The one with the fewest perturbations of those that break something. */
  shortest: (Shrunk & { seed: number | undefined }) | undefined
}

const NOTHING: Omit<Schedule, 'seed'> = { perturbations: [] }

/** What the scenario is like without perturbations. */
export async function profileOf(
  subject: Subject,
  options: Interposed = {},
): Promise<{ profile: Profile; outcome: Outcome }> {
  const { scenario } = subject
  const outcome = await runSchedule(subject, { ...NOTHING, seed: scenario.seed }, options)
  const switches = scenario.topology.hosts.flatMap(({ name, bridges }) =>
    bridges.map((bridge) => `${name}/${bridge.name}`),
  )
  return { profile: { scenario, switches, events: outcome.events, duration: outcome.duration }, outcome }
}

export async function explore(subject: Subject, options: ExploreOptions): Promise<Exploration> {
  const found: Exploration = { schedules: 1, perturbations: {}, broken: [], shortest: undefined }
  const { profile, outcome } = await profileOf(subject, options)
  if (outcome.broken !== undefined) {
    const schedule = { ...NOTHING, seed: subject.scenario.seed }
    found.broken.push({ seed: undefined, ...outcome.broken })
    found.shortest = { seed: undefined, schedule, outcome }
    return found
  }
  const { first, seeds, progress, goOn = () => true } = options
  for (let seed = first; seed < first + seeds && goOn(); seed++) {
    await exploreOne(subject, drawSchedule(seed, profile), options, found)
    progress?.(found.schedules, found.broken.length)
  }
  return found
}

async function exploreOne(
  subject: Subject,
  schedule: Schedule,
  options: ExploreOptions,
  found: Exploration,
): Promise<void> {
  const outcome = await runSchedule(subject, schedule, options)
  found.schedules++
  for (const { kind } of outcome.begun) found.perturbations[kind] = (found.perturbations[kind] ?? 0) + 1
  if (outcome.broken === undefined) return
  found.broken.push({ seed: schedule.seed, ...outcome.broken })
  if (found.broken.length > SHRUNK) return
  const run = (one: Schedule) => runSchedule(subject, one, options)
  const shrunk = await shrink({ schedule, outcome }, run, options.goOn)
  const before = found.shortest?.schedule.perturbations.length ?? Infinity
  if (shrunk.schedule.perturbations.length < before) found.shortest = { seed: schedule.seed, ...shrunk }
}
