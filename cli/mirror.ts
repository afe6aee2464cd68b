import { Command, Option } from 'commander'
import type { WrittenMirror } from '../topologies/schema/mirrors.ts'
import { ApiClient, clientCommand, print, type ClientFlags } from './client.ts'
import { inColumns } from './columns.ts'

const DIRECTIONS = ['from-lport', 'to-lport', 'both'] as const satisfies readonly WrittenMirror['direction'][]

type AddFlags = ClientFlags & {
  port?: string
  network?: string
  direction: (typeof DIRECTIONS)[number]
  to?: string
  segment?: number
  vlan?: number
  file?: string
  tenant?: string
}

export const mirrorCommand = (): Command =>
  new Command('mirror')
    .summary('copy what vNICs of a running network say and hear')
    .addCommand(listCommand())
    .addCommand(addCommand())
    .addCommand(removeCommand())

const listCommand = () =>
  clientCommand('list')
    .summary('mirrors, what they copy, and to whom')
    .option('--tenant <tenant>', 'those of this tenant alone')
    .action(async (flags: ClientFlags & { tenant?: string }) => {
      const query = flags.tenant === undefined ? {} : { tenant: flags.tenant }
      const mirrors = await new ApiClient(flags).json<WrittenMirror[]>('GET', '/mirrors', { query })
      const rows = mirrors.map((mirror) => [
        nameOf(mirror),
        sourceOf(mirror),
        mirror.direction ?? 'both',
        targetOf(mirror),
      ])
      print(flags, mirrors, inColumns([['MIRROR', 'SOURCE', 'DIRECTION', 'TARGET'], ...rows]))
    })

const addCommand = () =>
  clientCommand('add')
    .summary('begin to copy')
    .argument('<name>')
    .option('--port <vnic>', 'what this vNIC says and hears')
    .option('--network <network>', 'what all vNICs on this network say and hear there')
    .addOption(
      new Option('--direction <direction>', 'what they say, what they hear, or both')
        .choices(DIRECTIONS)
        .default('both'),
    )
    .option('--to <vnic>', 'vNIC without a network, which hears the copies')
    .option('--segment <vni>', 'VXLAN network identifier by which they go to its host', Number)
    .option('--vlan <tag>', 'VLAN with which they leave each host by its uplink, in place of --to', Number)
    .option('--file <name>', 'pcapng that each host writes, as tap.pcapng, in place of --to')
    .option('--tenant <tenant>', 'tenant that it belongs to')
    .action(async (name: string, { port, network, direction, to, segment, vlan, file, tenant, ...flags }: AddFlags) => {
      const body = {
        name,
        ...(tenant !== undefined && { tenant }),
        source: { ...(port !== undefined && { port }), ...(network !== undefined && { network }) },
        direction,
        target: {
          ...(to !== undefined && { port: to }),
          ...(segment !== undefined && { segment }),
          ...(vlan !== undefined && { vlan }),
          ...(file !== undefined && { file }),
        },
      }
      const mirror = await new ApiClient(flags).json<WrittenMirror>('POST', '/mirrors', { body })
      print(flags, mirror, `${nameOf(mirror)} copies ${sourceOf(mirror)} to ${targetOf(mirror)}`)
    })

const removeCommand = () =>
  clientCommand('del')
    .summary('copy no more')
    .argument('<name>', "a tenant's as red/tap")
    .action(async (name: string, flags: ClientFlags) => {
      const path = `/mirrors/${encodeURIComponent(name)}`
      const mirror = await new ApiClient(flags).json<WrittenMirror>('DELETE', path)
      print(flags, mirror, `${nameOf(mirror)} copies ${sourceOf(mirror)} no more`)
    })

const nameOf = ({ name, tenant }: WrittenMirror) => (tenant === undefined ? name : `${tenant}/${name}`)
const sourceOf = ({ source }: WrittenMirror) => source.port ?? `network ${source.network}`
function targetOf({ target }: WrittenMirror): string {
  if (target.file !== undefined) return target.file
  return target.vlan === undefined ? `${target.port} by segment ${target.segment}` : `VLAN ${target.vlan}`
}
