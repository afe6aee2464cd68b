// What a switch needs of a connection with a controller, whichever wire it is on: connection.ts for control.proto,
// protocols/openflow/connection.ts for OpenFlow.

import type { ErrorCode, Message } from './messages.ts'

export interface Conversation {
  /** Who is at the other end, for messages to people. */
  readonly peer: string
  readonly closed: boolean
  /** Bytes sent that have not left yet. */
  readonly backlog: number
  /**
   * Whether messages that come wait while the other end does not read what it was sent. For the end that answers: two that
   * waited would wait for each other.
   */
  patient: boolean
  /** Everything that answers no request of ours, in order; `xid` is what a reply or an error to it carries. */
  onMessage: (message: Message, xid: number) => void
  /** A message with this xid was not of the agreed shape and has been refused: `onMessage` will not hear of it. */
  onRefused: (xid: number) => void
  /** Called when all that had piled up has left. */
  onDrain: () => void
  /** Called once. */
  onClose: () => void
  /** A reply takes the `xid` of its request; otherwise leave it out. Gives the xid. */
  send(message: Message, xid?: number): number
  /** Sends a reply in parts, each made when the other end has room for it; what comes behind the request waits until then. */
  reply(parts: Iterable<Message>, xid: number): void
  /** Refuses the message that came with `xid`. */
  sendError(error: { code: ErrorCode; field?: string; message: string }, xid: number): void
  /** Runs `work`; what it sends before it returns leaves together, in order. */
  batch<T>(work: () => T): T
  /** Closes both directions. What was sent before still arrives. */
  close(): void
}
