import type { State } from '../controller/state/state.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import type { Topology } from '../topologies/topology.ts'

/** What `--state` names. SQLite is loaded only here. @throws StateError, a sentence for people */
export async function openState(file: string, clock: Clock, log: Log): Promise<State> {
  const { openStateFile } = await import('../controller/state/open-state.ts')
  return openStateFile(file, { clock, log: (line) => log.error({}, line) })
}

/** The topology to begin with. @throws Error where there is none */
export function named(topology: Topology | undefined, state: State | undefined): Topology {
  if (topology !== undefined) return topology
  const why = state === undefined ? '' : 'nothing is kept there yet: '
  throw new Error(`${why}name a topology, or a stock shape such as linear,4`)
}
