// How it is known that the guest goes on at its destination, where that is not left to a span of time: by a frame of its own, as with
// Open Virtual Network's `activation-strategy`, by somebody who says so, or because it has been waited for long enough.
//
// The port there finds the frame itself, lets it and all that the guest says after it in, and keeps what is for the guest until the
// controller has brought what its old port kept.

import { type ActivationFrame, ACTIVATION_FRAMES, type PortDescription } from '../../protocols/control/messages.ts'
import type { Clock, Nanoseconds, Timer } from '../../runtime/clock.ts'
import { SECOND } from '../../runtime/clock.ts'
import type { Vm } from '../../topologies/topology.ts'
import type { ActivationStrategy, MoveRequest } from '../model.ts'

/** Where the request does not say. */
const TIMEOUT = 10 * SECOND

export class Activation {
  /** What a restart needs to know of it. */
  readonly awaited: Required<Pick<MoveRequest, 'activation' | 'activationTimeout'>>
  /** Resolves when nothing is left but to wait for the guest: nobody knows for how long. */
  readonly begun: Promise<void>
  #begin!: () => void
  readonly #vm: Vm
  readonly #strategies: readonly ActivationStrategy[]
  readonly #timeout: Nanoseconds
  readonly #shown: Promise<ActivationStrategy>
  #show!: (by: ActivationStrategy) => void
  #isWaiting = false

  constructor(
    vm: Vm,
    { activation = [], activationTimeout = TIMEOUT }: Pick<MoveRequest, 'activation' | 'activationTimeout'>,
  ) {
    this.awaited = { activation, activationTimeout }
    this.#vm = vm
    this.#strategies = activation
    this.#timeout = activationTimeout
    this.#shown = new Promise((resolve) => {
      this.#show = resolve
    })
    this.begun = new Promise((resolve) => {
      this.#begin = resolve
    })
  }

  /** The guest is not taken to go on as soon as it has been told to. */
  get isAwaited(): boolean {
    return this.#strategies.length > 0
  }

  /** What its ports at the destination are to look out for. */
  get frames(): ActivationFrame[] {
    return ACTIVATION_FRAMES.filter((frame) => this.#strategies.includes(frame))
  }

  /** A switch has told of a port. A guest may be seen before whoever lets it go on has said so. */
  heard({ name, state, activation: [by] = [] }: PortDescription): void {
    if (state === 'keep' && by !== undefined && this.#vm.nics.some(({ id }) => id === name)) this.#show(by)
  }

  /** Whether nothing is waited for but the guest. */
  get isWaiting(): boolean {
    return this.#isWaiting
  }

  /** Somebody says so. */
  byHand(): void {
    if (this.#isWaiting) this.#show('explicit')
  }

  /** Resolves when the guest goes on, for all that is known, with what has shown it. */
  async shown(clock: Clock): Promise<ActivationStrategy> {
    let timer: Timer | undefined
    if (this.#strategies.includes('timeout'))
      timer = clock.scheduleAsync(clock.now() + this.#timeout, () => this.#show('timeout'))
    this.#isWaiting = true
    this.#begin()
    const by = await this.#shown
    this.#isWaiting = false
    timer?.cancel()
    return by
  }
}
