// Waiting that may end early.

import type { Clock, Nanoseconds } from '../../runtime/clock.ts'

/** Resolves when `event` does, `span` nanoseconds from now at the latest. */
export function waitFor(event: Promise<unknown>, span: Nanoseconds, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.scheduleAsync(clock.now() + span, resolve)
    void event.then(() => {
      timer.cancel()
      resolve()
    })
  })
}
