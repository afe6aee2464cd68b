import type { Connection } from '../../protocols/control/connection.ts'
import type { Clock } from '../../runtime/clock.ts'
import { SECOND } from '../../runtime/clock.ts'

/** Who does not answer for this long is as good as gone. */
const PATIENCE = 30 * SECOND

/** The reply, or the end of a connection that gives none. */
export async function answered<T>(clock: Clock, connection: Connection, reply: Promise<T>): Promise<T> {
  const timer = clock.scheduleAsync(clock.now() + PATIENCE, () => connection.close())
  try {
    return await reply
  } finally {
    timer.cancel()
  }
}
