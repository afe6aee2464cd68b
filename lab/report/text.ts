// The verdict for people.

import { formatDuration, parseDuration } from '../../topologies/units.ts'
import { wentWell } from '../move-verdict.ts'
import type { Colors } from 'picocolors/types.js'
import type { FrameCounts, Verdict } from '../verdict.ts'

type Paint = Pick<Colors, 'bold' | 'dim' | 'green' | 'red' | 'yellow'>

export function textReport(verdict: Verdict, paint: Paint): string {
  const lines = [
    headline(verdict, paint),
    '',
    ...frameLines('frames', verdict.frames, paint),
    ...(verdict.made.injected > 0 ? frameLines('made here', verdict.made, paint) : []),
    ...section(
      'unmapped',
      verdict.unmapped.slice(0, 10).map(({ source, frames }) => `${frames} from ${source}`),
    ),
    ...section('migrations', migrationLines(verdict, paint)),
    ...section('relocations', relocationLines(verdict, paint)),
    ...section('pings', pingLines(verdict, paint)),
    ...section(
      'mirrors',
      verdict.mirrors.map(
        ({ target, copies, missing, doubled }) =>
          `${target} heard ${copies} copies, ${missing} missing, ${doubled} twice`,
      ),
    ),
    ...section('rejections', rejectionLines(verdict)),
    ...section(
      'expectations',
      verdict.expectations.map(({ expect, held, why }) => checked(held, describeExpectation(expect), why, paint)),
    ),
    ...section('leaks', firstFew(verdict.leaks, leakLines, verdict.frames.leaked + verdict.made.leaked)),
    ...section('losses', firstFew(verdict.losses, lossLines, verdict.frames.lost + verdict.made.lost)),
    ...section('problems', verdict.problems),
    '',
    paint.dim(`seed ${verdict.seed}, ${verdict.duration} of virtual time, digest ${verdict.digest}`),
  ]
  return lines.join('\n') + '\n'
}

const rejectionLines = ({ rejections: { heard, missing } }: Verdict): string[] =>
  heard + missing === 0 ? [] : [`${heard} heard, ${missing} missing`]

function headline({ verdict, scenario }: Verdict, paint: Paint): string {
  const words = {
    pass: paint.green('PASS'),
    fail: paint.red('FAIL'),
    'nothing-checked': paint.yellow('NOTHING CHECKED'),
  }
  return `${paint.bold(words[verdict])}  ${scenario}`
}

function frameLines(title: string, counts: FrameCounts, paint: Paint): string[] {
  const { injected, delivered, answered, held, unmapped, dropped } = counts
  const ends = [`${delivered} delivered`]
  if (answered > 0) ends.push(`${answered} answered`)
  if (held > 0) ends.push(`${held} held`)
  if (unmapped > 0) ends.push(`${unmapped} unmapped`)
  for (const [reason, count] of Object.entries(dropped)) ends.push(`${count} dropped: ${reason}`)
  const bad = (name: 'lost' | 'duplicated' | 'reordered' | 'leaked' | 'unmarked') =>
    counts[name] === 0 ? `0 ${name}` : paint.red(`${counts[name]} ${name}`)
  const faults = [bad('lost'), bad('duplicated'), bad('reordered'), bad('leaked')]
  if (counts.unmarked > 0) faults.push(bad('unmarked'))
  return [`${title}: ${injected} injected: ${ends.join(', ')}`, `  ${faults.join(', ')}`]
}

const section = (title: string, lines: string[]): string[] =>
  lines.length === 0 ? [] : ['', `${title}:`, ...lines.map((line) => `  ${line}`)]

const relocationLines = ({ relocations }: Verdict, paint: Paint): string[] =>
  relocations.map(({ kind, host, state, duration, moved, longestGap, left }) => {
    const why = left.map(({ vm, problem }) => `${vm} stays: ${problem}`).join('; ')
    const how =
      longestGap === undefined
        ? `${moved} VMs moved`
        : `${moved} VMs began anew, without their connections; the longest gap of a guest was ${longestGap}`
    return checked(
      state === 'done',
      `${host === undefined ? kind : `${kind} ${host}`}: ${state} in ${duration}, ${how}`,
      why,
      paint,
    )
  })

/** Where there are many, those that did not go well. */
function migrationLines({ migrations }: Verdict, paint: Paint): string[] {
  const shown = migrations.length > 20 ? migrations.filter((move) => !isGood(move)) : migrations
  const lines = shown.map((move) => migrationLine(move, paint))
  const others = migrations.length - shown.length
  if (others === 0) return lines
  const longest = Math.max(...migrations.map(({ blackout }) => parseDuration(blackout)))
  return [...lines, `${paint.green('ok')} ${others} others; the longest blackout was ${formatDuration(longest)}`]
}

