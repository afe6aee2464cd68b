// What comes and goes on a channel, the same on every wire: messages that leave together, and messages that wait for their turn
// while the other end does not read what it asked for.

import type { Channel } from '../../runtime/transport.ts'
import type { Conversation } from './conversation.ts'
import type { Message } from './messages.ts'
import { asRefusal } from './refused.ts'

/** A batch goes out in writes of about this size. */
const WRITE_SIZE = 1 << 18
/** Once so many bytes have not left, what was asked for waits (Open vSwitch's OFCONN_REPLY_MAX counts messages: 100). */
const REPLY_BACKLOG = 1 << 18
/**
 * Bytes of a reply that a reader who keeps up is given at a time: some ten flows, a tenth of a millisecond. Then the frames that have come
 * meanwhile have their turn, of which Node takes 32 datagrams.
 */
const TURN = 1 << 9

/** Gathers messages into bytes. */
interface Gatherer {
  /** Bytes gathered so far. */
  readonly size: number
  add(message: Uint8Array): void
  /** What has been gathered since it was last taken, valid until the next `add`. */
  take(): Uint8Array
}

/** One message of a reply more; false where there is none left. */
type NextPart = () => boolean

export class Mailbox {
  /** See Conversation. */
  patient = false
  readonly #channel: Channel
  readonly #out: Gatherer
  readonly #take: (message: Uint8Array) => void
  #waiting: Uint8Array[] = []
  #replies: NextPart[] = []
  #depth = 0
  /** Bytes that left since this turn began. */
  #sent = 0
  #working = false
  #paused = false
  /** It will be worked in a later turn. */
  #awaited = false
  #closed = false

  /** Each message that has come and whose turn it is goes to `take`. */
  constructor(channel: Channel, out: Gatherer, take: (message: Uint8Array) => void) {
    this.#channel = channel
    this.#out = out
    this.#take = take
  }

  /** Bytes sent that have not left yet. */
  get backlog(): number {
    return this.#channel.backlog + this.#out.size
  }

  send(message: Uint8Array): void {
    if (this.#closed) return
    this.#out.add(message)
    if (this.#depth === 0 || this.#out.size >= WRITE_SIZE) this.#flush()
  }

  batch<T>(work: () => T): T {
    this.#depth++
    try {
      return work()
    } finally {
      if (--this.#depth === 0) this.#flush()
    }
  }

  /** Messages that have come, behind those that wait. */
  receive(messages: Uint8Array[]): void {
    if (this.#waiting.length === 0) this.#waiting = messages
    else this.#waiting.push(...messages)
    this.work()
  }

  /** A reply in parts, each made when there is room for it. What came behind its request waits until it is whole. */
  reply(next: NextPart): void {
    this.#replies.push(next)
    this.work()
  }

  /** Goes on with what waits: to be called when the channel has drained. */
  work(): void {
    if (this.#working) return
    this.#working = true
    this.#sent = 0
    try {
      this.batch(() => this.#workThrough())
    } finally {
      this.#working = false
    }
  }

  /** Sends what is gathered and forgets what waits. */
  close(): void {
    this.#flush()
    this.#closed = true
    this.#waiting = []
    this.#replies = []
  }

  #workThrough(): void {
    let taken = 0
    while (!this.#closed && !this.#isBehind()) {
      const [reply] = this.#replies
      if (reply !== undefined) {
        if (this.patient && this.#sent + this.#out.size >= TURN) {
          this.#workLater()
          break
        }
        if (!reply()) this.#replies.shift()
        continue
      }
      const message = this.#waiting[taken]
      if (message === undefined) break
      taken++
      this.#take(message)
    }
    if (taken > 0) this.#waiting.splice(0, taken)
    this.#readOn()
  }

  /** Enough for now; the channel says when it has drained. */
  #isBehind(): boolean {
    return this.patient && (this.#channel.backlog >= REPLY_BACKLOG || this.#sent >= REPLY_BACKLOG)
  }

  #workLater(): void {
    if (this.#awaited) return
    this.#awaited = true
    this.#channel.later(() => {
      this.#awaited = false
      this.work()
    })
  }

  #readOn(): void {
    const pause = this.#replies.length > 0 || this.#isBehind()
    if (pause === this.#paused || this.#closed) return
    this.#paused = pause
    if (pause) this.#channel.pause()
    else this.#channel.resume()
  }

  #flush(): void {
    if (this.#out.size === 0) return
    this.#sent += this.#out.size
    this.#channel.send(this.#out.take())
  }
}

/** Sends the parts one by one. What can not be said on this wire ends the reply with an error. */
export function nextPart(conversation: Conversation, parts: Iterable<Message>, xid: number): NextPart {
  const iterator = parts[Symbol.iterator]()
  return () => {
    try {
      const { done, value } = iterator.next()
      if (done !== true) conversation.send(value, xid)
      return done !== true
    } catch (error) {
      conversation.sendError(asRefusal(error), xid)
      return false
    }
  }
}
