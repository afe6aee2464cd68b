// Frames to a guest that never speaks, while its move is aborted or broken off.

import { afterEach, expect, test, vi } from 'vitest'
import { StateTransfer } from '../../../controller/migration/state-transfer.ts'
import { SwitchAway } from '../../../controller/southbound/remote-switch.ts'
import { Lab } from '../../../lab/lab.ts'
import { udpFrame } from '../../../protocols/packet/compose.ts'
import { MILLISECOND } from '../../../runtime/clock.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'
import { parseTopology } from '../../../topologies/load.ts'
import { IP_1, IP_2, MAC_1, MAC_2 } from '../../support/frames.ts'

const vm = (name: string, host: string, serial: number) => ({
  name,
  host,
  nics: [{ name: 'eth0', network: 'blue', mac: `02:00:00:00:00:0${serial}`, addresses: [`10.0.0.${serial}`] }],
})

const topology = () =>
  parseTopology(
    JSON.stringify({
      version: 1,
      name: 'silent',
      hosts: ['h1', 'h2', 'h3'].map((name) => ({ name })),
      networks: [{ name: 'blue', type: 'vlan', segment: 10, subnets: [{ cidr: '10.0.0.0/24' }] }],
      vms: [vm('silent', 'h1', 1), vm('speaker', 'h2', 2)],
    }),
    'silent',
  )

const PACE = MILLISECOND / 2
const COUNT = 400

/** The speaker sends 2000 frames a second to the silent VM, whose move to h3 begins 20 ms in. */
async function disturbedMove(disturb: (lab: Lab, id: string, start: number) => void) {
  const clock = new VirtualClock()
  const lab = await Lab.start(topology(), { clock, seed: 1 })
  const bytes = udpFrame({ ethSrc: MAC_2, ethDst: MAC_1, ipSrc: IP_2, ipDst: IP_1, srcPort: 9, dstPort: 9 })
  const start = clock.now()
  for (let index = 0; index < COUNT; index++)
    clock.schedule(start + index * PACE, () => lab.inject('speaker:eth0', bytes, 'test'))
  await clock.run(start + 20 * MILLISECOND)
  const { id } = lab.controller.migrate({ vm: 'silent', to: 'h3', pause: 30 * MILLISECOND })
  disturb(lab, id, clock.now())
  await clock.run(start + 3_000 * MILLISECOND)
  lab.judge.finish(new Set(lab.network.heldFrames()))
  return { status: await lab.controller.migrationDone(id), frames: lab.judge.frames }
}

afterEach(() => vi.restoreAllMocks())

const ALL = { injected: COUNT, delivered: COUNT, lost: 0, duplicated: 0, reordered: 0, leaked: 0, held: 0 }

test.each([0.1, 1, 2, 3, 4, 5, 8, 15, 25])('all arrive in order when aborted %f ms in', async (span) => {
  const { status, frames } = await disturbedMove((lab, id, begun) => {
    lab.clock.schedule(begun + span * MILLISECOND, () => void lab.controller.abortMigration(id))
  })
  expect(status).toMatchObject({ state: 'aborted', problem: 'aborted on request' })
  expect(frames).toMatchObject(ALL)
})

test('what the destination keeps is brought back also where the source can not say what it knows of connections', async () => {
  vi.spyOn(StateTransfer.prototype, 'tell').mockRejectedValue(new SwitchAway('h1/br-int'))
  const { frames } = await disturbedMove((lab, id, begun) => {
    lab.clock.schedule(begun + 15 * MILLISECOND, () => void lab.controller.abortMigration(id))
  })
  expect(frames).toMatchObject(ALL)
})

test.each([1, 3, 5, 10, 20, 29])('all arrive in order when the channels are cut %f ms in, for 60 ms', async (span) => {
  const { status, frames } = await disturbedMove((lab, _id, begun) => {
    lab.clock.schedule(begun + span * MILLISECOND, () => void lab.fail({ kind: 'controller' }))
    lab.clock.schedule(begun + (span + 60) * MILLISECOND, () => void lab.heal({ kind: 'controller' }))
  })
  expect(['aborted', 'failed']).toContain(status.state)
  expect(frames).toMatchObject(ALL)
})