const isGood = (move: Verdict['migrations'][number]): boolean =>
  wentWell(move) && move.lost + move.duplicated + move.reordered + move.misdelivered === 0

function migrationLine(move: Verdict['migrations'][number], paint: Paint): string {
  const {
    vm,
    from,
    to,
    state,
    expected,
    blackout,
    held,
    redirected,
    unconfirmed,
    lost,
    duplicated,
    reordered,
    misdelivered,
    policy,
  } = move
  const complaints = [
    ...move.overBudget,
    ...move.leftBehind,
    ...(move.problem === undefined || expected !== 'done' ? [] : [move.problem]),
  ]
  const good = isGood(move) && complaints.length === 0
  const frames = `${held} held, ${redirected} redirected, ${lost} lost, ${duplicated} duplicated, ${reordered} reordered, ${misdelivered} misdelivered`
  const steps = Object.entries(move.steps).map(([step, span]) => `${step} ${span}`)
  const wanted = expected === 'done' ? '' : `, as expected (${move.problem ?? 'no reason is known'})`
  const untold = unconfirmed.length === 0 ? '' : `, not told: ${unconfirmed.join(', ')}`
  const text = `${vm} from ${from} to ${to}: ${state}${state === expected ? wanted : ''}, blackout ${blackout}, ${frames}, policy ${policy}${untold} (${steps.join(', ')})`
  return checked(good, text, complaints.join('; ') || undefined, paint)
}

function pingLines({ pings }: Verdict, paint: Paint): string[] {
  const shown = pings.length > 20 ? pings.filter(({ held }) => !held) : pings
  const lines = shown.map(({ from, to, sent, received, expected, held, why }) =>
    checked(held, `${from} to ${to}: ${received}/${sent} replies, expected ${expected}`, why, paint),
  )
  if (pings.length > 1) {
    const sent = pings.reduce((sum, ping) => sum + ping.sent, 0)
    const received = pings.reduce((sum, ping) => sum + ping.received, 0)
    const unreachable = pings.filter(({ expected }) => expected === 'unreachable').length
    lines.push(
      `*** Results: ${received}/${sent} received; ${pings.length} pairs, ${unreachable} of them expected to be unreachable`,
    )
  }
  return lines
}

function checked(held: boolean, text: string, why: string | undefined, paint: Paint): string {
  return `${held ? paint.green('ok') : paint.red('not ok')} ${text}${why === undefined || held ? '' : `: ${why}`}`
}

function describeExpectation(expect: Verdict['expectations'][number]['expect']): string {
  switch (expect.type) {
    case 'isolated':
      return `isolated: ${expect.networks.join(', ')}`
    case 'tenantsIsolated':
      return `isolated: tenants ${expect.tenants.join(', ')}`
    case 'mirrored':
      return `mirrored: all that ${expect.mirror} copies`
    case 'delivered':
      return `delivered from ${expect.from} to ${expect.to}`
    case 'notDelivered':
      return `not delivered from ${expect.from} to ${expect.to}`
    case 'policyFollows':
      return `policy follows ${expect.vm}`
    case 'dropped':
      return `dropped as ${expect.reason}: at least ${expect.atLeast}`
  }
}

/** Witnesses shown; the JSON report has more. */
const SHOWN = 3

function firstFew<T>(witnesses: readonly T[], lines: (witness: T) => string[], all: number): string[] {
  const shown = witnesses.slice(0, SHOWN).flatMap(lines)
  return all > SHOWN ? [...shown, `… and ${all - SHOWN} more`] : shown
}

const leakLines = (leak: Verdict['leaks'][number]): string[] => [
  `frame ${leak.frame} (${leak.source}) at ${leak.at}: ${leak.from} (${leak.fromNetwork ?? 'no network'}) was heard by ${leak.to} (${leak.toNetwork ?? 'no network'})`,
  `  ${leak.description}`,
  ...(leak.why === undefined ? [] : [`  why ${leak.why}`]),
  `  path ${leak.path.join(' -> ')}`,
  `  rule ${leak.rule}`,
]

const lossLines = (loss: Verdict['losses'][number]): string[] => [
  `frame ${loss.frame} (${loss.source}) at ${loss.at}: ${loss.from} was not heard by ${loss.to.slice(0, 5).join(', ')}${loss.to.length > 5 ? ', …' : ''}: ${loss.reason} at ${loss.place}`,
  `  ${loss.description}`,
]
