// Schedules from files: what `--trace-out` and `--report` have written, and what somebody has changed since.

import type { Scenario } from '../../topologies/scenario.ts'
import type { Perturbation, PerturbationKind, Schedule } from './schedule.ts'
import { switchesOf } from './subject.ts'
import { textOf } from '../../runtime/error-text.ts'

type Check = (value: unknown) => boolean

const isSpan: Check = (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0
const isShare: Check = (value) => isSpan(value) && (value as number) <= 1
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
const isName: Check = (value) => typeof value === 'string'
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

const SPAN = { check: isSpan, expected: 'nanoseconds from 0 up' }
const SHARE = { check: isShare, expected: 'a share from 0 to 1' }
const NAME = { check: isName, expected: 'a name' }
const COUNT = { check: isCount, expected: 'a whole number from 0 up' }
const DIRECTION = { check: (value: unknown) => value === 'down' || value === 'up', expected: "'down' or 'up'" }
const MOMENT = {
  check: (value: unknown) => isObject(value) && (isCount(value['event']) || isSpan(value['time'])),
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
  takeover: { at: MOMENT, frozen: SPAN },
  restart: { at: MOMENT, host: NAME, away: SPAN },
  power: { at: MOMENT, host: NAME, away: SPAN },
  link: { at: MOMENT, endpoints: ENDPOINTS, away: SPAN },
  late: { at: MOMENT, by: SPAN, lasts: SPAN },
  disk: { at: MOMENT, lasts: SPAN },
  abort: { at: MOMENT },
}

/**
 * The schedule in `text`: that of a trace, or the shortest one of a report.
 * @throws Error that says where it is none, or none of this scenario, and what was expected
 */
export function readTrace(text: string, file: string, scenario: Scenario): Schedule {
  const wrong = (pointer: string, expected: string) => new Error(`${file} ${pointer}: expected ${expected}`)
  const all = parse(text, file)
  const [holder, at] = isObject(all) && isObject(all['shortest']) ? [all['shortest'], '/shortest'] : [all, '']
  const schedule = isObject(holder) ? holder['schedule'] : undefined
  if (!isObject(schedule)) throw wrong(`${at}/schedule`, 'a schedule, as --trace-out writes it')
  const { seed, perturbations } = schedule
  if (!isCount(seed)) throw wrong(`${at}/schedule/seed`, 'a whole number')
  if (!Array.isArray(perturbations)) throw wrong(`${at}/schedule/perturbations`, 'a list')
  const names = namesIn(scenario)
  perturbations.forEach((one: unknown, index) => {
    const place = `${at}/schedule/perturbations/${index}`
    const kind = isObject(one) ? one['kind'] : undefined
    if (!isObject(one) || typeof kind !== 'string' || !Object.hasOwn(MEMBERS, kind))
      throw wrong(`${place}/kind`, `one of ${Object.keys(MEMBERS).join(', ')}`)
    for (const [name, { check, expected }] of Object.entries(MEMBERS[kind as PerturbationKind])) {
      const value = Object.hasOwn(one, name) ? one[name] : undefined
      if (!check(value)) throw wrong(`${place}/${name}`, expected)
      const missing = Object.hasOwn(names, name) ? names[name]!(value) : undefined
      if (missing !== undefined) throw wrong(`${place}/${name}`, `${missing}, not ${JSON.stringify(value)}`)
    }
  })
  return { seed, perturbations: perturbations as Perturbation[] }
}

/** By member that names something: what there is, where it names nothing of it. */
function namesIn({ name, topology, timeline }: Scenario): Record<string, (value: unknown) => string | undefined> {
  const { hosts, fabric } = topology
  const oneOf = (what: string, known: readonly string[]) => (value: unknown) =>
    known.includes(value as string) ? undefined : `${what} of ${name}: ${known.join(', ') || 'it has none'}`
  const ends = (endpoints: readonly string[]) => endpoints.toSorted().join(' - ')
  const links = oneOf(
    'the ends of a link',
    fabric.links.map(({ endpoints }) => ends(endpoints)),
  )
  const steps = `a step of ${name}, which has ${timeline.length}, counted from 0`
  return {
    switch: oneOf('a switch', switchesOf(topology)),
    host: oneOf(
      'a host',
      hosts.map((host) => host.name),
    ),
    endpoints: (value) => links(ends(value as string[])),
    step: (value) => ((value as number) < timeline.length ? undefined : steps),
  }
}

function parse(text: string, file: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Error(`${file}: ${textOf(error)}; expected JSON`, {
      cause: error,
    })
  }
}
