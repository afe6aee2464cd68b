import { expect, test } from 'vitest'
import { parseTopology } from '../../topologies/load.ts'
import { InvalidInput } from '../../topologies/problems.ts'
import { queueConfigs, uplinkRate } from '../../topologies/qos.ts'
import { topologyToJson } from '../../topologies/write.ts'

const shared = () => ({
  version: 1,
  name: 'shared',
  hosts: [
    {
      name: 'h1',
      uplink: { rate: '10Mbps', queues: [{ dscp: [46, 44], strict: true, rate: '2Mbps' }, { weight: 3 }] },
    },
    { name: 'h2', bridges: [{ name: 'br-int' }, { name: 'br-a', peer: 'br-int' }] },
  ],
  fabric: {
    switches: [{ name: 'tor' }],
    links: [
      { endpoints: ['h1', 'tor'] },
      { endpoints: ['h2', 'tor'], bandwidth: '5Mbps', queues: [{ dscp: [10], minimum: '1Mbps', limit: 7 }] },
    ],
  },
  networks: [
    {
      name: 'blue',
      type: 'vlan',
      segment: 10,
      qos: { ingressRate: '4Mbps', ingressMinimum: '3Mbps', egressRate: '6Mbps', egressBurst: '20kb' },
    },
    { name: 'green', type: 'vlan', segment: 20 },
  ],
  vms: [
    {
      name: 'a',
      host: 'h1',
      nics: [
        { name: 'e', network: 'blue', policy: { ingressMinimum: '2Mbps', egressMinimum: '4Mbps', trustDscp: false } },
      ],
    },
    { name: 'b', host: 'h2', nics: [{ name: 'e', network: 'green', policy: { dscp: 46, trustDscp: true } }] },
  ],
})

const read = (written: object) => parseTopology(JSON.stringify(written), 'shared.json')

test('all is read, with bursts that follow from rates, and written again', () => {
  const topology = read(shared())
  expect(topology.hosts[0]!.uplink).toEqual({
    rate: 1e7,
    queues: [
      { dscps: [46, 44], strict: true, weight: 1, rate: 2e6, burst: 20_000, limit: 1000 },
      { dscps: [], strict: false, weight: 3, limit: 1000 },
    ],
  })
  expect(topology.networks[0]!.qos).toEqual({
    ingressRate: 4e6,
    ingressBurst: 40_000,
    ingressMinimum: 3e6,
    egressRate: 6e6,
    egressBurst: 20_000,
  })
  expect(topology.vms[0]!.nics[0]!.policy).toEqual({
    portSecurity: true,
    ingressMinimum: 2e6,
    egressMinimum: 4e6,
    trustDscp: false,
  })
  expect(read(topologyToJson(topology))).toEqual(topology)
})

test('an uplink carries what is said of it, or what its only link does', () => {
  const { hosts, fabric } = read(shared())
  expect(hosts.map((host) => uplinkRate(host, fabric))).toEqual([1e7, 5e6])
  const { uplink: _uplink, ...plain } = hosts[0]!
  expect(uplinkRate(plain, fabric)).toBeUndefined()
})

test('strict queues are numbered by their places, and what none names has queue 0', () => {
  const queue = { dscps: [46], strict: true, weight: 1, limit: 9 }
  expect(queueConfigs([queue, { ...queue, dscps: [10], strict: false, weight: 4 }])).toEqual([
    { queue: 1, priority: 0, weight: 1, limit: 9, dscps: [46] },
    { queue: 2, priority: 2, weight: 4, limit: 9, dscps: [10] },
    { queue: 0, priority: 2, weight: 1, limit: 1000 },
  ])
})

type Shared = ReturnType<typeof shared>
type Policy = Record<string, unknown>
const policyOf = (topology: Shared, vm: number) => topology.vms[vm]!.nics[0]!.policy as Policy

test.each<[string, (topology: Shared) => void, string]>([
  ['minima that the uplink can not hold', (one) => (policyOf(one, 0).ingressMinimum = '11Mbps'), '/hosts/0'],
  [
    'a minimum above its rate',
    (one) => (policyOf(one, 0).ingressRate = '1Mbps'),
    '/vms/0/nics/0/policy/ingressMinimum',
  ],
  [
    'a minimum of an uplink that nothing is known of',
    (one) => delete (one.hosts[0] as { uplink?: unknown }).uplink,
    '/vms/0/nics/0/policy/ingressMinimum',
  ],
  ['a part of nothing', (one) => (policyOf(one, 1).egressMinimum = '1Mbps'), '/vms/1/nics/0/policy/egressMinimum'],
  [
    'minima that the network can not hold',
    (one) => (policyOf(one, 0).egressMinimum = '7Mbps'),
    '/networks/0/qos/egressRate',
  ],
  [
    'a minimum off the integration bridge',
    (one) => {
      policyOf(one, 1).ingressMinimum = '1Mbps'
      Object.assign(one.vms[1]!.nics[0]!, { bridge: 'br-a' })
    },
    '/vms/1/nics/0/policy/ingressMinimum',
  ],
  [
    'queues for what is never full',
    (one) => Object.assign(one.fabric.links[0]!, { queues: [{ dscp: [1] }] }),
    '/fabric/links/0/queues',
  ],
  [
    'a DSCP in two queues',
    (one) => (one.hosts[0]!.uplink!.queues[1] = { dscp: [44] } as never),
    '/hosts/0/uplink/queues/1',
  ],
  ['two queues for the rest', (one) => one.hosts[0]!.uplink!.queues.push({ weight: 1 }), '/hosts/0/uplink/queues/2'],
  ['a burst over no rate', (one) => delete (one.networks[0]!.qos as Policy).egressRate, '/networks/0/qos/egressBurst'],
])('refused: %s', (_name, spoil, pointer) => {
  const topology = shared()
  spoil(topology)
  let refused: unknown
  try {
    read(topology)
  } catch (error) {
    refused = error
  }
  expect(refused).toBeInstanceOf(InvalidInput)
  expect((refused as InvalidInput).problems.map((problem) => problem.pointer)).toContain(pointer)
})
