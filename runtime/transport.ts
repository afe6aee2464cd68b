// What code may ask of a byte stream between controller and switch.

import type { Clock, Nanoseconds } from './clock.ts'

/** One end of a reliable, ordered stream of bytes. */
export interface Channel {
  /** Who is at the other end, for messages to people. */
  readonly peer: string
  /** Name in the certificate of the other end; undefined where it showed none, as without TLS. */
  readonly certificateName?: string
  /** Bytes sent that have not left yet. */
  readonly backlog: number
  /** Queues a copy of `bytes`; does nothing once closed. */
  send(bytes: Uint8Array): void
  /** No more `onData` until `resume`: what the other end sends waits with it. */
  pause(): void
  resume(): void
  /** Closes both directions. What was sent before still arrives, if it has left within `patience` milliseconds; long where absent. */
  close(patience?: number): void
  /** Does it in a later turn, after what others have to do by now. */
  later(work: () => void): void
  /** The other end has said who it is: it is no longer hung up on to make room for others, nor for saying nothing. */
  known?(): void
  /** Set before the first byte can arrive, in the turn that gave out the channel. */
  onData: (bytes: Uint8Array) => void
  /** Called in a later turn, once all has left of what had piled up to PILE or more. */
  onDrain: () => void
  /** Called once, when either end has closed. */
  onClose: () => void
}

/** Bytes of which `onDrain` says that they have left. */
export const PILE = 1 << 14

class MemoryChannel implements Channel {
  readonly peer: string
  backlog = 0
  onData: (bytes: Uint8Array) => void = () => {}
  onDrain: () => void = () => {}
  onClose: () => void = () => {}
  other!: MemoryChannel
  #clock: Clock
  #latency: Nanoseconds
  #pending: Uint8Array[] = []
  #open = true
  #paused = false

  constructor(clock: Clock, latency: Nanoseconds, peer: string) {
    this.#clock = clock
    this.#latency = latency
    this.peer = peer
  }

  send(bytes: Uint8Array): void {
    if (!this.#open) return
    if (this.#pending.length === 0) this.#deliverLater()
    // A Buffer's own `slice` would copy nothing.
    this.#pending.push(new Uint8Array(bytes))
    this.backlog += bytes.length
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    if (this.other.#pending.length > 0) this.other.#deliverLater()
  }

  later(work: () => void): void {
    this.#clock.scheduleAsync(this.#clock.now(), work)
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    this.#clock.scheduleAsync(this.#clock.now() + this.#latency, () => {
      this.other.#closedByPeer()
      this.onClose()
    })
  }

  #deliverLater(): void {
    this.#clock.scheduleAsync(this.#clock.now() + this.#latency, () => this.#deliver())
  }

  #deliver(): void {
    const batch = this.#pending
    this.#pending = []
    const piledUp = this.backlog >= PILE
    for (const bytes of batch) {
      if (this.other.#paused) this.#pending.push(bytes)
      else this.#hand(bytes)
    }
    if (piledUp && this.backlog === 0) this.onDrain()
  }

  #hand(bytes: Uint8Array): void {
    this.backlog -= bytes.length
    this.other.#receive(bytes)
  }

  #receive(bytes: Uint8Array): void {
    if (this.#open) this.onData(bytes)
  }

  #closedByPeer(): void {
    if (!this.#open) return
    this.#open = false
    this.onClose()
  }
}

/** Two joined channels inside this process: what one end sends arrives at the other `latency` later. */
export function memoryChannelPair(
  clock: Clock,
  options: { latency: Nanoseconds; names: [string, string] },
): [Channel, Channel] {
  const first = new MemoryChannel(clock, options.latency, options.names[1])
  const second = new MemoryChannel(clock, options.latency, options.names[0])
  first.other = second
  second.other = first
  return [first, second]
}
