import { PORT_STATES } from '../../protocols/control/messages.ts'
import { Type } from 'typebox'
import { tenantOf } from '../../topologies/tenants.ts'
import type { Controller } from '../controller.ts'
import { VM_STATES } from '../model.ts'
import { named } from '../named.ts'
import type { Api } from './api.ts'
import { choice, closed, count, NameParams, optional, text, texts } from './schemas.ts'
import { ofTenant, PER_TENANT, tenantAsked, TenantQuery } from './tenants.ts'

const VmReport = closed({
  name: text('Its name.'),
  tenant: optional(text("Whose it is; nobody's where absent.")),
  host: text('Host on which it runs.'),
  state: choice(
    [...VM_STATES],
    'Whether it is being moved, or waits: it has been given this host, and begins there once no other can have its ports open.',
  ),
  waitsFor: optional(
    texts(
      'Hosts that it waits for: it was there before, and its ports may be open there still. POST /hosts/NAME/fail says that one is dead.',
    ),
  ),
  nics: Type.Array(
    closed({
      id: text('As web1:eth0.'),
      network: optional(text('Network of untagged frames.')),
      mac: text('MAC address.'),
      addresses: texts('IPv4 and IPv6 addresses.'),
      switch: text('Switch that its port is on.'),
      port: count('OpenFlow number of its port.'),
      state: choice([...PORT_STATES], 'What its port lets through; closed until its policy is in place.'),
      problem: optional(text('What it is joined to, and why nobody is there, as "tap:web1: it has been deleted".')),
    }),
  ),
})

export function vmRoutes(api: Api, controller: Controller): void {
  api.get(
    '/vms',
    {
      config: PER_TENANT,
      schema: {
        tags: ['vms'],
        summary: 'All VMs, or those of a tenant',
        querystring: TenantQuery,
        response: { 200: Type.Array(VmReport) },
      },
    },
    async ({ query, tenant, actor }) =>
      vmsOf(controller, tenantAsked({ tenant, actor }, query.tenant, controller.topology)),
  )
  api.get(
    '/vms/:name',
    {
      config: PER_TENANT,
      schema: { tags: ['vms'], summary: 'One VM', params: NameParams, response: { 200: VmReport } },
    },
    async ({ params: { name }, tenant }) => named('VM', vmsOf(controller, tenant), name),
  )
}

const vmsOf = (controller: Controller, tenant: string | undefined): Type.Static<typeof VmReport>[] =>
  ofTenant(controller.vms(), ({ name }) => name, tenant).map(({ name, waitsFor, ...vm }) => {
    const owner = tenantOf(name)
    return { name, ...(owner !== undefined && { tenant: owner }), ...vm, ...(waitsFor && { waitsFor: [...waitsFor] }) }
  })
