// Switches that take the steps of one change together: none begins the next before all have come as far.

import type { Clock, Nanoseconds } from '../../runtime/clock.ts'
import { SECOND, sleep } from '../../runtime/clock.ts'
import { waitFor } from '../../runtime/waiting.ts'

/** So long is waited for a switch that does not answer; it takes its next step when it does. */
const PATIENCE = SECOND

export class Rollout {
  readonly #clock: Clock
  readonly #drain: Nanoseconds
  readonly #gates: Gate[]

  constructor(switches: number, clock: Clock, drain: Nanoseconds) {
    this.#clock = clock
    this.#drain = drain
    this.#gates = [new Gate(switches), new Gate(switches)]
  }

  /** Does one switch's part of a step. Resolves when all others have done theirs, or failed. Rejects where this one has. */
  async step(index: 0 | 1, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      for (const gate of this.#gates.slice(index)) gate.arrive()
      throw error
    }
    this.#gates[index]!.arrive()
    await waitFor(this.#gates[index]!.open, PATIENCE, this.#clock)
  }

  /** Resolves when what was sent before the last step has arrived. */
  drained(): Promise<void> {
    return sleep(this.#clock, this.#drain)
  }
}

class Gate {
  readonly open: Promise<void>
  #missing: number
  #tell!: () => void

  constructor(count: number) {
    this.#missing = count
    this.open = new Promise((resolve) => {
      this.#tell = resolve
    })
  }

  arrive(): void {
    if (--this.#missing === 0) this.#tell()
  }
}
