// What code may ask of a byte stream between controller and switch.

import type { Clock, Nanoseconds } from './clock.ts'

/** One end of a reliable, ordered stream of bytes. */
export interface Channel {
  /** Who is at the other end, for messages to people. */
  readonly peer: string
  /** Queues a copy of `bytes`; does nothing once closed. */
  send(bytes: Uint8Array): void
  /** Closes both directions. What was sent before still arrives. */
  close(): void
  /** Set before the first byte can arrive, in the turn that gave out the channel. */
  onData: (bytes: Uint8Array) => void
  /** Called once, when either end has closed. */
  onClose: () => void
}

class MemoryChannel implements Channel {
  readonly peer: string
  onData: (bytes: Uint8Array) => void = () => {}
  onClose: () => void = () => {}
  other!: MemoryChannel
  #clock: Clock
  #latency: Nanoseconds
  #pending: Uint8Array[] = []
  #open = true

  constructor(clock: Clock, latency: Nanoseconds, peer: string) {
    this.#clock = clock
    this.#latency = latency
    this.peer = peer
  }

  send(bytes: Uint8Array): void {
    if (!this.#open) return
    if (this.#pending.length === 0) this.#clock.scheduleAsync(this.#clock.now() + this.#latency, () => this.#deliver())
    this.#pending.push(bytes.slice())
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    this.#clock.scheduleAsync(this.#clock.now() + this.#latency, () => {
      this.other.#closedByPeer()
      this.onClose()
    })
  }

  #deliver(): void {
    const batch = this.#pending
    this.#pending = []
    for (const bytes of batch) this.other.#receive(bytes)
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
