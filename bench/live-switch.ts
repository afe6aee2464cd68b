// A switch of its own, in this process, that speaks with a controller over a channel in memory, or one that it is given.

import type { Controller } from '../controller/controller.ts'
import { Agent } from '../datapath/control/agent.ts'
import { FrameArena } from '../datapath/frames.ts'
import { Switch } from '../datapath/switch.ts'
import { type Channel, memoryChannelPair } from '../runtime/transport.ts'
import type { WallClock } from '../runtime/wall-clock.ts'

/** The integration bridge of a host; what is returned connects it to a controller. */
export function switchOf(host: string, clock: WallClock): (controller: Controller) => void {
  const { name, agent } = agentOf(host, clock)
  return (controller) => {
    const [near, far] = memoryChannelPair(clock, { latency: 0, names: [name, 'controller'] })
    agent.connect(near)
    controller.accept(far)
  }
}

/** Likewise, over the channel to a controller that is given. */
export function connectSwitch(host: string, clock: WallClock, channel: Channel): void {
  agentOf(host, clock).agent.connect(channel)
}

function agentOf(host: string, clock: WallClock): { name: string; agent: Agent } {
  const name = `${host}/br-int`
  const device: Switch = new Switch({
    name,
    host,
    datapathId: 1n,
    arena: new FrameArena(),
    clock,
    events: { transmit: () => {}, drop: () => {}, message: (message, by) => agent.publish(message, by) },
  })
  const agent = new Agent(device)
  return { name, agent }
}
