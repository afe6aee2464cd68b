// Whether a VM can live at another host: asked before anything changes.

import { mirrorBrokenAt } from '../../topologies/mirrors.ts'
import { hasBridgeFor } from '../../topologies/relocation.ts'
import {
  type Host,
  type Link,
  type Network,
  type Nic,
  type Topology,
  type Vm,
  VXLAN_OVERHEAD,
} from '../../topologies/topology.ts'
import { attachmentsOf } from '../network/attachments.ts'
import { once } from '../../runtime/once.ts'

/** Why it can not; undefined where nothing is in the way. */
export function obstacle(topology: Topology, vm: Vm, from: Host, to: Host): string | undefined {
  for (const nic of vm.nics) {
    if (!hasBridgeFor(nic, from, to)) return `${to.name} has no bridge '${nic.bridge}', on which ${nic.id} is`
    const missing = networksOf(topology, nic).map((network) => unreachable(topology, nic, network, to))
    const reason = missing.find((one) => one !== undefined)
    if (reason !== undefined) return reason
  }
  const broken = mirrorBrokenAt(topology, vm, to.name)
  if (broken !== undefined)
    return `${broken.bare} has no tunnel endpoint, by which copies of the mirror '${broken.mirror.name}' would go`
  return undefined
}

const networksOf = ({ networks }: Topology, nic: Nic): Network[] =>
  attachmentsOf(nic).flatMap(({ network: name }) => networks.find((one) => one.name === name) ?? [])

function unreachable({ fabric }: Topology, nic: Nic, network: Network, to: Host): string | undefined {
  const isOverlay = network.type === 'vxlan'
  if (isOverlay && to.vtep === undefined)
    return `${to.name} has no tunnel endpoint, and ${nic.id} is on the overlay '${network.name}'`
  // Without links, hosts share one switch that carries everything.
  if (fabric.links.length === 0) return undefined
  const uplinks = linksOf(fabric).get(to.name) ?? []
  if (uplinks.length === 0) return `${to.name} has no uplink, and ${nic.id} is on '${network.name}'`
  const needed = network.mtu + (isOverlay ? VXLAN_OVERHEAD : 0)
  return uplinks.some(({ mtu }: Link) => mtu >= needed)
    ? undefined
    : `frames of '${network.name}' need an mtu of ${needed}, and ${to.name} has no such uplink`
}

/** By what they are joined to. */
const linksOf = once((fabric: Topology['fabric']): ReadonlyMap<string, readonly Link[]> => {
  const links = new Map<string, Link[]>()
  for (const link of fabric.links)
    for (const end of new Set(link.endpoints)) links.set(end, [...(links.get(end) ?? []), link])
  return links
})
