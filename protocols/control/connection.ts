// One end of a conversation: envelopes over a channel, replies matched to their requests by xid.

import type { Channel } from '../../runtime/transport.ts'
import { InvalidField, Malformed } from '../errors.ts'
import { type Decode, decodeEnvelope, encodeEnvelope, envelopeXid } from './codec.ts'
import type { Conversation } from './conversation.ts'
import { FrameReader, FrameWriter } from './framing.ts'
import { Mailbox, nextPart } from './mailbox.ts'
import type { ErrorCode, Message, MessageOf, MessageType } from './messages.ts'

/** Which message answers which. */
export const REPLIES = {
  echoRequest: 'echoReply',
  featuresRequest: 'featuresReply',
  configRequest: 'configReply',
  queueConfigRequest: 'queueConfigReply',
  roleRequest: 'roleReply',
  asyncConfigRequest: 'asyncConfigReply',
  barrierRequest: 'barrierReply',
  bundleControl: 'bundleControlReply',
  descriptionRequest: 'descriptionReply',
  flowStatisticsRequest: 'flowStatisticsReply',
  aggregateStatisticsRequest: 'aggregateStatisticsReply',
  tableStatisticsRequest: 'tableStatisticsReply',
  tableFeaturesRequest: 'tableFeaturesReply',
  tableDescriptionRequest: 'tableDescriptionReply',
  portStatisticsRequest: 'portStatisticsReply',
  portDescriptionRequest: 'portDescriptionReply',
  queueStatisticsRequest: 'queueStatisticsReply',
  groupStatisticsRequest: 'groupStatisticsReply',
  groupDescriptionRequest: 'groupDescriptionReply',
  groupFeaturesRequest: 'groupFeaturesReply',
  meterStatisticsRequest: 'meterStatisticsReply',
  meterConfigRequest: 'meterConfigReply',
  meterFeaturesRequest: 'meterFeaturesReply',
  flowMonitorRequest: 'flowMonitorReply',
  heldFramesRequest: 'heldFramesReply',
  vnicStateRequest: 'vnicStateReply',
  hostConfig: 'hostStatus',
} as const satisfies Partial<Record<MessageType, MessageType>>

export type RequestType = keyof typeof REPLIES
export type ReplyTo<T extends RequestType> = MessageOf<(typeof REPLIES)[T]>

/** Requests whose replies may come in parts. */
export type PartedRequestType =
  'flowStatisticsRequest' | 'flowMonitorRequest' | 'heldFramesRequest' | 'vnicStateRequest'

/** The other end's refusal. `field` is the path of the offending field in the refused message, '' where none is to blame. */
export class ControlError extends Error {
  readonly code: ErrorCode
  readonly field: string

  constructor(code: ErrorCode, field: string, message: string) {
    super(message)
    this.name = 'ControlError'
    this.code = code
    this.field = field
  }
}

/** The channel closed before the answer came. */
export class ConnectionClosed extends Error {
  constructor(peer: string, why = '') {
    super(`the connection with ${peer} closed${why === '' ? '' : `: ${why}`}`)
    this.name = 'ConnectionClosed'
  }
}

interface Pending {
  readonly request: RequestType
  readonly parts: Message[]
  resolve(parts: Message[]): void
  reject(error: Error): void
}

const MAXIMUM_XID = 0xffffffff
/** What a connection that says little needs. */
const FIRST_BLOCK = 1 << 10

/** Said to nobody's request and expecting no answer: xid 0. */
const NOTICES: ReadonlySet<MessageType> = new Set<MessageType>([
  'hello',
  'packetIn',
  'portStatus',
  'roleStatus',
  'flowRemoved',
  'flowMonitorReply',
  'flowMonitorPaused',
  'flowMonitorResumed',
  'hostHello',
  'hostStatus',
])

/** A conversation in control.proto. */
export class Connection implements Conversation {
  /**
   * Everything that answers no request of ours, in order; `xid` is what a reply or an error to it carries. An `error` arrives
   * here when it refuses a message that was sent, not requested.
   */
  onMessage: (message: Message, xid: number) => void = () => {}
  /** A message with this xid was not of the agreed shape and has been refused: `onMessage` will not hear of it. */
  onRefused: (xid: number) => void = () => {}
  /** Called when all that had piled up has left. */
  onDrain: () => void = () => {}
  /** Called once, after all pending requests have been rejected. */
  onClose: () => void = () => {}

  readonly #channel: Channel
  readonly #decode: Decode
  readonly #mailbox: Mailbox
  readonly #reader = new FrameReader()
  readonly #pending = new Map<number, Pending>()
  #lastXid = 0
  #closed = false
  #whyClosed = ''

  /** Takes over the channel's handlers; made in the turn that gave out the channel, it misses nothing. */
  constructor(channel: Channel, decode: Decode = decodeEnvelope) {
    this.#channel = channel
    this.#decode = decode
    this.#mailbox = new Mailbox(channel, new FrameWriter(FIRST_BLOCK), (envelope) => this.#take(envelope))
    channel.onData = (bytes) => this.#receive(bytes)
    channel.onDrain = () => {
      this.#mailbox.work()
      this.onDrain()
    }
    channel.onClose = () => this.#end()
  }

