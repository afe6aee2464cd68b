// What a topology reads as, defined once: the JSON Schema (draft 2020-12) that is shipped and the types of what it admits.
// `npx tsx scripts/write-schemas.ts` writes the file.

import { Type } from 'typebox'
import {
  DIALECT,
  closed,
  optional,
  duration,
  rate,
  name,
  scopedName,
  mac,
  text,
  integer,
  addresses,
  pair,
  MTU,
  LARGEST_COUNT,
  inCase,
} from './parts.ts'
import { Hold } from './hold.ts'
import { Mirror } from './mirrors.ts'
import { NetworkQos, qosOfPolicy, queues, Uplink } from './qos.ts'
import { AddressGroup, DENIALS, SecurityGroup } from './security-groups.ts'
import { IgmpSnoopingOrNot } from './snooping.ts'
import { shared, Tenant, tenant } from './tenants.ts'

export const VLAN_MODES = ['access', 'trunk', 'native-tagged', 'native-untagged'] as const
export const NETWORK_TYPES = ['vlan', 'vxlan', 'flat'] as const

const linkProperties = {
  bandwidth: optional(rate('Bits a second each way. Default: unlimited.')),
  delay: optional(duration('Time one way. Default: 0us.')),
  jitter: optional(duration('Each frame is late by a uniform draw from 0 to this. Default: 0us.')),
  loss: optional(
    Type.Number({
      title: 'a probability from 0 to 1',
      minimum: 0,
      maximum: 1,
      description: 'Probability that a frame is lost. Default: 0.',
    }),
  ),
  mtu: optional(integer(MTU.least, MTU.most, 'Largest Ethernet payload in bytes. Default: 9000.')),
  queue: optional(integer(0, LARGEST_COUNT, 'Frames that may wait for the link. Default: 1000.')),
  queues: queues('Queues for DSCPs, at both ends, in the place of the one. They need a bandwidth to wait for.'),
}

const Bridge = closed({
  name: name('Name of the bridge.'),
  peer: optional(name('Bridge of the same host that it is patched to. Absent for the first bridge alone.')),
})

const Host = closed({
  name: name('Name of the host, unique among hosts and fabric switches.'),
  vtep: optional(
    Type.String({
      description: 'IPv4 address of the VXLAN tunnel endpoint. Needed where a vNIC of a vxlan network is.',
    }),
  ),
  bridges: optional(
    Type.Array(Bridge, {
      minItems: 1,
      description:
        'Bridges of the host. The first is the integration bridge, with uplink and tunnel. Default: one, br-int.',
    }),
  ),
  uplink: optional(Uplink),
  capacity: optional(
    integer(
      0,
      LARGEST_COUNT,
      'VMs that it has room for; one that moves counts where it is and where it goes. Default: any number.',
    ),
  ),
  hold: optional(Hold),
})

const Fabric = closed(
  {
    switches: Type.Array(closed({ name: name('Name of the switch, unique among hosts and fabric switches.') }), {
      description: 'Switches of the physical network.',
    }),
    links: Type.Array(
      closed({ endpoints: pair('The two hosts or fabric switches that the link joins.'), ...linkProperties }),
      { description: 'Links of the physical network.' },
    ),
  },
  { description: 'The physical network. Absent: all hosts share one ideal switch, named `fabric`.' },
)

const Network = closed({
  name: name('Name of the network.'),
  tenant: tenant('network'),
  shared,
  type: Type.Enum([...NETWORK_TYPES], {
    description: 'How the network is kept apart on the wire. One network at most is flat: untagged.',
  }),
  segment: optional(integer(1, 2 ** 24 - 1, 'VLAN id from 1 to 4094, or VXLAN network identifier. Not for flat.')),
  mtu: optional(
    integer(
      MTU.least,
      MTU.most,
      'Largest Ethernet payload of its guests in bytes. VXLAN adds 50 on the fabric. Default: 1500.',
    ),
  ),
  subnets: optional(
    Type.Array(closed({ cidr: Type.String({ description: 'IPv4 or IPv6 prefix, as 10.0.10.0/24.' }) }), {
      description: 'Where there are any, addresses of vNICs lie within one of them (IPv6 link-local ones excepted).',
    }),
  ),
  qos: optional(NetworkQos),
  igmpSnooping: optional(IgmpSnoopingOrNot),
})

const AddressPair = closed({
  address: Type.String({ description: 'IPv4 or IPv6 address, or prefix.' }),
  mac: optional(mac("MAC address that goes with it. Default: the vNIC's own.")),
})

export const Policy = closed(
  {
    portSecurity: optional(
      Type.Boolean({ description: "Frames must wear the vNIC's own MAC and addresses. Default: true." }),
    ),
    ...qosOfPolicy,
    securityGroups: optional(
      Type.Array(scopedName('Security group.'), {
        uniqueItems: true,
        description:
          'Security groups of the vNIC: what a rule of any of them allows passes. Empty: only what the network itself needs does. Absent: everything does.',
      }),
    ),
    deny: optional(
      Type.Enum([...DENIALS], {
        description:
          'What becomes of what the security groups do not allow: dropped, or answered with a TCP reset or an ICMP unreachable. Default: drop.',
      }),
    ),
    allowedAddressPairs: optional(
      Type.Array(AddressPair, { description: 'Addresses that the vNIC may wear beside its own.' }),
    ),
  },
  { description: 'What the vNIC may do.' },
)

