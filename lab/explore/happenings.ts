// The control events of a run, counted: what a schedule's moments are counted in, and what a trace shows. Between two of them no
// switch, no controller and no disk changes.

import type { Clock, Nanoseconds } from '../../runtime/clock.ts'

export interface Happening {
  /** Its number; undefined where it is told beside the events. */
  event?: number
  at: Nanoseconds
  what: string
}

export class Happenings {
  /** Events so far. */
  count = 0
  /** Called as an event is about to happen. */
  onEvent: (event: number) => void = () => {}
  /** Kept where somebody wants to read them. */
  readonly told: Happening[] | undefined
  readonly #clock: Clock

  constructor(clock: Clock, keep: boolean) {
    this.#clock = clock
    this.told = keep ? [] : undefined
  }

  /** An event is about to happen. */
  event(describe: () => string): void {
    const event = this.count++
    this.told?.push({ event, at: this.#clock.now(), what: describe() })
    this.onEvent(event)
  }

  /** Says what is no control event itself. */
  tell(what: string): void {
    this.told?.push({ at: this.#clock.now(), what })
  }
}
