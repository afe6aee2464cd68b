// What must hold when all is over: everything is where it was asked to be, and nothing is left of how it got there.

import type { Image } from '../../controller/state/image.ts'
import type { Expectation } from '../../topologies/scenario.ts'
import { vmNamed } from '../../topologies/lookup.ts'
import type { Lab } from '../lab.ts'
import { holdsExpectation, toleratedLosses } from '../expectations.ts'
import type { RunLog } from '../run-log.ts'
import type { Verdict } from '../verdict.ts'
import type { Disk } from './disk.ts'
import type { Excuses } from './excuses.ts'
import { departure, stateOf } from './measure.ts'
import { type FormerPlaces, placeLeft } from './places-left.ts'
import type { Rates } from './rates.ts'
import type { Subject } from './subject.ts'
import type { User } from './user.ts'
import type { Watch } from './watch.ts'

const OF_ISOLATION: ReadonlySet<Expectation['type']> = new Set(['isolated', 'tenantsIsolated', 'notDelivered'])

interface Ended {
  lab: Lab
  watch: Watch
  user: User
  excuses: Excuses
  disk: Disk
  places: FormerPlaces
  /** Undefined where limits may have begun anew. */
  rates: Rates | undefined
  log: RunLog
  subject: Subject
}

export function checkEnd(run: Ended): void {
  const image = run.subject.images.of(run.disk.entries, 0)
  checkMoves(run, image)
  const missing = run.user.missing(image)
  if (missing !== undefined) run.watch.break('acknowledged', missing)
  checkPlacesLeft(run, image)
  checkSwitches(run)
  checkFrames(run)
  const excess = run.rates?.excess()
  if (excess !== undefined) run.watch.break('within-limits', excess)
}

function checkMoves({ lab, watch }: Ended, image: Image): void {
  for (const { status } of image.migrations.values())
    if (status.endedAt === undefined)
      watch.break('ended', `the move ${status.id} of ${status.vm} is kept as ${status.state}`)
  for (const [vm, { stage }] of image.moves) watch.break('ended', `${vm} is kept as moving, at the stage ${stage}`)
  for (const { name, host } of lab.controller.topology.vms) {
    const kept = image.topology.vms.find((vm) => vm.name === name)?.host
    const at = lab.network.hostOf(name)
    if (at !== host || kept !== host)
      watch.break('ended', `${name} runs at ${at}; the controller takes it to be at ${host}, its disk at ${kept}`)
  }
}

function checkSwitches({ lab, watch, subject, disk }: Ended): void {
  for (const { name, inSync, problem } of lab.controller.switches())
    if (!inSync) watch.break('in-sync', `${name} is not in sync: ${problem ?? 'no reason is known'}`)
  const wanted = subject.images.statesOf(disk.entries)
  for (const [name, { switch: device }] of lab.network.switches()) {
    const state = wanted.get(name)
    if (state === undefined) continue
    const difference = departure(stateOf(device, state), state)
    if (difference !== undefined) watch.break('in-sync', `at ${name}, ${difference}`)
  }
}

function checkPlacesLeft({ lab, watch, excuses, places }: Ended, image: Image): void {
  const moves = lab.controller.migrations()
  for (const [index, status] of moves.entries()) {
    const later = moves.slice(index + 1).filter(({ vm }) => vm === status.vm)
    const left = placeLeft(status, later, image)
    if (left === undefined || excuses.wasAway(left, status)) continue
    const zones = new Set(image.assignments.zones.get(left)?.values())
    const { nics } = vmNamed(image.topology.vms, status.vm)!
    const devices = [...lab.network.switches().values()].map((bridge) => bridge.switch)
    const remains = devices
      .filter(({ name }) => name.startsWith(`${left}/`))
      .flatMap((device) => nics.flatMap((nic) => places.remainsOf(nic, device, zones)))
    const found = [...remains, ...status.leftBehind]
    if (found.length > 0) watch.break('nothing-left', `${status.id} (${status.state}) leaves ${found.join(', ')}`)
  }
}

function checkFrames({ lab, watch, excuses, subject: { scenario }, log }: Ended): void {
  const { judge } = lab
  const held = lab.network.heldFrames()
  judge.finish(new Set(held))
  const moves = lab.controller.migrations()
  const lost = [...judge.mishaps].filter((mishap) => mishap.kind === 'lost' && !excuses.covers(mishap, moves))
  if (lost.length > toleratedLosses(scenario, judge).lost) {
    const [first] = lost
    const known = judge.losses.find(({ id }) => id === first!.id)
    const how = known === undefined ? '' : `: ${known.reason} at ${known.place}`
    watch.break(
      'no-loss',
      `${lost.length} frames are lost; the first, ${first!.id}, from ${first!.nics.join(' to ')}${how}`,
    )
  }
  const { missing } = judge.rejections
  if (missing > 0) watch.break('answered', `${missing} answers to what groups have denied were not heard`)
  if (held.length > 0) watch.break('in-sync', `${held.length} frames are still held`)
  const verdict = { frames: judge.frames, migrations: [] } as unknown as Verdict
  for (const expect of scenario.expect) {
    if (!OF_ISOLATION.has(expect.type)) continue
    const { why } = holdsExpectation(expect, scenario.topology, verdict, judge)
    if (why !== undefined) watch.break('isolated', why)
  }
  for (const { result, expected } of log.pings)
    if (expected === 'unreachable' && result.received > 0)
      watch.break('isolated', `${result.from} reaches ${result.to} by ping`)
}
