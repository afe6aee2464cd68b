// Switches that take the steps of one change together: none begins the next before all have come as far.

import type { Clock, Nanoseconds } from '../../runtime/clock.ts'
import { SECOND, sleep } from '../../runtime/clock.ts'
import { waitFor } from '../../runtime/waiting.ts'

/** So long is waited for a switch that does not answer; it takes its next step when it does. */
const PATIENCE = SECOND

/** Nobody waits for others after the last. */
export type Stage = 0 | 1 | 2

/** Hears how many have come through a stage, of how many. */
export type Onlooker = (stage: Stage, confirmed: number, switches: number) => void

export class Rollout {
  readonly #clock: Clock
  readonly #drain: Nanoseconds
  readonly #switches: number
  readonly #gates: Gate[]
  readonly #confirmed = [0, 0, 0]
  readonly #onlooker: Onlooker
  /** The last stage that somebody has begun with. */
  #stage = -1

  constructor(switches: number, clock: Clock, drain: Nanoseconds, onlooker: Onlooker) {
    this.#clock = clock
    this.#drain = drain
    this.#switches = switches
    this.#gates = [new Gate(switches), new Gate(switches)]
    this.#onlooker = onlooker
  }

  /** Does one switch's part of a step. Resolves when all others have done theirs, or failed. Rejects where this one has. */
  async step(index: Stage, work: () => Promise<void>): Promise<void> {
    if (index > this.#stage) this.#onlooker((this.#stage = index), 0, this.#switches)
    try {
      await work()
    } catch (error) {
      for (const gate of this.#gates.slice(index)) gate.arrive()
      throw error
    }
    const confirmed = ++this.#confirmed[index]!
    // One that was not waited for may come when others are further.
    if (index === this.#stage) this.#onlooker(index, confirmed, this.#switches)
    const gate = this.#gates[index]
    if (gate === undefined) return
    gate.arrive()
    await waitFor(gate.open, PATIENCE, this.#clock)
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
