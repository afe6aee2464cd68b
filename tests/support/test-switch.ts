// A switch whose outside world writes down what it hears.

import type { FrameHandle } from '../../datapath/frames.ts'
import { FrameArena } from '../../datapath/frames.ts'
import type { Port } from '../../datapath/port.ts'
import type { SwitchOptions } from '../../datapath/switch.ts'
import { Switch } from '../../datapath/switch.ts'
import type { Message, PortConfig } from '../../protocols/control/messages.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'

export { flowMod } from './test-tables.ts'

/** One end of a frame, as text: `2: 0102…` for a copy that left through port 2, `drop table_miss` for one that ended. */
export interface TestSwitch {
  sw: Switch
  arena: FrameArena
  clock: VirtualClock
  messages: Message[]
  /** Of each of these, the controller that asked for what it tells of. */
  askedBy: Map<Message, object>
  /** Takes what was heard since it was last asked: port number and bytes in hexadecimal, or the reason of a drop. */
  heard(): string[]
  receive(bytes: Uint8Array, port: number): string[]
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

export function testSwitch(
  ports: Partial<PortConfig>[] = [],
  options: Pick<SwitchOptions, 'maxFlows' | 'cache' | 'stopwatch'> = {},
): TestSwitch {
  const arena = new FrameArena()
  const clock = new VirtualClock()
  const messages: Message[] = []
  const askedBy = new Map<Message, object>()
  let log: string[] = []
  const transmit = (port: Port, frame: FrameHandle) => {
    log.push(`${port.number}: ${hex(arena.read(frame))}`)
    arena.release(frame)
  }
  const sw = new Switch({
    name: 'h1/br-int',
    host: 'h1',
    datapathId: 1n,
    arena,
    clock,
    events: {
      transmit,
      transmitAll: (port, frames, start, end) => frames.subarray(start, end).forEach((frame) => transmit(port, frame)),
      drop(_frame, reason, at) {
        log.push(at.port ? `drop ${reason} at ${at.port.number}` : `drop ${reason}`)
      },
      message(message, by) {
        messages.push(message)
        if (by !== undefined) askedBy.set(message, by)
      },
    },
    ...options,
  })
  for (const [index, port] of ports.entries()) sw.ports.add(portConfig({ number: index + 1, ...port }))
  const heard = () => {
    const taken = log
    log = []
    return taken
  }
  return {
    sw,
    arena,
    clock,
    messages,
    askedBy,
    heard,
    receive(bytes, port) {
      sw.receive([arena.allocateFrom(bytes)], 1, port)
      return heard()
    },
  }
}

/** An open uplink, but for what is given. */
export const portConfig = (given: Partial<PortConfig>): PortConfig => ({
  number: 0,
  name: `p${given.number ?? ''}`,
  type: 'uplink',
  state: 'open',
  ...given,
})
