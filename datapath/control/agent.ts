// The switch's side of the control protocol. It may have any number of controllers, and none: flows stay, and what would have
// gone up to a controller goes nowhere (Open vSwitch's fail_mode=secure).

import { Connection } from '../../protocols/control/connection.ts'
import type { Conversation } from '../../protocols/control/conversation.ts'
import type { Message } from '../../protocols/control/messages.ts'
import type { Channel } from '../../runtime/transport.ts'
import type { Switch } from '../switch.ts'
import { Roles } from './roles.ts'
import { Session } from './session.ts'
import type { Dialect } from './subscription.ts'

export class Agent {
  readonly #device: Switch
  readonly #roles = new Roles()
  readonly #sessions = new Set<Session>()

  constructor(device: Switch) {
    this.#device = device
  }

  /** Controllers that are connected now. */
  get controllers(): number {
    return this.#sessions.size
  }

  /** Begins a conversation over the control protocol; to be called in the turn that gave out the channel. */
  connect(channel: Channel): Connection {
    const connection = new Connection(channel)
    this.converse(connection, 'control')
    return connection
  }

  /** Begins a conversation that is on its way already. */
  converse(conversation: Conversation, dialect: Dialect): void {
    const session = new Session({ device: this.#device, conversation, roles: this.#roles, dialect })
    this.#sessions.add(session)
    const before = conversation.onClose
    conversation.onClose = () => {
      this.#sessions.delete(session)
      session.end()
      before()
    }
  }

  /** Tells the controllers what they hear of: packetIn, flowRemoved, portStatus. */
  publish(message: Message): void {
    for (const session of this.#sessions) session.tell(message)
  }
}
