// Topologies by chance: all kinds of networks, bridges, VLAN modes and policies.

import type { Random } from '../../runtime/random.ts'
import type { Host, Network, Nic, Subport, Topology, Vm } from '../../topologies/topology.ts'

const chance = (random: Random, probability: number) => random.fraction() < probability
const pick = <T>(random: Random, items: readonly T[]): T => items[random.below(items.length)]!
const macOf = (number: number) => `02:00:00:00:${hex(number >> 8)}:${hex(number & 255)}`
const hex = (octet: number) => octet.toString(16).padStart(2, '0')

export function randomTopology(random: Random): Topology {
  const hosts = Array.from({ length: chance(random, 0.1) ? 1 : 2 + random.below(3) }, (_, index) =>
    randomHost(random, index),
  )
  const networks = Array.from({ length: 1 + random.below(5) }, (_, index) => randomNetwork(random, index))
  const serial = { next: 1 }
  const vms = Array.from({ length: random.below(12) }, (_, index) =>
    randomVm(random, index, { hosts, networks, serial }),
  )
  return {
    name: 'random',
    hosts,
    fabric: { switches: [], links: [] },
    networks,
    addressGroups: [],
    securityGroups: [],
    vms,
  }
}

/** Of tunnel endpoints some are in the same part of a flood, some in another. */
export function randomHost(random: Random, index: number): Host {
  const bridges = [{ name: 'br-int' }, { name: 'br-web', peer: 'br-int' }, { name: 'br-deep', peer: 'br-web' }]
  const vtep = chance(random, 0.8) ? { vtep: `192.0.2.${1 + 16 * index + random.below(2)}` } : {}
  return { name: `h${index + 1}`, ...vtep, bridges: bridges.slice(0, 1 + random.below(3)) }
}

export function randomNetwork(random: Random, index: number): Network {
  const type = pick(random, ['vlan', 'vxlan', 'vxlan', 'flat'] as const)
  const segment = type === 'flat' ? {} : { segment: type === 'vlan' ? 3000 - index : 5000 + index }
  return { name: `net${index}`, type, ...segment, mtu: 1450, subnets: [], ...randomSnooping(random) }
}

const randomSnooping = (random: Random): Pick<Network, 'igmpSnooping'> =>
  chance(random, 0.5)
    ? {}
    : {
        igmpSnooping: {
          tableSize: 1 + random.below(8),
          agingTime: 1e9 * (1 + random.below(300)),
          floodUnregistered: chance(random, 0.5),
          fastLeave: chance(random, 0.5),
        },
      }

interface Pool {
  hosts: Host[]
  networks: Network[]
  serial: { next: number }
}

function randomVm(random: Random, index: number, pool: Pool): Vm {
  const host = pick(random, pool.hosts)
  const name = `vm${index}`
  const nics = Array.from({ length: 1 + random.below(2) }, (_, nic) =>
    randomNic(random, { vm: name, name: `eth${nic}` }, host, pool),
  )
  return { name, host: host.name, nics }
}

function randomNic(random: Random, { vm, name }: { vm: string; name: string }, host: Host, pool: Pool): Nic {
  const vlanMode = pick(random, ['access', 'trunk', 'native-tagged', 'native-untagged', 'dot1q-tunnel'] as const)
  const isTrunk = vlanMode !== 'access' && vlanMode !== 'dot1q-tunnel'
  return {
    id: `${vm}:${name}`,
    vm,
    name,
    bridge: pick(random, host.bridges).name,
    ...(vlanMode === 'trunk' ? {} : { network: pick(random, pool.networks).name }),
    ...randomAddresses(random, pool.serial.next++),
    vlanMode,
    ...(vlanMode === 'native-tagged' ? { tag: 7 } : {}),
    trunks: isTrunk
      ? Array.from({ length: 1 + random.below(3) }, (_, at) => randomSubport(random, 100 + at, pool))
      : [],
    policy: {
      portSecurity: chance(random, 0.7),
      ...(chance(random, 0.4) ? { ingressRate: 1e6 } : {}),
      ...(chance(random, 0.4) ? { egressRate: 2e6, egressBurst: 20_000 } : {}),
      ...(chance(random, 0.4) ? { dscp: random.below(64) } : {}),
    },
  }
}

const randomSubport = (random: Random, tag: number, pool: Pool): Subport => ({
  tag,
  network: pick(random, pool.networks).name,
  ...randomAddresses(random, pool.serial.next++),
})

function randomAddresses(random: Random, serial: number): { mac: string; addresses: string[] } {
  const addresses = [
    ...(chance(random, 0.8) ? [`10.0.0.${serial}`] : []),
    ...(chance(random, 0.5) ? [`2001:db8::${serial.toString(16)}`] : []),
  ]
  return { mac: macOf(serial), addresses }
}
