// How far a move has come: what people are told of it, and what a restart of the controller needs to know.

import { type Clock, MILLISECOND, type Nanoseconds, sleep } from '../../runtime/clock.ts'
import type { World } from '../learner.ts'
import type { MigrationState, MigrationStatus } from '../model.ts'
import type { MigrationRecord } from '../state/image.ts'

export class Progress {
  #record: MigrationRecord
  readonly #clock: Clock
  readonly #note: (record: MigrationRecord) => void

  /** `note` hears of all that changes, in the turn in which it does. */
  constructor(record: MigrationRecord, clock: Clock, note: (record: MigrationRecord) => void) {
    this.#record = record
    this.#clock = clock
    this.#note = note
  }

  get record(): MigrationRecord {
    return this.#record
  }

  get status(): MigrationStatus {
    return this.#record.status
  }

  enter(state: MigrationState, more: Partial<MigrationStatus> = {}): void {
    const { steps } = this.status
    const begun = steps.at(-1)?.state === state ? [] : [{ state, at: this.#clock.now() }]
    this.remember({ status: { ...this.status, ...more, state, steps: [...steps, ...begun] } })
  }

  remember(more: Partial<MigrationRecord>): void {
    this.#record = { ...this.#record, ...more }
    this.#note(this.#record)
  }
}

/** Between two attempts to write. */
const RETRY = 10 * MILLISECOND

/** All so far is durable, where that can be had within `span`: a disk that fails is waited for. @throws Conflict where another controller is in charge */
export async function keepPatiently({ clock, writes }: World, span: Nanoseconds): Promise<void> {
  for (const end = clock.now() + span; clock.now() < end; await sleep(clock, RETRY))
    try {
      return await writes.save()
    } catch {
      writes.check()
      // Full: until it is not.
    }
}
