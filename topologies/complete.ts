// From the written form, once all checks have passed, to a topology with every default filled in.

import { formatMac, parseMac } from '../protocols/address.ts'
import * as defaults from './defaults.ts'
import { bridgesOf, nativeTagOf, vlanModeOf } from './draft.ts'
import { findNic } from './lookup.ts'
import { completeNetworkQos, completeQosPolicy, completeQueue, completeUplink } from './qos.ts'
import type { WrittenMirror } from './schema/mirrors.ts'
import type { WrittenRule, WrittenSecurityGroup } from './schema/security-groups.ts'
import type { WrittenTenant } from './schema/tenants.ts'
import type {
  WrittenAddressGroup,
  WrittenFabric,
  WrittenHost,
  WrittenLink,
  WrittenNetwork,
  WrittenNic,
  WrittenPolicy,
  WrittenSubport,
  WrittenTopology,
  WrittenVm,
} from './schema/topology.ts'
import { completeSnooping } from './snooping.ts'
import { formatAddress, formatPrefix, parseAddress, parsePrefix } from './subnets.ts'
import type {
  AddressGroup,
  Bridge,
  Fabric,
  Host,
  Link,
  Mirror,
  Network,
  Nic,
  PortPolicy,
  Remote,
  SecurityGroup,
  SecurityGroupRule,
  Subport,
  Tenant,
  Topology,
  Vm,
} from './topology.ts'
import { parseDuration, parseRate } from './units.ts'
import { completeHold } from './hold.ts'
import type { WrittenHold } from './schema/hold.ts'

export function completeTopology(written: WrittenTopology, fallbackName: string): Topology {
  const hosts = written.hosts.map((host) => completeHost(host, written.moves?.hold))
  const networks = (written.networks ?? []).map(completeNetwork)
  const known = { hosts: byName(hosts), networks: byName(networks) }
  const vms = (written.vms ?? []).map((vm) => completeVm(vm, known))
  const fabric = written.fabric ? completeFabric(written.fabric) : defaults.idealFabric(hosts.map(({ name }) => name))
  return {
    name: written.name ?? fallbackName,
    hosts,
    fabric,
    ...(written.tenants?.length && { tenants: written.tenants.map(completeTenant) }),
    networks,
    addressGroups: (written.addressGroups ?? []).map(completeAddressGroup),
    securityGroups: (written.securityGroups ?? []).map(completeSecurityGroup),
    vms,
    ...(written.mirrors?.length && { mirrors: written.mirrors.map((mirror) => completeMirror(mirror, vms)) }),
  }
}

/** What VMs name, by those names. */
interface Known {
  hosts: ReadonlyMap<string, Host>
  networks: ReadonlyMap<string, Network>
}

export const byName = <T extends { name: string }>(all: readonly T[]): ReadonlyMap<string, T> =>
  new Map(all.map((one) => [one.name, one]))

/** `known` has all that it names, in full. */
export function completeVm({ name, host, tenant, antiAffinity, nics }: WrittenVm, { hosts, networks }: Known): Vm {
  const bridge = hosts.get(host)!.bridges[0]!.name
  return {
    name,
    ...ownerOf(tenant),
    host,
    ...(antiAffinity !== undefined && { antiAffinity }),
    nics: nics.map((nic) => completeNic(nic, name, bridge, networks)),
  }
}

function completeHost(host: WrittenHost, usualHold: WrittenHold | undefined): Host {
  const hold = completeHold({ ...usualHold, ...host.hold })
  const bridges = bridgesOf(host).map(({ name, peer }): Bridge => ({ name: name!, ...(peer && { peer }) }))
  return {
    name: host.name,
    ...(host.vtep !== undefined && { vtep: host.vtep }),
    bridges,
    ...(host.uplink !== undefined && { uplink: completeUplink(host.uplink) }),
    ...(host.capacity !== undefined && { capacity: host.capacity }),
    ...(Object.keys(hold).length > 0 && { hold }),
  }
}

const completeFabric = ({ switches, links }: WrittenFabric): Fabric => ({
  switches: switches.map(({ name }) => ({ name })),
  links: links.map(completeLink),
})

const completeLink = ({ endpoints, bandwidth, delay, jitter, queues, ...counts }: WrittenLink): Link => ({
  ...defaults.IDEAL_LINK,
  ...counts,
  endpoints: [endpoints[0]!, endpoints[1]!],
  ...(bandwidth !== undefined && { bandwidth: parseRate(bandwidth) }),
  ...(delay !== undefined && { delay: parseDuration(delay) }),
  ...(jitter !== undefined && { jitter: parseDuration(jitter) }),
  ...(queues !== undefined && { queues: queues.map(completeQueue) }),
})

const ownerOf = (tenant: string | undefined) => (tenant === undefined ? {} : { tenant })

