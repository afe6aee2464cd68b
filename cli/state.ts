import { existsSync } from 'node:fs'
import { keepUnchanged } from '../controller/network/sharing.ts'
import { changesOf } from '../controller/state/operations.ts'
import type { State } from '../controller/state/state.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import type { Topology } from '../topologies/topology.ts'

/**
 * What `--state` names. A file that is not there is made where there is a topology to put into it. SQLite is loaded only here.
 * @throws StateError, a sentence for people; Error where there is neither file nor topology
 */
export async function openState(
  file: string,
  topology: Topology | undefined,
  { clock, log }: { clock: Clock; log: Log },
): Promise<State> {
  if (!existsSync(file)) named(topology, file)
  const { openStateFile } = await import('../controller/state/open-state.ts')
  return openStateFile(file, { clock, log: (line) => log.error({}, line) })
}

/** The topology to begin with; `file` is the state that has none. @throws Error where there is none */
export function named(topology: Topology | undefined, file: string | undefined): Topology {
  if (topology !== undefined) return topology
  const why = file === undefined ? '' : `${file}: nothing is kept there yet: `
  throw new Error(`${why}name a topology, or a stock shape such as linear,4`)
}

/**
 * The topology named beside a state that keeps one wins: `apply` is called with it where the two differ. That undoes what the API
 * has changed since, so the log says what.
 */
export async function applyNamed(
  topology: Topology | undefined,
  kept: Topology,
  { apply, log }: { apply: (topology: Topology) => Promise<void>; log: Log },
): Promise<void> {
  if (topology === undefined || keepUnchanged(kept, topology, DEPTH) === kept) return
  const changes = Object.entries(changesOf(kept, topology)).map(
    ([kind, lists]) =>
      `${kind} ${Object.entries(lists)
        .map(([what, names]) => `${what}: ${names.join(', ')}`)
        .join(', ')}`,
  )
  const what = changes.length === 0 ? 'name or fabric' : changes.join('; ')
  log.warn({}, `the topology named at the start wins over the one kept by --state, and changes it (${what})`)
  await apply(topology)
}

/** Levels of a topology; deeper than any has. */
const DEPTH = 16
