// What a move came to, held against its budget.

import type { MigrationStatus, RelocationStatus } from '../controller/model.ts'
import type { Nanoseconds } from '../runtime/clock.ts'
import type { MoveBudget, MoveEnd } from '../topologies/scenario.ts'
import { formatDuration } from '../topologies/units.ts'
import type { Mishaps } from './judge/mishaps.ts'
import type { MigrationVerdict, RelocationVerdict } from './verdict.ts'

export function moveVerdict(
  migration: MigrationStatus,
  mishaps: Pick<Mishaps, 'countOf'>,
  budget: MoveBudget | undefined,
  expected: MoveEnd = 'done',
): MigrationVerdict {
  const { vm, from, to, state, held, redirected, overflowed, unconfirmed, connections, leftBehind, policy, problem } =
    migration
  const { startedAt, endedAt } = migration
  const { lost, duplicated, reordered, leaked } = mishaps.countOf(vm, startedAt, endedAt ?? Infinity)
  const blackout = blackoutOf(migration)
  const counts = {
    held,
    redirected,
    lost,
    duplicated,
    reordered,
    misdelivered: leaked,
  }
  return {
    vm,
    from,
    to,
    state,
    expected,
    blackout: formatDuration(blackout),
    ...counts,
    overflowed,
    unconfirmed,
    connections,
    steps: stepsOf(migration),
    policy,
    leftBehind,
    overBudget: budget === undefined ? [] : overBudget(budget, { blackout, ...counts }),
    ...(problem !== undefined && { problem }),
  }
}

/** It ended as it was to: at its destination with its policy, or back where it was; nothing is left elsewhere, and no budget is exceeded. */
export const wentWell = ({ state, expected, policy, leftBehind, overBudget }: MigrationVerdict): boolean =>
  state === expected &&
  (expected !== 'done' || policy === 'identical') &&
  leftBehind.length === 0 &&
  overBudget.length === 0

const blackoutOf = ({ pausedAt, resumedAt, endedAt }: MigrationStatus): Nanoseconds =>
  pausedAt === undefined ? 0 : (resumedAt ?? endedAt ?? pausedAt) - pausedAt

/** How long it was in each step. */
function stepsOf({ steps, endedAt }: MigrationStatus): Record<string, string> {
  const spans = steps.slice(0, -1).map(({ state, at }, index) => [state, formatDuration(steps[index + 1]!.at - at)])
  const last = steps.at(-1)
  const open = last !== undefined && endedAt === undefined ? [[last.state, 'not over']] : []
  return Object.fromEntries([...spans, ...open]) as Record<string, string>
}

/** A sentence for each thing of which there was more than the budget has. */
const overBudget = (budget: MoveBudget, was: Required<MoveBudget>): string[] =>
  (Object.keys(was) as (keyof MoveBudget)[]).flatMap((key) => {
    const most = budget[key]
    if (most === undefined || was[key] <= most) return []
    return key === 'blackout'
      ? `its blackout was ${formatDuration(was.blackout)}, and its budget is ${formatDuration(most)}`
      : `${was[key]} frames were ${key}, and its budget is ${most}`
  })

/** `since` is when the host of a failover failed. */
export function relocationVerdict(
  { kind, host, state, moves, startedAt, endedAt }: RelocationStatus,
  since: Nanoseconds = startedAt,
): RelocationVerdict {
  const left = moves.filter((move) => move.state !== 'done')
  const restarts = moves.flatMap(({ restartedAt }) => restartedAt ?? [])
  return {
    kind,
    ...(host !== undefined && { host }),
    state,
    duration: formatDuration((endedAt ?? startedAt) - startedAt),
    moved: moves.length - left.length,
    ...(restarts.length > 0 && { longestGap: formatDuration(Math.max(...restarts) - since) }),
    left: left.map(({ vm, problem = 'no reason is known' }) => ({ vm, problem })),
  }
}
