// Hosts with room for so many VMs, and VMs of anti-affinity groups on them, by chance; nobody begins where it may not be.

import type { Random } from '../../runtime/random.ts'
import type { Host, Topology, Vm } from '../../topologies/topology.ts'

export function randomPlacement(random: Random, most = 24): Topology {
  const hosts = Array.from({ length: 2 + random.below(6) }, (_, index): Host => ({
    name: `h${index + 1}`,
    bridges: [{ name: 'br-int' }],
    ...(random.below(3) > 0 && { capacity: 1 + random.below(8) }),
    ...(random.below(4) > 0 && { vtep: `192.0.2.${index + 1}` }),
  }))
  const vms: Vm[] = []
  for (let index = 0; index < random.below(most) + 1; index++) {
    const vm = randomVm(random, index)
    // The first are the busiest.
    const host = hosts[Math.min(random.below(hosts.length), random.below(hosts.length))]!
    if (slowlyFits(vm, host, vms)) vms.push({ ...vm, host: host.name })
  }
  return {
    name: 'placement',
    hosts,
    fabric: { switches: [], links: [] },
    networks: [
      { name: 'blue', type: 'vlan', segment: 10, mtu: 1500, subnets: [] },
      { name: 'green', type: 'vxlan', segment: 5001, mtu: 1450, subnets: [] },
    ],
    addressGroups: [],
    securityGroups: [],
    vms,
  }
}

function randomVm(random: Random, index: number): Vm {
  const name = `v${index}`
  const network = random.below(4) === 0 ? 'green' : 'blue'
  const nics = Array.from({ length: 1 + random.below(3) }, (_, nic) => ({
    id: `${name}:eth${nic}`,
    vm: name,
    name: `eth${nic}`,
    bridge: 'br-int',
    network,
    mac: `02:00:00:01:0${nic}:${(16 + index).toString(16)}`,
    addresses: [],
    vlanMode: 'access' as const,
    trunks: [],
    policy: { portSecurity: true },
  }))
  return { name, host: '', ...(random.below(3) === 0 && { antiAffinity: `g${random.below(3)}` }), nics }
}

/** Whether the VM may be at the host beside those that are there. */
export const slowlyFits = (vm: Vm, host: Host, all: readonly Vm[]): boolean =>
  isSound(host, [...all.filter((other) => other.host === host.name && other.name !== vm.name), vm])

/** Whether these may all be at the host. */
export function isSound(host: Host, vms: readonly Vm[]): boolean {
  const groups = vms.flatMap(({ antiAffinity }) => antiAffinity ?? [])
  const overlays = vms.some(({ nics }) => nics.some(({ network }) => network === 'green'))
  return (
    vms.length <= (host.capacity ?? Infinity) &&
    new Set(groups).size === groups.length &&
    (!overlays || host.vtep !== undefined)
  )
}
