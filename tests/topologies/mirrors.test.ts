import { describe, expect, test } from 'vitest'
import { obstacle } from '../../controller/migration/preflight.ts'
import { seeded } from '../../runtime/random.ts'
import { InvalidInput, parseTopology } from '../../topologies/load.ts'
import { topologyToJson } from '../../topologies/write.ts'

/** A sound topology as JSON that tests break in one place. */
const SOUND = `{
"version": 1,
"hosts": [{"name": "h1", "vtep": "192.0.2.1", "bridges": [{"name": "br-int"}, {"name": "br-web", "peer": "br-int"}]},
{"name": "h2", "vtep": "192.0.2.2"}, {"name": "h3"}],
"tenants": [{"name": "red"}],
"networks": [{"name": "blue", "type": "vlan", "segment": 10},
{"name": "blue", "tenant": "red", "type": "vxlan", "segment": 5000}],
"vms": [
{"name": "a", "host": "h1", "nics": [{"name": "e0", "network": "blue"}, {"name": "e1", "network": "blue"}]},
{"name": "a", "tenant": "red", "host": "h2", "nics": [{"name": "e0", "network": "blue"}]},
{"name": "ids", "tenant": "red", "host": "h1", "nics": [{"name": "tap"}]},
{"name": "other", "host": "h1", "nics": [{"name": "tap"}]}],
"mirrors": [
{"name": "m1", "tenant": "red", "source": {"port": "a"}, "target": {"port": "ids", "segment": 9000}},
{"name": "m2", "tenant": "red", "source": {"network": "blue"}, "direction": "to-lport", "target": {"port": "ids:tap", "segment": 9000}},
{"name": "m3", "source": {"port": "a:e1"}, "target": {"port": "other", "segment": 9001}},
{"name": "m4", "source": {"network": "blue"}, "target": {"vlan": 900}}]
}`

test('names are completed, each in what its mirror belongs to', () => {
  const topology = parseTopology(SOUND, 'x.json')
  expect(topology.mirrors).toEqual([
    {
      name: 'red/m1',
      tenant: 'red',
      source: { kind: 'port', port: 'red/a:e0' },
      direction: 'both',
      target: { kind: 'port', port: 'red/ids:tap', segment: 9000 },
    },
    {
      name: 'red/m2',
      tenant: 'red',
      source: { kind: 'network', network: 'red/blue' },
      direction: 'to-lport',
      target: { kind: 'port', port: 'red/ids:tap', segment: 9000 },
    },
    {
      name: 'm3',
      source: { kind: 'port', port: 'a:e1' },
      direction: 'both',
      target: { kind: 'port', port: 'other:tap', segment: 9001 },
    },
    {
      name: 'm4',
      source: { kind: 'network', network: 'blue' },
      direction: 'both',
      target: { kind: 'vlan', vlan: 900 },
    },
  ])
  expect(parseTopology(JSON.stringify(topologyToJson(topology)), 'x.json')).toEqual(topology)
})

type Case = [what: string, from: string, to: string, pointer: string, problem: string]

