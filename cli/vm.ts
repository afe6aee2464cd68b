import { Command } from 'commander'
import type { MigrationStatus, VmStatus } from '../controller/model.ts'
import { ApiClient, clientCommand, print, type ClientFlags } from './client.ts'
import { inColumns } from './columns.ts'
import type { WireReport } from './status.ts'

const EXIT_FAILED = 1

type MigrationReport = MigrationStatus & { blackout?: string }

export function vmCommand(): Command {
  return new Command('vm')
    .summary('list and move VMs of a running network, and join them to real wires')
    .addCommand(listCommand())
    .addCommand(migrateCommand())
    .addCommand(attachCommand())
    .addCommand(detachCommand())
}

const listCommand = () =>
  clientCommand('list')
    .summary('VMs, where they run, and their vNICs')
    .action(async (flags: ClientFlags) => {
      const vms = await new ApiClient(flags).json<VmStatus[]>('GET', '/vms')
      const rows = vms.flatMap(({ name, host, state, nics }) => {
        const first = [name, host, state]
        if (nics.length === 0) return [[...first, '-', '-', '-', '-']]
        return nics.map((nic, index) => [
          ...(index === 0 ? first : ['', '', '']),
          nic.id,
          nic.network ?? '-',
          nic.mac,
          nic.addresses.join(' ') || '-',
        ])
      })
      print(flags, vms, inColumns([['VM', 'HOST', 'STATE', 'VNIC', 'NETWORK', 'MAC', 'ADDRESSES'], ...rows]))
    })

const migrateCommand = () =>
  clientCommand('migrate')
    .summary('move a VM to another host, and wait until it is there')
    .argument('<vm>')
    .argument('<host>')
    .option('--pause <time>', 'how long the guest stands still', '30ms')
    .action(async (vm: string, to: string, flags: ClientFlags & { pause: string }) => {
      const client = new ApiClient(flags)
      const { id } = await client.json<MigrationReport>('POST', '/migrations', { body: { vm, to, pause: flags.pause } })
      const ended = await client.json<MigrationReport>('GET', `/migrations/${id}`, { query: { wait: 'true' } })
      print(flags, ended, sentence(ended))
      if (ended.state !== 'done' || ended.policy === 'different') process.exitCode = EXIT_FAILED
    })

const attachCommand = () =>
  clientCommand('attach')
    .summary('join a vNIC to a wire: tap:NAME, interface:NAME, dgram:…, stream:…')
    .argument('<vnic>')
    .argument('<wire>')
    .option('--host <host>', 'where it is joined so; the host on which its VM runs where absent')
    .action(async (vnic: string, wire: string, flags: ClientFlags & { host?: string }) => {
      const body = { wire, ...(flags.host !== undefined && { host: flags.host }) }
      const attached = await new ApiClient(flags).json<WireReport>('PUT', wirePath(vnic), { body })
      const waiting = attached.problem === undefined ? '' : `; ${attached.problem}`
      print(flags, attached, `${attached.nic} is joined to ${attached.wire} at ${attached.host}${waiting}`)
    })

const detachCommand = () =>
  clientCommand('detach')
    .summary('take a vNIC from its wire')
    .argument('<vnic>')
    .option('--host <host>', 'at which host; that on which its VM runs where absent')
    .action(async (vnic: string, flags: ClientFlags & { host?: string }) => {
      const query = flags.host === undefined ? {} : { host: flags.host }
      const { nic, wire, host } = await new ApiClient(flags).json<WireReport>('DELETE', wirePath(vnic), { query })
      print(flags, { nic, wire, host }, `${nic} is joined to nothing at ${host}; it was to ${wire}`)
    })

const wirePath = (vnic: string) => `/ports/${encodeURIComponent(vnic)}/wire`

function sentence({ vm, from, to, state, blackout, held, policy, problem }: MigrationReport): string {
  const told = [blackout && `blackout ${blackout}`, `held ${held} frames`, `policy ${policy}`]
    .filter(Boolean)
    .join(', ')
  return `${vm}: ${from} -> ${to} ${state}; ${told}${problem === undefined ? '' : `; ${problem}`}`
}
