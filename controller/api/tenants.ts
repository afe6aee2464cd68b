// Tenants, and what somebody who asks about one of them, or for one of them, gets to see.

import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { tenantOf } from '../../topologies/tenants.ts'
import type { Quota, Topology } from '../../topologies/topology.ts'
import type { Controller } from '../controller.ts'
import { NotFound } from '../model.ts'
import type { Api } from './api.ts'
import { NotAllowed } from './errors.ts'
import { closed, count, optional, text } from './schemas.ts'

export const TenantQuery = closed({
  tenant: optional(text('What is its alone; what is of all tenants, and of nobody, where absent.')),
})

/** Of a route that shows nothing but what is theirs to those with a token of a tenant. */
export const PER_TENANT = { tenants: true } as const

/**
 * The tenant that the question is about: the token's own, or the one it names; undefined for all.
 * @throws NotAllowed, NotFound
 */
export function tenantAsked(
  { tenant, actor }: Pick<FastifyRequest, 'tenant' | 'actor'>,
  asked: string | undefined,
  { tenants = [] }: Topology,
): string | undefined {
  if (asked === undefined || asked === tenant) return tenant
  if (tenant !== undefined) throw new NotAllowed(`'${actor}' is of tenant ${tenant} alone`, 'viewer')
  const names = tenants.map(({ name }) => name)
  if (!names.includes(asked)) throw new NotFound('tenant', asked, names)
  return asked
}

/** Those of the VMs or vNICs that are the tenant's; all where none is named. */
export const ofTenant = <T>(all: T[], nameOf: (one: T) => string, tenant: string | undefined): T[] =>
  tenant === undefined ? all : all.filter((one) => tenantOf(nameOf(one)) === tenant)

const used = {
  networks: count('Networks.'),
  vms: count('VMs.'),
  vnics: count('vNICs of its VMs.'),
  securityGroups: count('Security groups.'),
  securityGroupRules: count('Rules of all of them.'),
}
const TenantStatus = closed({
  name: text('Its name.'),
  used: closed(used, { description: 'How much it has.' }),
  quota: Type.Partial(closed(used), { description: 'How much it may have at most; what is absent is not limited.' }),
})

export function tenantRoutes(api: Api, controller: Controller): void {
  api.get(
    '/tenants',
    {
      config: PER_TENANT,
      schema: {
        tags: ['tenants'],
        summary: 'All tenants, what they have and what they may have',
        response: { 200: Type.Array(TenantStatus) },
      },
    },
    async ({ tenant }) => {
      const { topology } = controller
      const { tenants = [] } = topology
      return tenants
        .filter(({ name }) => tenant === undefined || name === tenant)
        .map(({ name, quota }) => ({ name, used: usedBy(name, topology), quota }))
    },
  )
}

function usedBy(tenant: string, topology: Topology): Required<Quota> {
  const own = <T extends { tenant?: string }>(all: readonly T[]) => all.filter((one) => one.tenant === tenant)
  const [machines, groups] = [own(topology.vms), own(topology.securityGroups)]
  return {
    networks: own(topology.networks).length,
    vms: machines.length,
    vnics: machines.flatMap(({ nics }) => nics).length,
    securityGroups: groups.length,
    securityGroupRules: groups.flatMap(({ rules }) => rules).length,
  }
}
