import type { State } from '../controller/state/state.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'

/** What `--state` names. SQLite is loaded only here. @throws StateError, a sentence for people */
export async function openState(file: string, clock: Clock, log: Log): Promise<State> {
  const { openStateFile } = await import('../controller/state/open-state.ts')
  return openStateFile(file, { clock, log: (line) => log.error({}, line) })
}
