// A peer whose switch can not be told of a move goes on sending to where the VM was: all that comes there is brought after it.

import { describe, expect, test } from 'vitest'
import { Lab } from '../../../lab/lab.ts'
import { udpFrame } from '../../../protocols/packet/compose.ts'
import { MILLISECOND, SECOND } from '../../../runtime/clock.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'
import { parseTopology } from '../../../topologies/load.ts'
import { IP_1, IP_2, MAC_1, MAC_2 } from '../../support/frames.ts'

const vm = (name: string, host: string, serial: number) => ({
  name,
  host,
  nics: [{ name: 'eth0', network: 'green', mac: `02:00:00:00:00:0${serial}`, addresses: [`10.0.0.${serial}`] }],
})

const topology = () =>
  parseTopology(
    JSON.stringify({
      version: 1,
      name: 'stragglers',
      hosts: [1, 2, 3].map((number) => ({ name: `h${number}`, vtep: `192.0.2.${number}` })),
      networks: [{ name: 'green', type: 'vxlan', segment: 5001 }],
      vms: [vm('mover', 'h1', 1), vm('peer', 'h2', 2)],
    }),
    'stragglers',
  )

const PACE = MILLISECOND / 2
const COUNT = 400

/** The peer sends 2000 frames a second over 200 ms; its switch is away from 10 ms on, for so long. The move begins 20 ms in. */
async function movedWithout(away: number, during?: (lab: Lab, id: string, clock: VirtualClock) => void) {
  const clock = new VirtualClock()
  const lab = await Lab.start(topology(), { clock, seed: 1 })
  const bytes = udpFrame({ ethSrc: MAC_2, ethDst: MAC_1, ipSrc: IP_2, ipDst: IP_1, srcPort: 9, dstPort: 9 })
  const start = clock.now()
  for (let index = 0; index < COUNT; index++)
    clock.schedule(start + index * PACE, () => lab.inject('peer:eth0', bytes, 'test'))
  await clock.run(start + 10 * MILLISECOND)
  lab.hangUp('h2/br-int')
  clock.schedule(start + 10 * MILLISECOND + away, () => lab.dial('h2/br-int'))
  await clock.run(start + 20 * MILLISECOND)
  const { id } = lab.controller.migrate({ vm: 'mover', to: 'h3', pause: 5 * MILLISECOND, redirect: SECOND / 2 })
  during?.(lab, id, clock)
  await clock.run(start + 2 * SECOND)
  lab.judge.finish(new Set(lab.network.heldFrames()))
  return { lab, status: await lab.controller.migrationDone(id), frames: lab.judge.frames }
}

const ALL = { injected: COUNT, delivered: COUNT, lost: 0, duplicated: 0, reordered: 0 }

describe('a peer that can not be told', () => {
  test.each([
    [12, 0],
    [20, 0],
    [80, 50],
    [300, 50],
  ])('for %i ms loses nothing, and nothing is overtaken', async (away, redirected) => {
    const { status, frames, lab } = await movedWithout(away * MILLISECOND)
    expect(frames).toMatchObject(ALL)
    expect(status).toMatchObject({ state: 'done', unconfirmed: [], leftBehind: [] })
    expect(status.redirected).toBeGreaterThanOrEqual(redirected)
    expect(lab.network.switch('h1/br-int')!.ports.byName('mover:eth0')).toBeUndefined()
  })

  test('in all the time is named in the report, and the source lets go', async () => {
    const { status, lab } = await movedWithout(SECOND)
    expect(status).toMatchObject({ state: 'done', unconfirmed: ['h2/br-int'], leftBehind: [] })
    expect(status.endedAt! - status.resumedAt!).toBeGreaterThan(SECOND / 2)
    expect(lab.network.switch('h1/br-int')!.ports.byName('mover:eth0')).toBeUndefined()
  })

  test.each([3, 5])('that the move is undone, %i ms in, loses nothing either', async (span) => {
    const back = (lab: Lab, id: string, clock: VirtualClock) => {
      // It has been told of the move, and is away again.
      clock.schedule(clock.now() + (span - 1) * MILLISECOND, () => lab.hangUp('h2/br-int'))
      clock.schedule(clock.now() + span * MILLISECOND, () => void lab.controller.abortMigration(id))
      clock.schedule(clock.now() + 100 * MILLISECOND, () => lab.dial('h2/br-int'))
    }
    const { status, frames, lab } = await movedWithout(MILLISECOND, back)
    expect(frames).toMatchObject(ALL)
    expect(status).toMatchObject({ state: 'aborted', unconfirmed: [] })
    expect(status.redirected).toBeGreaterThan(50)
    expect(lab.network.heldFrames()).toEqual([])
  })
})
