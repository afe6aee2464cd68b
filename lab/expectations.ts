// What a scenario asks for beyond "no frame leaked, lost, doubled or out of order".

import type { Expectation, Scenario } from '../topologies/scenario.ts'
import { tenantOf } from '../topologies/tenants.ts'
import { onlookerOf } from '../topologies/mirrors.ts'
import type { Topology } from '../topologies/topology.ts'
import { findNic } from '../topologies/lookup.ts'
import type { Judge } from './judge/judge.ts'
import type { PairTally } from './judge/pairs.ts'
import type { Verdict } from './verdict.ts'

type Held = Verdict['expectations'][number]

/** Holds one expectation against an otherwise finished verdict. */
export function holdsExpectation(expect: Expectation, topology: Topology, verdict: Verdict, judge: Judge): Held {
  const why = objection(expect, topology, verdict, judge)
  return why === undefined ? { expect, held: true } : { expect, held: false, why }
}

/** What the scenario's own `delivered` expectations allow to be lost or doubled. */
export function toleratedLosses(scenario: Scenario, judge: Judge): { lost: number; duplicated: number } {
  const tolerated = { lost: 0, duplicated: 0 }
  for (const expect of scenario.expect) {
    if (expect.type !== 'delivered') continue
    const tally = tallyOf(expect, scenario.topology, judge)
    tolerated.lost += Math.min(tally.lost, expect.lost)
    tolerated.duplicated += Math.min(tally.duplicated, expect.duplicated)
  }
  return tolerated
}

/** Why the expectation does not hold; undefined where it does. */
function objection(expect: Expectation, topology: Topology, verdict: Verdict, judge: Judge): string | undefined {
  switch (expect.type) {
    case 'isolated':
      return crossingOf(expect.networks, judge)
    case 'tenantsIsolated':
      return reachedOf(expect.tenants, judge)
    case 'mirrored':
      return uncopied(expect.mirror, topology, judge)
    case 'delivered':
      return undelivered(expect, tallyOf(expect, topology, judge))
    case 'notDelivered': {
      const { reached } = tallyOf(expect, topology, judge)
      return reached === 0 ? undefined : `${reached} frames from ${expect.from} reached ${expect.to}`
    }
    case 'policyFollows':
      return policyLeftBehind(expect.vm, verdict)
    case 'dropped': {
      const count = verdict.frames.dropped[expect.reason] ?? 0
      const enough = count >= expect.atLeast && count <= (expect.atMost ?? Infinity)
      return enough ? undefined : `${count} frames were dropped as ${expect.reason}`
    }
  }
}

function tallyOf({ from, to }: { from: string; to: string }, topology: Topology, judge: Judge): PairTally {
  return judge.pair(findNic(topology, from).id, findNic(topology, to).id)
}

/** A frame sent in one of these networks, or in none, and heard in another of them. */
function crossingOf(networks: readonly string[], judge: Judge): string | undefined {
  const named = (network: string | undefined) => network !== undefined && networks.includes(network)
  const crossing = [...judge.crossings.values()].find(
    ({ fromNetwork, toNetwork }) =>
      named(toNetwork) && fromNetwork !== toNetwork && (fromNetwork === undefined || named(fromNetwork)),
  )
  return (
    crossing &&
    `frame ${crossing.id} of ${crossing.fromNetwork ?? 'no network'} was heard in ${crossing.toNetwork} by ${crossing.to}`
  )
}

/** A frame of a VM of one of these tenants that one of another has heard, or looked at by a mirror. */
function reachedOf(tenants: readonly string[], judge: Judge): string | undefined {
  const named = (tenant: string | undefined) => tenant !== undefined && tenants.includes(tenant)
  for (const [from, to, { reached, copied }] of judge.pairs()) {
    const [sender, hearer] = [tenantOf(from), tenantOf(to)]
    if (sender === hearer || !named(sender) || !named(hearer)) continue
    if (reached > 0) return `${reached} frames from ${from} reached ${to}`
    if (copied > 0) return `${copied} copies of what ${from} says or hears reached ${to}`
  }
  return undefined
}

/** What the target of the mirror should have heard and has not. */
function uncopied(name: string, { mirrors = [] }: Topology, judge: Judge): string | undefined {
  const mirror = mirrors.find((one) => one.name === name)
  const onlooker = mirror && onlookerOf(mirror.target)
  const tally = judge.onlookers.tallies().find((one) => one.target === onlooker)
  if (tally === undefined || tally.copies + tally.missing === 0) return 'no frame was to be copied'
  return tally.missing === 0 ? undefined : `${tally.missing} copies did not arrive at ${tally.target}`
}

function undelivered(expect: Extract<Expectation, { type: 'delivered' }>, tally: PairTally): string | undefined {
  if (tally.sent === 0) return `no frame went from ${expect.from} to ${expect.to}`
  const missing = tally.sent - tally.heard
  if (missing > expect.lost) return `${missing} of ${tally.sent} frames did not arrive`
  if (tally.duplicated > expect.duplicated) return `${tally.duplicated} frames arrived twice`
  return undefined
}

function policyLeftBehind(vm: string, { migrations, frames }: Verdict): string | undefined {
  const moves = migrations.filter((migration) => migration.vm === vm && migration.expected === 'done')
  if (moves.length === 0) return `${vm} was never moved`
  const bad = moves.find(({ policy, state }) => policy !== 'identical' || state !== 'done')
  if (bad !== undefined)
    return `the move from ${bad.from} to ${bad.to} ended ${bad.state} with policy ${bad.policy}${bad.problem === undefined ? '' : `: ${bad.problem}`}`
  return frames.unmarked === 0 ? undefined : `${frames.unmarked} frames arrived without their DSCP`
}
