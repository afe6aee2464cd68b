import { existsSync } from 'node:fs'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Controller } from '../controller/controller.ts'
import { BeingMoved } from '../controller/model.ts'
import { isSameTopology } from '../controller/network/sharing.ts'
import { changesOf } from '../controller/state/operations.ts'
import type { JournalLimits, State } from '../controller/state/state.ts'
import type { Asked, TopologyWrites } from '../controller/topology-writes.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import type { Topology } from '../topologies/topology.ts'

export interface StateFlags {
  state?: string
  journalKeep: JournalLimits
}

/** Adds the options that say where what is known is kept, and how much of the journal. */
export const withStateOptions = (command: Command, what: string): Command =>
  command
    .option('--state <file>', `keep ${what} in this file, and go on from there`)
    .addOption(
      new Option('--journal-keep <limits>', 'how much of the journal is kept: an age, a number of entries, or `all`')
        .default({ age: 90 * A_DAY, entries: 500_000 } satisfies JournalLimits, '90d,500000')
        .argParser(parseLimits),
    )

const A_DAY = 86_400_000
const UNITS = { h: 3_600_000, d: A_DAY, y: 365 * A_DAY } as const

/** `90d`, `12h,10000`, `all` */
function parseLimits(text: string): JournalLimits {
  const limits: JournalLimits = {}
  if (text === 'all') return limits
  for (const part of text.split(',')) {
    const [, count, unit] = /^([1-9]\d{0,8})([hdy])?$/.exec(part) ?? []
    if (count === undefined)
      throw new InvalidArgumentError(
        'expected an age as 12h, 90d or 1y, a number of entries, both as 90d,500000, or all',
      )
    if (unit === undefined) limits.entries = Number(count)
    else limits.age = Number(count) * UNITS[unit as keyof typeof UNITS]
  }
  return limits
}

/**
 * What `--state` names. A file that is not there is made where there is a topology to put into it. SQLite is loaded only here.
 * @throws StateError, a sentence for people; Error where there is neither file nor topology
 */
export async function openState(
  file: string,
  topology: Topology | undefined,
  { clock, log, keep }: { clock: Clock; log: Log; keep: JournalLimits },
): Promise<State> {
  if (!existsSync(file)) named(topology, file)
  const { openStateFile } = await import('../controller/state/open-state.ts')
  const state = await openStateFile(file, { clock, log: (line) => log.error({}, line) })
  state.keepJournal(keep)
  return state
}

/** The topology to begin with; `file` is the state that has none. @throws Error where there is none */
export function named(topology: Topology | undefined, file: string | undefined): Topology {
  if (topology !== undefined) return topology
  const why = file === undefined ? '' : `${file}: nothing is kept there yet: `
  throw new Error(`${why}name a topology, or a stock shape such as linear,4`)
}

/** What a topology named at the start is to replace. */
interface Running {
  controller: Pick<Controller, 'migrationDone'> & { readonly topologies: Pick<TopologyWrites, 'asked'> }
  apply: (asked: Asked) => Promise<void>
  /** The topology that was kept; undefined where none was, and the one that is named runs. */
  kept: Topology | undefined
  log: Log
}

/** Somebody has asked for something else since the start. */
class Overtaken extends Error {}

/**
 * The topology named beside a state that keeps one wins: it is applied where the two differ. That undoes what the API had changed before
 * the start, so the log says what. Where it changes a VM that is being moved, and whose guest may be awaited for long, it waits for the
 * end of that; what the API is asked meanwhile, which is open by then, wins over it.
 */
export async function applyNamed(topology: Topology | undefined, { kept, log, ...running }: Running): Promise<void> {
  if (topology === undefined || kept === undefined || isSameTopology(kept, topology)) return
  const changes = Object.entries(changesOf(kept, topology)).map(
    ([kind, lists]) =>
      `${kind} ${Object.entries(lists)
        .map(([what, names]) => `${what}: ${names.join(', ')}`)
        .join(', ')}`,
  )
  const what = changes.length === 0 ? 'name or fabric' : changes.join('; ')
  log.warn({}, `the topology named at the start wins over the one kept by --state, and changes it (${what})`)
  const { controller, apply } = running
  // Asked in its turn: what was asked before is done then.
  const unlessOvertaken = () => {
    if (controller.topologies.asked !== kept) throw new Overtaken()
    return topology
  }
  for (;;)
    try {
      return await apply(unlessOvertaken)
    } catch (error) {
      if (error instanceof Overtaken)
        return log.warn({}, 'the topology named at the start is given up: a change has been asked for since, and wins')
      if (!(error instanceof BeingMoved)) throw error
      log.warn({}, `the topology named at the start waits for the end of ${error.migration}: ${error.message}`)
      await controller.migrationDone(error.migration)
    }
}
