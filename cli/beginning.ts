// How the verbs that run a controller begin.

import type { ServerOptions } from '../controller/api/server.ts'
import type { State } from '../controller/state/state.ts'
import type { Log } from '../runtime/log.ts'
import type { TlsSource } from '../runtime/sockets.ts'
import { WallClock } from '../runtime/wall-clock.ts'
import { loadTopology } from '../topologies/load.ts'
import type { Topology } from '../topologies/topology.ts'
import { type ApiFlags, apiTerms } from './api-server.ts'
import { certificatesOf } from './certificates.ts'
import { type LogFlags, openLog } from './log.ts'
import { onSignals } from './signals.ts'
import { openState, type StateFlags } from './state.ts'

interface Beginning {
  /** Undefined where none was named. */
  topology: Topology | undefined
  log: Log
  /** For connections with hosts. */
  tls: TlsSource | undefined
  /** On which the API is offered. */
  terms: ServerOptions
  clock: WallClock
  /** Undefined where nothing is to be kept. */
  state: State | undefined
  /** Resolves when the process is told to stop. */
  stopAsked: Promise<void>
}

/** Reads and opens what the flags name; `host` is where the API is offered. @throws Error, a sentence for people */
export async function begin(
  file: string | undefined,
  flags: ApiFlags & LogFlags & StateFlags,
  host: string,
): Promise<Beginning> {
  const topology = file === undefined ? undefined : await loadTopology(file)
  const log = await openLog(flags)
  const tls = certificatesOf(flags, log)
  const terms = await apiTerms(host, flags, log, tls)
  const stopAsked = onSignals()
  const clock = new WallClock()
  const keep = flags.journalKeep
  const state = flags.state === undefined ? undefined : await openState(flags.state, topology, { clock, log, keep })
  return { topology, log, tls, terms, clock, state, stopAsked }
}
