// What may be asked of the connection tracker, and changed of it: the dpctl/ct-* and dpctl/ipf-* commands of ovs-appctl (ovs-dpctl(8)).

import type { ConnectionFilter } from '../../protocols/control/messages.ts'
import type { ConnectionTracker } from '../conntrack/connection-tracker.ts'
import { formatConnection } from '../conntrack/format.ts'
import type { Switch } from '../switch.ts'
import { otherWords } from './datapath-words.ts'
import type { UnixctlCommand } from './unixctl.ts'

export function conntrackCommands(device: Switch): Record<string, UnixctlCommand> {
  const { connections } = device
  return {
    'dpctl/dump-conntrack': { usage: '[-m] [-s] [dp] [zone=N]', run: (words) => dump(device, words) },
    'dpctl/flush-conntrack': { usage: '[dp] [zone=N]', run: (words) => flush(device, words) },
    'dpctl/ct-get-nconns': { usage: '', run: () => `${connections.dump().length}\n` },
    'dpctl/ct-get-maxconns': { usage: '', run: () => `${connections.maxConnections}\n` },
    'dpctl/ct-set-maxconns': {
      usage: 'maxconns',
      run: ([most = '']) => {
        connections.maxConnections = whole(most, LARGEST_LIMIT, 'maxconns')
        return 'setting maxconns successful\n'
      },
    },
    'dpctl/ct-get-limits': { usage: '[zone=N1[,N2]...]', run: (words) => limits(connections, words) },
    'dpctl/ct-set-limits': {
      usage: '[default=L] [zone=N,limit=L]...',
      run: (words) => setLimits(connections, words),
    },
    'dpctl/ct-del-limits': { usage: 'zone=N1[,N2]...', run: (words) => deleteLimits(connections, words) },
    'dpctl/ct-get-tcp-seq-chk': {
      usage: '',
      run: () => `TCP sequence checking: ${connections.sequenceChecks ? 'enabled' : 'disabled'}\n`,
    },
    'dpctl/ct-enable-tcp-seq-chk': { usage: '', run: () => checkSequences(connections, true) },
    'dpctl/ct-disable-tcp-seq-chk': { usage: '', run: () => checkSequences(connections, false) },
    'dpctl/ipf-set-enabled': { usage: 'v4|v6', run: (words) => reassemble(connections, words, true) },
    'dpctl/ipf-set-disabled': { usage: 'v4|v6', run: (words) => reassemble(connections, words, false) },
    'dpctl/ipf-set-min-frag': { usage: 'v4|v6 minfragment', run: (words) => setSmallest(connections, words) },
    'dpctl/ipf-set-max-nfrags': { usage: 'maxfrags', run: (words) => setMost(connections, words) },
  }
}

const LARGEST_LIMIT = 0xffffffff

/** What `-m` and `-s` add there, there is none of here. */
const VERBOSITY = /^(-m|--more|-s|--statistics)$/
const NONE = /^$/

function dump(device: Switch, words: readonly string[]): string {
  const found = device.connections.dump(filterOf(otherWords(device, words, VERBOSITY)))
  return found.map((connection) => `${formatConnection(connection)}\n`).join('')
}

function flush(device: Switch, words: readonly string[]): string {
  device.connections.flush(filterOf(otherWords(device, words, NONE)))
  return ''
}

function filterOf(words: readonly string[]): ConnectionFilter {
  const [zone, ...more] = words.flatMap((word) => zonesOf(word))
  if (more.length > 0) throw new Error('expected one zone')
  return zone === undefined ? {} : { zone }
}

function limits(connections: ConnectionTracker, words: readonly string[]): string {
  const wanted = words.flatMap((word) => zonesOf(word))
  const counts = connections.zoneCounts()
  const limitOf = new Map(connections.zoneLimits().map(({ zone, limit }) => [zone, limit]))
  const common = limitOf.get('default') ?? 0
  const limited = [...limitOf.keys()].filter((zone) => zone !== 'default').sort((a, b) => a - b)
  const lines = (wanted.length > 0 ? wanted : limited).map(
    (zone) => `zone=${zone},limit=${limitOf.get(zone) ?? common},count=${counts.get(zone) ?? 0}`,
  )
  return [`default limit=${common}`, ...lines, ''].join('\n')
}

function setLimits(connections: ConnectionTracker, words: readonly string[]): string {
  const settings = words.map((word) => {
    const found = /^(?:default=(\d+)|zone=(\d+),limit=(\d+))$/.exec(word)
    if (found === null) throw new Error(`'${word}' sets no limit; expected default=L or zone=N,limit=L`)
    const limit = whole(found[1] ?? found[3]!, LARGEST_LIMIT, 'limit')
    return { zone: found[2] === undefined ? ('default' as const) : zoneOf(found[2]), limit }
  })
  for (const { zone, limit } of settings) connections.setZoneLimit(zone, limit)
  return ''
}

function deleteLimits(connections: ConnectionTracker, words: readonly string[]): string {
  for (const zone of words.flatMap((word) => zonesOf(word))) connections.setZoneLimit(zone, undefined)
  return ''
}

function checkSequences(connections: ConnectionTracker, on: boolean): string {
  connections.sequenceChecks = on
  return `${on ? 'enabling' : 'disabling'} TCP sequence checking successful\n`
}

function reassemble({ fragments }: ConnectionTracker, [family]: readonly string[], on: boolean): string {
  fragments.enabled[familyOf(family)] = on
  return `${on ? 'enabling' : 'disabling'} fragmentation reassembly successful\n`
}

function setSmallest({ fragments }: ConnectionTracker, [family, size = '']: readonly string[]): string {
  fragments.smallest[familyOf(family)] = whole(size, 65535, 'minfragment')
  return 'setting minimum fragment size successful\n'
}

function familyOf(text: string | undefined): 4 | 6 {
  if (text !== 'v4' && text !== 'v6') throw new Error(`'${text ?? ''}'; expected v4 or v6`)
  return text === 'v4' ? 4 : 6
}

function setMost(connections: ConnectionTracker, [most = '']: readonly string[]): string {
  connections.fragments.most = whole(most, 1_000_000, 'maxfrags')
  return 'setting maximum fragments successful\n'
}

/** @throws Error a word that is no list of zones. */
function zonesOf(word: string): number[] {
  const zones = /^zone=(\d+(?:,\d+)*)$/.exec(word)
  if (zones === null) throw new Error(`'${word}' selects no zone; expected zone=N`)
  return zones[1].split(',').map(zoneOf)
}

const zoneOf = (text: string): number => whole(text, 0xffff, 'zone')

function whole(text: string, most: number, name: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : NaN
  if (!(number <= most)) throw new Error(`${name} '${text}'; expected 0 to ${most}`)
  return number
}
