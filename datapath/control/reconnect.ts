// The connection to one controller, made again whenever it is lost: Open vSwitch's rconn (lib/rconn.c, lib/reconnect.c).

import type { Greeted } from '../../protocols/control/probe.ts'
import { converseProbed } from '../../protocols/control/probe.ts'
import type { Clock, Nanoseconds, Timer } from '../../runtime/clock.ts'
import { SECOND } from '../../runtime/clock.ts'
import type { Channel } from '../../runtime/transport.ts'
import { textOf } from '../../runtime/error-text.ts'

/** How long to wait after an attempt that failed; each time twice as long, up to the longest. */
export interface Backoff {
  first: Nanoseconds
  longest: Nanoseconds
}

/** Open vSwitch's (lib/reconnect.h). */
const BACKOFF: Backoff = { first: SECOND, longest: 8 * SECOND }
/** How long an attempt may take. */
const LONGEST_DIAL = 10 * SECOND

export interface ReconnectOptions {
  clock: Clock
  /** What people call the controller: `tcp:127.0.0.1:6653`. */
  name: string
  dial: (signal: AbortSignal) => Promise<Channel>
  /** Begins to speak on a channel, in the turn that gave it out, and calls `agreed` once both ends have understood each other. */
  converse: (channel: Channel, agreed: () => void) => Greeted
  /** Connected, or not any more. */
  changed: () => void
  log: (line: string) => void
  /** Told what is wrong; `log` where absent. */
  warn?: (line: string) => void
  /** Open vSwitch's where absent; asked anew after each attempt. */
  backoff?: () => Backoff
}

export class Reconnect {
  /** Both ends have said hello, and agree. */
  connected = false
  readonly #options: ReconnectOptions
  #stopped = false
  #attempt = new AbortController()
  #backoff: Nanoseconds
  #timer: Timer | undefined
  #conversation: Greeted | undefined
  #complaint = ''

  constructor(options: ReconnectOptions) {
    this.#options = options
    this.#backoff = this.#bounds.first
    void this.#connect()
  }

  get #bounds(): Backoff {
    return this.#options.backoff?.() ?? BACKOFF
  }

  /** Leaves the controller, for good. */
  close(): void {
    this.#stopped = true
    this.#attempt.abort()
    this.#timer?.cancel()
    this.#conversation?.close()
  }

  async #connect(): Promise<void> {
    const { clock, dial, name } = this.#options
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
      this.#complain(`${name}: ${textOf(error)}; again in ${this.#backoff / SECOND} s`)
      this.#retry()
    }
  }

  #begin(channel: Channel): void {
    const { clock, name, converse, changed, log } = this.#options
    const agreed = () => {
      this.connected = true
      this.#complaint = ''
      log(`${name}: connected`)
      changed()
    }
    const steady = () => (this.#backoff = this.#bounds.first)
    const conversation = converseProbed(channel, clock, (one) => converse(one, agreed), steady)
    const before = conversation.onClose
    conversation.onClose = () => {
      before()
      this.#end()
    }
    this.#conversation = conversation
  }

  /** A connection that held for a while has shown that the controller is well: the next attempt comes soon. */
  #end(): void {
    const { name, changed } = this.#options
    this.connected = false
    this.#conversation = undefined
    changed()
    if (this.#stopped) return
    this.#complain(`${name}: connection lost; again in ${this.#backoff / SECOND} s`)
    this.#retry()
  }

  /** What is so for a while is said once. */
  #complain(complaint: string): void {
    const { log, warn = log } = this.#options
    if (complaint !== this.#complaint) warn(complaint)
    this.#complaint = complaint
  }

  #retry(): void {
    const { clock } = this.#options
    this.#timer = clock.scheduleAsync(clock.now() + this.#backoff, () => void this.#connect())
    this.#backoff = Math.min(2 * this.#backoff, this.#bounds.longest)
  }
}
