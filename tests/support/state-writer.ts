// A process that adds flows one after the other and says when each has been answered, to be killed meanwhile.

import { parseFlow } from '../../protocols/flow-text/parse.ts'
import { keptFlows } from './kept-flows.ts'

const { controller, found } = await keptFlows(process.argv[2]!)
for (let port = Math.max(0, ...found) + 1; port < 60_000; port += 2) {
  // Two at a time, on two switches: both are there or neither.
  await controller.addFlows([flow('h1', port), flow('h2', port + 1)])
  process.stdout.write(`${port}\n`)
}

function flow(name: string, port: number) {
  return { switch: name, flow: parseFlow(`table=0,udp,tp_dst=${port},actions=drop`) }
}
