// An OpenFlowConnection and what stands at the other end of its channel: bytes, or a second one.

import type { Message } from '../../protocols/control/messages.ts'
import { OpenFlowConnection } from '../../protocols/openflow/connection.ts'
import { decodeOpenFlow, encodeOpenFlow } from '../../protocols/openflow/codec.ts'
import { MessageReader } from '../../protocols/openflow/framing.ts'
import type { Channel } from '../../runtime/transport.ts'

/** A channel whose other end is the test itself: nothing takes time. */
export class RawChannel implements Channel {
  readonly peer = 'test'
  readonly backlog = 0
  onData: (bytes: Uint8Array) => void = () => {}
  onDrain: () => void = () => {}
  onClose: () => void = () => {}
  /** Every message that was sent, whole. */
  readonly sent: Uint8Array[] = []
  closed = false
  readonly #reader = new MessageReader()
  /** Put off to a later turn. */
  readonly #put: (() => void)[] = []

  send(bytes: Uint8Array): void {
    if (!this.closed) this.sent.push(...this.#reader.push(bytes.slice()).map((message) => message.slice()))
  }

  pause(): void {}

  resume(): void {}

  later(work: () => void): void {
    this.#put.push(work)
    setImmediate(() => this.goOn())
  }

  /** Does at once what was put off to a later turn. */
  goOn(): void {
    for (let work = this.#put.shift(); work !== undefined; work = this.#put.shift()) work()
  }

  close(): void {
    this.closed = true
  }
}

export const HELLO = encodeOpenFlow({ xid: 1, message: { type: 'hello', version: 4, versions: [4] } })[0]!

export interface RawEnd {
  channel: RawChannel
  connection: OpenFlowConnection
  /** What the connection handed on. */
  heard: { message: Message; xid: number }[]
  refused: number[]
  /** How often it has said that both agree. */
  agreements: number
  /** Takes what the connection has sent since it was last asked, decoded. */
  said(): { message: Message; xid: number }[]
  hears(bytes: Uint8Array): void
  asks(message: Message, xid: number): void
}

/** A connection that has heard `hello`. */
export function rawEnd(hello = HELLO): RawEnd {
  const end = unmetEnd()
  end.hears(hello)
  return end
}

/** A connection that waits for a hello. */
export function unmetEnd(): RawEnd {
  const channel = new RawChannel()
  const connection = new OpenFlowConnection(channel)
  const end: RawEnd = {
    channel,
    connection,
    heard: [],
    refused: [],
    agreements: 0,
    said: () => channel.sent.splice(0).map(decodeOpenFlow),
    hears: (bytes) => channel.onData(bytes),
    asks: (message, xid) => {
      for (const bytes of encodeOpenFlow({ xid, message })) channel.onData(bytes)
    },
  }
  connection.onMessage = (message, xid) => end.heard.push({ message, xid })
  connection.onAgreed = () => end.agreements++
  connection.onRefused = (xid) => end.refused.push(xid)
  channel.sent.splice(0)
  return end
}

/** Hexadecimal digits, with spaces for the reader. */
export const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
