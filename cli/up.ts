import { Command, InvalidArgumentError } from 'commander'
import type { Api } from '../controller/api/api.ts'
import type { ServerOptions } from '../controller/api/server.ts'
import type { State } from '../controller/state/state.ts'
import type { Asked } from '../controller/topology-writes.ts'
import type { CopyFiles } from '../datapath/host/copy-files.ts'
import type { Lab, LabObserver } from '../lab/lab.ts'
import type { Log } from '../runtime/log.ts'
import type { Address, ApiFlags } from './api-server.ts'
import { addressOption, listenApi, withApiOptions } from './api-server.ts'
import { begin } from './beginning.ts'
import type { CaptureFlags } from './capture-options.ts'
import { copyFiles, withCaptureOptions } from './capture-options.ts'
import type { MoveLimits } from '../controller/model.ts'
import { type MoveLimitFlags, moveLimitsOf, withMoveLimits } from './move-limits.ts'
import type { LogFlags } from './log.ts'
import { withLogOptions } from './log.ts'
import type { StateFlags } from './state.ts'
import { applyNamed, named, withStateOptions } from './state.ts'
import { withTlsOptions } from './tls-options.ts'
import { version } from './version.ts'
import { wallStopwatch } from '../runtime/stopwatch.ts'
import type { WallClock } from '../runtime/wall-clock.ts'
import type { Topology } from '../topologies/topology.ts'

interface Flags extends ApiFlags, LogFlags, StateFlags, MoveLimitFlags, CaptureFlags {
  listen: Address
  seed: number
  json?: true
}

export function upCommand(): Command {
  const command = new Command('up')
    .summary('start a topology, live: controller, hosts and API in one process')
    .description('Starts a topology on the wall clock, with its controller and the HTTP API, until Ctrl-C.')
    .argument('[topology]', 'a topology, or a stock shape such as leaf-spine,2,4; that of --state where absent')
    .addOption(addressOption('--listen <address:port>'))
    .option('--seed <number>', 'seed for jitter and loss', seed, 1)
  withMoveLimits(withStateOptions(command, 'topology, flows and migrations'))
  withCaptureOptions(command)
  return withLogOptions(withApiOptions(withTlsOptions(command, 'HTTPS')))
    .option('--json', 'say as JSON when all is ready, and where')
    .option('--quiet', 'print nothing')
    .action(run)
}

async function run(file: string | undefined, flags: Flags): Promise<void> {
  const { topology, log, terms, clock, state, stopAsked } = await begin(file, flags, flags.listen.host)
  let copies: CopyFiles | undefined
  try {
    copies = await copyFiles(flags, clock, (line) => log.warn({}, line))
    const lab = await startLab(topology, state, {
      clock,
      seed: flags.seed,
      log,
      file: flags.state,
      moves: moveLimitsOf(flags),
      copies,
    })
    const api = await serve(lab, terms)
    const url = await listenApi(api, flags.listen)
    const ready = async () => {
      const apply = (asked: Asked) => lab.apply(asked)
      await applyNamed(topology, { controller: lab.controller, apply, kept: state?.restored.asked, log })
      announce(url, lab.controller.topology, flags)
      await stopAsked
    }
    try {
      await Promise.race([ready(), stopAsked])
    } finally {
      await api.close()
    }
  } finally {
    await state?.close()
    clock.stop()
    // Nothing is copied any more.
    await copies?.close()
  }
}

interface LabSettings {
  clock: WallClock
  seed: number
  log: Log
  /** Where the state is kept. */
  file: string | undefined
  moves: MoveLimits
  /** What mirrors copy into files. */
  copies: CopyFiles | undefined
}

async function startLab(
  topology: Topology | undefined,
  state: State | undefined,
  { clock, seed: from, log, file, moves, copies }: LabSettings,
): Promise<Lab> {
  const { Lab: Emulated } = await import('../lab/lab.ts')
  const options = {
    clock,
    seed: from,
    moves,
    endless: true,
    stopwatch: wallStopwatch,
    log: (line: string) => log.warn({}, line),
    ...(copies && { observer: writing(copies) }),
  }
  if (state?.restored.asked !== undefined) return Emulated.resume(state, options)
  return Emulated.start(named(topology, file), { ...options, ...(state && { state }) })
}

const writing = (copies: CopyFiles): LabObserver => ({
  captured: (_at, file, source, bytes) => void copies.write(file, source, bytes),
})

async function serve(lab: Lab, terms: ServerOptions): Promise<Api> {
  // Other verbs need neither, and start faster without.
  const [{ buildServer }, { liveRoutes }] = await Promise.all([
    import('../controller/api/server.ts'),
    import('../lab/live.ts'),
  ])
  return buildServer(lab.controller, {
    ...terms,
    version,
    changes: lab.changes,
    routes: (api) => liveRoutes(api, lab),
  })
}

function announce(url: string, { name, hosts, vms }: Topology, { json, quiet }: Flags): void {
  if (quiet) return
  const words = `${name} is up: ${hosts.length} hosts, ${vms.length} VMs. API at ${url}, its documentation at ${url}/docs; Ctrl-C stops.`
  process.stdout.write(`${json ? JSON.stringify({ ready: true, url }) : words}\n`)
}

function seed(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('expected a whole number')
  return Number(text)
}
