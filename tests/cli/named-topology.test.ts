// A topology that is named at the start, beside a state that has another, where a guest is still awaited.

import { expect, test } from 'vitest'
import { applyNamed } from '../../cli/state.ts'
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

test('waits for the end of the move of a guest that it changes', async () => {
  const clock = new VirtualClock()
  const kept = read(smallTopology())
  const lab = await Lab.start(kept, { clock, seed: 1 })
  const { controller } = lab
  const log = await testLog()
  const { id } = controller.migrate({ vm: 'web1', to: 'h2', activation: ['rarp'] })
  await clock.run(clock.now() + 50 * MILLISECOND)

  const applied = applyNamed(shaped(), { controller, apply: (topology) => lab.apply(topology), kept, log })
  await clock.run(clock.now() + 50 * MILLISECOND)
  expect(controller.topology.vms[0]).toMatchObject({ host: 'h1', nics: [{ policy: kept.vms[0]!.nics[0]!.policy }] })
  expect(log.lines.at(-1)).toContain(`waits for the end of ${id}`)

  controller.activateMigration(id)
  await clock.runUntil(applied)
  expect(controller.topology.vms[0]).toMatchObject({ host: 'h2', nics: [{ policy: { egressRate: 1_000_000 } }] })
})
