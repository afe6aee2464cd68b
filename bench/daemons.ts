// Daemons of others, as children of this process.

import type { ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'

const PATIENCE_MS = 30_000

export async function exitOf(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null)
    await new Promise<void>((resolve) => child.once('exit', () => resolve()))
}

/** Resolves when it holds. @throws Error after half a minute: `who` does not start */
export async function until(holds: () => boolean, who: string): Promise<void> {
  for (let waited = 0; !holds(); waited += 50) {
    if (waited > PATIENCE_MS) throw new Error(`${who} does not start`)
    await sleep(50)
  }
}
