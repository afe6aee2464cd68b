// The switches of a move's destination start with nothing again. What the source has still is brought once more: the guest keeps its
// connections, and frames their order.

import { describe, expect, test } from 'vitest'
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

describe('a destination that loses its power, while others have not heard of the move, is not brought again', () => {
  const cutOff = (event: number): Perturbation => ({
    kind: 'cut',
    at: { event },
    switch: 'h2/br-int',
    down: 0,
    up: 0,
    noticed: { switch: 10 * MICROSECOND, controller: 10 * MICROSECOND },
    away: 25 * MILLISECOND,
  })

  const run = async (subject: Subject, perturbations: Perturbation[]) => {
    const { happenings, ...outcome } = await runSchedule(subject, { seed: 3, perturbations }, { keep: true })
    const events = (what: RegExp) => happenings.filter((one) => what.test(one.what)).map(({ event }) => event!)
    return { ...outcome, events }
  }

  const expectWhole = async (subject: Subject, cut: Perturbation, event: number) => {
    const power: Perturbation = { kind: 'power', at: { event }, host: 'h3', away: 20 * MILLISECOND }
    const { broken, begun } = await run(subject, [cut, power])
    expect({ event, begun: begun.length, broken }).toEqual({ event, begun: 2, broken: undefined })
  }

  test('what it was handed before its port opened', async () => {
    const subject = await Subject.read(movingListener({ type: 'vxlan' }))
    const { events } = await run(subject, [])
    const [handed] = events(/to h3\/br-int: .* to deliver/)
    const [goesOn] = events(/^guest listener goes on at h3/)
    expect(goesOn).toBeGreaterThan(handed!)
    // Until it has said what it keeps, and the source is to forget.
    for (let later = 0; later < 9; later++) await expectWhole(subject, cutOff(handed!), goesOn! + later)
  })

  test('what came late to its source, as it is handed that', async () => {
    const subject = await Subject.read(movingListener({ type: 'vxlan' }))
    const { events: without } = await run(subject, [])
    const cut = cutOff(without(/^guest listener pauses/)[0]!)
    const { events } = await run(subject, [cut])
    const [goesOn] = events(/^guest listener goes on at h3/)
    const handed = events(/to h3\/br-int: [1-9]\d* frames to deliver/).filter((event) => event > goesOn!)
    expect(handed.length).toBeGreaterThan(2)
    for (const event of handed) for (const later of [1, 2]) await expectWhole(subject, cut, event + later)
  })
})
