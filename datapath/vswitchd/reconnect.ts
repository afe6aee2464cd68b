// The connection to one controller, made again whenever it is lost: Open vSwitch's rconn (lib/rconn.c, lib/reconnect.c).

import type { OpenFlowConnection } from '../../protocols/openflow/connection.ts'
import type { Clock, Nanoseconds, Timer } from '../../runtime/clock.ts'
import { SECOND } from '../../runtime/clock.ts'
import type { Channel } from '../../runtime/transport.ts'
import { converseProbed } from './probe.ts'

const FIRST_BACKOFF = SECOND
const LONGEST_BACKOFF = 8 * SECOND
/** How long an attempt may take. */
const LONGEST_DIAL = 10 * SECOND

export interface ReconnectOptions {
  clock: Clock
  /** What people call the controller: `tcp:127.0.0.1:6653`. */
  name: string
  dial: (signal: AbortSignal) => Promise<Channel>
  /** Begins to speak on a channel; to be called in the turn that gave it out. */
  converse: (channel: Channel) => OpenFlowConnection
  /** Connected, or not any more. */
  changed: () => void
  log: (line: string) => void
}

export class Reconnect {
  /** Both ends have said hello, and agree. */
  connected = false
  readonly #options: ReconnectOptions
  #stopped = false
  #attempt = new AbortController()
  #backoff: Nanoseconds = FIRST_BACKOFF
  #timer: Timer | undefined
  #conversation: OpenFlowConnection | undefined

  constructor(options: ReconnectOptions) {
    this.#options = options
    void this.#connect()
  }

  /** Leaves the controller, for good. */
  close(): void {
    this.#stopped = true
    this.#attempt.abort()
    this.#timer?.cancel()
    this.#conversation?.close()
  }

  async #connect(): Promise<void> {
    const { clock, dial, name, log } = this.#options
    const attempt = new AbortController()
    this.#attempt = attempt
    this.#timer = clock.scheduleAsync(clock.now() + LONGEST_DIAL, () => attempt.abort())
    try {
      const channel = await dial(attempt.signal)
      this.#timer.cancel()
      if (this.#stopped) channel.close()
      else this.#begin(channel)
    } catch (error) {
      this.#timer.cancel()
      if (this.#stopped) return
      log(`${name}: ${error instanceof Error ? error.message : String(error)}; again in ${this.#backoff / SECOND} s`)
      this.#retry()
    }
  }

  #begin(channel: Channel): void {
    const { clock, name, converse, changed, log } = this.#options
    const conversation = converseProbed(channel, clock, converse, () => (this.#backoff = FIRST_BACKOFF))
    const before = conversation.onClose
    conversation.onClose = () => {
      before()
      this.#end()
    }
    conversation.onAgreed = () => {
      this.connected = true
      log(`${name}: connected`)
      changed()
    }
    this.#conversation = conversation
  }

  /** A connection that held for a while has shown that the controller is well: the next attempt comes soon. */
  #end(): void {
    const { name, changed, log } = this.#options
    this.connected = false
    this.#conversation = undefined
    changed()
    if (this.#stopped) return
    log(`${name}: connection lost; again in ${this.#backoff / SECOND} s`)
    this.#retry()
  }

  #retry(): void {
    const { clock } = this.#options
    this.#timer = clock.scheduleAsync(clock.now() + this.#backoff, () => void this.#connect())
    this.#backoff = Math.min(2 * this.#backoff, LONGEST_BACKOFF)
  }
}
