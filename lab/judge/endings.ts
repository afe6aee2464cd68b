// Frames of which the last copy is gone and that somebody should have heard: lost, unless they come back, or are excused, within a while.

import type { Nanoseconds } from '../../runtime/clock.ts'
import type { Record } from './open-records.ts'

interface Ending {
  record: Record
  /** The record may be another frame's by the time. */
  id: number
  at: Nanoseconds
}

export class Endings {
  /** In the order in which they ended, those before `#first` done with. */
  #all: Ending[] = []
  #first = 0

  note(record: Record, at: Nanoseconds): void {
    record.endedAt = at
    this.#all.push({ record, id: record.id, at })
  }

  /** Takes out the next that has ended before `instant`, and has not come back since. */
  takeBefore(instant: Nanoseconds): Record | undefined {
    for (;;) {
      const next = this.#all[this.#first]
      if (next === undefined || next.at >= instant) return this.#tidy()
      this.#first++
      const { record, id, at } = next
      if (record.id === id && record.endedAt === at && record.copies <= 0) return record
    }
  }

  #tidy(): undefined {
    if (this.#first * 2 < this.#all.length) return
    this.#all = this.#all.slice(this.#first)
    this.#first = 0
  }
}
