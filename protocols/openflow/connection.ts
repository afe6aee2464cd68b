// One end of an OpenFlow 1.3 channel: says hello, agrees on the version, and from then on messages go both ways.

import type { Channel } from '../../runtime/transport.ts'
import type { Conversation } from '../control/conversation.ts'
import { Mailbox, nextPart } from '../control/mailbox.ts'
import type { ErrorCode, Message, MessageType } from '../control/messages.ts'
import type { Refused } from '../control/refused.ts'
import { asRefusal } from '../control/refused.ts'
import { Malformed } from '../errors.ts'
import { BundleHeads } from './bundle-heads.ts'
import { ByteReader } from './byte-reader.ts'
import type { Forms, Opened } from './codec.ts'
import { decodeBody, encodeOpenFlow, openMessage } from './codec.ts'
import { encodeError, encodeHelloFailed } from './errors.ts'
import { courtesyFor } from './experimenter/courtesies.ts'
import type { PacketInFormat } from './experimenter/nicira.ts'
import { MessageReader, MessageWriter } from './framing.ts'
import type { Header } from './header.ts'
import { Experimenter, MessageCode, MultipartCode, readHeader, wireKey } from './header.ts'
import { agreesOn13, decodeHello, OFFER } from './hello.ts'
import { NICIRA_ROLE_REQUEST } from './messages/role.ts'
import { Reassembly } from './reassembly.ts'

const MAXIMUM_XID = 0xffffffff
/** What requests in parts, and replies in parts, may take until they are whole. */
const REQUEST_LIMIT = 1 << 22
const REPLY_LIMIT = 1 << 25
/** NXT_ROLE_REQUESTs that are not answered. */
const MAXIMUM_ROLE_REQUESTS = 16

/** Said to nobody's request: xid 0, and of no use to one who has not said hello. */
const NOTICES: ReadonlySet<MessageType> = new Set<MessageType>(['packetIn', 'portStatus', 'flowRemoved', 'roleStatus'])

interface UnderWay {
  xid: number
  bytes: Uint8Array
}

export class OpenFlowConnection implements Conversation {
  onMessage: (message: Message, xid: number) => void = () => {}
  onRefused: (xid: number) => void = () => {}
  onDrain: () => void = () => {}
  onClose: () => void = () => {}
  /** Hears each whole message that either end sends once they agree. */
  onMessageBytes: ((bytes: Uint8Array) => void) | undefined
  /** Called once, when both have said hello and agree on OpenFlow 1.3; no message comes before it. */
  onAgreed: () => void = () => {}

  readonly #channel: Channel
  readonly #mailbox: Mailbox
  readonly #reader = new MessageReader()
  readonly #requests = new Reassembly(REQUEST_LIMIT)
  readonly #replies = new Reassembly(REPLY_LIMIT)
  readonly #bundleHeads = new BundleHeads()
  readonly #niciraRoles = new Set<number>()
  #packetInFormat: PacketInFormat = 'openflow'
  /** What was sent before the other end said hello, in order. */
  #early: Uint8Array[] | undefined = []
  #underWay: UnderWay | undefined
  #lastXid = 0
  #closed = false