const cases: Case[] = [
  ['a name twice', '"m4"', '"m3"', '/mirrors/3/name', "'m3' is already a mirror"],
  ['nothing to copy', '"source": {"port": "a:e1"}', '"source": {}', '/mirrors/2/source', 'says nothing'],
  ['no segment', ', "segment": 9001', '', '/mirrors/2/target/port', "'port' alone"],
  ['a vNIC that is not there', '"a:e1"', '"a:e2"', '/mirrors/2/source/port', "no vNIC 'a:e2'"],
  ['a VM with two vNICs', '"port": "a:e1"', '"port": "a"', '/mirrors/2/source/port', "no vNIC 'a'"],
  [
    'a network that is not there',
    '"source": {"network": "blue"}, "target"',
    '"source": {"network": "blu"}, "target"',
    '/mirrors/3/source/network',
    "no network 'blu'",
  ],
  [
    'a target on a network',
    '"other", "host": "h1", "nics": [{"name": "tap"}',
    '"other", "host": "h1", "nics": [{"name": "tap", "network": "blue"}',
    '/mirrors/2/target/port',
    'other:tap is on a network',
  ],
  ['a copy of copies', '"a:e1"', '"other"', '/mirrors/2/source/port', 'other:tap hears copies itself'],
  ["a network's segment", '9001', '5000', '/mirrors/2/target/segment', "vxlan segment 5000 is that of 'red/blue'"],
  ["a network's VLAN", '900}', '10}', '/mirrors/3/target/vlan', "vlan segment 10 is that of 'blue'"],
  [
    'one segment to two targets',
    '9001',
    '9000',
    '/mirrors/2/target/segment',
    'vxlan segment 9000 leads to red/ids:tap',
  ],
  [
    'two segments to one target',
    '"target": {"port": "ids:tap", "segment": 9000}',
    '"target": {"port": "ids:tap", "segment": 9002}',
    '/mirrors/1/target/segment',
    'copies go to red/ids:tap by vxlan 9000',
  ],
  [
    'a host without a tunnel',
    '"h2", "nics"',
    '"h3", "nics"',
    '/mirrors/0/target',
    'copies go between hosts, and h3 has no tunnel endpoint',
  ],
  ['a file elsewhere', '{"vlan": 900}', '{"file": "../m4.pcapng"}', '/mirrors/3/target/file', "'../m4.pcapng'"],
  ['a file of no kind', '{"vlan": 900}', '{"file": "m4"}', '/mirrors/3/target/file', "'m4'"],
  [
    "another tenant's file",
    '{"vlan": 900}}',
    '{"file": "m.pcapng"}}, {"name": "m5", "tenant": "red", "source": {"port": "a"}, "target": {"file": "m.pcapng"}}',
    '/mirrors/4/target/file',
    'm.pcapng has copies of what belongs to no tenant',
  ],
  ['another bridge', '{"name": "e1",', '{"name": "e1", "bridge": "br-web",', '/mirrors/2', 'a:e1 is on br-web'],
  [
    "what is not the tenant's",
    '"m3", "source"',
    '"m3", "tenant": "red", "source"',
    '/mirrors/2/target/port',
    'other:tap belongs to no tenant',
  ],
]

describe('what mirrors can not be', () => {
  test.each(cases)('%s', (_, from, to, pointer, problem) => {
    const text = SOUND.replace(from, to)
    expect(text).not.toBe(SOUND)
    const problems = problemsOf(text)
    expect(problems).toContainEqual([pointer, expect.stringContaining(problem)])
  })

  test('a vNIC that has addresses, and no network for them', () => {
    const text = SOUND.replace('"other", "host": "h1", "nics": [{"name": "tap"', '$&, "addresses": ["10.0.0.1"]')
    expect(problemsOf(text)).toEqual([['/vms/3/nics/0', 'a vNIC of mode access without a network']])
  })
})

test.each([1, 2, 3])('a move is refused where the topology with the VM there would be (seed %i)', (seed) => {
  const random = seeded(seed)
  let refused = 0
  for (let turn = 0; turn < 10; turn++) {
    const hosts = ['h1', 'h2', 'h3'].map((name, index) => ({
      name,
      ...(random.below(5) < 3 && { vtep: `192.0.2.${index + 1}` }),
    }))
    const place = () => hosts[random.below(hosts.length)]!.name
    const vms = ['a', 'b', 'c', 'ids'].map((name) => ({
      name,
      host: place(),
      nics: [{ name: 'e0', ...(name !== 'ids' && { network: random.below(2) === 0 ? 'blue' : 'green' }) }],
    }))
    const source = random.below(2) === 0 ? { port: 'a' } : { network: 'blue' }
    const written = {
      version: 1,
      hosts,
      networks: ['blue', 'green'].map((name, index) => ({ name, type: 'vlan', segment: 10 + index })),
      vms,
      mirrors: [{ name: 'm', source, target: { port: 'ids', segment: 9000 } }],
    }
    if (problemsOf(JSON.stringify(written)).length > 0) continue
    const topology = parseTopology(JSON.stringify(written), 'x.json')
    for (const vm of topology.vms)
      for (const to of topology.hosts) {
        const from = topology.hosts.find(({ name }) => name === vm.host)!
        const there = vms.map((one) => (one.name === vm.name ? { ...one, host: to.name } : one))
        const isSound = problemsOf(JSON.stringify({ ...written, vms: there })).length === 0
        expect(obstacle(topology, vm, from, to) === undefined, `${vm.name} to ${to.name}`).toBe(isSound)
        if (!isSound) refused++
      }
  }
  expect(refused).toBeGreaterThan(0)
})

function problemsOf(text: string): [string, string][] {
  try {
    parseTopology(text, 'x.json')
    return []
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error
    return error.problems.map(({ pointer, problem }) => [pointer, problem])
  }
}
