// As much of a topology as has a say in what is asked of some of its VMs, written: what is checked in it is checked as it would be in
// the whole.

import { uplinkRate } from './qos.ts'
import { MTU } from './schema/parts.ts'
import type { WrittenHost, WrittenTopology } from './schema/topology.ts'
import type { Network, Topology, Vm } from './topology.ts'
import { formatRate } from './units.ts'
import { topologyToJson } from './write.ts'

/** As much as is asked of a VM here; names in full. */
interface Placed {
  readonly host?: string | undefined
  readonly nics?: readonly (OnNetwork & { readonly trunks?: readonly OnNetwork[] | undefined })[] | undefined
}

interface OnNetwork {
  readonly network?: string | undefined
}

/**
 * A topology of `vms` alone, with what they and `wish` are on, and without a fabric. Where `wish` names what there is not, all that
 * there is to choose from is there.
 */
export function surroundings(topology: Topology, vms: readonly Vm[], wish?: Placed): WrittenTopology {
  const { mirrors = [] } = topology
  const all: readonly Placed[] = wish === undefined ? vms : [...vms, wish]
  const nics = all.flatMap((vm) => vm.nics ?? [])
  const copied = mirrors.map(({ source }) => (source.kind === 'network' ? source.network : undefined))
  const networks = nics.flatMap((nic) => [nic.network, ...(nic.trunks ?? []).map((one) => one.network)])
  const hosts = among(
    topology.hosts,
    all.map(({ host }) => host),
  )
  const { fabric: _, ...written } = topologyToJson({
    ...topology,
    hosts,
    fabric: { switches: [], links: [] },
    networks: among(topology.networks, [...networks, ...copied]).map(withLeastMtu),
    addressGroups: [],
    // VMs name groups, whatever they say.
    securityGroups: topology.securityGroups.map((group) => ({ ...group, rules: [] })),
    vms: [...vms],
  })
  const rates = hosts.map((host) => uplinkRate(host, topology.fabric))
  return { ...written, hosts: written.hosts.map((host, index) => withUplinkRate(host, rates[index])) }
}

/** Those of these names; all where one of them is missing. */
function among<T extends { name: string }>(all: readonly T[], names: readonly (string | undefined)[]): T[] {
  const wanted = new Set(names)
  wanted.delete(undefined)
  const found = all.filter(({ name }) => wanted.has(name))
  return found.length === wanted.size ? found : [...all]
}

/** Whether it fits the fabric, which is left out, no VM has a say in. */
const withLeastMtu = (network: Network): Network => ({ ...network, mtu: MTU.least })

/** The fabric said what it is, where the host does not. */
const withUplinkRate = (host: WrittenHost, rate: number | undefined): WrittenHost =>
  rate === undefined ? host : { ...host, uplink: { ...host.uplink, rate: formatRate(rate) } }
