import { readFileSync, statSync } from 'node:fs'
import { Command, InvalidArgumentError, Option } from 'commander'
import type { FailMode, Vswitchd, WiredPort } from '../datapath/vswitchd/vswitchd.ts'
import type { TableConfig } from '../protocols/control/messages.ts'
import type { Endpoint } from '../runtime/endpoint.ts'
import { DIAL_SYNTAX, formatEndpoint, LISTEN_SYNTAX } from '../runtime/endpoint.ts'
import { seeded } from '../runtime/random.ts'
import type { TlsSource } from '../runtime/sockets.ts'
import { dial } from '../runtime/sockets.ts'
import { wallStopwatch } from '../runtime/stopwatch.ts'
import { WallClock } from '../runtime/wall-clock.ts'
import { endpoint, repeatable } from './endpoint-option.ts'
import { questionCommands } from './questions.ts'
import { onSignals } from './signals.ts'
import { parseTable, TABLE_SYNTAX } from './table-option.ts'
import { certificatesOf } from './certificates.ts'
import type { TlsFlags } from './tls-options.ts'
import { withTlsOptions } from './tls-options.ts'
import { parseWiredPort, PORT_HELP, PORT_SYNTAX } from './wired-port.ts'

interface Flags extends TlsFlags {
  name: string
  datapathId: bigint
  controller?: Endpoint[]
  listen?: Endpoint[]
  snoop?: Endpoint[]
  failMode: FailMode
  port?: WiredPort[]
  table?: TableConfig[]
  flows?: string
  groups?: string
  meters?: string
  flowLimit?: number
  tcpSeqCheck: boolean
  seed: number
  json?: true
  quiet?: true
}

export function switchCommand(): Command {
  const command = new Command('switch')
    .summary('one switch alone, for other controllers and ovs-ofctl')
    .description('Runs one OpenFlow 1.3 switch by itself, or asks one that runs.')
  command.addCommand(runCommand())
  for (const question of questionCommands()) command.addCommand(question)
  return command
}

function runCommand(): Command {
  const command = new Command('run')
    .summary('run a switch')
    .description(
      'Runs a switch until Ctrl-C. Controllers are dialled, or listened for; ports are wires: UDP or TCP sockets, TAP devices, interfaces of Linux.',
    )
    .option('--name <name>', 'name of the bridge', 'br0')
    .addOption(
      // Help writes a default as JSON, which knows no bigint.
      new Option('--datapath-id <hex>', '16 hexadecimal digits').default(1n, '0000000000000001').argParser(datapathId),
    )
    .addOption(repeatable('--controller <target>', `a controller to dial: ${DIAL_SYNTAX}`, endpoint(false)))
    .addOption(
      repeatable('--listen <target>', `where controllers and questions come in: ${LISTEN_SYNTAX}`, endpoint(true)),
    )
    .addOption(
      repeatable(
        '--snoop <target>',
        'where ovs-ofctl snoop comes in to listen in on a dialled controller, such as punix:br0.snoop',
        endpoint(true),
      ),
    )
    .addOption(
      new Option('--fail-mode <mode>', 'without its controllers: forward nothing new, or as a learning switch')
        .choices(['secure', 'standalone'])
        .default('secure'),
    )
    .addOption(repeatable('--port <port>', `a port: ${PORT_SYNTAX}`, parseWiredPort))
    .addOption(repeatable('--table <table>', `settings of a table: ${TABLE_SYNTAX}`, parseTable))
    .option('--flows <file>', 'flows to begin with, in the syntax of ovs-ofctl add-flows')
    .option('--groups <file>', 'groups to begin with, in the syntax of ovs-ofctl add-groups')
    .option('--meters <file>', 'meters to begin with, in the syntax of ovs-ofctl add-meter, one a line')
  return withTlsOptions(command, 'ssl and pssl')
    .option(
      '--flow-limit <number>',
      'answers (megaflows) that it keeps at most, up to 200,000; 0 keeps none',
      wholeNumber,
    )
    .option('--no-tcp-seq-check', 'let the connection tracker take TCP segments outside the window')
    .option('--seed <number>', 'seed of what is free to choose', wholeNumber, 1)
    .option('--json', 'say as JSON when all is ready, and where')
    .option('--quiet', 'print nothing')
    .addHelpText('after', PORT_HELP)
    .action(run)
}