const Subport = closed({
  tag: integer(1, 4094, "VLAN id on the guest's side."),
  network: scopedName('Network behind the tag.'),
  mac: optional(mac("MAC address of the sub-port. Default: the vNIC's own.")),
  addresses: optional(addresses('IPv4 and IPv6 addresses of the sub-port.')),
})

const Nic = closed({
  name: name('Name of the vNIC within its VM. Elsewhere it is called by both: web1:eth0.'),
  network: optional(
    scopedName(
      'Network of untagged frames. Absent for a trunk without a native network, and where it only hears copies of a mirror.',
    ),
  ),
  bridge: optional(name("Bridge of the host that it is on. Default: the host's integration bridge.")),
  mac: optional(
    mac(
      "MAC address. Default: a locally administered one that follows from the vNIC's full name: 02 and five octets of its SHA-256.",
    ),
  ),
  addresses: optional(addresses('IPv4 and IPv6 addresses.')),
  vlanMode: optional(
    Type.Enum([...VLAN_MODES], {
      description:
        'As Open vSwitch names them. Default: access without trunks; with trunks, native-untagged where there is a network, else trunk.',
    }),
  ),
  tag: optional(
    integer(
      1,
      4094,
      'Native-tagged only: the tag of the native network on this vNIC. Default: the segment of a vlan network.',
    ),
  ),
  trunks: optional(Type.Array(Subport, { description: 'Networks that the guest reaches by tag.' })),
  policy: optional(Policy),
})

export const Vm = closed({
  name: name('Name of the VM.'),
  tenant: tenant('VM'),
  host: name('Host on which it runs.'),
  antiAffinity: optional(
    name(
      'Anti-affinity group: no two VMs of one group, and of one tenant, are on the same host, be it for the time of a move.',
    ),
  ),
  nics: Type.Array(Nic, { description: 'Its vNICs.' }),
})

export const heading = {
  $schema: optional(Type.String({ description: 'Where this schema is, for editors.' })),
  version: Type.Literal(1, { title: '1', description: 'Version of this format.' }),
  name: optional(text("Name of the topology. Default: the file's.")),
}

const Written = closed({
  ...heading,
  hosts: Type.Array(Host, { description: 'Machines that run VMs.' }),
  fabric: optional(Fabric),
  moves: optional(closed({ hold: optional(Hold) }, { description: 'How VMs move, where nobody says otherwise.' })),
  tenants: optional(Type.Array(Tenant, { description: 'To whom networks, groups and VMs may belong.' })),
  networks: optional(Type.Array(Network, { description: 'Virtual networks.' })),
  addressGroups: optional(Type.Array(AddressGroup, { description: 'Lists of addresses that rules refer to.' })),
  securityGroups: optional(
    Type.Array(SecurityGroup, { description: 'What vNICs may say to whom, and hear from whom.' }),
  ),
  vms: optional(Type.Array(Vm, { description: 'Virtual machines.' })),
  mirrors: optional(Type.Array(Mirror, { description: 'Copies of what vNICs say and hear.' })),
})

const Shaped = closed({
  ...heading,
  shape: Type.String({
    title: "a stock shape: 'single,N', 'linear,N', 'tree,D,F' or 'leaf-spine,S,L'",
    description:
      'A stock shape, as Mininet names them: single,N (hosts), linear,N (switches), tree,D,F (depth, fan-out), leaf-spine,S,L (spines, leaves).',
  }),
  hostsPerLeaf: optional(
    integer(1, 4096, 'Hosts on each leaf switch of leaf-spine and each switch of linear. Default: 1.'),
  ),
  vmsPerHost: optional(integer(1, 4096, 'VMs on each host. Default: 1.')),
  networks: optional(integer(1, 256, 'Number of networks, given to the VMs in turn. Default: 1.')),
  type: optional(Type.Enum([...NETWORK_TYPES], { description: 'Type of the networks. Default: vlan.' })),
  link: optional(closed(linkProperties, { description: 'What all links of the fabric are like.' })),
})

export type WrittenTopology = Type.Static<typeof Written>
export type WrittenHost = Type.Static<typeof Host>
export type WrittenFabric = Type.Static<typeof Fabric>
export type WrittenLink = WrittenFabric['links'][number]
export type WrittenNetwork = Type.Static<typeof Network>
export type WrittenVm = Type.Static<typeof Vm>
export type WrittenNic = Type.Static<typeof Nic>
export type WrittenSubport = Type.Static<typeof Subport>
export type WrittenAddressGroup = Type.Static<typeof AddressGroup>
export type WrittenPolicy = Type.Static<typeof Policy>
export type WrittenShape = Type.Static<typeof Shaped>

/** Stands beside the topology schema, so that editors find the one from the other. */
export const TOPOLOGY_ID = 'topology.schema.json'

export const topologySchema = {
  $schema: DIALECT,
  $id: TOPOLOGY_ID,
  title: 'a topology',
  description: 'A virtual network for Signalbox: hosts, fabric, networks and VMs, or a stock shape.',
  type: 'object',
  ...inCase({ required: ['shape'] }, Shaped, Written),
}
