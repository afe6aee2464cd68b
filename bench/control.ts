// Flow mods a second: encoded, framed, carried in memory, decoded, checked and applied by a switch, confirmed by a barrier.

import { Agent } from '../datapath/control/agent.ts'
import { FrameArena } from '../datapath/frames.ts'
import { Switch } from '../datapath/switch.ts'
import { Connection } from '../protocols/control/connection.ts'
import type { FlowMod } from '../protocols/control/messages.ts'
import { parseFlow } from '../protocols/flow-text/parse.ts'
import { VirtualClock } from '../runtime/virtual-clock.ts'
import { memoryChannelPair } from '../runtime/transport.ts'
import type { Bench } from './bench.ts'
import { measure, secondsOf, type Row } from './measure.ts'

const FLOWS = 50_000

const NAME = 'control: flow mods, to the barrier'

export const controlBenches: readonly Bench[] = [{ name: NAME, rows: controlRows }]

async function controlRows(): Promise<Row[]> {
  const flows = Array.from({ length: FLOWS }, (_, index): FlowMod => {
    const flow = parseFlow(
      `table=20,priority=100,reg0=${index & 15},dl_dst=02:00:00:00:${hex(index >> 8)}:${hex(index & 255)},actions=output:2`,
    )
    return { type: 'flowMod', command: 'add', cookieMask: 0n, ...flow }
  })
  return [await measure(NAME, 'messages/s', 5, () => push(flows))]
}

async function push(flows: FlowMod[]): Promise<number> {
  const clock = new VirtualClock()
  const arena = new FrameArena()
  const events = { transmit: () => {}, drop: () => {}, message: () => {} }
  const bridge = new Switch({ name: 'bench/br0', host: 'bench', datapathId: 1n, arena, clock, events })
  const [near, far] = memoryChannelPair(clock, { latency: 0, names: ['controller', 'switch'] })
  new Agent(bridge).connect(far)
  const connection = new Connection(near)
  const seconds = await secondsOf(async () => {
    connection.batch(() => {
      for (const flow of flows) connection.send(flow)
    })
    await clock.runUntil(connection.request({ type: 'barrierRequest' }))
  })
  return flows.length / seconds
}

const hex = (octet: number) => octet.toString(16).padStart(2, '0')