function datapathId(text: string): bigint {
  const digits = /^(?:0x)?([0-9a-f]{1,16})$/i.exec(text)
  if (digits === null) throw new InvalidArgumentError('expected up to 16 hexadecimal digits')
  return BigInt(`0x${digits[1]}`)
}

function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('expected a whole number')
  return Number(text)
}

/** In milliseconds. */
const A_DAY = 86_400_000

async function run(flags: Flags): Promise<void> {
  const stopAsked = onSignals()
  const clock = new WallClock()
  try {
    const daemon = await start(flags, clock)
    announce(daemon, flags)
    // One that listens nowhere would end by itself.
    const alive = setInterval(() => {}, A_DAY)
    await stopAsked
    clearInterval(alive)
    await daemon.stop()
  } finally {
    clock.stop()
  }
}

async function start(flags: Flags, clock: WallClock): Promise<Vswitchd> {
  // Other verbs do not need it, and start faster without.
  const [{ Vswitchd: Daemon }, { applyFile }] = await Promise.all([
    import('../datapath/vswitchd/vswitchd.ts'),
    import('./switch-files.ts'),
  ])
  const log = (line: string) => {
    if (!flags.quiet) process.stderr.write(`signalbox: ${line}\n`)
  }
  const tls = tlsOf(flags, log)
  return Daemon.start({
    name: flags.name,
    datapathId: flags.datapathId,
    clock,
    random: seeded(flags.seed),
    ports: flags.port ?? [],
    controllers: flags.controller ?? [],
    listeners: flags.listen ?? [],
    snoopListeners: flags.snoop ?? [],
    failMode: flags.failMode,
    stopwatch: wallStopwatch,
    dial,
    prepare: (device) => {
      device.connections.sequenceChecks = flags.tcpSeqCheck
      if (flags.flowLimit !== undefined) device.cache.limit = flags.flowLimit
      for (const table of flags.table ?? []) device.tables.configure(table)
      for (const [kind, file] of [
        ['meter', flags.meters],
        ['group', flags.groups],
        ['flow', flags.flows],
      ] as const)
        if (file !== undefined) applyFile(device, kind, file, contentOf(file))
    },
    log,
    ...(tls && { tls }),
  })
}

function contentOf(file: string): string {
  if (statSync(file).isDirectory()) throw new Error(`${file} is a folder; a file was expected`)
  return readFileSync(file, 'utf8')
}

function tlsOf(flags: Flags, say: (line: string) => void): TlsSource | undefined {
  const voice = (prefix: string) => (_fields: object, line: string) => say(`${prefix}${line}`)
  const log = { debug: () => {}, info: voice(''), warn: voice('warning: '), error: voice('error: ') }
  const files = certificatesOf(flags, log)
  const places = [flags.controller, flags.listen, flags.snoop].flatMap((own) => own ?? [])
  if (files === undefined && places.some(({ kind }) => kind === 'ssl'))
    throw new Error('ssl: and pssl: need --private-key, --certificate and --ca-cert')
  return files
}

function announce(daemon: Vswitchd, { json, quiet }: Flags): void {
  if (quiet) return
  const { device } = daemon
  const listen = daemon.listeners.map(formatEndpoint)
  const ports = [...device.ports].flatMap((port) => {
    const wire = daemon.wireOf(port)
    return wire === undefined ? [] : [{ number: port.number, name: port.name, wire: wire.name }]
  })
  const where = listen.length === 0 ? 'It listens nowhere' : `It listens at ${listen.join(', ')}`
  const words = `${device.name} is up: ${ports.length} ports, ${device.tables.size} flows. ${where}; Ctrl-C stops.`
  process.stdout.write(`${json ? JSON.stringify({ ready: true, listen, ports }) : words}\n`)
}
