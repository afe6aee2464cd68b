// The conversation of a host process with one controller: it says which host it is, and is told all that it is to run.

import { Connection } from '../../protocols/control/connection.ts'
import type { HostConfig, HostStatus, Message } from '../../protocols/control/messages.ts'
import { asRefusal } from '../../protocols/control/refused.ts'
import type { Channel } from '../../runtime/transport.ts'
import { VERSION } from '../control/session.ts'

export interface HostSessionOptions {
  channel: Channel
  /** Of the host. */
  name: string
  /** The controller has spoken. */
  agreed: () => void
  /** Makes the host what the controller says; resolves with how it is then. Rejects with Refused. */
  configure: (config: HostConfig) => Promise<HostStatus>
  log: (line: string) => void
}

/** Begins the conversation, in the turn that gave out the channel. */
export function beginHostSession({ channel, name, agreed, configure, log }: HostSessionOptions): Connection {
  const connection = new Connection(channel)
  const answer = async (config: HostConfig, xid: number) => {
    try {
      connection.send(await configure(config), xid)
    } catch (error) {
      const { code, field, message } = asRefusal(error)
      log(`${channel.peer}: ${message}`)
      connection.sendError({ code, field, message }, xid)
    }
  }
  connection.onMessage = (message: Message, xid) => {
    switch (message.type) {
      case 'hello':
        return agreed()
      case 'hostConfig':
        return void answer(message, xid)
      case 'echoRequest':
        return void connection.send({ type: 'echoReply', data: message.data }, xid)
      case 'error':
        return log(`${channel.peer}: ${message.message}`)
      default:
      // It asks for the features that a switch would have; that we said hello as a host is the answer.
    }
  }
  connection.send({ type: 'hello', version: VERSION })
  connection.send({ type: 'hostHello', version: VERSION, name })
  return connection
}
