import { Command } from 'commander'
import { ApiClient, clientCommand, print, type ClientFlags } from './client.ts'
import { inColumns } from './columns.ts'

const KINDS = ['networks', 'vms', 'vnics', 'securityGroups', 'securityGroupRules'] as const
type Counts = Record<(typeof KINDS)[number], number>

interface TenantReport {
  name: string
  used: Counts
  quota: Partial<Counts>
}

export const tenantCommand = (): Command =>
  new Command('tenant').summary('list the tenants of a running network').addCommand(listCommand())

const HEADINGS = ['TENANT', 'NETWORKS', 'VMS', 'VNICS', 'SECURITY GROUPS', 'RULES']

const listCommand = () =>
  clientCommand('list')
    .summary('tenants, what they have and what they may have')
    .action(async (flags: ClientFlags) => {
      const tenants = await new ApiClient(flags).json<TenantReport[]>('GET', '/tenants')
      const rows = tenants.map(({ name, used, quota }) => [
        name,
        ...KINDS.map((kind) => (quota[kind] === undefined ? `${used[kind]}` : `${used[kind]} of ${quota[kind]}`)),
      ])
      print(flags, tenants, inColumns([HEADINGS, ...rows]))
    })
