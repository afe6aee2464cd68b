// What an exploration came to, for people and machines, and schedules in files.

import { formatDuration } from '../../topologies/units.ts'
import type { Exploration } from './explore.ts'
import type { Happening } from './happenings.ts'
import { INVARIANTS, type Breakage } from './invariants.ts'
import type { Outcome } from './run.ts'
import type { Schedule } from './schedule.ts'
import { momentAsText, perturbationAsText } from './schedule-text.ts'

/** What `--trace-out` writes and `--trace` reads. */
export interface Trace {
  scenario: string
  schedule: Schedule
  /** What it broke. */
  broken?: Breakage
}

/** As JSON: what machines read of an exploration. */
export interface ExplorationReport {
  verdict: 'pass' | 'fail' | 'nothing-checked'
  scenario: string
  schedules: number
  /** Perturbations that have begun, by kind. */
  perturbations: Record<string, number>
  /** By invariant, the seeds that broke it; null for a run without perturbations. */
  broken: { invariant: string; why: string; seed: number | null }[]
  shortest?: Trace & { seed: number | null }
}

export function reportOf(scenario: string, found: Exploration): ExplorationReport {
  const { schedules, perturbations, broken, shortest } = found
  const verdict = broken.length > 0 ? 'fail' : schedules > 1 ? 'pass' : 'nothing-checked'
  return {
    verdict,
    scenario,
    schedules,
    perturbations,
    broken: broken.map(({ seed = null, invariant, why }) => ({ seed, invariant, why })),
    ...(shortest && {
      shortest: {
        seed: shortest.seed ?? null,
        scenario,
        schedule: shortest.schedule,
        broken: shortest.broken,
      },
    }),
  }
}

interface Colours {
  green: (text: string) => string
  red: (text: string) => string
  yellow: (text: string) => string
  bold: (text: string) => string
  dim: (text: string) => string
}

const SHOWN = 10

export function explorationAsText(report: ExplorationReport, { green, red, yellow, bold, dim }: Colours): string {
  const { scenario, schedules, perturbations, broken, shortest } = report
  const injected = Object.entries(perturbations)
    .sort((a, b) => b[1] - a[1])
    .map(([kind, count]) => `${kind} ${count}`)
  const lines = [
    // The first is the scenario as it stands; each seed has one of its own.
    `${bold(scenario)}: ${schedules} schedules, one of them without perturbations`,
    ...(injected.length > 0 ? [dim(`perturbed: ${injected.join(', ')}`)] : []),
  ]
  if (report.verdict === 'nothing-checked')
    return `${[...lines, yellow('nothing was checked: nothing was perturbed')].join('\n')}\n`
  if (broken.length === 0) return `${[...lines, green('no invariant was broken')].join('\n')}\n`
  lines.push(red(`${broken.length} broke an invariant`))
  for (const { seed, invariant, why } of broken.slice(0, SHOWN))
    lines.push(`  ${seed === null ? 'without perturbations' : `seed ${seed}`}: ${bold(invariant)}: ${why}`)
  if (broken.length > SHOWN) lines.push(`  and ${broken.length - SHOWN} more`)
  if (shortest !== undefined) lines.push('', bold('the shortest:'), ...scheduleLines(shortest))
  return `${lines.join('\n')}\n`
}

function scheduleLines({ schedule: { seed, perturbations }, broken }: Trace): string[] {
  return [
    `  seed ${seed}, ${perturbations.length} perturbations`,
    ...perturbations.map((one) => `  - ${'at' in one ? `${momentAsText(one.at)}: ` : ''}${perturbationAsText(one)}`),
    ...(broken === undefined
      ? []
      : [`  breaks ${broken.invariant}: ${INVARIANTS[broken.invariant]}`, `  ${broken.why}`]),
  ]
}

/** All that happened in one run, in order, and what broke. */
export function runAsText({ happenings, broken, at }: Outcome, { green, red, dim }: Colours): string {
  const lines = happenings.map((one) => happeningAsText(one, dim))
  const end =
    broken === undefined
      ? green('no invariant was broken')
      : red(`${instant(at)} ${broken.invariant} is broken: ${INVARIANTS[broken.invariant]}\n${broken.why}`)
  return `${[...lines, end].join('\n')}\n`
}

const happeningAsText = ({ event, at, what }: Happening, dim: (text: string) => string): string =>
  `${dim(instant(at))} ${event === undefined ? '     ' : String(event).padStart(5)} ${what}`

const instant = (at: number): string => formatDuration(at).padStart(14)
