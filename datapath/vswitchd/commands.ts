// What may be asked of a running switch, by the names and in the layouts of ovs-appctl(8).

import { formatMac } from '../../protocols/address.ts'
import type { PortDescription } from '../../protocols/control/messages.ts'
import { PORT_FLAGS } from '../../protocols/control/messages.ts'
import { SOFTWARE } from '../../protocols/control/software.ts'
import { formatPort } from '../../protocols/flow-text/ports.ts'
import { SECOND } from '../../runtime/clock.ts'
import { TABLES } from '../flow-check.ts'
import type { Switch } from '../switch.ts'
import { formatMegaflows } from '../trace/megaflow-lines.ts'
import { parseTraceWords } from '../trace/request.ts'
import { formatTrace, traceFrame } from '../trace/trace.ts'
import { conntrackCommands } from './conntrack-commands.ts'
import { requireDatapath } from './datapath-words.ts'
import { performanceCommands } from './performance-commands.ts'
import type { UnixctlCommand } from './unixctl.ts'

export function commandsOf(device: Switch): ReadonlyMap<string, UnixctlCommand> {
  const commands: Record<string, UnixctlCommand> = {
    ...conntrackCommands(device),
    ...performanceCommands(device),
    'dpctl/dump-flows': {
      usage: '[-m] [dp]',
      run: (words) => {
        // There is no more to say of one than is always said.
        requireDatapath(device, words, /^(-m|--more)$/)
        return formatMegaflows(device.cache, device.clock.now())
          .map((line) => `${line}\n`)
          .join('')
      },
    },
    'fdb/flush': { usage: '[bridge]', run: (words) => flushAddresses(device, words) },
    'fdb/show': { usage: 'bridge', run: (words) => showAddresses(device, words) },
    'ofproto/list': { usage: '', run: () => `${device.name}\n` },
    'ofproto/trace': {
      usage: '[bridge] [--ct-next STATE] flow [packet]',
      run: (words) => formatTrace(traceFrame(device, parseTraceWords(device, words))),
    },
    'ofproto/show': { usage: '[bridge]', run: (words) => show(device, words) },
    version: { usage: '', run: () => `${SOFTWARE.hardware} ${SOFTWARE.software}\n` },
  }
  const usages = () => Object.entries(commands).map(([name, { usage }]) => `  ${name.padEnd(24)} ${usage}`.trimEnd())
  commands['list-commands'] = { usage: '', run: () => `The available commands are:\n${usages().sort().join('\n')}\n` }
  return new Map(Object.entries(commands))
}

/** @throws Error where the words name another bridge. */
function requireBridge(device: Switch, [bridge = device.name, ...more]: readonly string[]): void {
  if (more.length > 0) throw new Error(`'${more[0]}': expected the name of the bridge alone`)
  if (bridge !== device.name) throw new Error(`no such bridge: ${bridge}; this is ${device.name}`)
}

function showAddresses(device: Switch, words: readonly string[]): string {
  requireBridge(device, words)
  const now = device.clock.now()
  const lines = device.macTable.entries(now).map(({ port, vlan, mac, usedAt }) => {
    const age = Math.floor((now - usedAt) / SECOND)
    const name = device.ports.byNumber(port)?.config.type === 'local' ? 'LOCAL' : String(port)
    return `${name.padStart(5)}  ${String(vlan).padStart(4)}  ${formatMac(BigInt(mac))}  ${String(age).padStart(3)}`
  })
  return [' port  VLAN  MAC                Age', ...lines, ''].join('\n')
}

function flushAddresses(device: Switch, words: readonly string[]): string {
  requireBridge(device, words)
  device.macTable.flush()
  return 'table successfully flushed\n'
}

/** The layout of `ovs-ofctl show`. */
function show(device: Switch, words: readonly string[]): string {
  requireBridge(device, words)
  return [
    `${device.name}: dpid:${device.datapathId.toString(16).padStart(16, '0')}`,
    `n_tables:${TABLES}, flows:${device.tables.size}, groups:${device.groups.size}`,
    ...[...device.samples].map(([point, frames]) => `sampled at observation point ${point}: ${frames}`),
    ...[...device.ports].flatMap((port) => describePort(device.ports.describe(port))),
    '',
  ].join('\n')
}

function describePort(port: PortDescription): string[] {
  const config = PORT_FLAGS.filter((flag) => port.flags[flag])
  const vlan = [
    port.vlanMode && `vlan_mode=${port.vlanMode}`,
    port.tag !== undefined && `tag=${port.tag}`,
    port.trunks?.length && `trunks=${port.trunks.join('+')}`,
    port.cvlans?.length && `cvlans=${port.cvlans.join('+')}`,
  ].filter(Boolean)
  return [
    ` ${formatPort(port.number, {})}(${port.name}): addr:${formatMac(port.mac)}`,
    `     config:     ${config.length === 0 ? '0' : config.join(' ')}`,
    `     state:      ${port.linkUp ? 'LIVE' : 'LINK_DOWN'}`,
    ...(vlan.length > 0 ? [`     ${vlan.join(' ')}`] : []),
  ]
}
