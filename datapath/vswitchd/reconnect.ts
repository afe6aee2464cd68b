// The connection to one controller, made again whenever it is lost: Open vSwitch's rconn (lib/rconn.c, lib/reconnect.c).

import type { Conversation } from '../../protocols/control/conversation.ts'
import type { Clock, Nanoseconds, Timer } from '../../runtime/clock.ts'
import { SECOND } from '../../runtime/clock.ts'
import type { Channel } from '../../runtime/transport.ts'

const FIRST_BACKOFF = SECOND
const LONGEST_BACKOFF = 8 * SECOND
/** Silence after which the controller is asked for an echo; after twice as much it is taken for gone. */
export const PROBE_INTERVAL = 5 * SECOND

export interface ReconnectOptions {
  clock: Clock
  /** What people call the controller: `tcp:127.0.0.1:6653`. */
  name: string
  dial: (signal: AbortSignal) => Promise<Channel>
  /** Begins to speak on a channel; to be called in the turn that gave it out. */
  converse: (channel: Channel) => Conversation
  /** Connected, or not any more. */
  changed: () => void
  log: (line: string) => void
}

export class Reconnect {
  connected = false
  readonly #options: ReconnectOptions
  readonly #stop = new AbortController()
  #backoff: Nanoseconds = FIRST_BACKOFF
  #timer: Timer | undefined
  #conversation: Conversation | undefined
  #heardAt: Nanoseconds = 0

  constructor(options: ReconnectOptions) {
    this.#options = options
    void this.#connect()
  }

  /** Leaves the controller, for good. */
  close(): void {
    this.#stop.abort()
    this.#timer?.cancel()
    this.#conversation?.close()
  }

  async #connect(): Promise<void> {
    const { dial, name, log } = this.#options
    try {
      const channel = await dial(this.#stop.signal)
      if (this.#stop.signal.aborted) channel.close()
      else this.#begin(channel)
    } catch (error) {
      if (this.#stop.signal.aborted) return
      log(`${name}: ${error instanceof Error ? error.message : String(error)}; again in ${this.#backoff / SECOND} s`)
      this.#retry()
    }
  }

  #begin(channel: Channel): void {
    const { clock, name, converse, changed, log } = this.#options
    const conversation = converse(listenedTo(channel, () => (this.#heardAt = clock.now())))
    const before = conversation.onClose
    conversation.onClose = () => {
      before()
      this.#end()
    }
    this.#conversation = conversation
    this.#heardAt = clock.now()
    this.connected = true
    log(`${name}: connected`)
    changed()
    this.#watch(conversation)
  }

  /** A connection that held for a while has shown that the controller is well: the next attempt comes soon. */
  #end(): void {
    const { name, changed, log } = this.#options
    this.connected = false
    this.#conversation = undefined
    this.#timer?.cancel()
    changed()
    if (this.#stop.signal.aborted) return
    log(`${name}: connection lost; again in ${this.#backoff / SECOND} s`)
    this.#retry()
  }

  #retry(): void {
    const { clock } = this.#options
    this.#timer = clock.scheduleAsync(clock.now() + this.#backoff, () => void this.#connect())
    this.#backoff = Math.min(2 * this.#backoff, LONGEST_BACKOFF)
  }

  #watch(conversation: Conversation): void {
    const { clock } = this.#options
    const look = () => {
      if (conversation.closed) return
      const silence = clock.now() - this.#heardAt
      if (silence >= 2 * PROBE_INTERVAL) return conversation.close()
      const isDue = silence >= PROBE_INTERVAL
      if (isDue) conversation.send({ type: 'echoRequest', data: new Uint8Array(0) })
      else this.#backoff = FIRST_BACKOFF
      this.#timer = clock.schedule(this.#heardAt + (isDue ? 2 : 1) * PROBE_INTERVAL, look)
    }
    this.#timer = clock.schedule(clock.now() + PROBE_INTERVAL, look)
  }
}

/** The same channel; `heard` is called with each chunk that arrives. */
function listenedTo(channel: Channel, heard: () => void): Channel {
  const inner: Channel = {
    peer: channel.peer,
    send: (bytes) => channel.send(bytes),
    close: () => channel.close(),
    onData: () => {},
    onClose: () => {},
  }
  channel.onData = (bytes) => {
    heard()
    inner.onData(bytes)
  }
  channel.onClose = () => inner.onClose()
  return inner
}
