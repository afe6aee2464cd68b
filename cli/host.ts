import { Command, Option } from 'commander'
import type { LiveHostOptions } from '../datapath/host/live-host.ts'
import type { Endpoint } from '../runtime/endpoint.ts'
import { DIAL_SYNTAX, formatEndpoint } from '../runtime/endpoint.ts'
import type { Log } from '../runtime/log.ts'
import type { TlsSource } from '../runtime/sockets.ts'
import { dial } from '../runtime/sockets.ts'
import { wallStopwatch } from '../runtime/stopwatch.ts'
import { WallClock } from '../runtime/wall-clock.ts'
import { parseWire } from '../runtime/wires/parse.ts'
import type { WireSpec } from '../runtime/wires/wire.ts'
import { drainCommand, failCommand, undrainCommand } from './drain.ts'
import type { CaptureFlags } from './capture-options.ts'
import { copyFiles, withCaptureOptions } from './capture-options.ts'
import { certificatesOf } from './certificates.ts'
import { endpoint, repeatable, wordsOf } from './endpoint-option.ts'
import type { LogFlags } from './log.ts'
import { openLog, withLogOptions } from './log.ts'
import { whole } from './numbers.ts'
import { onSignals } from './signals.ts'
import type { TlsFlags } from './tls-options.ts'
import { withTlsOptions } from './tls-options.ts'

interface Flags extends TlsFlags, LogFlags, CaptureFlags {
  controller?: Endpoint[]
  vxlanAddress?: string
  vxlanPort: number
  uplink?: WireSpec
  mtu: number
  holdMemory: number
  json?: true
}

export function hostCommand(): Command {
  const command = new Command('host')
    .summary('one host of a topology, with real frames in and out; drain a host, or say that it is gone')
    .enablePositionalOptions()
    .description(
      'Runs the switches of one host until Ctrl-C, as its controller says. While no controller is there, they go on as they were told.',
    )
    .argument('<name>', 'the host, as the topology of the controller calls it')
    .addOption(repeatable('--controller <target>', `a controller: ${DIAL_SYNTAX}; at least one`, endpoint(false)))
    .option('--vxlan-address <ipv4>', "where tunnelled frames come in (default: the host's tunnel endpoint, its vtep)")
    .addOption(
      new Option('--vxlan-port <port>', 'UDP port of all hosts for VXLAN')
        .default(4789)
        .argParser((text) => whole(text, 1, 65535)),
    )
    .option(
      '--uplink <wire>',
      'where frames of VLAN networks leave for other hosts: interface:NAME, tap:NAME, dgram:…',
      (text) => wordsOf(() => parseWire(text)),
    )
    .addOption(
      new Option('--mtu <bytes>', 'of the network between hosts; what does not fit is dropped as mtu_exceeded')
        .default(1500)
        .argParser((text) => whole(text, 576, 65535)),
    )
    .addOption(
      new Option(
        '--hold-memory <bytes>',
        'of memory for frames that its ports keep for VMs that move, all together, 2112 for each up to 1982 long; what is more is dropped as hold_overflow',
      )
        .default(1 << 30)
        .argParser((text) => whole(text, 0, Number.MAX_SAFE_INTEGER)),
    )
  withCaptureOptions(command)
  for (const verb of [drainCommand(), undrainCommand(), failCommand()]) command.addCommand(verb)
  return withLogOptions(withTlsOptions(command, 'ssl'))
    .option('--json', 'say as JSON when the host runs what a controller told it')
    .option('--quiet', 'print nothing')
    .action(run)
}

async function run(name: string, flags: Flags): Promise<void> {
  const log = await openLog(flags)
  const tls = certificatesOf(flags, log)
  const stopAsked = onSignals()
  const clock = new WallClock()
  try {
    // Other verbs do not need it, and start faster without.
    const { LiveHost } = await import('../datapath/host/live-host.ts')
    const copies = await copyFiles(flags, clock, (line) => log.warn({ host: name }, line))
    const host = await LiveHost.start({ ...optionsOf(name, { ...flags, tls }, clock, log), ...(copies && { copies }) })
    await stopAsked
    await host.stop()
    await copies?.close()
  } finally {
    clock.stop()
  }
}

function optionsOf(
  name: string,
  { tls, controller: controllers = [], ...flags }: Flags & { tls: TlsSource | undefined },
  clock: WallClock,
  log: Log,
): LiveHostOptions {
  if (controllers.length === 0) throw new Error(`--controller says where a controller is: ${DIAL_SYNTAX}`)
  if (tls === undefined && controllers.some(({ kind }) => kind === 'ssl'))
    throw new Error('ssl: needs --private-key, --certificate and --ca-cert')
  const say = (line: string) => log.info({ host: name }, line)
  say(`${name} dials ${controllers.map(formatEndpoint).join(', ')}; Ctrl-C stops`)
  let announced = false
  return {
    name,
    clock,
    controllers,
    dial,
    vxlan: {
      port: flags.vxlanPort,
      ...(flags.vxlanAddress !== undefined && { address: flags.vxlanAddress }),
    },
    mtu: flags.mtu,
    holdMemory: flags.holdMemory,
    stopwatch: wallStopwatch,
    ...(tls && { tls }),
    ...(flags.uplink && { uplink: flags.uplink }),
    configured: ({ problem }, bridges) => {
      if (announced || flags.quiet || bridges.length === 0) return
      announced = true
      const words = `${name} runs ${bridges.join(', ')}${problem === '' ? '' : `; ${problem}`}`
      process.stdout.write(`${flags.json ? JSON.stringify({ ready: true, bridges, problem }) : words}\n`)
    },
    log: say,
    warn: (line) => log.warn({ host: name }, line),
  }
}
