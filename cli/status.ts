import type { Command } from 'commander'
import { ApiClient, clientCommand, print, Refused, type ClientFlags } from './client.ts'
import { inColumns } from './columns.ts'

interface HostReport {
  name: string
  connected: boolean
  switches: string[]
  process?: { peer: string; problem?: string }
}

interface SwitchReport {
  name: string
  host: string
  connected: boolean
  inSync: boolean
  flows: number
  problem?: string
}

export interface WireReport {
  nic: string
  host: string
  wire: string
  connected: boolean
  problem?: string
}

const EXIT_NOT_WELL = 1

export const statusCommand = (): Command =>
  clientCommand('status')
    .summary('who is connected, what is in sync, what is pending and why')
    .action(async (flags: ClientFlags) => {
      const client = new ApiClient(flags)
      const [hosts, switches, wires] = await Promise.all([
        client.json<HostReport[]>('GET', '/hosts'),
        client.json<SwitchReport[]>('GET', '/switches'),
        client.json<WireReport[]>('GET', '/wires').catch(noneOf),
      ])
      print(flags, { hosts, switches, wires }, [switchTable(hosts, switches), wireTable(wires)].join(''))
      if (switches.some(({ connected, inSync }) => !connected || !inSync)) process.exitCode = EXIT_NOT_WELL
    })

/** `signalbox up` has no wires to tell of. */
function noneOf(error: unknown): WireReport[] {
  if (error instanceof Refused && error.problem.status === 404) return []
  throw error
}

function switchTable(hosts: readonly HostReport[], switches: readonly SwitchReport[]): string {
  const rows = hosts.flatMap(({ name, process: own }) =>
    switches
      .filter(({ host }) => host === name)
      .map((one, index) => [
        index === 0 ? name : '',
        index === 0 ? (own?.peer ?? '-') : '',
        one.name,
        one.connected ? (one.inSync ? 'in sync' : 'pending') : 'away',
        String(one.flows),
        one.problem ?? own?.problem ?? '',
      ]),
  )
  return inColumns([['HOST', 'PROCESS', 'SWITCH', 'STATE', 'FLOWS', 'WHY'], ...rows])
}

function wireTable(wires: readonly WireReport[]): string {
  if (wires.length === 0) return ''
  const rows = wires.map(({ nic, host, wire, connected, problem = '' }) => [
    nic,
    host,
    wire,
    connected ? 'up' : 'down',
    problem,
  ])
  return `\n${inColumns([['VNIC', 'HOST', 'WIRE', 'STATE', 'WHY'], ...rows])}`
}
