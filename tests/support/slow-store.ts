// A store whose commits take their time and may be refused, as a disk's that is slow or full: what comes while one is under way
// goes with it, all or nothing.

import type { Clock } from '../../runtime/clock.ts'
import { MICROSECOND } from '../../runtime/clock.ts'
import type { Random } from '../../runtime/random.ts'
import type { Batch, StoredEntry } from '../../runtime/store.ts'
import { StateError } from '../../runtime/store.ts'
import { MemoryStore } from './memory-store.ts'

interface Waiting {
  batch: Batch
  resolve: () => void
  reject: (error: unknown) => void
}

export class SlowStore extends MemoryStore {
  /** Whether a commit of these is refused. */
  refuses: (batches: readonly Batch[]) => boolean = () => false
  refused = 0
  /** Called with what is durable now, and all there is with it, before anybody has heard of it. */
  onKept: (batch: Batch, entries: StoredEntry[]) => void = () => {}
  /** Called with what was refused, and all there is without it. */
  onRefused: (batch: Batch, entries: StoredEntry[]) => void = () => {}
  readonly #clock: Clock
  readonly #random: Random
  #waiting: Waiting[] = []

  constructor(clock: Clock, random: Random) {
    super()
    this.#clock = clock
    this.#random = random
  }

  override write(batch: Batch): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.push({ batch, resolve, reject }) > 1) return
      const delay = this.#random.below(20_000) * MICROSECOND
      this.#clock.scheduleAsync(this.#clock.now() + delay, () => void this.#commit())
    })
  }

  async #commit(): Promise<void> {
    const waiting = this.#waiting
    this.#waiting = []
    const entries = await this.load()
    if (this.refuses(waiting.map(({ batch }) => batch))) {
      this.refused++
      for (const { batch } of waiting) this.onRefused(batch, entries)
      for (const { reject } of waiting) reject(new StateError('no space is left'))
      return
    }
    for (const { batch } of waiting) {
      await super.write(batch)
      this.onKept(batch, await this.load())
    }
    for (const { resolve } of waiting) resolve()
  }
}
