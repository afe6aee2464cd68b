import { Command, InvalidArgumentError, Option } from 'commander'
import type { Api } from '../controller/api/api.ts'
import type { ServerOptions } from '../controller/api/server.ts'
import { Controller } from '../controller/controller.ts'
import { Watchman } from '../controller/placement/watchman.ts'
import type { Asked } from '../controller/topology-writes.ts'
import { MILLISECOND } from '../runtime/clock.ts'
import type { Endpoint } from '../runtime/endpoint.ts'
import { formatEndpoint, LISTEN_SYNTAX, OPENFLOW_PORT } from '../runtime/endpoint.ts'
import type { Log } from '../runtime/log.ts'
import { NEWCOMER_LIMITS } from '../runtime/newcomers.ts'
import type { Listener } from '../runtime/sockets.ts'
import { dial, listen } from '../runtime/sockets.ts'
import type { Topology } from '../topologies/topology.ts'
import { DURATION_EXPECTED, parseDuration } from '../topologies/units.ts'
import type { Address, ApiFlags } from './api-server.ts'
import { addressOption, isLoopback, listenApi, withApiOptions } from './api-server.ts'
import { begin } from './beginning.ts'
import { type MoveLimitFlags, moveLimitsOf, withMoveLimits } from './move-limits.ts'
import type { LogFlags } from './log.ts'
import { withLogOptions } from './log.ts'
import { endpoint, repeatable } from './endpoint-option.ts'
import { Superseded } from './failure.ts'
import type { StateFlags } from './state.ts'
import { applyNamed, named, withStateOptions } from './state.ts'
import { withTlsOptions } from './tls-options.ts'
import { version } from './version.ts'

interface Flags extends ApiFlags, LogFlags, StateFlags, MoveLimitFlags {
  listen?: Endpoint[]
  api: Address
  /** Nanoseconds. */
  drain: number
  /** Nanoseconds. */
  failoverAfter?: number
  json?: true
}

const LOCAL: Endpoint = { kind: 'tcp', passive: true, host: '127.0.0.1', port: OPENFLOW_PORT }

export function controllerCommand(): Command {
  const command = new Command('controller')
    .summary('the controller alone, for hosts that run elsewhere')
    .description('Runs the controller of a topology until Ctrl-C; `signalbox host` runs each of its hosts.')
    .argument('[topology]', 'a topology, or a stock shape such as leaf-spine,2,4; that of --state where absent')
    .addOption(
      repeatable(
        '--listen <target>',
        `where hosts come in: ${LISTEN_SYNTAX} (default: ${formatEndpoint(LOCAL)})`,
        endpoint(true),
      ),
    )
    .addOption(addressOption('--api <address:port>'))
  withMoveLimits(withStateOptions(command, 'topology, flows, wires and migrations'))
  return withLogOptions(withApiOptions(withTlsOptions(command, 'pssl and HTTPS')))
    .addOption(drainOption())
    .addOption(failoverOption())
    .option('--json', 'say as JSON when all is ready, and where')
    .option('--quiet', 'print nothing')
    .action(run)
}

const drainOption = () =>
  new Option(
    '--drain <time>',
    'how long frames may be on their way between hosts; a move waits so long three times, or four',
  )
    .argParser(time)
    .default(2 * MILLISECOND, '2ms')

const failoverOption = () =>
  new Option(
    '--failover-after <time>',
    'a host that is away for so long is taken to be dead, and its VMs begin anew at others; not while half of all hosts are away (default: never, see host fail)',
  ).argParser(time)

function time(text: string): number {
  try {
    return parseDuration(text)
  } catch {
    throw new InvalidArgumentError(`expected ${DURATION_EXPECTED}`)
  }
}

async function run(file: string | undefined, flags: Flags): Promise<void> {
  const { topology, log, tls, terms, clock, state, stopAsked } = await begin(file, flags, flags.api.host)
  // The controller says only what somebody should look at.
  const warn = (line: string) => log.warn({}, line)
  // A state has a generation of its own, which grows also where the wall's clock has gone back.
  const kept = state === undefined ? { generationId: BigInt(Date.now()) } : { state }
  const dialMonitor = (place: Endpoint, signal: AbortSignal) => dial(place, undefined, signal)
  const moves = moveLimitsOf(flags)
  const drain = () => flags.drain
  const controller = new Controller({ clock, log: warn, probes: true, dialMonitor, drain, moves, ...kept })
  const listeners: Listener[] = []
  const replaced = new Promise<void>((resolve) => (controller.onSuperseded = resolve))
  const ended = Promise.race([stopAsked, replaced])
  let api: Api | undefined
  let watchman: Watchman | undefined
  const operate = async () => {
    const keptTopology = state?.restored.asked
    if (keptTopology === undefined) await controller.apply(named(topology, flags.state))
    const door = { log: warn, newcomers: NEWCOMER_LIMITS }
    warnOfOpenDoors(flags, log)
    for (const place of flags.listen ?? [LOCAL])
      listeners.push(await listen(place, tls, (channel) => controller.accept(channel), door))
    api = await serve(controller, terms)
    const url = await listenApi(api, flags.api)
    // What was under way when the process ended comes to its end first, or awaits a guest; for that hosts must come in.
    await Promise.race([controller.resumed(), ended])
    if (flags.failoverAfter !== undefined)
      watchman = new Watchman(controller, { clock, after: flags.failoverAfter, log: warn })
    const ready = async () => {
      const apply = (asked: Asked) => controller.apply(asked)
      await applyNamed(topology, { controller, apply, kept: keptTopology, log })
      announce(controller.topology, url, listeners, flags)
      await stopAsked
    }
    await Promise.race([ready(), ended])
  }
  try {
    await operate()
  } catch (error) {
    // A controller that is not in charge any more refuses what it was about to do.
    if (controller.superseded === undefined) throw error
  } finally {
    watchman?.stop()
    await api?.close()
    controller.close()
    await Promise.all(listeners.map((listener) => listener.close()))
    await state?.close()
    clock.stop()
  }
  if (controller.superseded !== undefined) throw new Superseded('another controller is in charge')
}

/** Without TLS there is no certificate to hold the name of a host against. */
function warnOfOpenDoors({ listen: places = [] }: Flags, log: Log): void {
  for (const place of places)
    if (place.kind === 'tcp' && !isLoopback(place.host ?? ''))
      log.warn({}, `${formatEndpoint(place)}: whoever reaches it can pass for any host; pssl: asks for certificates`)
}

async function serve(controller: Controller, terms: ServerOptions): Promise<Api> {
  // Other verbs do not need them, and start faster without.
  const [{ buildServer }, { wireRoutes }, { hypervisorRoutes }] = await Promise.all([
    import('../controller/api/server.ts'),
    import('../controller/api/wires.ts'),
    import('../controller/api/hypervisors.ts'),
  ])
  const routes = (api: Api) => {
    wireRoutes(api, controller)
    hypervisorRoutes(api, controller)
  }
  return buildServer(controller, { ...terms, version, routes })
}

function announce({ name, hosts, vms }: Topology, url: string, listeners: Listener[], { json, quiet }: Flags): void {
  if (quiet) return
  const places = listeners.map((listener) => formatEndpoint(listener.endpoint))
  const words = `${name} is ready: ${hosts.length} hosts, ${vms.length} VMs. Hosts come in at ${places.join(', ')}; API at ${url}; Ctrl-C stops.`
  process.stdout.write(`${json ? JSON.stringify({ ready: true, url, listen: places }) : words}\n`)
}
