// Schedules from files: what `--trace-out` and `--report` have written, and what somebody has changed since.

import type { Perturbation, PerturbationKind, Schedule } from './schedule.ts'

type Check = (value: unknown) => boolean

const isSpan: Check = (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0
const isShare: Check = (value) => isSpan(value) && (value as number) <= 1
const isName: Check = (value) => typeof value === 'string'
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

const SPAN = { check: isSpan, expected: 'nanoseconds from 0 up' }
const SHARE = { check: isShare, expected: 'a share from 0 to 1' }
const NAME = { check: isName, expected: 'a name' }
const COUNT = { check: isSpan, expected: 'a number from 0 up' }
const DIRECTION = { check: (value: unknown) => value === 'down' || value === 'up', expected: "'down' or 'up'" }
const MOMENT = {
  check: (value: unknown) => isObject(value) && (isSpan(value['event']) || isSpan(value['time'])),
  expected: '{ "event": number } or { "time": nanoseconds }',
}
const NOTICED = {
  check: (value: unknown) => isObject(value) && isSpan(value['switch']) && isSpan(value['controller']),
  expected: '{ "switch": nanoseconds, "controller": nanoseconds }',
}
const ENDPOINTS = {
  check: (value: unknown) => Array.isArray(value) && value.length === 2 && value.every(isName),
  expected: 'the names of both ends',
}

/** What each kind says of itself. */
const MEMBERS: Record<PerturbationKind, Record<string, { check: Check; expected: string }>> = {
  shift: { step: COUNT, by: SPAN },
  jitter: { by: SPAN },
  slow: { at: MOMENT, switch: NAME, direction: DIRECTION, latency: SPAN, lasts: SPAN },
  split: { at: MOMENT, switch: NAME, direction: DIRECTION, share: SHARE, later: SPAN },
  cut: { at: MOMENT, switch: NAME, down: SHARE, up: SHARE, noticed: NOTICED, away: SPAN },
  kill: { at: MOMENT, share: SHARE, away: SPAN },
  restart: { at: MOMENT, host: NAME, away: SPAN },
  power: { at: MOMENT, host: NAME, away: SPAN },
  link: { at: MOMENT, endpoints: ENDPOINTS, away: SPAN },
  late: { at: MOMENT, by: SPAN, lasts: SPAN },
  disk: { at: MOMENT, lasts: SPAN },
  abort: { at: MOMENT },
}

/**
 * The schedule in `text`: that of a trace, or the shortest one of a report.
 * @throws Error that says where it is none, and what was expected
 */
export function readTrace(text: string, file: string): Schedule {
  const wrong = (pointer: string, expected: string) => new Error(`${file} ${pointer}: expected ${expected}`)
  const all = parse(text, file)
  const [holder, at] = isObject(all) && isObject(all['shortest']) ? [all['shortest'], '/shortest'] : [all, '']
  const schedule = isObject(holder) ? holder['schedule'] : undefined
  if (!isObject(schedule)) throw wrong(`${at}/schedule`, 'a schedule, as --trace-out writes it')
  const { seed, perturbations } = schedule
  if (!isSpan(seed)) throw wrong(`${at}/schedule/seed`, 'a number')
  if (!Array.isArray(perturbations)) throw wrong(`${at}/schedule/perturbations`, 'a list')
  perturbations.forEach((one: unknown, index) => {
    const place = `${at}/schedule/perturbations/${index}`
    const members = isObject(one) ? MEMBERS[one['kind'] as PerturbationKind] : undefined
    if (members === undefined) throw wrong(`${place}/kind`, `one of ${Object.keys(MEMBERS).join(', ')}`)
    for (const [name, { check, expected }] of Object.entries(members))
      if (!check((one as Record<string, unknown>)[name])) throw wrong(`${place}/${name}`, expected)
  })
  return { seed: seed as number, perturbations: perturbations as Perturbation[] }
}

function parse(text: string, file: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Error(`${file}: ${error instanceof Error ? error.message : String(error)}; expected JSON`, {
      cause: error,
    })
  }
}
