// The switch's side of the control protocol. It may have any number of controllers, and none: flows stay, and what would have
// gone up to a controller goes nowhere (Open vSwitch's fail_mode=secure).

import { Connection } from '../../protocols/control/connection.ts'
import type { Message } from '../../protocols/control/messages.ts'
import type { Channel } from '../../runtime/transport.ts'
import type { Switch } from '../switch.ts'
import { Session } from './session.ts'

export class Agent {
  readonly #device: Switch
  readonly #sessions = new Map<Connection, Session>()

  constructor(device: Switch) {
    this.#device = device
  }

  /** Controllers that are connected now. */
  get controllers(): number {
    return this.#sessions.size
  }

  /** Begins a conversation with a controller; to be called in the turn that gave out the channel. */
  connect(channel: Channel): Connection {
    const connection = new Connection(channel)
    this.#sessions.set(connection, new Session(this.#device, connection))
    connection.onClose = () => this.#sessions.delete(connection)
    return connection
  }

  /** Tells every controller: packetIn, flowRemoved, portStatus. */
  publish(message: Message): void {
    for (const session of this.#sessions.values()) session.tell(message)
  }
}
