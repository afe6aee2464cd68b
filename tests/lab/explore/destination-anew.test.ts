// The switches of a move's destination start with nothing again. What the source has still is brought once more: the guest keeps its
// connections, and frames their order.

import { expect, test } from 'vitest'
import { runSchedule } from '../../../lab/explore/run.ts'
import type { Perturbation } from '../../../lab/explore/schedule.ts'
import { Subject } from '../../../lab/explore/subject.ts'
import { MICROSECOND, MILLISECOND, type Nanoseconds } from '../../../runtime/clock.ts'
import { answeredAsker, movingListener } from '../../support/explored-scenarios.ts'

interface Case {
  what: string
  type: 'vlan' | 'vxlan'
  /** For how long. */
  away: Nanoseconds
  events: readonly number[]
  move?: Parameters<typeof answeredAsker>[1]
}

/** Events are counted from that at which the guest goes on. */
const CASES: readonly Case[] = [
  { what: 'as its port opens', type: 'vlan', away: MILLISECOND, events: [-4, -3, -2, -1, 0] },
  {
    what: 'while others are told of it',
    type: 'vxlan',
    away: 10 * MICROSECOND,
    events: [-26, -25, -24, -23],
    move: {},
  },
  {
    what: 'while its guest is awaited',
    type: 'vlan',
    away: 10 * MICROSECOND,
    events: [1, 4, 7, 10],
    move: { activation: ['timeout'], activationTimeout: 4 * MILLISECOND },
  },
]

test.each(CASES)('a destination that starts anew $what costs no connection', async ({ type, away, events, move }) => {
  const subject = await Subject.read(answeredAsker(type, move))
  const { happenings } = await runSchedule(subject, { seed: 3, perturbations: [] }, { keep: true })
  const goesOn = happenings.find(({ what }) => what === 'guest asker goes on at h3')!.event!
  for (const later of events) {
    const at = { event: goesOn + later }
    const restart: Perturbation = { kind: 'restart', at, host: 'h3', away }
    const { broken, begun } = await runSchedule(subject, { seed: 3, perturbations: [restart] })
    expect({ later, begun: begun.length, broken }).toEqual({ later, begun: 1, broken: undefined })
  }
})

test('nor where another controller takes over before all has been brought', async () => {
  const subject = await Subject.read(answeredAsker('vxlan'))
  const { happenings } = await runSchedule(subject, { seed: 3, perturbations: [] }, { keep: true })
  const opens = happenings.find(({ what }) => /to h3\/br-int: .* asker:eth0 open/.test(what))!.event!
  const restart: Perturbation = { kind: 'restart', at: { event: opens }, host: 'h3', away: 10 * MICROSECOND }
  // The switch says hello, tells what it has, is told of the port, and is brought the rest.
  for (let later = 1; later < 27; later += 2) {
    const takeover: Perturbation = { kind: 'takeover', at: { event: opens + later }, frozen: 3 * MILLISECOND }
    const { broken, begun } = await runSchedule(subject, { seed: 3, perturbations: [restart, takeover] })
    expect({ later, begun: begun.length, broken }).toEqual({ later, begun: 2, broken: undefined })
  }
})

test('what a destination was handed before it loses its power is not brought to it again, though others have not heard of the move', async () => {
  const subject = await Subject.read(movingListener({ type: 'vxlan' }))
  const { happenings } = await runSchedule(subject, { seed: 3, perturbations: [] }, { keep: true })
  const goesOn = happenings.find(({ what }) => what === 'guest listener goes on at h3')!.event!
  const cut: Perturbation = {
    kind: 'cut',
    at: { event: happenings.find(({ what }) => /to h3\/br-int: .* to deliver/.test(what))!.event! },
    switch: 'h2/br-int',
    down: 0,
    up: 0,
    noticed: { switch: 10 * MICROSECOND, controller: 10 * MICROSECOND },
    away: 25 * MILLISECOND,
  }
  // Until it has said what it keeps, and the source is to forget.
  for (let later = 0; later < 9; later++) {
    const power: Perturbation = { kind: 'power', at: { event: goesOn + later }, host: 'h3', away: 20 * MILLISECOND }
    const { broken, begun } = await runSchedule(subject, { seed: 3, perturbations: [cut, power] })
    expect({ later, begun: begun.length, broken }).toEqual({ later, begun: 2, broken: undefined })
  }
})
