// Steps and expectations with every default filled in, once all checks have passed.

import { SECOND } from '../runtime/clock.ts'
import { completeHold } from './hold.ts'
import type { Expectation, FailureTarget, MoveTogether, Step } from './scenario.ts'
import type { WrittenEntry, WrittenExpectation, WrittenTarget } from './schema/scenario.ts'
import { TENANT } from './tenants.ts'
import { parseDuration } from './units.ts'

const PAUSE = 30_000_000
const SEND_RATE = 1000

const time = (text: string | undefined, otherwise: number) => (text === undefined ? otherwise : parseDuration(text))

/** Any step but `apply`, which needs files. */
export function completeStep(entry: WrittenEntry): Step {
  const { replay, ping, send, migrate, drain, failover, rebalance, flow, fail, heal } = entry
  if (replay)
    return { type: 'replay', capture: replay.capture, map: replay.map ?? 'source-mac', speed: replay.speed ?? 1 }
  if (ping) return completePing(ping)
  if (send)
    return { type: 'send', from: send.from, frame: send.frame, count: send.count ?? 1, rate: send.rate ?? SEND_RATE }
  if (migrate) return completeMigrate(migrate)
  if (drain) return { type: 'drain', host: drain.host, ...completeMoves(drain) }
  if (rebalance) {
    const { by, window } = rebalance
    const balance = { ...(by && { by }), ...(window !== undefined && { window: time(window, 0) }) }
    return { type: 'rebalance', ...balance, ...completeMoves(rebalance) }
  }
  if (failover) return { type: 'failover', host: failover.host }
  if (flow) return completeFlow(flow)
  if (fail) return { type: 'fail', target: completeTarget(fail) }
  if (heal) return { type: 'heal', target: completeTarget(heal) }
  return { type: 'pingall' }
}

const completePing = ({ from, to, count, interval, expect }: NonNullable<WrittenEntry['ping']>): Step => ({
  type: 'ping',
  from,
  to,
  count: count ?? 1,
  interval: time(interval, SECOND),
  ...(expect !== undefined && { expect }),
})

const completeFlow = (flow: NonNullable<WrittenEntry['flow']>): Step => ({
  type: 'flow',
  switch: flow.switch,
  command: flow.add === undefined ? 'del' : 'add',
  flow: flow.add ?? flow.del!,
})

function completeTarget(target: WrittenTarget): FailureTarget {
  if (target === 'controller') return { kind: 'controller' }
  if (target.host !== undefined) return { kind: 'host', host: target.host }
  return { kind: 'link', endpoints: [target.link![0]!, target.link![1]!] }
}

export function completeExpectation(written: WrittenExpectation): Expectation {
  const { isolated, mirrored, delivered, notDelivered, policyFollows, dropped, lost = 0, duplicated = 0 } = written
  if (isolated) return completeIsolated(isolated)
  if (mirrored !== undefined) return { type: 'mirrored', mirror: mirrored }
  if (delivered) return { type: 'delivered', ...delivered, lost, duplicated }
  if (notDelivered) return { type: 'notDelivered', ...notDelivered }
  if (policyFollows !== undefined) return { type: 'policyFollows', vm: policyFollows }
  const { reason, atLeast, atMost } = dropped!
  return {
    type: 'dropped',
    reason,
    atLeast: atLeast ?? (atMost === undefined ? 1 : 0),
    ...(atMost !== undefined && { atMost }),
  }
}

function completeIsolated(listed: readonly string[]): Expectation {
  if (!listed[0]?.startsWith(TENANT)) return { type: 'isolated', networks: [...listed] }
  return { type: 'tenantsIsolated', tenants: listed.map((one) => one.slice(TENANT.length)) }
}

function completeMigrate(written: NonNullable<WrittenEntry['migrate']>): Step {
  const { vm, to, pause, hold, redirect, activation, activationTimeout, budget, replace, expect } = written
  return {
    type: 'migrate',
    vm,
    to,
    pause: time(pause, PAUSE),
    ...(hold && { hold: completeHold(hold) }),
    ...(redirect !== undefined && { redirect: time(redirect, 0) }),
    ...(activation && { activation: [...activation] }),
    ...(activationTimeout !== undefined && { activationTimeout: time(activationTimeout, 0) }),
    ...(budget && { budget: completeBudget(budget) }),
    ...(replace === true && { replace }),
    ...(expect !== undefined && { expect }),
  }
}

const completeMoves = ({ parallel, pause, budget }: NonNullable<WrittenEntry['rebalance']>): MoveTogether => ({
  ...(parallel !== undefined && { parallel }),
  pause: time(pause, PAUSE),
  ...(budget && { budget: completeBudget(budget) }),
})

const completeBudget = ({ blackout, ...frames }: NonNullable<NonNullable<WrittenEntry['migrate']>['budget']>) => ({
  ...frames,
  ...(blackout !== undefined && { blackout: time(blackout, 0) }),
})
