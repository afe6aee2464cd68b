// Somebody on the control channel who understands what is said, and says something else.

import { decodeEnvelope, encodeEnvelope } from '../../protocols/control/codec.ts'
import { frame, FrameReader } from '../../protocols/control/framing.ts'
import type { Envelope } from '../../protocols/control/messages.ts'
import type { Channel } from '../../runtime/transport.ts'

/** What becomes of an envelope: itself, others, or nothing. `say` says something to the controller, at once. */
export type Change = (envelope: Envelope, say: (envelope: Envelope) => void) => Envelope[]

export interface Tampering {
  /** What the controller says. */
  down?: Change
  /** What the switch says. */
  up?: Change
}

const asIs: Change = (envelope) => [envelope]

/** The controller's end of a connection, tampered with. */
class Tampered implements Channel {
  onData: (bytes: Uint8Array) => void = () => {}
  onDrain: () => void = () => {}
  onClose: () => void = () => {}
  readonly #inner: Channel
  readonly #down: Change
  readonly #reader = new FrameReader()

  constructor(inner: Channel, { down = asIs, up = asIs }: Tampering) {
    this.#inner = inner
    this.#down = down
    const reader = new FrameReader()
    const say = (envelope: Envelope) => this.onData(frame(encodeEnvelope(envelope)))
    inner.onData = (bytes) => {
      const changed = decoded(reader, bytes).flatMap((envelope) => up(envelope, say))
      if (changed.length > 0) this.onData(encoded(changed))
    }
    inner.onDrain = () => this.onDrain()
    inner.onClose = () => this.onClose()
  }

  get peer(): string {
    return this.#inner.peer
  }

  get backlog(): number {
    return this.#inner.backlog
  }

  send(bytes: Uint8Array): void {
    const said: Envelope[] = []
    const changed = decoded(this.#reader, bytes).flatMap((envelope) => this.#down(envelope, (one) => said.push(one)))
    if (changed.length > 0) this.#inner.send(encoded(changed))
    // Not in the turn in which it was asked.
    if (said.length > 0) queueMicrotask(() => this.onData(encoded(said)))
  }

  pause(): void {
    this.#inner.pause()
  }

  resume(): void {
    this.#inner.resume()
  }

  later(work: () => void): void {
    this.#inner.later(work)
  }

  close(): void {
    this.#inner.close()
  }
}

const decoded = (reader: FrameReader, bytes: Uint8Array): Envelope[] => [...reader.push(bytes)].map(decodeEnvelope)

const encoded = (envelopes: readonly Envelope[]): Uint8Array =>
  Buffer.concat(envelopes.map((envelope) => frame(encodeEnvelope(envelope))))

/** For `interpose`: each connection is tampered with in the same way, each from the beginning. */
export const tampering =
  (tamper: () => Tampering) =>
  (_name: string, [atSwitch, atController]: [Channel, Channel]): [Channel, Channel] => [
    atSwitch,
    new Tampered(atController, tamper()),
  ]
