// A network as plain data, after every default is filled in and every cross-check has passed. What people write is in
// `topology.schema.json`; `load.ts` turns the one into the other.

import type { VlanMode } from '../protocols/control/messages.ts'

export type NetworkType = 'vlan' | 'vxlan' | 'flat'

export interface Topology {
  name: string
  hosts: Host[]
  fabric: Fabric
  /** Absent where nobody is named. */
  tenants?: Tenant[]
  networks: Network[]
  addressGroups: AddressGroup[]
  securityGroups: SecurityGroup[]
  vms: Vm[]
  /** Absent where there are none. */
  mirrors?: Mirror[]
}

export interface Host {
  name: string
  /** IPv4 address of the VXLAN tunnel endpoint, dotted; absent on hosts without overlays. */
  vtep?: string
  /** The first is the integration bridge: it has the uplink and the tunnel. The others hang from their `peer` by a pair of patch ports. */
  bridges: Bridge[]
  uplink?: Uplink
  /** VMs that it has room for; absent: any number. */
  capacity?: number
  /** What a port of a VM that moves keeps here at most, unless the move says otherwise. */
  hold?: HoldWish
}

/** Where nothing is said it is as ever. */
export interface HoldWish {
  bytes?: number
  /** Nanoseconds. */
  time?: number
}

export interface Uplink {
  rate?: number
  queues: Queue[]
}

export interface Bridge {
  /** `br-int` */
  name: string
  /** Name of the bridge it is patched to; absent for the integration bridge alone. */
  peer?: string
}

export interface Fabric {
  switches: { name: string }[]
  links: Link[]
}

export interface Link {
  /** Names of hosts or fabric switches. */
  endpoints: [string, string]
  /** Bits a second; absent for unlimited. */
  bandwidth?: number
  /** Nanoseconds one way. */
  delay: number
  /** Nanoseconds; each frame is late by a uniform draw from 0 to this. */
  jitter: number
  /** Probability from 0 to 1 that a frame is lost. */
  loss: number
  /** Largest Ethernet payload in bytes. */
  mtu: number
  /** Frames that may wait for the link, where it has no queues. */
  queue: number
  queues?: Queue[]
}

export interface Queue {
  /** Empty for the one that takes all that no other names. */
  dscps: number[]
  /** Before all that follow, and before all that are not. */
  strict: boolean
  weight: number
  minimum?: number
  rate?: number
  burst?: number
  /** Frames. */
  limit: number
}

export interface Tenant {
  name: string
  /** How much may belong to it; any number where absent. */
  quota: Quota
}

export interface Quota {
  networks?: number
  vms?: number
  /** Of its VMs. */
  vnics?: number
  securityGroups?: number
  /** Of all its security groups. */
  securityGroupRules?: number
}

/** Something that may be a tenant's. */
export interface Owned {
  /** Unique: of what belongs to a tenant, `red/blue`. */
  name: string
  /** Absent for what belongs to nobody. */
  tenant?: string
}

export interface Network extends Owned {
  type: NetworkType
  /** VLAN id or VNI; absent for `flat`. */
  segment?: number
  /** Largest Ethernet payload its guests may send, in bytes. */
  mtu: number
  /** Who may use it beside its tenant: all, or these. */
  shared?: true | string[]
  subnets: { cidr: string }[]
  qos?: NetworkQos
  /** Absent: all multicast is flooded. */
  igmpSnooping?: IgmpSnooping
}

/** What the vNICs of a network on one host share. */
export interface NetworkQos {
  /** What they may send to other hosts, and what they may count on. */
  ingressRate?: number
  ingressBurst?: number
  ingressMinimum?: number
  /** What they may receive. */
  egressRate?: number
  egressBurst?: number
}

/** IGMP and MLD snooping (RFC 4541): what is for a multicast group reaches those who have said that they listen to it. */
export interface IgmpSnooping {
  /** Groups at most; those beyond are as unregistered. */
  tableSize: number
  /** Nanoseconds after the last report in which a listener is forgotten. */
  agingTime: number
  /** What is for a group without listeners reaches everybody. */
  floodUnregistered: boolean
  /** Who leaves a group has left it at once, and not after the time in which others behind the port would say that they have not. */
  fastLeave: boolean
  /** Who asks the vNICs; nobody of ours where absent. */
  querier?: Querier
}

/** Asks who listens to what, for as long as nobody with a lower address does. Spans are nanoseconds. */
export interface Querier {
  /** Of IGMP: 3 goes with MLDv2, 2 with MLDv1. */
  version: 2 | 3
  mac: string
  /** 0.0.0.0 gives way to any other. */
  ipv4: string
  /** Link-local. */
  ipv6: string
  interval: number
  /** Within so much time listeners are to answer. */
  maxResponse: number
}

