// `--port` of `switch run`: NAME[@NUMBER]=WIRE[;ATTRIBUTE=VALUE]…

import { InvalidArgumentError } from 'commander'
import type { WiredPort } from '../datapath/vswitchd/vswitchd.ts'
import { parseMac } from '../protocols/address.ts'
import type { QueueConfig, VlanMode } from '../protocols/control/messages.ts'
import { parseWire, WIRE_FORMS } from '../runtime/wires/parse.ts'
import { parseRate } from '../topologies/units.ts'
import { wholeBetween } from './numbers.ts'
import { textOf } from '../runtime/error-text.ts'

export const PORT_SYNTAX = 'NAME[@NUMBER]=WIRE[;ATTRIBUTE=VALUE]...'

const VLAN_MODES: readonly VlanMode[] = ['access', 'trunk', 'native-tagged', 'native-untagged', 'dot1q-tunnel']

/** Beneath the options of `switch run`. */
export const PORT_HELP = `
Wires (docs/attach.md shows them with virtual machines, namespaces and containers):
${Object.values(WIRE_FORMS)
  .map((form) => `  ${form}`)
  .join('\n')}
Attributes of a port, separated by semicolons:
  tag=VLAN, trunks=VLAN+VLAN, cvlans=VLAN+VLAN, vlan_mode=MODE
  mac=MAC, mtu=BYTES, max_rate=RATE
  queue.N.min_rate=RATE, queue.N.max_rate=RATE
Example:
  signalbox switch run --listen ptcp:6653:127.0.0.1 --port 'p1@1=dgram:127.0.0.1:7001,127.0.0.1:7002;tag=10;mtu=1500;queue.1.max_rate=10Mbps'`

type Config = WiredPort['config']
/** Reads one attribute into the configuration. */
type Attribute = (config: Config, value: string) => void

/** Those of ovs-vswitchd.conf.db(5). */
const ATTRIBUTES: ReadonlyMap<string, Attribute> = new Map<string, Attribute>([
  ['tag', (config, value) => (config.tag = whole(value, 1, 4094, 'tag'))],
  ['trunks', (config, value) => (config.trunks = vlans(value, 'trunks'))],
  ['cvlans', (config, value) => (config.cvlans = vlans(value, 'cvlans'))],
  ['vlan_mode', (config, value) => (config.vlanMode = vlanMode(value))],
  ['mac', (config, value) => (config.mac = parseMac(value))],
  ['mtu', (config, value) => (config.mtu = whole(value, 68, 65535, 'mtu'))],
  ['max_rate', (config, value) => (config.maxRate = rate(value, 'max_rate'))],
])

/** @throws InvalidArgumentError */
export function parseWiredPort(text: string): WiredPort {
  try {
    return portOf(text)
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw error
    throw new InvalidArgumentError(textOf(error))
  }
}

function portOf(text: string): WiredPort {
  const [head = '', ...attributes] = text.split(';')
  const found = /^([^@=]+)(?:@(\d+))?=(.+)$/.exec(head)
  if (found === null) throw new Error(`'${head}' is no port; expected ${PORT_SYNTAX}`)
  const number = found[2] === undefined ? 0 : whole(found[2], 1, 0xfeff, 'the number')
  const config: Config = { name: found[1]!, number }
  for (const attribute of attributes) readAttribute(config, attribute)
  checkQueues(config)
  return { config, wire: parseWire(found[3]!) }
}

function readAttribute(config: Config, attribute: string): void {
  const [name = '', value = ''] = attribute.split('=', 2)
  const queue = /^queue\.(\d+)\.(min|max)_rate$/.exec(name)
  if (queue) return readQueue(config, whole(queue[1]!, 0, 0xfffe, 'the queue'), queue[2] as 'min' | 'max', value)
  const read = ATTRIBUTES.get(name)
  if (read === undefined)
    throw new Error(
      `unknown attribute '${name}'; expected ${[...ATTRIBUTES.keys()].join(', ')}, queue.N.min_rate or queue.N.max_rate`,
    )
  read(config, value)
}

function readQueue(config: Config, number: number, bound: 'min' | 'max', value: string): void {
  const queues = (config.queues ??= [])
  let queue = queues.find((one) => one.queue === number)
  if (queue === undefined) queues.push((queue = { queue: number } satisfies QueueConfig))
  const name = `queue.${number}.${bound}_rate`
  if (bound === 'min') queue.minRate = rate(value, name)
  else queue.maxRate = rate(value, name)
}

/** @throws Error also for 0, at which nothing would ever leave. */
function rate(text: string, name: string): number {
  const bitsPerSecond = parseRate(text, name)
  if (bitsPerSecond === 0) throw new Error(`${name} '${text}'; expected 1bps or more`)
  return bitsPerSecond
}

function checkQueues({ queues = [] }: Config): void {
  const wrong = queues.find(({ minRate = 0, maxRate = Infinity }) => minRate > maxRate)
  if (wrong !== undefined) throw new Error(`queue.${wrong.queue}.min_rate is above queue.${wrong.queue}.max_rate`)
}

function vlanMode(value: string): VlanMode {
  const mode = VLAN_MODES.find((one) => one === value)
  if (mode === undefined) throw new Error(`vlan_mode '${value}'; expected ${VLAN_MODES.join(', ')}`)
  return mode
}

const vlans = (value: string, name: string): number[] => value.split('+').map((vlan) => whole(vlan, 0, 4095, name))

function whole(text: string, from: number, to: number, name: string): number {
  const number = wholeBetween(text, from, to)
  if (number === undefined) throw new Error(`${name} '${text}'; expected ${from} to ${to}`)
  return number
}
