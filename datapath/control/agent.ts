// The switch's side of the control protocol. It may have any number of controllers, and none: flows stay, and what would have
// gone up to a controller goes nowhere (Open vSwitch's fail_mode=secure).

import type { Decode } from '../../protocols/control/codec.ts'
import { Connection } from '../../protocols/control/connection.ts'
import type { Conversation } from '../../protocols/control/conversation.ts'
import type { Message, Role } from '../../protocols/control/messages.ts'
import type { Channel } from '../../runtime/transport.ts'
import type { Switch } from '../switch.ts'
import { Roles } from './roles.ts'
import { Session } from './session.ts'
import type { Dialect } from './subscription.ts'

export class Agent {
  readonly #device: Switch
  readonly #roles = new Roles()
  readonly #sessions = new Map<Conversation, Session>()
  /** Packet-ins that controllers have lost because they did not read those before. */
  lostPacketIns = 0

  constructor(device: Switch) {
    this.#device = device
  }

  /** Controllers that are connected now. */
  get controllers(): number {
    return this.#sessions.size
  }

  /** Begins a conversation over the control protocol; to be called in the turn that gave out the channel. */
  connect(channel: Channel, decode?: Decode): Connection {
    const connection = new Connection(channel, decode)
    this.converse(connection, 'control')
    return connection
  }

  /** Begins a conversation that is on its way already. */
  converse(conversation: Conversation, dialect: Dialect): void {
    const session = new Session({ device: this.#device, conversation, roles: this.#roles, dialect })
    this.#sessions.set(conversation, session)
    const before = conversation.onClose
    conversation.onClose = () => {
      this.#sessions.delete(conversation)
      session.end()
      before()
    }
  }

  /** The role of the controller at the other end, while it is there. */
  roleOf(conversation: Conversation): Role | undefined {
    return this.#sessions.get(conversation)?.role
  }

  /** Tells the controllers what they hear of, but for `by`: packetIn, flowRemoved, portStatus. */
  publish(message: Message, by?: object): void {
    for (const session of this.#sessions.values()) if (session !== by && !session.tell(message)) this.lostPacketIns++
  }
}
