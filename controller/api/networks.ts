import { Type } from 'typebox'
import { networksOf } from '../../topologies/lookup.ts'
import { NETWORK_TYPES } from '../../topologies/schema/topology.ts'
import { mayUse } from '../../topologies/tenants.ts'
import type { Network, Topology } from '../../topologies/topology.ts'
import type { Controller } from '../controller.ts'
import { named } from '../named.ts'
import type { Api } from './api.ts'
import { choice, closed, count, NameParams, optional, text, texts } from './schemas.ts'
import { ofTenant, PER_TENANT, tenantAsked, TenantQuery } from './tenants.ts'

const NetworkStatus = closed({
  name: text('Its name.'),
  tenant: optional(text("Whose it is; nobody's where absent.")),
  type: choice([...NETWORK_TYPES], 'How it is kept apart on the wire.'),
  segment: optional(count('VLAN id or VXLAN network identifier.')),
  mtu: count('Largest Ethernet payload of its guests, in bytes.'),
  subnets: Type.Array(closed({ cidr: text('IPv4 or IPv6 prefix.') })),
  ports: texts('vNICs that are in it, by tag or without.'),
})

const GroupMember = closed({
  group: optional(text('Address of the multicast group that it listens to. Absent of a multicast router.')),
  querier: optional(text('Of a multicast router that asks: the address that its queries come from.')),
  router: optional(text('Of a multicast router known by PIM or multicast router discovery: its address.')),
  port: text('The vNIC; or uplink, for somebody beyond the uplinks; or controller, where the network itself asks.'),
  age: count('Seconds since it was last heard.'),
})

export function networkRoutes(api: Api, controller: Controller): void {
  api.get(
    '/networks',
    {
      config: PER_TENANT,
      schema: {
        tags: ['networks'],
        summary: 'All networks, or those that a tenant may use, with its own ports',
        querystring: TenantQuery,
        response: { 200: Type.Array(NetworkStatus) },
      },
    },
    async ({ query, tenant, actor }) =>
      networksFor(controller.topology, tenantAsked({ tenant, actor }, query.tenant, controller.topology)),
  )
  api.get(
    '/networks/:name',
    {
      config: PER_TENANT,
      schema: { tags: ['networks'], summary: 'One network', params: NameParams, response: { 200: NetworkStatus } },
    },
    async ({ params, tenant }) => networkNamed(controller.topology, params.name, tenant),
  )
  api.get(
    '/networks/:name/groups',
    {
      config: PER_TENANT,
      schema: {
        tags: ['networks'],
        summary: 'Who listens to which multicast groups, and where multicast routers are, in a network that snoops',
        params: NameParams,
        response: { 200: Type.Array(GroupMember) },
      },
    },
    async ({ params: { name }, tenant }) => {
      const network = networkNamed(controller.topology, name, tenant)
      return controller.snooper
        .statusOf(name)
        .filter(({ port }) => tenant === undefined || network.ports.includes(port))
    },
  )
}

/** @throws NotFound where there is none that the tenant may use */
const networkNamed = (topology: Topology, name: string, tenant: string | undefined): NetworkReport =>
  named('network', networksFor(topology, tenant), name)

type NetworkReport = Type.Static<typeof NetworkStatus>

/** What a tenant may use, and only its own ports in them; all where none is named. */
function networksFor(topology: Topology, tenant: string | undefined): NetworkReport[] {
  const seen = topology.networks.filter((network) => tenant === undefined || mayUse(tenant, network))
  return seen.map((network) => statusOf(topology, network, tenant))
}

function statusOf(topology: Topology, network: Network, tenant: string | undefined): NetworkReport {
  const { name, type, segment, mtu, subnets } = network
  const nics = ofTenant(topology.vms, (vm) => vm.name, tenant).flatMap((vm) => vm.nics)
  return {
    name,
    ...(network.tenant !== undefined && { tenant: network.tenant }),
    type,
    ...(segment !== undefined && { segment }),
    mtu,
    subnets,
    ports: nics.flatMap((nic) => (networksOf(nic).includes(name) ? [nic.id] : [])),
  }
}