  /** Takes over the channel's handlers and says hello; made in the turn that gave out the channel, it misses nothing. */
  constructor(channel: Channel) {
    this.#channel = channel
    this.#mailbox = new Mailbox(channel, new MessageWriter(), (bytes) => this.#heed(bytes))
    channel.onData = (bytes) => this.#receive(bytes)
    channel.onDrain = () => {
      this.#mailbox.work()
      this.onDrain()
    }
    channel.onClose = () => this.#end()
    for (const bytes of encodeOpenFlow({ xid: this.#nextXid(), message: { type: 'hello', ...OFFER } }))
      this.#write(bytes)
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

  /** Both have said hello and agree on OpenFlow 1.3. */
  get agreed(): boolean {
    return this.#early === undefined && !this.#closed
  }

  /**
   * Sends a message once the other end has said hello; what tells of events before then is not sent. A hello is not sent: the
   * connection has said its own.
   * @throws RangeError a message that OpenFlow 1.3 does not have; Refused an action that has no form in it. Nothing is sent.
   */
  send(message: Message, xid = NOTICES.has(message.type) ? 0 : this.#nextXid()): number {
    if (message.type === 'hello') return xid
    const parts = encodeOpenFlow({ xid, message }, this.#formsFor(xid))
    this.#bundleHeads.answered(xid)
    if (this.#early === undefined) for (const bytes of parts) this.#write(bytes)
    else if (!NOTICES.has(message.type)) this.#early.push(...parts)
    return xid
  }

  reply(parts: Iterable<Message>, xid: number): void {
    this.#mailbox.reply(nextPart(this, parts, xid))
  }

  /** Sends a whole message as it is, once both have agreed. */
  sendBytes(bytes: Uint8Array): void {
    if (this.agreed) this.#mailbox.send(bytes)
  }

  sendError({ code }: { code: ErrorCode; field?: string; message: string }, xid: number): void {
    const current = this.#underWay?.xid === xid ? this.#underWay.bytes : undefined
    const data = current ?? this.#bundleHeads.find(xid) ?? new Uint8Array(0)
    this.#write(encodeError(code, data, xid))
    this.#bundleHeads.answered(xid)
  }

  batch<T>(work: () => T): T {
    return this.#mailbox.batch(work)
  }

  close(): void {
    this.#mailbox.close()
    this.#channel.close()
    this.#end()
  }

  #formsFor(xid: number): Forms {
    return { packetIn: this.#packetInFormat, niciraRole: this.#niciraRoles.delete(xid) }
  }

  /** From 1 up and round again; 0 means unasked. */
  #nextXid(): number {
    this.#lastXid = this.#lastXid === MAXIMUM_XID ? 1 : this.#lastXid + 1
    return this.#lastXid
  }

  #write(bytes: Uint8Array): void {
    if (this.agreed) this.onMessageBytes?.(bytes)
    this.#mailbox.send(bytes)
  }

  #end(): void {
    if (this.#closed) return
    this.#closed = true
    this.#early = undefined
    this.#mailbox.close()
    this.onClose()
  }

  #receive(bytes: Uint8Array): void {
    if (!this.#closed) this.#orClose(() => this.#mailbox.receive(this.#reader.push(bytes)))
  }

  #heed(bytes: Uint8Array): void {
    this.#orClose(() => (this.#early === undefined ? this.#take(bytes) : this.#greet(bytes)))
  }

  /** Bytes that are no message end the connection. */
  #orClose(work: () => void): void {
    try {
      work()
    } catch (error) {
      if (!(error instanceof Malformed)) throw error
      this.close()
    }
  }

  /** OpenFlow 1.3 §6.3.1. */
  #greet(bytes: Uint8Array): void {
    const { type, xid } = readHeader(new ByteReader(bytes))
    if (type === MessageCode.Error) return this.close()
    const offer = type === MessageCode.Hello ? decodeHello(bytes) : undefined
    if (offer !== undefined && agreesOn13(offer)) return this.#agree()
    const problem = offer === undefined ? 'expected a hello' : 'only OpenFlow 1.3 (version 0x04) is spoken here'
    this.#write(encodeHelloFailed(problem, xid))
    this.close()
  }

  #agree(): void {
    const early = this.#early ?? []
    this.#early = undefined
    for (const bytes of early) this.#write(bytes)
    this.onAgreed()
  }

  #take(bytes: Uint8Array): void {
    const header = readHeader(new ByteReader(bytes))
    if (header.type === MessageCode.Hello) return
    this.onMessageBytes?.(bytes)
    this.#underWay = { xid: header.xid, bytes }
    const message = this.#decode(bytes, header)
    if (message !== undefined) this.#deliver(message, header.xid, bytes)
    this.#underWay = undefined
  }

  /** Undefined where nobody has to know: refused, a part of more to come, or answered here. */
  #decode(bytes: Uint8Array, { type, xid }: Header): Message | undefined {
    try {
      const opened = openMessage(bytes)
      if (this.#answer(opened)) return undefined
      const whole = this.#reassemble(opened)
      return whole === undefined ? undefined : decodeBody(whole)
    } catch (error) {
      if (error instanceof Malformed) throw error
      this.#refuse(asRefusal(error), type, xid)
      return undefined
    }
  }

  /** What is done with here. */
  #answer({ wire, body, xid }: Opened): boolean {
    if (wireKey(wire) === wireKey(NICIRA_ROLE_REQUEST.wire)) this.#rememberRole(xid)
    const courtesy = courtesyFor(wire)
    if (courtesy === undefined) return false
    courtesy.read(new ByteReader(body))
    if (courtesy.reply !== undefined) this.#write(courtesy.reply(xid))
    return true
  }

  #rememberRole(xid: number): void {
    if (this.#niciraRoles.size >= MAXIMUM_ROLE_REQUESTS) this.#niciraRoles.clear()
    this.#niciraRoles.add(xid)
  }

  /** Statistics and updates of flows are handed on part by part: they say themselves that more follow. */
  #reassemble(opened: Opened): Opened | undefined {
    const { message, multipart, experimenter } = opened.wire
    if (message === MessageCode.MultipartRequest) return this.#requests.add(opened)
    if (message !== MessageCode.MultipartReply) return opened
    const comesInParts = multipart === MultipartCode.Flow || experimenter === Experimenter.Onf
    return comesInParts ? opened : this.#replies.add(opened)
  }

  #deliver(message: Message, xid: number, bytes: Uint8Array): void {
    if (message.type === 'setPacketInFormat') this.#packetInFormat = message.format
    this.#bundleHeads.note(message, xid, bytes)
    this.onMessage(message, xid)
  }

  #refuse(refusal: Refused, type: number, xid: number): void {
    // Two ends that refuse each other's errors would never stop.
    if (type !== MessageCode.Error) this.sendError(refusal, xid)
    this.onRefused(xid)
  }
}
