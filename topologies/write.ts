// The way back: a topology as people would write it, with nothing left to defaults.

import type {
  WrittenHost,
  WrittenLink,
  WrittenNetwork,
  WrittenNic,
  WrittenPolicy,
  WrittenTopology,
  WrittenVm,
} from './schema/topology.ts'
import { writeNetworkQos, writeQosPolicy, writeQueue, writeUplink } from './qos.ts'
import { writeSnooping } from './snooping.ts'
import { writeHold } from './hold.ts'
import type { WrittenMirror } from './schema/mirrors.ts'
import type { WrittenRule } from './schema/security-groups.ts'
import type { Host, Link, Mirror, Network, Nic, PortPolicy, SecurityGroupRule, Topology, Vm } from './topology.ts'
import { ownName } from './tenants.ts'
import { formatDuration, formatRate } from './units.ts'

/** JSON that, parsed again, gives an equal topology. */
export const topologyToJson = ({
  name,
  hosts,
  fabric,
  tenants,
  networks,
  addressGroups,
  securityGroups,
  vms,
  mirrors,
}: Topology): WrittenTopology => ({
  version: 1,
  name,
  hosts: hosts.map(writeHost),
  fabric: { switches: fabric.switches.map((one) => ({ ...one })), links: fabric.links.map(writeLink) },
  ...(tenants && { tenants: tenants.map(({ name: own, quota }) => ({ name: own, quota: { ...quota } })) }),
  networks: networks.map(writeNetwork),
  addressGroups: addressGroups.map((group) => ({ ...group, name: ownName(group), addresses: [...group.addresses] })),
  securityGroups: securityGroups.map((group) => ({
    ...group,
    name: ownName(group),
    rules: group.rules.map(writeRule),
  })),
  vms: vms.map(writeVm),
  ...(mirrors && { mirrors: mirrors.map(writeMirror) }),
})

const writeHost = ({ bridges, uplink, hold, ...host }: Host): WrittenHost => ({
  ...host,
  bridges: bridges.map((bridge) => ({ ...bridge })),
  ...(uplink && { uplink: writeUplink(uplink) }),
  ...(hold && { hold: writeHold(hold) }),
})

export const writeVm = ({ host, tenant, antiAffinity, nics, ...vm }: Vm): WrittenVm => ({
  name: ownName({ ...vm, tenant }),
  ...(tenant !== undefined && { tenant }),
  host,
  ...(antiAffinity !== undefined && { antiAffinity }),
  nics: nics.map(writeNic),
})

const writeNetwork = ({ subnets, shared, qos, igmpSnooping, ...network }: Network): WrittenNetwork => ({
  ...network,
  name: ownName(network),
  ...(shared && { shared: shared === true || [...shared] }),
  subnets: subnets.map((subnet) => ({ ...subnet })),
  ...(qos && { qos: writeNetworkQos(qos) }),
  ...(igmpSnooping && { igmpSnooping: writeSnooping(igmpSnooping) }),
})

const writeLink = ({ endpoints, bandwidth, delay, jitter, loss, mtu, queue, queues }: Link): WrittenLink => ({
  endpoints: [...endpoints],
  ...(bandwidth !== undefined && { bandwidth: formatRate(bandwidth) }),
  delay: formatDuration(delay),
  jitter: formatDuration(jitter),
  loss,
  mtu,
  queue,
  ...(queues && { queues: queues.map(writeQueue) }),
})

function writeNic({ name, bridge, network, mac, addresses, vlanMode, tag, trunks, policy }: Nic): WrittenNic {
  if (vlanMode === 'dot1q-tunnel') throw new Error('no written form for a vNIC of mode dot1q-tunnel')
  return {
    name,
    bridge,
    ...(network !== undefined && { network }),
    mac,
    addresses: [...addresses],
    vlanMode,
    ...(tag !== undefined && { tag }),
    trunks: trunks.map((subport) => ({ ...subport, addresses: [...subport.addresses] })),
    policy: writePolicy(policy),
  }
}

export const writePolicy = ({
  portSecurity,
  securityGroups,
  deny,
  allowedAddressPairs,
  ...qos
}: PortPolicy): WrittenPolicy => ({
  portSecurity,
  ...writeQosPolicy(qos),
  ...(securityGroups !== undefined && { securityGroups: [...securityGroups] }),
  ...(deny !== undefined && { deny }),
  ...(allowedAddressPairs !== undefined && {
    allowedAddressPairs: allowedAddressPairs.map(({ prefix, mac }) => ({
      address: prefix,
      ...(mac !== undefined && { mac }),
    })),
  }),
})

function writeMirror({ source, target, ...mirror }: Mirror): WrittenMirror {
  const { kind: _, ...from } = source
  const { kind: __, ...to } = target
  return { ...mirror, name: ownName(mirror), source: from, target: to }
}

const writeRule = ({ ports, remote, ...rule }: SecurityGroupRule): WrittenRule => ({
  ...rule,
  ...(ports && { portRangeMin: ports.first, portRangeMax: ports.last }),
  ...(remote?.kind === 'prefix' && { remoteIpPrefix: remote.prefix }),
  ...(remote?.kind === 'group' && { remoteGroup: remote.group }),
  ...(remote?.kind === 'addressGroup' && { remoteAddressGroup: remote.group }),
})
