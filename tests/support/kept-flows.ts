// A controller that goes on from its state, and what it finds there of the flows that a `state-writer` has added.

import { Controller } from '../../controller/controller.ts'
import { openStateFile } from '../../controller/state/open-state.ts'
import { WallClock } from '../../runtime/wall-clock.ts'
import { threeHosts } from './controlled-fleet.ts'
import { FakeSwitch } from './fake-switch.ts'

export interface KeptFlows {
  controller: Controller
  /** UDP ports of the flows, in the order in which they were added. */
  found: number[]
  /** Of the journal, and those without an end. */
  entries: number
  open: number
  close(): Promise<void>
}

export async function keptFlows(file: string): Promise<KeptFlows> {
  const clock = new WallClock()
  const state = await openStateFile(file, { clock })
  const controller = new Controller({ clock, state })
  for (const name of ['h1', 'h2', 'h3']) new FakeSwitch(`${name}/br-int`, clock).dial(controller)
  if (state.restored.asked === undefined) await controller.apply(threeHosts())
  await controller.resumed()
  await controller.inSync()
  const found = controller.userFlows().map(({ flow: { match } }) => Number(match[2]!.value))
  const journal = await state.journal({ limit: 10_000 })
  const open = journal.filter(({ result }) => result === undefined).length
  const close = async () => {
    await state.close()
    clock.stop()
  }
  return { controller, found, entries: journal.length, open, close }
}
