import { hostname } from 'node:os'
import { isIP } from 'node:net'
import { Command, InvalidArgumentError, Option } from 'commander'
import type { Api } from '../controller/api/api.ts'
import { onSignals } from './signals.ts'
import { version } from './version.ts'
import { wallStopwatch } from '../runtime/stopwatch.ts'
import { WallClock } from '../runtime/wall-clock.ts'
import { loadTopology } from '../topologies/load.ts'
import type { Topology } from '../topologies/topology.ts'

interface Address {
  host: string
  port: number
}

interface Flags {
  listen: Address
  seed: number
  json?: true
  quiet?: true
}

export function upCommand(): Command {
  return new Command('up')
    .summary('start a topology, live: controller, hosts and API in one process')
    .description('Starts a topology on the wall clock, with its controller and the HTTP API, until Ctrl-C.')
    .argument('<topology>', 'a topology, or a stock shape such as leaf-spine,2,4')
    .addOption(
      new Option('--listen <address:port>', 'where the API listens')
        .argParser(address)
        .default({ host: '127.0.0.1', port: 8080 }, '127.0.0.1:8080'),
    )
    .option('--seed <number>', 'seed for jitter and loss', seed, 1)
    .option('--json', 'say as JSON when all is ready, and where')
    .option('--quiet', 'print nothing')
    .action(run)
}

async function run(file: string, flags: Flags): Promise<void> {
  const topology = await loadTopology(file)
  warnOfStrangers(flags.listen.host)
  const stopAsked = onSignals()
  const clock = new WallClock()
  try {
    const api = await serve(topology, clock, flags)
    await listen(api, flags.listen)
    announce(api, topology, flags)
    await stopAsked
    await api.close()
  } finally {
    clock.stop()
  }
}

async function serve(
  topology: Topology,
  clock: WallClock,
  { seed: from, listen: { host }, quiet }: Flags,
): Promise<Api> {
  // Other verbs need neither, and start faster without.
  const [{ Lab }, { buildServer }, { liveRoutes }] = await Promise.all([
    import('../lab/lab.ts'),
    import('../controller/api/server.ts'),
    import('../lab/live.ts'),
  ])
  const log = (line: string) => {
    if (!quiet) process.stderr.write(`signalbox: ${line}\n`)
  }
  const lab = await Lab.start(topology, { clock, seed: from, stopwatch: wallStopwatch, log })
  return buildServer(lab.controller, {
    version,
    apply: (changed, by) => lab.apply(changed, by),
    routes: (api) => liveRoutes(api, lab),
    hostNames: [host, hostname()],
    log,
  })
}

async function listen(api: Api, { host, port }: Address): Promise<void> {
  try {
    await api.listen({ host, port })
  } catch (error) {
    await api.close()
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    throw new Error(`${host}:${port} is in use; --listen ${host}:0 takes any port that is free`, { cause: error })
  }
}

function announce(api: Api, { name, hosts, vms }: Topology, { json, quiet, listen: { host } }: Flags): void {
  if (quiet) return
  const bound = api.server.address() as { port: number }
  const url = `http://${isIP(host) === 6 ? `[${host}]` : host}:${bound.port}`
  const words = `${name} is up: ${hosts.length} hosts, ${vms.length} VMs. API at ${url}, its documentation at ${url}/docs; Ctrl-C stops.`
  process.stdout.write(`${json ? JSON.stringify({ ready: true, url }) : words}\n`)
}

function warnOfStrangers(host: string): void {
  if (host === 'localhost' || host === '::1' || host.startsWith('127.')) return
  process.stderr.write(
    `signalbox: warning: whoever reaches ${host} can change this network; nobody is asked who they are\n`,
  )
}

/** `127.0.0.1:8080`, `[::1]:8080`, `localhost:0`, or a port alone. */
function address(text: string): Address {
  const [, bracketed, plain, port] = /^(?:(?:\[([^\]]+)\]|([^:]*)):)?(\d{1,5})$/.exec(text) ?? []
  if (port === undefined || Number(port) > 65535)
    throw new InvalidArgumentError('expected an address and a port, as 127.0.0.1:8080')
  return { host: bracketed ?? (plain || '127.0.0.1'), port: Number(port) }
}

function seed(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('expected a whole number')
  return Number(text)
}