const completeTenant = ({ name, quota = {} }: WrittenTenant): Tenant => ({ name, quota: { ...quota } })

function completeNetwork({
  name,
  tenant,
  shared,
  type,
  segment,
  mtu,
  subnets,
  qos,
  igmpSnooping,
}: WrittenNetwork): Network {
  const snooping = completeSnooping(igmpSnooping, name)
  return {
    name,
    ...ownerOf(tenant),
    type,
    ...(segment !== undefined && { segment }),
    mtu: mtu ?? defaults.NETWORK_MTU,
    ...(shared && { shared: shared === true || [...shared] }),
    subnets: (subnets ?? []).map(({ cidr }) => ({ cidr })),
    ...(qos !== undefined && { qos: completeNetworkQos(qos) }),
    ...(snooping && { igmpSnooping: snooping }),
  }
}

function completeNic(nic: WrittenNic, vm: string, bridge: string, networks: ReadonlyMap<string, Network>): Nic {
  const id = `${vm}:${nic.name}`
  const mac = canonicalMac(nic.mac ?? defaults.derivedMac(id))
  const vlanMode = vlanModeOf(nic)
  const native = nic.network === undefined ? undefined : networks.get(nic.network)
  const tag = vlanMode === 'native-tagged' ? nativeTagOf(nic, native) : undefined
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
  return {
    portSecurity: policy.portSecurity ?? true,
    ...completeQosPolicy(policy),
    ...(policy.securityGroups !== undefined && { securityGroups: [...policy.securityGroups] }),
    ...(policy.deny !== undefined && { deny: policy.deny }),
    ...(policy.allowedAddressPairs !== undefined && {
      allowedAddressPairs: policy.allowedAddressPairs.map(({ address, mac }) => ({
        prefix: canonicalPrefix(address),
        ...(mac !== undefined && { mac: canonicalMac(mac) }),
      })),
    }),
  }
}

function completeMirror({ name, tenant, source, direction, target }: WrittenMirror, vms: readonly Vm[]): Mirror {
  return {
    name,
    ...ownerOf(tenant),
    source:
      source.port === undefined
        ? { kind: 'network', network: source.network! }
        : { kind: 'port', port: findNic({ vms }, source.port).id },
    direction: direction ?? 'both',
    target: completeMirrorTarget(target, vms),
  }
}

function completeMirrorTarget(
  { port, segment, vlan, file }: WrittenMirror['target'],
  vms: readonly Vm[],
): Mirror['target'] {
  if (file !== undefined) return { kind: 'file', file }
  if (vlan !== undefined) return { kind: 'vlan', vlan }
  return { kind: 'port', port: findNic({ vms }, port!).id, segment: segment! }
}

const completeAddressGroup = ({ name, tenant, addresses }: WrittenAddressGroup): AddressGroup => ({
  name,
  ...ownerOf(tenant),
  addresses: addresses.map(canonicalPrefix),
})

const completeSecurityGroup = ({
  name,
  tenant,
  stateful,
  onRuleRemoval,
  rules,
}: WrittenSecurityGroup): SecurityGroup => ({
  name,
  ...ownerOf(tenant),
  stateful: stateful ?? true,
  onRuleRemoval: onRuleRemoval ?? 'cut',
  rules: rules.map(completeRule),
})

function completeRule({ direction, ethertype, protocol, ...rule }: WrittenRule): SecurityGroupRule {
  const { portRangeMin: first, portRangeMax: last = first, icmpType, icmpCode } = rule
  const remote = remoteOf(rule)
  return {
    direction,
    ethertype: ethertype ?? defaults.ETHERTYPE,
    ...(protocol !== undefined && { protocol: defaults.protocolNumber(protocol) }),
    ...(first !== undefined && last !== undefined && { ports: { first, last } }),
    ...(icmpType !== undefined && { icmpType }),
    ...(icmpCode !== undefined && { icmpCode }),
    ...(remote && { remote }),
  }
}

function remoteOf({ remoteIpPrefix, remoteGroup, remoteAddressGroup }: Partial<WrittenRule>): Remote | undefined {
  if (remoteIpPrefix !== undefined) return { kind: 'prefix', prefix: canonicalPrefix(remoteIpPrefix) }
  if (remoteGroup !== undefined) return { kind: 'group', group: remoteGroup }
  return remoteAddressGroup === undefined ? undefined : { kind: 'addressGroup', group: remoteAddressGroup }
}

const canonicalMac = (mac: string) => formatMac(parseMac(mac))
const canonicalPrefix = (text: string) => formatPrefix(parsePrefix(text))
const canonicalAddresses = (addresses: readonly string[] = []) =>
  addresses.map((address) => formatAddress(parseAddress(address)))
