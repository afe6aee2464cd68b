import { createReadStream, readFileSync } from 'node:fs'
import { Command, InvalidArgumentError } from 'commander'
import { FrameArena } from '../datapath/frames.ts'
import { Switch } from '../datapath/switch.ts'
import { bytesFrom, requestOf, withHeaders } from '../datapath/trace/request.ts'
import { parseConnectionState } from '../datapath/trace/resumption.ts'
import type { TraceRequest } from '../datapath/trace/trace.ts'
import { formatTrace, traceFrame } from '../datapath/trace/trace.ts'
import { Lab } from '../lab/lab.ts'
import { follow } from '../lab/trace/source.ts'
import { formatFollowed, reportFollowed } from '../lab/trace/text.ts'
import { readCapture } from '../protocols/capture/capture.ts'
import { ReservedPort } from '../protocols/control/messages.ts'
import { KEY_WORDS, Word } from '../protocols/fields.ts'
import { VirtualClock } from '../runtime/virtual-clock.ts'
import { loadScenarioOrTopology } from '../topologies/load.ts'
import { applyFile } from './switch-files.ts'
import type { TlsFlags } from './tls-options.ts'
import { tlsFilesOf, withTlsOptions } from './tls-options.ts'
import { askSwitch } from './unixctl-client.ts'

interface Flags extends TlsFlags {
  at?: string
  inPort?: number
  flows?: string
  groups?: string
  meters?: string
  port?: string[]
  ctNext?: string[]
  json?: true
}

const EXAMPLES = `
Examples:
  signalbox trace topology.json icmp,nw_dst=10.0.10.12 --at web1
  signalbox trace topology.json traffic.pcapng#3 --at web1:eth0
  signalbox trace topology.json in_port=2,arp --at h1/br-int
  signalbox trace topology.json traffic.pcapng#3 --at h1/br-int --in-port 2
  signalbox trace --flows flows.txt in_port=1,tcp,nw_dst=10.0.0.2,tp_dst=80 --ct-next trk,est
  signalbox trace tcp:127.0.0.1:6653 in_port=1,ip`

export function traceCommand(): Command {
  const command = new Command('trace')
    .summary('why a frame goes where it goes')
    .description(
      'Follows a frame table by table, in the layout of ofproto/trace: through the network of a topology, through the flows of a file, or through a running switch. Nothing is sent, and nothing changes.',
    )
    .argument(
      '<words...>',
      'TOPOLOGY FLOW, SWITCH FLOW, or with --flows FLOW; a FLOW may be a frame: hexadecimal digits, or FILE#N of a capture',
    )
    .option('--at <place>', 'where the frame enters a topology: a vNIC, or a switch')
    .option(
      '--in-port <number>',
      'by which port a frame enters a switch; 1 where absent. A flow names its in_port',
      portNumber,
    )
    .option('--flows <file>', 'trace through a switch of just these flows, in the syntax of ovs-ofctl add-flows')
    .option('--groups <file>', 'groups beside the flows, in the syntax of ovs-ofctl add-groups')
    .option('--meters <file>', 'meters beside the flows, in the syntax of ovs-ofctl add-meter, one a line')
    .option('--port <name@number>', 'a port of that switch; 1 to 4 where none is given', collect)
    .option('--ct-next <state>', 'what the connection tracker says, as trk,est; what it knows where absent', collect)
    .option('--json', 'print JSON')
  return withTlsOptions(command, 'an ssl SWITCH').addHelpText('after', EXAMPLES).action(run)
}

function portNumber(text: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : 0
  if (number < 1 || number > ReservedPort.Local) throw new InvalidArgumentError('expected the number of a port')
  return number
}

const collect = (text: string, before: string[] = []): string[] => [...before, text]

/** What the options are for; others would do nothing. */
const MEANT_FOR = {
  flows: ['flows', 'groups', 'meters', 'port', 'json', 'inPort', 'ctNext'],
  running: ['privateKey', 'certificate', 'caCert', 'inPort', 'ctNext'],
  topology: ['at', 'json', 'inPort', 'ctNext'],
} as const satisfies Record<string, readonly (keyof Flags)[]>

async function run(words: string[], flags: Flags): Promise<void> {
  if (flags.flows !== undefined) {
    expectOptions(flags, MEANT_FOR.flows, '--flows')
    return traceFile(flags.flows, expectWords(words, ['FLOW'])[0]!, flags)
  }
  const [place, flow] = expectWords(words, ['TOPOLOGY or SWITCH', 'FLOW']) as [string, string]
  const isRunning = /^(tcp|unix|ssl):/.test(place)
  expectOptions(
    flags,
    isRunning ? MEANT_FOR.running : MEANT_FOR.topology,
    isRunning ? 'a running switch' : 'a topology',
  )
  return isRunning ? traceRunning(place, flow, flags) : traceTopology(place, flow, flags)
}