  get peer(): string {
    return this.#channel.peer
  }

  get closed(): boolean {
    return this.#closed
  }

  get backlog(): number {
    return this.#mailbox.backlog
  }

  get patient(): boolean {
    return this.#mailbox.patient
  }

  set patient(patient: boolean) {
    this.#mailbox.patient = patient
  }

  /**
   * Sends a message that is answered by nothing but perhaps an error. A reply takes the `xid` of its request; otherwise leave
   * it out: a notice goes out with 0, anything else with a fresh xid, which is returned.
   * @throws InvalidField a value that does not fit on the wire; nothing is sent.
   */
  send(message: Message, xid = NOTICES.has(message.type) ? 0 : this.#nextXid()): number {
    this.#mailbox.send(encodeEnvelope({ xid, message }))
    return xid
  }

  reply(parts: Iterable<Message>, xid: number): void {
    this.#mailbox.reply(nextPart(this, parts, xid))
  }

  /** Refuses the message that came with `xid`. */
  sendError(error: { code: ErrorCode; field?: string; message: string }, xid: number): void {
    this.send({ type: 'error', code: error.code, field: error.field ?? '', message: error.message }, xid)
  }

  /** The reply. Rejects with ControlError where the other end refuses, with ConnectionClosed where no answer can come any more. */
  async request<T extends Exclude<RequestType, PartedRequestType>>(message: MessageOf<T>): Promise<ReplyTo<T>> {
    const [reply] = await this.#ask(message)
    return reply as ReplyTo<T>
  }

  /** All parts of the reply, in order; rejects as `request` does. */
  async requestAll<T extends PartedRequestType>(message: MessageOf<T>): Promise<ReplyTo<T>[]> {
    return (await this.#ask(message)) as ReplyTo<T>[]
  }

  /**
   * Runs `work`; what it sends before it returns leaves together, in order. For speed: one write instead of thousands. What
   * is sent while a chunk is being received is batched in the same way.
   */
  batch<T>(work: () => T): T {
    return this.#mailbox.batch(work)
  }

  /** Closes both directions. What was sent before still arrives; pending requests reject. */
  close(): void {
    this.#mailbox.close()
    this.#channel.close()
    this.#end()
  }

  #ask(message: Message & { type: RequestType }): Promise<Message[]> {
    if (this.#closed) return Promise.reject(new ConnectionClosed(this.peer))
    return new Promise((resolve, reject) => {
      const xid = this.send(message, this.#nextXid())
      this.#pending.set(xid, { request: message.type, parts: [], resolve, reject })
    })
  }

  /** From 1 up and round again, past those still in use; 0 means unasked. */
  #nextXid(): number {
    do this.#lastXid = this.#lastXid === MAXIMUM_XID ? 1 : this.#lastXid + 1
    while (this.#pending.has(this.#lastXid))
    return this.#lastXid
  }

  #receive(bytes: Uint8Array): void {
    if (this.#closed) return
    try {
      this.#mailbox.receive(this.#reader.push(bytes))
    } catch (error) {
      this.#refuseBytes(error, 0)
    }
  }

  #take(envelope: Uint8Array): void {
    let decoded
    try {
      decoded = this.#decode(envelope)
    } catch (error) {
      return this.#refuse(error, envelopeXid(envelope))
    }
    this.#dispatch(decoded.message, decoded.xid)
  }

  #dispatch(message: Message, xid: number): void {
    const pending = this.#pending.get(xid)
    if (pending === undefined) return this.onMessage(message, xid)
    if (message.type === 'error') {
      this.#settle(xid)?.reject(new ControlError(message.code, message.field, message.message))
    } else if (message.type === REPLIES[pending.request]) {
      pending.parts.push(message)
      if (!('more' in message && message.more)) this.#settle(xid)?.resolve(pending.parts)
    } else this.onMessage(message, xid) // the other end's own request, which happens to have the same number
  }

  #settle(xid: number): Pending | undefined {
    const pending = this.#pending.get(xid)
    this.#pending.delete(xid)
    return pending
  }

  /** An envelope of the wrong shape costs its sender an answer, or our own request its reply; bytes that are none, the channel. */
  #refuse(error: unknown, xid: number): void {
    if (!(error instanceof InvalidField)) return this.#refuseBytes(error, xid)
    const pending = this.#settle(xid)
    if (pending) return pending.reject(error)
    this.sendError({ code: error.code, field: error.path, message: error.message }, xid)
    this.onRefused(xid)
  }

  #refuseBytes(error: unknown, xid: number): void {
    if (!(error instanceof Malformed)) throw error
    this.sendError({ code: 'bad_request', message: error.message }, xid)
    this.#whyClosed = `what it says can not be read: ${error.message}`
    this.close()
  }

  #end(): void {
    if (this.#closed) return
    this.#closed = true
    this.#mailbox.close()
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    for (const one of pending) one.reject(new ConnectionClosed(this.peer, this.#whyClosed))
    this.onClose()
  }
}
