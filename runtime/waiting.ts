// Waiting that may end early.

import type { Clock, Nanoseconds, Timer } from './clock.ts'

/** Resolves when `event` does, `span` nanoseconds from now at the latest. */
export async function waitFor(event: Promise<unknown>, span: Nanoseconds, clock: Clock): Promise<void> {
  let timer: Timer | undefined
  const late = new Promise<void>((resolve) => {
    timer = clock.scheduleAsync(clock.now() + span, resolve)
  })
  try {
    await Promise.race([event, late])
  } finally {
    timer?.cancel()
  }
}
