// The switch's side of the control protocol. It may have any number of controllers, and none: flows stay, and what would have
// gone up to a controller goes nowhere (Open vSwitch's fail_mode=secure).

import { Connection } from '../../protocols/control/connection.ts'
import type { Conversation } from '../../protocols/control/conversation.ts'
import type { Message } from '../../protocols/control/messages.ts'
import type { Channel } from '../../runtime/transport.ts'
import type { Switch } from '../switch.ts'
import { Roles } from './roles.ts'
import { Session } from './session.ts'
import type { Subscription } from './subscription.ts'
import { HEARS_ALL } from './subscription.ts'

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
    this.converse(connection, HEARS_ALL)
    return connection
  }

  /** Begins a conversation, on whichever wire, with one that hears what `subscription` says until it asks for something else. */
  converse(conversation: Conversation, subscription: Subscription): void {
    const session = new Session({ device: this.#device, conversation, roles: this.#roles, subscription })
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
