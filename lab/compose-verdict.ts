// From what the judge recorded to the verdict that people read.

import { describe } from '../protocols/packet/packet.ts'
import type { Hop } from '../datapath/emulator/trail.ts'
import type { EmulatedNetwork } from '../datapath/emulator/network.ts'
import type { Nanoseconds } from '../runtime/clock.ts'
import type { Scenario } from '../topologies/scenario.ts'
import { formatDuration } from '../topologies/units.ts'
import { holdsExpectation, toleratedLosses } from './expectations.ts'
import type { LeakWitness, LossWitness } from './judge/witnesses.ts'
import type { Lab } from './lab.ts'
import { moveVerdict, relocationVerdict, wentWell } from './move-verdict.ts'
import type { RunLog } from './run-log.ts'
import { ruleText } from './rule-text.ts'
import type { FrameCounts, Leak, Loss, PingVerdict, Verdict } from './verdict.ts'

export function composeVerdict(
  scenario: Scenario,
  seed: number,
  lab: Lab,
  log: RunLog,
  duration: Nanoseconds,
): Verdict {
  const { judge } = lab
  judge.finish(new Set(lab.network.heldFrames()))
  const verdict: Verdict = {
    verdict: 'pass',
    scenario: scenario.name,
    seed,
    digest: lab.digest.value(),
    duration: formatDuration(duration),
    frames: judge.frames,
    made: judge.made,
    expectations: [],
    migrations: log.migrations.map(({ status, budget, expected }) =>
      moveVerdict(status, judge.mishaps, budget, expected),
    ),
    relocations: log.relocations.map(({ status, since }) => relocationVerdict(status, since)),
    pings: log.pings.map(pingVerdict),
    mirrors: judge.onlookers.tallies(),
    rejections: judge.rejections,
    leaks: judge.leaks.map((leak, index) => leakOf(leak, lab.leakPaths[index] ?? [], lab.network)),
    losses: judge.losses.map(lossOf),
    unmapped: [...log.unmapped].map(([source, frames]) => ({ source, frames })).sort((a, b) => b.frames - a.frames),
    problems: log.problems,
  }
  verdict.expectations = scenario.expect.map((expect) => holdsExpectation(expect, scenario.topology, verdict, judge))
  verdict.verdict = judgement(verdict, toleratedLosses(scenario, judge))
  return verdict
}

function judgement(verdict: Verdict, tolerated: { lost: number; duplicated: number }): Verdict['verdict'] {
  const clean = isClean(verdict.frames, tolerated) && isClean(verdict.made, { lost: Infinity, duplicated: 0 })
  const moved = verdict.migrations.every((move) => wentWell(move) && move.misdelivered === 0)
  const relocated = verdict.relocations.every(({ state }) => state === 'done')
  const told = verdict.rejections.missing === 0
  const held = [...verdict.expectations, ...verdict.pings].every((entry) => entry.held)
  if (!(clean && moved && relocated && told && held && verdict.problems.length === 0)) return 'fail'
  const sawNothing = verdict.frames.injected === verdict.frames.unmapped && verdict.made.injected === 0
  return sawNothing && verdict.migrations.length === 0 ? 'nothing-checked' : 'pass'
}

const isClean = (frames: FrameCounts, tolerated: { lost: number; duplicated: number }) =>
  frames.leaked === 0 &&
  frames.reordered === 0 &&
  frames.unmarked === 0 &&
  frames.lost <= tolerated.lost &&
  frames.duplicated <= tolerated.duplicated

function pingVerdict({ result, expected }: RunLog['pings'][number]): PingVerdict {
  const reachable = result.received === result.sent
  const held = expected === 'reachable' ? reachable : result.received === 0
  return { ...result, expected, held }
}

function leakOf(leak: LeakWitness, hops: Hop[], network: EmulatedNetwork): Leak {
  return {
    frame: leak.id,
    source: leak.source,
    at: seconds(leak.at),
    from: leak.from,
    to: leak.to,
    fromNetwork: leak.fromNetwork ?? null,
    toNetwork: leak.toNetwork ?? null,
    description: describe(leak.bytes),
    ...(leak.why !== undefined && { why: leak.why }),
    path: hops.map(({ node }) => node).filter((node, index, nodes) => node !== nodes[index - 1]),
    rule: ruleText(hops, network),
  }
}

const lossOf = (loss: LossWitness): Loss => ({
  frame: loss.id,
  source: loss.source,
  at: seconds(loss.at),
  from: loss.from,
  to: loss.missed,
  description: describe(loss.bytes),
  reason: loss.reason,
  place: loss.place,
})

const seconds = (at: Nanoseconds) => `${(at / 1e9).toFixed(6)}s`
