// The process that runs the switches of one host, at the far end of a connection.

import type { Connection } from '../../protocols/control/connection.ts'
import type { HostConfig, HostStatus, Message, MessageOf } from '../../protocols/control/messages.ts'
import type { Clock } from '../../runtime/clock.ts'
import { answered } from './patience.ts'

export class RemoteHost {
  readonly name: string
  /** As it last said. */
  status: HostStatus = { type: 'hostStatus', wires: [], problem: '' }
  onStatus: () => void = () => {}
  onClose: () => void = () => {}
  readonly #connection: Connection
  readonly #clock: Clock

  constructor(connection: Connection, clock: Clock, { name }: MessageOf<'hostHello'>) {
    this.name = name
    this.#connection = connection
    this.#clock = clock
    connection.onMessage = (message, xid) => this.#receive(message, xid)
    connection.onClose = () => this.onClose()
  }

  get peer(): string {
    return this.#connection.peer
  }

  close(): void {
    this.#connection.close()
  }

  /** Closes, and says why, for the log of the other end. */
  dismiss(why: string): void {
    this.#connection.sendError({ code: 'OFPHFC_EPERM', message: why }, 0)
    this.#connection.close()
  }

  /** Tells the host all that it is to run; resolves when it does, or has said why not. Rejects with ConnectionClosed or ControlError. */
  async configure(config: HostConfig): Promise<void> {
    this.#heard(await answered(this.#clock, this.#connection, this.#connection.request(config)))
  }

  #receive(message: Message, xid: number): void {
    if (message.type === 'hostStatus') this.#heard(message)
    else if (message.type === 'echoRequest') this.#connection.send({ type: 'echoReply', data: message.data }, xid)
  }

  #heard(status: HostStatus): void {
    this.status = status
    this.onStatus()
  }
}
