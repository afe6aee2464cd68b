// A small topology as people would write it, one value to a line, for tests that break it.

export const twoTenants = () => ({
  version: 1,
  name: 'two-tenants',
  hosts: [
    { name: 'h1', vtep: '192.0.2.1', bridges: [{ name: 'br-int' }, { name: 'br-web', peer: 'br-int' }] },
    { name: 'h2', vtep: '192.0.2.2' },
  ],
  fabric: {
    switches: [{ name: 'tor1' }],
    links: [
      {
        endpoints: ['h1', 'tor1'],
        bandwidth: '10Gbps',
        delay: '10us',
        jitter: '1.5us',
        loss: 0.01,
        mtu: 9000,
        queue: 100,
      },
      { endpoints: ['h2', 'tor1'] },
    ],
  },
  networks: [
    { name: 'blue', type: 'vlan', segment: 10, subnets: [{ cidr: '10.0.10.0/24' }, { cidr: '2001:db8::/64' }] },
    { name: 'green', type: 'vxlan', segment: 5001, mtu: 1450, subnets: [{ cidr: '10.1.0.0/24' }] },
    { name: 'office', type: 'flat' },
  ],
  vms: [
    {
      name: 'web1',
      host: 'h1',
      nics: [
        {
          name: 'eth0',
          network: 'blue',
          bridge: 'br-web',
          mac: '02:00:00:00:0A:01',
          addresses: ['10.0.10.11', '2001:DB8:0::11', 'fe80::1'],
          policy: { ingressRate: '100Mbps', egressRate: '64kbps', egressBurst: '3kB', dscp: 46 },
        },
        { name: 'eth1', network: 'office' },
      ],
    },
    {
      name: 'db1',
      host: 'h2',
      nics: [{ name: 'eth0', network: 'blue', mac: '02:00:00:00:0a:02', addresses: ['10.0.10.12'] }],
    },
    {
      name: 'router',
      host: 'h2',
      nics: [
        {
          name: 'eth0',
          network: 'blue',
          vlanMode: 'native-tagged',
          trunks: [
            { tag: 20, network: 'green', addresses: ['10.1.0.1'] },
            { tag: 30, network: 'office', mac: '02:00:00:00:0b:01' },
          ],
        },
      ],
    },
  ],
})
