// A wire over TCP or a Unix socket, listened for or dialled. A listening one serves one peer, the newest; a dialling one dials
// again when it is lost.

import type { Listener } from '../sockets.ts'
import { dial, listen } from '../sockets.ts'
import type { Channel } from '../transport.ts'
import { LONGEST_RECORD, LONGEST_STREAMED, RecordReader, writeRecord } from './stream-frames.ts'
import { formatWire } from './parse.ts'
import type { Received, StreamSpec, Voices, Wire } from './wire.ts'
import { textOf } from '../error-text.ts'

/** Bytes that wait to leave; above that frames are refused. */
const LARGEST_BACKLOG = 4 << 20
/** Frames of one turn leave together, as many as fit. */
const BATCH = 4 * LONGEST_RECORD
/** Milliseconds until it is dialled again: twice as many each time. */
const FIRST_BACKOFF = 100
const LONGEST_BACKOFF = 5000
/** Milliseconds that frames have to leave when the wire is closed: a guest that is paused reads none. */
const PATIENCE = 500
/** Milliseconds that an attempt may take. */
const LONGEST_DIAL = 10_000

/** Listens, or begins to dial. Rejects where it can not listen. */
export async function openStream(spec: StreamSpec, received: Received, voices: Voices): Promise<Wire> {
  const wire = new StreamWire(spec, received, voices)
  await wire.open()
  return wire
}

class StreamWire implements Wire {
  name: string
  problem: string
  onLink: () => void = () => {}
  readonly #endpoint: StreamSpec['endpoint']
  readonly #received: Received
  readonly #voices: Voices
  #closed = false
  #attempt = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #listener: Listener | undefined
  #channel: Channel | undefined
  #backoff = FIRST_BACKOFF
  /** What the turn has sent so far. */
  readonly #batch = Buffer.allocUnsafeSlow(BATCH)
  #batched = 0

  constructor(spec: StreamSpec, received: Received, voices: Voices) {
    this.name = formatWire(spec)
    this.#endpoint = spec.endpoint
    this.problem = spec.endpoint.passive ? 'nobody has dialled in yet' : 'is being dialled'
    this.#received = received
    this.#voices = voices
  }

  get connected(): boolean {
    return this.#channel !== undefined
  }

  async open(): Promise<void> {
    if (!this.#endpoint.passive) return void this.#dial()
    this.#listener = await listen(this.#endpoint, undefined, (channel) => this.#take(channel))
    this.name = formatWire({ kind: 'stream', endpoint: this.#listener.endpoint })
  }

  send(bytes: Uint8Array): boolean {
    const channel = this.#channel
    if (channel === undefined || bytes.length > LONGEST_STREAMED) return false
    if (channel.backlog + this.#batched > LARGEST_BACKLOG) return false
    if (this.#batched + LONGEST_RECORD > BATCH) this.#flush()
    if (this.#batched === 0) setImmediate(() => this.#flush())
    this.#batched = writeRecord(this.#batch, this.#batched, bytes)
    return true
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#attempt.abort()
    clearTimeout(this.#timer)
    this.#flush()
    this.#let(this.#channel)
    this.#channel = undefined
    await this.#listener?.close()
  }

  #flush(): void {
    if (this.#batched > 0) this.#channel?.send(this.#batch.subarray(0, this.#batched))
    this.#batched = 0
  }

  /** Speaks with whoever is at the other end of the channel, and with nobody else any more. */
  #take(channel: Channel): void {
    if (this.#closed) return channel.close()
    const before = this.#channel
    this.#flush()
    this.#let(before)
    this.#channel = channel
    const reader = new RecordReader()
    channel.onData = (bytes) => {
      try {
        reader.read(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), (frame) => {
          if (this.#channel === channel) this.#received(frame)
        })
        this.#backoff = FIRST_BACKOFF
      } catch (error) {
        const why = textOf(error)
        this.#voices.warn(`${this.name}: ${why}; closed`)
        this.#let(channel)
        this.#lost(channel, why)
      }
    }
    channel.onClose = () => {
      if (this.#channel === channel) this.#voices.warn(`${this.name}: the other end has gone`)
      this.#lost(channel, 'the other end has gone')
    }
    this.problem = ''
    if (before === undefined) {
      this.#voices.log(`${this.name}: connected`)
      this.onLink()
    } else this.#voices.log(`${this.name}: another has come, who takes the place of the one before`)
  }

  /** Hears no more of the channel, and closes it. */
  #let(channel: Channel | undefined): void {
    if (channel === undefined) return
    channel.onData = () => {}
    channel.onClose = () => {}
    channel.close(PATIENCE)
  }

  #lost(channel: Channel, why: string): void {
    if (this.#channel !== channel) return
    this.#channel = undefined
    this.problem = why
    this.#batched = 0
    this.onLink()
    if (!this.#endpoint.passive) this.#dialAgain(false)
  }

  async #dial(told = false): Promise<void> {
    const attempt = new AbortController()
    this.#attempt = attempt
    const limit = setTimeout(() => attempt.abort(), LONGEST_DIAL)
    try {
      this.#take(await dial(this.#endpoint, undefined, attempt.signal))
    } catch (error) {
      if (this.#closed) return
      const why = error instanceof Error && error.message !== '' ? error.message : 'nobody is there'
      if (!told) this.#voices.warn(`${this.name}: ${why}; dialled again and again`)
      const isNews = this.problem !== why
      this.problem = why
      this.#dialAgain(true)
      if (isNews) this.onLink()
    } finally {
      clearTimeout(limit)
    }
  }

  /** `told`: why nobody is there has been said. */
  #dialAgain(told: boolean): void {
    this.#timer = setTimeout(() => void this.#dial(told), this.#backoff)
    this.#backoff = Math.min(2 * this.#backoff, LONGEST_BACKOFF)
  }
}
