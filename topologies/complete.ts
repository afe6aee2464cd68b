// From the written form, once all checks have passed, to a topology with every default filled in.

import { formatMac, parseMac } from '../protocols/address.ts'
import * as defaults from './defaults.ts'
import type {
  WrittenFabric,
  WrittenLink,
  WrittenNetwork,
  WrittenNic,
  WrittenPolicy,
  WrittenSubport,
} from './schema/topology.ts'
import type { WrittenTopology } from './schema/topology.ts'
import { formatAddress, parseAddress } from './subnets.ts'
import type { Bridge, Fabric, Host, Link, Network, Nic, PortPolicy, Subport, Topology } from './topology.ts'
import { parseDuration, parseRate, parseSize } from './units.ts'

export function completeTopology(written: WrittenTopology, fallbackName: string): Topology {
  const hosts = written.hosts.map(completeHost)
  const networks = (written.networks ?? []).map(completeNetwork)
  const hostsByName = new Map(hosts.map((host) => [host.name, host]))
  const networksByName = new Map(networks.map((network) => [network.name, network]))
  const vms = (written.vms ?? []).map(({ name, host, nics }) => {
    const bridge = hostsByName.get(host)!.bridges[0]!.name
    return { name, host, nics: nics.map((nic) => completeNic(nic, name, bridge, networksByName)) }
  })
  const fabric = written.fabric ? completeFabric(written.fabric) : defaults.idealFabric(hosts.map(({ name }) => name))
  return { name: written.name ?? fallbackName, hosts, fabric, networks, vms }
}

function completeHost(host: WrittenTopology['hosts'][number]): Host {
  const bridges = defaults.bridgesOf(host).map(({ name, peer }): Bridge => ({ name: name!, ...(peer && { peer }) }))
  return { name: host.name, ...(host.vtep !== undefined && { vtep: host.vtep }), bridges }
}

const completeFabric = ({ switches, links }: WrittenFabric): Fabric => ({
  switches: switches.map(({ name }) => ({ name })),
  links: links.map(completeLink),
})

const completeLink = ({ endpoints, bandwidth, delay, jitter, ...counts }: WrittenLink): Link => ({
  ...defaults.IDEAL_LINK,
  ...counts,
  endpoints: [endpoints[0]!, endpoints[1]!],
  ...(bandwidth !== undefined && { bandwidth: parseRate(bandwidth) }),
  ...(delay !== undefined && { delay: parseDuration(delay) }),
  ...(jitter !== undefined && { jitter: parseDuration(jitter) }),
})

const completeNetwork = ({ name, type, segment, mtu, subnets }: WrittenNetwork): Network => ({
  name,
  type,
  ...(segment !== undefined && { segment }),
  mtu: mtu ?? defaults.NETWORK_MTU,
  subnets: (subnets ?? []).map(({ cidr }) => ({ cidr })),
})

function completeNic(nic: WrittenNic, vm: string, bridge: string, networks: ReadonlyMap<string, Network>): Nic {
  const id = `${vm}:${nic.name}`
  const mac = canonicalMac(nic.mac ?? defaults.derivedMac(id))
  const vlanMode = defaults.vlanModeOf(nic)
  const native = nic.network === undefined ? undefined : networks.get(nic.network)
  const tag = vlanMode === 'native-tagged' ? defaults.nativeTagOf(nic, native) : undefined
  return {
    id,
    vm,
    name: nic.name,
    bridge: nic.bridge ?? bridge,
    ...(nic.network !== undefined && { network: nic.network }),
    mac,
    addresses: canonicalAddresses(nic.addresses),
    vlanMode,
    ...(tag !== undefined && { tag }),
    trunks: (nic.trunks ?? []).map((subport) => completeSubport(subport, mac)),
    policy: completePolicy(nic.policy ?? {}),
  }
}

const completeSubport = ({ tag, network, mac, addresses }: WrittenSubport, nicMac: string): Subport => ({
  tag,
  network,
  mac: mac === undefined ? nicMac : canonicalMac(mac),
  addresses: canonicalAddresses(addresses),
})

function completePolicy(policy: WrittenPolicy): PortPolicy {
  const ingress = completeLimit(policy.ingressRate, policy.ingressBurst)
  const egress = completeLimit(policy.egressRate, policy.egressBurst)
  return {
    portSecurity: policy.portSecurity ?? true,
    ...(ingress && { ingressRate: ingress.rate, ingressBurst: ingress.burst }),
    ...(egress && { egressRate: egress.rate, egressBurst: egress.burst }),
    ...(policy.dscp !== undefined && { dscp: policy.dscp }),
  }
}

function completeLimit(writtenRate?: string, writtenBurst?: string): { rate: number; burst: number } | undefined {
  if (writtenRate === undefined) return undefined
  const rate = parseRate(writtenRate)
  return { rate, burst: writtenBurst === undefined ? defaults.defaultBurst(rate) : parseSize(writtenBurst) }
}

const canonicalMac = (mac: string) => formatMac(parseMac(mac))
const canonicalAddresses = (addresses: readonly string[] = []) =>
  addresses.map((address) => formatAddress(parseAddress(address)))
