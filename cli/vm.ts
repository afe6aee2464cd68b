import { Command } from 'commander'
import type { MigrationStatus, VmStatus } from '../controller/model.ts'
import { ApiClient, clientCommand, print, type ClientFlags } from './client.ts'
import { inColumns } from './columns.ts'
import { whole } from './numbers.ts'
import type { WireReport } from './status.ts'
import { addCommand, deleteCommand, setCommand, showCommand } from './vm-form.ts'

const EXIT_FAILED = 1

type MigrateFlags = ClientFlags & {
  pause: string
  holdBytes?: number
  holdTime?: string
  drain?: string
  redirect?: string
  deadline?: string
  activation?: string
  activationTimeout?: string
  replace?: true
}

type MigrationReport = MigrationStatus & { blackout?: string }

export function vmCommand(): Command {
  return new Command('vm')
    .summary('list, add, change and move VMs of a running network, and join them to real wires')
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(addCommand())
    .addCommand(setCommand())
    .addCommand(deleteCommand())
    .addCommand(migrateCommand())
    .addCommand(movesCommand())
    .addCommand(activateCommand())
    .addCommand(attachCommand())
    .addCommand(detachCommand())
    .addCommand(hypervisorCommand())
}

const listCommand = () =>
  clientCommand('list')
    .summary('VMs, where they run, and their vNICs')
    .option('--tenant <tenant>', 'those of this tenant alone')
    .action(async (flags: ClientFlags & { tenant?: string }) => {
      const query = flags.tenant === undefined ? {} : { tenant: flags.tenant }
      const vms = await new ApiClient(flags).json<VmStatus[]>('GET', '/vms', { query })
      const rows = vms.flatMap(({ name, host, state, waitsFor = [], nics }) => {
        const first = [name, host, waitsFor.length === 0 ? state : `${state} for ${waitsFor.join(' and ')}`]
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
    .description(
      'Moves a VM to another host, and waits until it is there. One that moves already goes on from where that move ends.',
    )
    .argument('<vm>')
    .argument('<host>')
    .option('--pause <time>', 'how long the guest stands still', '30ms')
    .option(
      '--hold-bytes <bytes>',
      'frames kept for it meanwhile, in bytes, at most (default: as its hosts say)',
      Number,
    )
    .option('--hold-time <time>', 'how long a frame is kept, at most (default: as its hosts say)')
    .option(
      '--drain <time>',
      "how long frames may be on their way between hosts; the controller's --drain where absent",
    )
    .option(
      '--redirect <time>',
      'how long frames are brought after it whose senders can not be told of the move (default: 5s)',
    )
    .option(
      '--deadline <time>',
      'how long it may take until its guest goes on there: it stays where it is then (default: any time)',
    )
    .option(
      '--activation <strategies>',
      'let it in at the destination only once it is seen there: rarp, garp, na (a frame of its own), explicit (vm activate), timeout; several with commas',
    )
    .option('--activation-timeout <time>', 'after how long timeout does (default: 10s)')
    .option(
      '--replace',
      'where the VM moves already: undo that move first, if it still can be (default: wait for its end)',
    )
    .action(async (vm: string, to: string, flags: MigrateFlags) => {
      const client = new ApiClient(flags)
      const { pause, holdBytes: bytes, holdTime: time, drain, redirect, deadline, replace, activationTimeout } = flags
      const activation = flags.activation?.split(',')
      const hold = { bytes, time }
      const body = { vm, to, pause, hold, drain, redirect, deadline, activation, activationTimeout, replace }
      const { id } = await client.json<MigrationReport>('POST', '/migrations', { body })
      const ended = await client.json<MigrationReport>('GET', `/migrations/${id}`, { query: { wait: 'true' } })
      print(flags, ended, sentence(ended))
      if (ended.state !== 'done' || ended.policy === 'different' || ended.leftBehind.length > 0)
        process.exitCode = EXIT_FAILED
    })

const movesCommand = () =>
  clientCommand('moves')
    .summary('moves that wait, go on or have ended, and what became of them')
    .option('--limit <number>', 'at most so many: the newest', (text) => whole(text, 1, 1000), 50)
    .action(async (flags: ClientFlags & { limit: number }) => {
      const query = { limit: `${flags.limit}` }
      const moves = await new ApiClient(flags).json<MigrationReport[]>('GET', '/migrations', { query })
      const rows = moves.map(({ id, vm, from, to, state, blackout = '-', held, policy, problem = '' }) => [
        id,
        vm,
        from,
        to,
        state,
        blackout,
        `${held}`,
        policy,
        problem,
      ])
      const titles = ['MOVE', 'VM', 'FROM', 'TO', 'STATE', 'BLACKOUT', 'HELD', 'POLICY', 'PROBLEM']
      print(flags, moves, inColumns([titles, ...rows]))
    })

const activateCommand = () =>
  clientCommand('activate')
    .summary('say that the guest of a VM that moves goes on at its destination (vm migrate --activation explicit)')
    .argument('<vm>')
    .action(async (vm: string, flags: ClientFlags) => {
      const client = new ApiClient(flags)
      const moves = await client.json<MigrationReport[]>('GET', '/migrations')
      const move = moves.find((one) => one.vm === vm && one.endedAt === undefined)
      if (move === undefined) throw new Error(`${vm} does not move`)
      const { to } = await client.json<MigrationReport>('POST', `/migrations/${move.id}/activate`)
      print(flags, { vm, host: to }, `${vm} is let in at ${to}`)
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

interface Place {
  vm: string
  host: string
  qmp: string
  incoming?: string
}

const hypervisorCommand = () =>
  clientCommand('hypervisor')
    .summary('say which QEMU has a VM, or waits for it: it is moved with its network then')
    .argument('<vm>')
    .option('--qmp <place>', "QEMU's monitor (QMP): unix:FILE, or tcp:HOST:PORT")
    .option('--incoming <uri>', 'where it waits for a guest that moves in: tcp:HOST:PORT, or unix:FILE')
    .option('--host <host>', 'where; the host on which the VM runs where absent')
    .option('--forget', 'it is not there any more')
    .action(
      async (vm: string, flags: ClientFlags & { qmp?: string; incoming?: string; host?: string; forget?: true }) => {
        const { qmp, incoming, host, forget } = flags
        if ((qmp === undefined) === (forget === undefined)) throw new Error('expected either --qmp or --forget')
        const client = new ApiClient(flags)
        const path = `/vms/${encodeURIComponent(vm)}/hypervisor`
        const at = host === undefined ? {} : { host }
        const body = { qmp, ...at, ...(incoming !== undefined && { incoming }) }
        const place = await (forget
          ? client.json<Place>('DELETE', path, { query: at })
          : client.json<Place>('PUT', path, { body }))
        print(flags, place, sentenceOf(place, forget === true))
      },
    )

function sentenceOf({ vm, host, qmp, incoming }: Place, isForgotten: boolean): string {
  if (isForgotten) return `${vm} has no QEMU at ${host}; it had that at ${qmp}`
  return `${vm} has the QEMU at ${qmp} at ${host}${incoming === undefined ? '' : `, which waits for it at ${incoming}`}`
}

const wirePath = (vnic: string) => `/ports/${encodeURIComponent(vnic)}/wire`

function sentence({ vm, from, to, state, blackout, held, policy, problem, ...more }: MigrationReport): string {
  const told = [
    blackout && `blackout ${blackout}`,
    `held ${held} frames`,
    more.overflowed > 0 && `had no room for ${more.overflowed}`,
    more.redirected > 0 && `redirected ${more.redirected}`,
    more.activatedBy && `activated by ${more.activatedBy}`,
    more.unconfirmed.length > 0 && `${more.unconfirmed.join(', ')} could not be told of it`,
    more.connections > 0 && `took ${more.connections} connections along`,
    `policy ${policy}`,
    ...more.leftBehind,
  ]
    .filter(Boolean)
    .join(', ')
  return `${vm}: ${from} -> ${to} ${state}; ${told}${problem === undefined ? '' : `; ${problem}`}`
}