/** Addresses that rules call by one name. */
export interface AddressGroup extends Owned {
  /** IPv4 and IPv6 prefixes, canonical text; a single address is a prefix of full length. */
  addresses: string[]
}

/**
 * What vNICs may say and hear. A vNIC with groups is denied all that no rule of any of them allows, but for ARP, RARP, neighbour and
 * router discovery, multicast listener reports, and its own DHCP. Frames of no other Ethernet type than ARP, RARP, IPv4 and IPv6 pass.
 */
export interface SecurityGroup extends Owned {
  /** What belongs or is related to an allowed connection is allowed, both ways; else each frame is judged by itself. */
  stateful: boolean
  /** What becomes of connections that a rule of this group allowed and no rule allows any more. */
  onRuleRemoval: 'cut' | 'keep'
  rules: SecurityGroupRule[]
}

export interface SecurityGroupRule {
  direction: 'ingress' | 'egress'
  ethertype: 'IPv4' | 'IPv6'
  /** IP protocol number; absent: any. */
  protocol?: number
  /** Destination ports of TCP, UDP and SCTP; absent: any. */
  ports?: { first: number; last: number }
  /** ICMP type and code; absent: any. */
  icmpType?: number
  icmpCode?: number
  /** The far end; absent: anybody. */
  remote?: Remote
}

export type Remote =
  | { kind: 'prefix'; /** Canonical text, of the rule's ethertype. */ prefix: string }
  /** Those with this group: each of their addresses and allowed address pairs counts on the network where its vNIC has it. */
  | { kind: 'group'; group: string }
  | { kind: 'addressGroup'; group: string }

export interface Vm extends Owned {
  host: string
  /** No two VMs of one such group, and of one tenant, are on the same host. */
  antiAffinity?: string
  nics: Nic[]
}

/** Copies of what vNICs say and hear, as they say and hear it. */
export interface Mirror extends Owned {
  /** A vNIC by its id, or all that are on a network. */
  source: { kind: 'port'; port: string } | { kind: 'network'; network: string }
  /** What they say, what they hear, or both. */
  direction: 'from-lport' | 'to-lport' | 'both'
  target: MirrorTarget
}

export type MirrorTarget =
  /** A vNIC that hears nothing else, by a VXLAN segment of its own. */
  | { kind: 'port'; port: string; segment: number }
  /** Out of each host by its uplink. */
  | { kind: 'vlan'; vlan: number }
  /** A pcapng of this name, written where the copies are made. */
  | { kind: 'file'; file: string }

export interface Nic {
  /** `web1:eth0` */
  id: string
  vm: string
  /** `eth0` */
  name: string
  bridge: string
  /** Network of untagged frames; absent for a trunk without a native network, and for one that hears copies of a mirror. */
  network?: string
  mac: string
  /** IPv4 and IPv6, canonical text. */
  addresses: string[]
  vlanMode: VlanMode
  /** Native-tagged: the tag that the native network wears on this vNIC. */
  tag?: number
  /** Trunk sub-ports: the guest's tag, and the network behind it. */
  trunks: Subport[]
  policy: PortPolicy
}

export interface Subport {
  tag: number
  network: string
  /** The vNIC's own where absent in the file. */
  mac: string
  addresses: string[]
}

/** What a policy says of rates and marks. */
export interface QosPolicy extends NetworkQos {
  egressMinimum?: number
  /** DSCP put on what the VM sends, 0..63. */
  dscp?: number
  /** Whether a DSCP that the guest has set stays; absent: where there is no `dscp`. */
  trustDscp?: boolean
}

export interface PortPolicy extends QosPolicy {
  /** Frames must wear the vNIC's own MAC and addresses. */
  portSecurity: boolean
  /** Names of security groups. Absent: nothing is filtered; empty: only what the network itself needs passes. */
  securityGroups?: string[]
  /** What becomes of what the groups do not allow; `drop` where absent. */
  deny?: 'drop' | 'reject'
  /** What the vNIC may wear beside its own, on each of its networks. */
  allowedAddressPairs?: AddressPair[]
}

export interface AddressPair {
  /** IPv4 or IPv6 prefix, canonical text. */
  prefix: string
  /** The vNIC's own, on each network, where absent. */
  mac?: string
}

/** Bytes that VXLAN adds to a guest's Ethernet payload: inner Ethernet 14, VXLAN 8, UDP 8, IPv4 20. */
export const VXLAN_OVERHEAD = 50

/** As `h1/br-int`. */
export const switchName = (host: Host, bridge: Bridge): string => `${host.name}/${bridge.name}`

/** Names of all switches of the host, its integration bridge first. */
export const switchesAt = (host: Host): string[] => host.bridges.map((bridge) => switchName(host, bridge))