/** @throws Error an option that says nothing of such a trace */
function expectOptions(flags: Flags, meant: readonly (keyof Flags)[], way: string): void {
  const wrong = Object.keys(flags).find((name) => !meant.some((one) => one === name))
  if (wrong === undefined) return
  const option = wrong.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  throw new Error(`--${option} is of no use with ${way}`)
}

function expectWords(words: string[], expected: string[]): string[] {
  if (words.length === expected.length) return words
  throw new Error(`expected ${expected.join(' and ')}, got ${words.length}; a flow is one word, without spaces`)
}

const statesOf = ({ ctNext }: Flags) => ctNext?.map(parseConnectionState)

async function traceRunning(target: string, flow: string, flags: Flags): Promise<void> {
  const frame = await frameIn(flow, flags)
  const options = (flags.ctNext ?? []).flatMap((state) => ['--ct-next', state])
  const asked = frame === undefined ? [flow] : [`in_port=${flags.inPort ?? 1}`, Buffer.from(frame).toString('hex')]
  const question = { target, method: 'ofproto/trace', words: [...options, ...asked], tls: tlsFilesOf(flags) }
  process.stdout.write(await askSwitch(question))
}

async function traceFile(file: string, flow: string, flags: Flags): Promise<void> {
  const device = switchOf(flags.port ?? [])
  if (flags.meters !== undefined) applyFile(device, 'meter', flags.meters, readFileSync(flags.meters, 'utf8'))
  if (flags.groups !== undefined) applyFile(device, 'group', flags.groups, readFileSync(flags.groups, 'utf8'))
  applyFile(device, 'flow', file, readFileSync(file, 'utf8'))
  const frame = await frameIn(flow, flags)
  const request = frame === undefined ? requestOf(device, flow) : enteringAt(flags.inPort ?? 1, frame)
  const states = statesOf(flags)
  const trace = traceFrame(device, { ...request, ...(states && { connectionStates: states }) })
  print(flags, formatTrace(trace), { steps: trace.steps, outputs: trace.outputs.map(({ port }) => port) })
}

function enteringAt(port: number, frame: Uint8Array): TraceRequest {
  const key = new Uint32Array(KEY_WORDS)
  key[Word.inPort] = port
  return { key: withHeaders(key, frame), frame }
}

/** A switch by itself, on a clock that stands still. */
function switchOf(ports: readonly string[]): Switch {
  const arena = new FrameArena()
  const device = new Switch({
    name: 'br0',
    host: 'br0',
    datapathId: 1n,
    arena,
    clock: new VirtualClock(),
    events: { transmit: (_port, frame) => arena.release(frame), drop: () => {}, message: () => {} },
  })
  device.ports.add({ number: ReservedPort.Local, name: 'br0', type: 'local', state: 'open' })
  const named = ports.length > 0 ? ports : ['p1@1', 'p2@2', 'p3@3', 'p4@4']
  for (const text of named) device.ports.add({ ...portOf(text), type: 'dgram', state: 'open' })
  return device
}

function portOf(text: string): { name: string; number: number } {
  const found = /^([^@=]+)(?:@(\d{1,5}))?$/.exec(text)
  if (found === null) throw new Error(`--port ${text}: expected NAME or NAME@NUMBER`)
  return { name: found[1]!, number: Number(found[2] ?? 0) }
}

async function traceTopology(file: string, flow: string, flags: Flags): Promise<void> {
  if (flags.at === undefined) throw new Error('a topology needs --at: the vNIC or the switch where the frame enters')
  const { topology } = await loadScenarioOrTopology(file)
  const lab = await Lab.start(topology, { clock: new VirtualClock(), seed: 1 })
  const states = statesOf(flags)
  const frame = (await frameIn(flow, flags)) ?? flow
  const { at, inPort } = flags
  const question = { at, frame, ...(inPort && { inPort }), ...(states && { connectionStates: states }) }
  const followed = follow(lab, topology, question)
  print(flags, formatFollowed(followed), reportFollowed(followed))
}

function print({ json }: Flags, text: string, value: unknown): void {
  process.stdout.write(json ? `${JSON.stringify(value, undefined, 2)}\n` : text)
}

/**
 * The frame that the word is: hexadecimal digits, or `FILE#N` for frame N of a capture, from 1.
 * @throws Error where --in-port is given beside a flow
 */
async function frameIn(word: string, { inPort }: Flags): Promise<Uint8Array | undefined> {
  const inCapture = /^(.+\.(?:pcap|pcapng|cap))#(\d+)$/.exec(word)
  if (inCapture !== null) return frameOfCapture(inCapture[1]!, Number(inCapture[2]))
  if (/^[0-9a-fA-F]{28,}$/.test(word)) return bytesFrom(word)
  if (inPort !== undefined) throw new Error(`--in-port is for a frame; a flow says it itself: in_port=${inPort}`)
  return undefined
}

async function frameOfCapture(file: string, number: number): Promise<Uint8Array> {
  let seen = 0
  for await (const batch of readCapture(createReadStream(file)))
    for (const { bytes } of batch) if (++seen === number) return bytes.slice()
  throw new Error(`${file}#${number}: there are ${seen} frames; expected 1 to ${seen}`)
}
