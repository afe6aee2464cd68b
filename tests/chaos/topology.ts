import { parseTopology } from '../../topologies/load.ts'

export const HOSTS = ['h1', 'h2', 'h3'] as const
export const VMS = ['g1', 'g2', 'g3', 'r1', 'r2', 'r3'] as const

/** Three VMs of `green` and three of `red`, one of each to a host; another rate with each `version`, which its name tells. */
export const chaosTopology = (version: number) => ({
  version: 1,
  name: `chaos-${version}`,
  hosts: HOSTS.map((name, index) => ({ name, vtep: `127.0.3.${index + 1}` })),
  networks: [
    { name: 'green', type: 'vxlan', segment: 5001, subnets: [{ cidr: '10.1.0.0/24' }] },
    { name: 'red', type: 'vxlan', segment: 5002, subnets: [{ cidr: '10.1.0.0/24' }] },
  ],
  vms: VMS.map((name, index) => ({
    name,
    host: HOSTS[index % 3]!,
    nics: [
      {
        name: 'eth0',
        network: name.startsWith('g') ? 'green' : 'red',
        mac: `02:00:00:00:0c:0${index + 1}`,
        addresses: [`10.1.0.${index + 1}`],
        policy: { ingressRate: `${100 + (version % 100)}Mbps` },
      },
    ],
  })),
})

export const readTopology = (version: number) => parseTopology(JSON.stringify(chaosTopology(version)), 'chaos')
