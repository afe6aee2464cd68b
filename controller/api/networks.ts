import { Type } from 'typebox'
import { networksOf } from '../../topologies/lookup.ts'
import { NETWORK_TYPES } from '../../topologies/schema/topology.ts'
import type { Network, Topology } from '../../topologies/topology.ts'
import type { Controller } from '../controller.ts'
import { NotFound } from '../model.ts'
import type { Api } from './api.ts'
import { choice, closed, count, NameParams, optional, text, texts } from './schemas.ts'

const NetworkStatus = closed({
  name: text('Its name.'),
  type: choice([...NETWORK_TYPES], 'How it is kept apart on the wire.'),
  segment: optional(count('VLAN id or VXLAN network identifier.')),
  mtu: count('Largest Ethernet payload of its guests, in bytes.'),
  subnets: Type.Array(closed({ cidr: text('IPv4 or IPv6 prefix.') })),
  ports: texts('vNICs that are in it, by tag or without.'),
})

export function networkRoutes(api: Api, controller: Controller): void {
  api.get(
    '/networks',
    { schema: { tags: ['networks'], summary: 'All networks', response: { 200: Type.Array(NetworkStatus) } } },
    async () => controller.topology.networks.map((network) => statusOf(controller.topology, network)),
  )
  api.get(
    '/networks/:name',
    { schema: { tags: ['networks'], summary: 'One network', params: NameParams, response: { 200: NetworkStatus } } },
    async ({ params }) => {
      const { networks } = controller.topology
      const network = networks.find(({ name }) => name === params.name)
      if (network === undefined)
        throw new NotFound(
          'network',
          params.name,
          networks.map(({ name }) => name),
        )
      return statusOf(controller.topology, network)
    },
  )
}

function statusOf(topology: Topology, network: Network): Type.Static<typeof NetworkStatus> {
  const nics = topology.vms.flatMap((vm) => vm.nics)
  return { ...network, ports: nics.flatMap((nic) => (networksOf(nic).includes(network.name) ? [nic.id] : [])) }
}
