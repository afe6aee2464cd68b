// A controller with fake switches, on a virtual clock.

import { Controller } from '../../controller/controller.ts'
import type { Hypervisor } from '../../controller/model.ts'
import type { Nanoseconds } from '../../runtime/clock.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import type { Network, Nic, Topology } from '../../topologies/topology.ts'
import { switchName } from '../../topologies/topology.ts'
import { FakeSwitch } from './fake-switch.ts'

export interface ControlledFleet {
  clock: VirtualClock
  controller: Controller
  /** By name, as `h1/br-int`. */
  switches: Map<string, FakeSwitch>
  /** What the hypervisor was told. */
  guests: string[]
  hypervisor: Required<Hypervisor>
  settle<T>(work: Promise<T>): Promise<T>
}

/** All switches of the topology, connected and in sync with it. */
export async function controlledFleet(topology: Topology, drain: Nanoseconds = 10_000): Promise<ControlledFleet> {
  const clock = new VirtualClock()
  const guests: string[] = []
  const hypervisor: Required<Hypervisor> = {
    async pause(vm) {
      guests.push(`pause ${vm}`)
    },
    async resume(vm, host) {
      guests.push(`resume ${vm} at ${host}`)
    },
    async restart(vm, host) {
      guests.push(`restart ${vm} at ${host}`)
    },
  }
  const controller = new Controller({ clock, hypervisor, drain: () => drain })
  const switches = new Map<string, FakeSwitch>()
  for (const host of topology.hosts)
    for (const bridge of host.bridges) {
      const made = new FakeSwitch(switchName(host, bridge), clock)
      switches.set(made.name, made)
      made.dial(controller)
    }
  const settle = <T>(work: Promise<T>) => clock.runUntil(work)
  await settle(controller.apply(topology))
  return { clock, controller, switches, guests, hypervisor, settle }
}

const policy = { portSecurity: true, ingressRate: 1e6, egressRate: 1e6, dscp: 10 }

const nic = (vm: string, network: string, serial: number): Nic => ({
  id: `${vm}:eth0`,
  vm,
  name: 'eth0',
  bridge: 'br-int',
  network,
  mac: `02:00:00:00:00:0${serial}`,
  addresses: [`10.0.0.${serial}`, `2001:db8::${serial}`],
  vlanMode: 'access',
  trunks: [],
  policy,
})

const blue: Network = { name: 'blue', type: 'vlan', segment: 10, mtu: 1500, subnets: [] }
const green: Network = { name: 'green', type: 'vxlan', segment: 5001, mtu: 1450, subnets: [] }

/** Three hosts; `a` and `b` on a VLAN, `c` and `d` on an overlay. */
export const threeHosts = (): Topology => ({
  name: 'three-hosts',
  hosts: [1, 2, 3].map((number) => ({ name: `h${number}`, vtep: `192.0.2.${number}`, bridges: [{ name: 'br-int' }] })),
  fabric: { switches: [], links: [] },
  networks: [blue, green],
  addressGroups: [],
  securityGroups: [],
  vms: [
    { name: 'a', host: 'h1', nics: [nic('a', 'blue', 1)] },
    { name: 'b', host: 'h2', nics: [nic('b', 'blue', 2)] },
    { name: 'c', host: 'h1', nics: [nic('c', 'green', 3)] },
    { name: 'd', host: 'h3', nics: [nic('d', 'green', 4)] },
  ],
})
