import { Command } from 'commander'
import type { MembershipStatus } from '../controller/model.ts'
import { ApiClient, clientCommand, print, type ClientFlags } from './client.ts'
import { inColumns } from './columns.ts'

interface NetworkReport {
  name: string
  type: string
  segment?: number
  mtu: number
  ports: string[]
}

export const networkCommand = (): Command =>
  new Command('network')
    .summary('list the networks of a running network, and who listens to multicast in them')
    .addCommand(listCommand())
    .addCommand(groupsCommand())

const listCommand = () =>
  clientCommand('list')
    .summary('networks, and how many vNICs are in each')
    .option('--tenant <tenant>', 'those that this tenant may use, with its own vNICs alone')
    .action(async (flags: ClientFlags & { tenant?: string }) => {
      const query = flags.tenant === undefined ? {} : { tenant: flags.tenant }
      const networks = await new ApiClient(flags).json<NetworkReport[]>('GET', '/networks', { query })
      const rows = networks.map(({ name, type, segment, mtu, ports }) => [
        name,
        type,
        String(segment ?? '-'),
        String(mtu),
        String(ports.length),
      ])
      print(flags, networks, inColumns([['NETWORK', 'TYPE', 'SEGMENT', 'MTU', 'VNICS'], ...rows]))
    })

const groupsCommand = () =>
  clientCommand('groups')
    .summary('who listens to which multicast groups, as IGMP and MLD have told')
    .description(
      'Who listens to which multicast groups in a network with igmpSnooping, and behind which vNICs multicast routers are (`controller`: the network asks itself). AGE is in seconds since they were last heard.',
    )
    .argument('<network>')
    .action(async (name: string, flags: ClientFlags) => {
      const path = `/networks/${encodeURIComponent(name)}/groups`
      const members = await new ApiClient(flags).json<MembershipStatus[]>('GET', path)
      const rows = members.map(({ group, querier, router, port, age }) => [
        port,
        group ?? (querier === undefined ? `router ${router ?? ''}` : `querier ${querier}`),
        String(age),
      ])
      print(flags, members, inColumns([['VNIC', 'GROUP', 'AGE'], ...rows]))
    })
