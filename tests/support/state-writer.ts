// A process that adds flows one after the other and says when each has been answered, to be killed meanwhile. First it says which
// it found, and what of the journal is without an end.

import { Controller } from '../../controller/controller.ts'
import { openStateFile } from '../../controller/state/open-state.ts'
import { parseFlow } from '../../protocols/flow-text/parse.ts'
import { WallClock } from '../../runtime/wall-clock.ts'
import { threeHosts } from './controlled-fleet.ts'
import { FakeSwitch } from './fake-switch.ts'

const clock = new WallClock()
const state = await openStateFile(process.argv[2]!, { clock })
const controller = new Controller({ clock, state })
for (const name of ['h1', 'h2', 'h3']) new FakeSwitch(`${name}/br-int`, clock).dial(controller)
if (state.restored.asked === undefined) await controller.apply(threeHosts())
await controller.resumed()
await controller.inSync()
const found = controller.userFlows().map(({ flow: { match } }) => Number(match[2]!.value))
const journal = await state.journal({ limit: 10_000 })
say({ found, entries: journal.length, open: journal.filter(({ result }) => result === undefined).length })
for (let port = Math.max(0, ...found) + 1; port < 60_000; port += 2) {
  // Two at a time, on two switches: both are there or neither.
  await controller.addFlows([flow('h1', port), flow('h2', port + 1)])
  say({ added: port })
}

function flow(name: string, port: number) {
  return { switch: name, flow: parseFlow(`table=0,udp,tp_dst=${port},actions=drop`) }
}

function say(what: object): void {
  process.stdout.write(`${JSON.stringify(what)}\n`)
}
