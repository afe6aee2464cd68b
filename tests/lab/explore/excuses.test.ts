// Losses that nobody could have prevented, and others beside each of them that somebody could.

import { describe, expect, test } from 'vitest'
import type { MigrationStatus } from '../../../controller/model.ts'
import { Excuses, type LostFrame } from '../../../lab/explore/excuses.ts'
import { runSchedule } from '../../../lab/explore/run.ts'
import type { Perturbation } from '../../../lab/explore/schedule.ts'
import { Subject } from '../../../lab/explore/subject.ts'
import { MILLISECOND, type Nanoseconds } from '../../../runtime/clock.ts'
import { loadScenarioOrTopology } from '../../../topologies/load.ts'

const ms = (count: number): Nanoseconds => count * MILLISECOND

/** From h1 to h2; it began at 100 ms, its guest stood still from 110 ms on, and it ended at 150 ms. */
const move = {
  vm: 'guest',
  from: 'h1',
  to: 'h2',
  startedAt: ms(100),
  pausedAt: ms(110),
  endedAt: ms(150),
} as MigrationStatus

const lost = (at: number, reason: string, place: string, ...others: string[]): LostFrame => ({
  at: ms(at),
  nics: ['peer:eth0', ...(others.length > 0 ? others : ['guest:eth0'])],
  reason,
  place,
})

const denied = lost(900, 'security_group', 'h2/br-int')

describe('a link that was down from 120 to 130 ms', () => {
  const excuses = new Excuses()
  excuses.link(ms(120), ['h2', 'tor1'])(ms(130))

  test.each([
    [true, 'what comes to where nobody is any more', lost(125, 'no_recipient', 'h1/br-int')],
    [true, 'what finds no way from the one place to the other', lost(125, 'no_route', 'h1')],
    [false, 'the same later', lost(135, 'no_route', 'h1')],
    [true, 'the same until the announcement is said again', lost(279, 'no_recipient', 'h1/br-int')],
    [false, 'the same later', lost(281, 'no_recipient', 'h1/br-int')],
    [false, 'what ends for another reason', lost(125, 'no_match', 'h1/br-int')],
    [false, 'what is for a guest that stays', lost(125, 'no_recipient', 'h1/br-int', 'other:eth0')],
    [true, 'what was on it, for whom it may be', lost(119, 'link_down', 'tor1 - h2', 'other:eth0')],
    [false, 'what was on another', lost(119, 'link_down', 'tor1 - h1')],
    [false, 'what was sent when it was up again', lost(131, 'link_down', 'tor1 - h2')],
  ])('excuses (%s) %s', (covers, _what, frame) => {
    expect(excuses.covers(frame, [move])).toBe(covers)
  })
})

test('a frame is on its way to the place that its guest is to go on at, as the link there goes down', async () => {
  const subject = await Subject.read(await loadScenarioOrTopology('topologies/examples/migration-under-load.json'))
  const perturbations: Perturbation[] = [
    { kind: 'jitter', by: 500_000 },
    { kind: 'link', at: { event: 96 }, endpoints: ['h3', 'tor1'], away: 201_121 },
  ]
  const { broken, begun } = await runSchedule(subject, { seed: 500_029, perturbations })
  expect(begun.map(({ kind }) => kind)).toEqual(['link'])
  expect(broken).toBeUndefined()
})

describe('a host whose switches were gone from 120 to 130 ms', () => {
  const excuses = new Excuses()
  excuses.host(ms(120), 'h2', new Set(['resident']))(ms(130), new Set(['resident', 'newcomer']))

  test.each([
    [true, 'what its guests miss', lost(125, 'no_match', 'h2/br-int', 'resident:eth0')],
    [true, 'what one that begins anew there misses', lost(125, 'invalid_tunnel', 'h2/br-int', 'newcomer:eth0')],
    [false, 'what they miss before', lost(119, 'no_match', 'h2/br-int', 'resident:eth0')],
    [false, 'what they miss later', lost(131, 'no_match', 'h2/br-int', 'resident:eth0')],
    [false, 'what others miss', lost(125, 'no_match', 'h2/br-int', 'other:eth0')],
    [true, 'what it held for one that moves there', lost(105, 'link_down', 'h2/br-int')],
    [false, 'what groups deny there of connections that its other place has still', denied],
  ])('excuses (%s) %s', (covers, _what, frame) => {
    expect(excuses.covers(frame, [move])).toBe(covers)
  })
})

describe('both hosts of a move, gone from 120 to 130 ms', () => {
  const excuses = new Excuses()
  for (const host of ['h1', 'h2']) excuses.host(ms(120), host, new Set())(ms(130), new Set())

  test.each([
    [true, 'what groups deny there of its connections', denied],
    [false, 'what they deny elsewhere', lost(900, 'security_group', 'h3/br-int')],
    [false, 'what ends there later for another reason', lost(900, 'no_match', 'h2/br-int')],
  ])('excuse (%s) %s', (covers, _what, frame) => {
    expect(excuses.covers(frame, [move])).toBe(covers)
  })

  test('excuse nothing that groups deny where the guest had not stopped by then: its connections were not there yet', () => {
    expect(excuses.covers(denied, [{ ...move, pausedAt: ms(140) }])).toBe(false)
  })
})

describe('a host that the scenario breaks at 120 ms', () => {
  const excuses = new Excuses()
  excuses.brokenByStep('h2', ms(120))

  test.each([
    [true, 'what it kept for a guest that moves', lost(115, 'link_down', 'h2/br-int')],
    [false, 'what is sent later', lost(121, 'link_down', 'h2/br-int')],
    [false, 'what ends elsewhere', lost(115, 'link_down', 'h1/br-int')],
    [false, 'what ends for another reason', lost(115, 'no_match', 'h2/br-int')],
    [false, 'what is for a guest that stays', lost(115, 'link_down', 'h2/br-int', 'other:eth0')],
  ])('excuses (%s) %s', (covers, _what, frame) => {
    expect(excuses.covers(frame, [move])).toBe(covers)
  })
})

test('a host that the scenario has broken and healed was away for moves in between', () => {
  const excuses = new Excuses()
  excuses.brokenByStep('h2', ms(20))
  excuses.healedByStep('h2', ms(60))
  expect(excuses.wasAway('h2', { ...move, startedAt: ms(50) })).toBe(true)
  expect(excuses.wasAway('h1', { ...move, startedAt: ms(50) })).toBe(false)
  expect(excuses.wasAway('h2', move)).toBe(false)
  excuses.brokenByStep('h2', ms(120))
  expect(excuses.wasAway('h2', move)).toBe(true)
})
