// A topology that is named at the start, beside a state that has another, where a guest is still awaited.

import { expect, test } from 'vitest'
import { applyNamed } from '../../cli/state.ts'
import type { Asked } from '../../controller/topology-writes.ts'
import { Lab } from '../../lab/lab.ts'
import { MILLISECOND } from '../../runtime/clock.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import { parseTopology } from '../../topologies/load.ts'
import { smallTopology } from '../support/live-lab.ts'
import { testLog } from '../support/test-log.ts'

const read = (topology: object) => parseTopology(JSON.stringify(topology), 'small.json')

function shaped() {
  const { vms, ...others } = smallTopology()
  const [web1, ...rest] = vms
  return read({
    ...others,
    vms: [{ ...web1!, nics: [{ ...web1!.nics[0]!, policy: { egressRate: '1Mbps' } }] }, ...rest],
  })
}

/** A guest is awaited, and a topology that changes it has been named. */
async function waiting(applies: (lab: Lab) => (asked: Asked) => Promise<void>) {
  const clock = new VirtualClock()
  const lab = await Lab.start(read(smallTopology()), { clock, seed: 1 })
  const { controller } = lab
  const kept = controller.topologies.asked!
  const log = await testLog()
  const passes = () => clock.run(clock.now() + 50 * MILLISECOND)
  const { id } = controller.migrate({ vm: 'web1', to: 'h2', activation: ['rarp'] })
  await passes()
  const applied = applyNamed(shaped(), { controller, apply: applies(lab), kept, log })
  await passes()
  expect(controller.topology.vms[0]).toMatchObject({ host: 'h1', nics: [{ policy: kept.vms[0]!.nics[0]!.policy }] })
  expect(log.lines.at(-1)).toContain(`waits for the end of ${id}`)
  const goesOn = async () => {
    void controller.activateMigration(id)
    await clock.runUntil(applied)
  }
  return { clock, lab, controller, kept, log, goesOn }
}

const ways: [who: string, applies: (lab: Lab) => (asked: Asked) => Promise<void>][] = [
  ['a controller', (lab) => (asked) => lab.controller.apply(asked)],
  ['a network', (lab) => (asked) => lab.apply(asked)],
]

test.each(ways)('%s waits for the end of the move of a guest that it changes', async (_who, applies) => {
  const { controller, goesOn } = await waiting(applies)
  await goesOn()
  expect(controller.topology.vms[0]).toMatchObject({ host: 'h2', nics: [{ policy: { egressRate: 1_000_000 } }] })
})

test('is given up where a change has been asked for while it waited', async () => {
  const { clock, controller, kept, log, goesOn } = await waiting((lab) => (asked) => lab.controller.apply(asked))
  await clock.runUntil(controller.setPolicy('db1:eth0', () => ({ portSecurity: true, egressRate: 2_000_000 })))
  await goesOn()
  const [web1, db1] = controller.topology.vms
  expect(web1).toMatchObject({ host: 'h2', nics: [{ policy: kept.vms[0]!.nics[0]!.policy }] })
  expect(db1).toMatchObject({ nics: [{ policy: { egressRate: 2_000_000 } }] })
  expect(log.lines.at(-1)).toContain('is given up')
})
