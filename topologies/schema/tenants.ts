// Tenants, in Neutron's words: whose something is, who may use it, and how much of it there may be.

import { Type } from 'typebox'
import { closed, integer, LARGEST_COUNT, name, optional } from './parts.ts'

const most = (what: string) => optional(integer(0, LARGEST_COUNT, `${what}, at most. Default: any number.`))

export const Tenant = closed({
  name: name('Name of the tenant.'),
  quota: optional(
    closed(
      {
        networks: most('Networks'),
        vms: most('VMs'),
        vnics: most('vNICs of its VMs'),
        securityGroups: most('Security groups'),
        securityGroupRules: most('Rules of all of them'),
      },
      { description: 'How much may belong to it.' },
    ),
  ),
})

/** Names of what belongs to a tenant are its own: elsewhere it is called by both, `red/blue`. */
export const tenant = (what: string) =>
  optional(
    name(
      `Tenant that the ${what} belongs to. Its name is the tenant's own then: others call it by both, tenant/name. Names in it mean what the tenant has, else what belongs to nobody.`,
    ),
  )

export const shared = optional(
  Type.Unsafe<boolean | string[]>({
    type: ['boolean', 'array'],
    title: 'true, false or a list of tenants',
    items: name('Tenant.'),
    uniqueItems: true,
    description: 'Who may use it beside its tenant: all, or these tenants. Default: nobody.',
  }),
)

export type WrittenTenant = Type.Static<typeof Tenant>
