// A switch with an agent, and controllers connected to it over channels in memory.

import { Agent } from '../../datapath/control/agent.ts'
import { FrameArena } from '../../datapath/frames.ts'
import type { SwitchOptions } from '../../datapath/switch.ts'
import { Switch } from '../../datapath/switch.ts'
import { Connection } from '../../protocols/control/connection.ts'
import type { Message, MessageOf, MessageType } from '../../protocols/control/messages.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import type { Channel } from '../../runtime/transport.ts'
import { memoryChannelPair } from '../../runtime/transport.ts'

const LATENCY = 1000

/** A controller's end of the conversation, and all it heard that answers no request. */
export interface TestController {
  connection: Connection
  channel: Channel
  heard: { message: Message; xid: number }[]
  /** The errors heard so far: code, field and xid. */
  errors(): { code: string; field: string; xid: number }[]
  of<T extends MessageType>(type: T): MessageOf<T>[]
  send(message: Message): number
  /** Resolves when all that was sent before has been carried out. */
  barrier(): Promise<void>
}

export interface ControlledSwitch {
  device: Switch
  agent: Agent
  arena: FrameArena
  clock: VirtualClock
  /** What left: `2: 0102…` for a frame out of port 2. */
  sent: string[]
  drops: string[]
  controller(): TestController
}

export function controlledSwitch(options: Pick<SwitchOptions, 'maxFlows' | 'cache'> = {}): ControlledSwitch {
  const arena = new FrameArena()
  const clock = new VirtualClock()
  const sent: string[] = []
  const drops: string[] = []
  const device: Switch = new Switch({
    name: 'h1/br-int',
    host: 'h1',
    datapathId: 0x0123456789abcdefn,
    arena,
    clock,
    events: {
      transmit(port, frame) {
        sent.push(`${port.number}: ${Buffer.from(arena.read(frame)).toString('hex')}`)
        arena.release(frame)
      },
      drop: (_frame, reason) => void drops.push(reason),
      message: (message, by) => agent.publish(message, by),
    },
    ...options,
  })
  const agent = new Agent(device)
  return { device, agent, arena, clock, sent, drops, controller: () => connect(agent, clock) }
}

function connect(agent: Agent, clock: VirtualClock): TestController {
  const [near, far] = memoryChannelPair(clock, { latency: LATENCY, names: ['controller', 'switch'] })
  const connection = new Connection(near)
  agent.connect(far)
  const heard: TestController['heard'] = []
  connection.onMessage = (message, xid) => void heard.push({ message, xid })
  const of = <T extends MessageType>(type: T) =>
    heard.map(({ message }) => message).filter((message): message is MessageOf<T> => message.type === type)
  return {
    connection,
    channel: near,
    heard,
    of,
    errors: () =>
      heard.flatMap(({ message, xid }) =>
        message.type === 'error' ? [{ code: message.code, field: message.field, xid }] : [],
      ),
    send: (message) => connection.send(message),
    async barrier() {
      await clock.runUntil(connection.request({ type: 'barrierRequest' }))
    },
  }
}
