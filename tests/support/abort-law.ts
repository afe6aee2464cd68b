// What must hold of an abort, whenever it is asked for and whatever breaks right after: the move ends, and nothing is lost, doubled,
// overtaken or left behind.

import { expect } from 'vitest'
import { profileOf } from '../../lab/explore/explore.ts'
import { runSchedule } from '../../lab/explore/run.ts'
import type { Perturbation } from '../../lab/explore/schedule.ts'
import { Subject } from '../../lab/explore/subject.ts'
import type { Nanoseconds } from '../../runtime/clock.ts'
import { movingListener } from './explored-scenarios.ts'

type Breaking = (event: number) => Perturbation[]

/** Nothing of what is on its way arrives, or all of it. */
const cut = (host: string, share: number): Breaking => {
  const noticed = { switch: 60_000, controller: 1_500_000 }
  return (event) => [
    { kind: 'cut', at: { event }, switch: `${host}/br-int`, down: share, up: share, noticed, away: 14_000_000 },
  ]
}

/** The guest moves from h1 to h3; those who speak to it are on h1, h2 and h3. */
const BREAKINGS: readonly Breaking[] = [
  () => [],
  ...['h1', 'h2', 'h3'].flatMap((host) => [cut(host, 0), cut(host, 1)]),
  ...[0, 1].map((share): Breaking => (event) => [{ kind: 'kill', at: { event }, share, away: 7_000_000 }]),
  ...['h1', 'h3'].map((host): Breaking => (event) => [{ kind: 'restart', at: { event }, host, away: 3_000_000 }]),
  (event) => [{ kind: 'takeover', at: { event }, frozen: 3_000_000 }],
  (event) => [{ kind: 'disk', at: { event }, lasts: 3_000_000 }],
]

interface Exception {
  perturbations: readonly Perturbation[]
  broken: string
}

/** Each of the ways to break something at each `stride`th event of a move, one after the other: those runs in which something was wrong. */
export async function abortEverywhere(
  type: 'vlan' | 'vxlan',
  stride: number,
): Promise<{ runs: number; exceptions: Exception[] }> {
  const subject = await Subject.read(movingListener({ type, beside: true }))
  const { start, all } = (await profileOf(subject)).profile.events
  const exceptions: Exception[] = []
  let runs = 0
  for (let step = 0; start * BREAKINGS.length + step < all * BREAKINGS.length; step += stride, runs++) {
    const event = start + Math.floor(step / BREAKINGS.length)
    const breaking = BREAKINGS[step % BREAKINGS.length]!
    const perturbations: Perturbation[] = [{ kind: 'abort', at: { event } }, ...breaking(event + 1)]
    const { broken } = await runSchedule(subject, { seed: 3, perturbations })
    if (broken !== undefined) exceptions.push({ perturbations, broken: `${broken.invariant}: ${broken.why}` })
  }
  return { runs, exceptions }
}

interface WayBack {
  /** The event at which the move is aborted. */
  undone: number
  /** The controller is killed at this event and each `stride`th from there on. */
  first: number
  stride: number
  /** How long it is gone. */
  away: Nanoseconds
}

/** A controller that is killed on a move's way back breaks nothing, whenever that is: the events at which it was, up to the way's end. */
export async function killedOnWayBack(
  subject: Subject,
  { undone, first, stride, away }: WayBack,
): Promise<readonly number[]> {
  const abort: Perturbation = { kind: 'abort', at: { event: undone } }
  const killed: number[] = []
  for (let event = first; ; event += stride) {
    const kill: Perturbation = { kind: 'kill', at: { event }, share: 1, away }
    const { broken, begun } = await runSchedule(subject, { seed: 3, perturbations: [abort, kill] })
    expect({ undone, event, broken }).toEqual({ undone, event, broken: undefined })
    if (begun.length < 2) return killed
    killed.push(event)
  }
}
