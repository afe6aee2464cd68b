import { describe, expect, test } from 'vitest'
import { InvalidInput, parseTopology } from '../../topologies/load.ts'

/** A sound topology as JSON that tests break in one place. */
const SOUND = `{
"version": 1,
"hosts": [
{"name": "h1", "vtep": "192.0.2.1", "bridges": [{"name": "br-int"}, {"name": "br-a", "peer": "br-int"}, {"name": "br-b", "peer": "br-a"}]},
{"name": "h2", "vtep": "192.0.2.2"}],
"fabric": {"switches": [{"name": "s1"}], "links": [
{"endpoints": ["h1", "s1"]},
{"endpoints": ["h2", "s1"], "mtu": 1600}]},
"networks": [
{"name": "blue", "type": "vlan", "segment": 10, "subnets": [{"cidr": "10.0.0.0/24"}]},
{"name": "red", "type": "vlan", "segment": 11, "subnets": [{"cidr": "10.1.0.0/24"}, {"cidr": "10.1.1.0/24"}]},
{"name": "green", "type": "vxlan", "segment": 5000, "mtu": 1500},
{"name": "bare", "type": "flat"}],
"vms": [
{"name": "a", "host": "h1", "nics": [
{"name": "e0", "network": "blue", "bridge": "br-a", "mac": "02:00:00:00:00:01", "addresses": ["10.0.0.1"], "policy": {"egressRate": "1Mbps"}}]},
{"name": "b", "host": "h2", "nics": [
{"name": "e0", "network": "blue", "mac": "02:00:00:00:00:02", "addresses": ["10.0.0.2"]},
{"name": "e1", "network": "green", "trunks": [
{"tag": 5, "network": "red"},
{"tag": 6, "network": "bare"}]}]}]
}`

test('the topology that is broken below is sound', () => {
  expect(parseTopology(SOUND, 'x.json').vms).toHaveLength(2)
})

type Case = [what: string, from: string, to: string, pointer: string, line: number, problem: string]

const cases: Case[] = [
  ['unknown host', '"host": "h2"', '"host": "h3"', '/vms/1/host', 17, "no host 'h3'"],
  [
    'unknown network',
    '"network": "blue", "bridge"',
    '"network": "blu", "bridge"',
    '/vms/0/nics/0/network',
    16,
    "no network 'blu'",
  ],
  [
    'unknown network of a sub-port',
    '"network": "bare"',
    '"network": "bear"',
    '/vms/1/nics/1/trunks/1/network',
    21,
    "no network 'bear'",
  ],
  ['unknown bridge', '"bridge": "br-a"', '"bridge": "br-c"', '/vms/0/nics/0/bridge', 16, "no bridge on h1 'br-c'"],
  [
    'unknown peer',
    '"peer": "br-int"',
    '"peer": "br-in"',
    '/hosts/0/bridges/1/peer',
    4,
    "no bridge of this host 'br-in'",
  ],
  [
    'circle of bridges',
    '"peer": "br-int"',
    '"peer": "br-b"',
    '/hosts/0/bridges/1/peer',
    4,
    'bridges that are patched in a circle',
  ],
  [
    'bridge without peer',
    '{"name": "br-b", "peer": "br-a"}',
    '{"name": "br-b"}',
    '/hosts/0/bridges/2',
    4,
    'a bridge that hangs from no other',
  ],
  [
    'integration bridge with a peer',
    '{"name": "br-int"}',
    '{"name": "br-int", "peer": "br-b"}',
    '/hosts/0/bridges/0/peer',
    4,
    'the integration bridge has a peer',
  ],
  [
    'unknown link end',
    '["h2", "s1"]',
    '["h2", "s2"]',
    '/fabric/links/1/endpoints/1',
    8,
    "no host or fabric switch 's2'",
  ],
  ['link with itself', '["h2", "s1"]', '["h2", "h2"]', '/fabric/links/1/endpoints', 8, "'h2' is linked with itself"],
  ['doubled link', '["h2", "s1"]', '["s1", "h1"]', '/fabric/links/1/endpoints', 8, 's1 and h1 are already linked'],
  [
    'host out of reach',
    ',\n{"endpoints": ["h2", "s1"], "mtu": 1600}',
    '',
    '/hosts/1',
    5,
    'no way through the fabric from h1 to h2',
  ],
  ['doubled host', '"name": "h2"', '"name": "h1"', '/hosts/1/name', 5, "'h1' is already a host or switch"],
  [
    'switch named as a host',
    '"name": "s1"',
    '"name": "h1"',
    '/fabric/switches/0/name',
    6,
    "'h1' is already a host or switch",
  ],
  ['doubled network', '"name": "red"', '"name": "blue"', '/networks/1/name', 11, "'blue' is already a network"],
  ['doubled VM', '"name": "b"', '"name": "a"', '/vms/1/name', 17, "'a' is already a VM"],
  ['doubled vNIC', '"name": "e1"', '"name": "e0"', '/vms/1/nics/1/name', 19, "'e0' is already a vNIC"],
  [
    'doubled bridge',
    '"name": "br-b"',
    '"name": "br-a"',
    '/hosts/0/bridges/2/name',
    4,
    "'br-a' is already a bridge of this host",
  ],
  [
    'doubled MAC',
    '00:00:02"',
    '00:00:01"',
    '/vms/1/nics/0/mac',
    18,
    "MAC address 02:00:00:00:00:01 is already a:e0's in blue",
  ],
  [
    'doubled address',
    '"10.0.0.2"',
    '"10.0.0.1"',
    '/vms/1/nics/0/addresses/0',
    18,
    "address 10.0.0.1 is already a:e0's in blue",
  ],
  [
    'multicast MAC',
    '"02:00:00:00:00:01"',
    '"03:00:00:00:00:01"',
    '/vms/0/nics/0/mac',
    16,
    '03:00:00:00:00:01 is no address of a single station',
  ],
  [
    'zero MAC',
    '"02:00:00:00:00:01"',
    '"00:00:00:00:00:00"',
    '/vms/0/nics/0/mac',
    16,
    '00:00:00:00:00:00 is no address of a single station',
  ],
  ['no address', '"10.0.0.2"', '"10.0.0.256"', '/vms/1/nics/0/addresses/0', 18, "'10.0.0.256' is not an IPv4 address"],
  ['address outside', '"10.0.0.2"', '"10.0.1.2"', '/vms/1/nics/0/addresses/0', 18, '10.0.1.2 is outside blue'],
  [
    'broadcast address',
    '"10.0.0.2"',
    '"10.0.0.255"',
    '/vms/1/nics/0/addresses/0',
    18,
    "10.0.0.255 is the subnet's own or broadcast address",
  ],
  ['VLAN out of range', '"segment": 11', '"segment": 4095', '/networks/1/segment', 11, '4095 is not a VLAN id'],
  ['VNI out of range', '"segment": 5000', '"segment": 16777216', '/networks/2/segment', 12, 'found 16777216'],
  [
    'segment twice',
    '"segment": 11',
    '"segment": 10',
    '/networks/1/segment',
    11,
    "vlan segment 10 is already that of 'blue'",
  ],
  ['no segment', '"segment": 11, ', '', '/networks/1', 11, 'a vlan network without a segment'],
  [
    'flat with a segment',
    '"type": "flat"',
    '"type": "flat", "segment": 3',
    '/networks/3/segment',
    13,
    'a flat network is untagged',
  ],
  [
    'host bits',
    '"10.1.1.0/24"',
    '"10.1.1.7/24"',
    '/networks/1/subnets/1/cidr',
    11,
    "'10.1.1.7/24' has bits set behind its prefix",
  ],
  ['no prefix', '"10.1.1.0/24"', '"10.1.1.0"', '/networks/1/subnets/1/cidr', 11, "'10.1.1.0' is not a prefix"],
  [
    'overlap',
    '"10.1.1.0/24"',
    '"10.1.0.128/25"',
    '/networks/1/subnets/1/cidr',
    11,
    '10.1.0.128/25 overlaps 10.1.0.0/24',
  ],
  [
    'overlay too large',
    '"mtu": 1600',
    '"mtu": 1549',
    '/networks/2/mtu',
    12,
    '1500 bytes and 50 of VXLAN do not fit the link h2-s1 (mtu 1549)',
  ],
  [
    'no tunnel endpoint',
    '"h2", "vtep": "192.0.2.2"',
    '"h2"',
    '/hosts/1',
    5,
    'b:e1 is in a vxlan network, and h2 has no tunnel endpoint',
  ],
  [
    'doubled tunnel endpoint',
    '192.0.2.2',
    '192.0.2.1',
    '/hosts/1/vtep',
    5,
    '192.0.2.1 is already the tunnel endpoint of h1',
  ],
  [
    'tunnel endpoint that is none',
    '192.0.2.2',
    '224.0.0.1',
    '/hosts/1/vtep',
    5,
    '224.0.0.1 is no address of a single host',
  ],
  [
    'access with trunks',
    '"e1",',
    '"e1", "vlanMode": "access",',
    '/vms/1/nics/1/trunks',
    19,
    'an access vNIC with trunks',
  ],
  [
    'trunk with a network',
    '"e1",',
    '"e1", "vlanMode": "trunk",',
    '/vms/1/nics/1/network',
    19,
    'a trunk has no network of its own',
  ],
  [
    'unrestricted trunk',
    '"bridge": "br-a"',
    '"vlanMode": "native-untagged"',
    '/vms/0/nics/0',
    16,
    'a native-untagged vNIC without trunks would hear every VLAN',
  ],
  [
    'native-tagged without a tag',
    '"e1",',
    '"e1", "vlanMode": "native-tagged",',
    '/vms/1/nics/1',
    19,
    'native-tagged on a vxlan network without a tag',
  ],
  ['tag without use', '"e1",', '"e1", "tag": 7,', '/vms/1/nics/1/tag', 19, 'a tag on a vNIC that is not native-tagged'],
  ['doubled tag', '"tag": 6', '"tag": 5', '/vms/1/nics/1/trunks/1/tag', 21, 'tag 5 is already in use on this vNIC'],
  [
    'native tag doubled',
    '"e1",',
    '"e1", "vlanMode": "native-tagged", "tag": 6,',
    '/vms/1/nics/1/trunks/1/tag',
    21,
    'tag 6 is already in use on this vNIC',
  ],
  ['no network', '"network": "blue", "mac"', '"mac"', '/vms/1/nics/0', 18, 'a vNIC of mode access without a network'],
  ['rate of zero', '"1Mbps"', '"0Mbps"', '/vms/0/nics/0/policy/egressRate', 16, "found '0Mbps'"],
  [
    'burst over no rate',
    '{"egressRate": "1Mbps"}',
    '{"ingressBurst": "1kB"}',
    '/vms/0/nics/0/policy/ingressBurst',
    16,
    'a burst over no rate',
  ],
  ['host over its capacity', '"h2", "vtep"', '"h2", "capacity": 0, "vtep"', '/hosts/1/capacity', 5, "'h2' has 1 VMs"],
  ['DSCP out of range', '{"egressRate": "1Mbps"}', '{"dscp": 64}', '/vms/0/nics/0/policy/dscp', 16, 'found 64'],
]

describe('a topology is refused for its', () => {
  test.each(cases)('%s', (_, from, to, pointer, line, problem) => {
    expect(SOUND).toContain(from)
    const problems = problemsOf(SOUND.replace(from, to))
    expect(problems).toContainEqual(expect.objectContaining({ pointer, line, problem }))
  })

  test('VMs of an anti-affinity group on one host', () => {
    const grouped = SOUND.replace('"host": "h1"', '"host": "h1", "antiAffinity": "web"').replace(
      '"host": "h2"',
      '"host": "h2", "antiAffinity": "web"',
    )
    expect(parseTopology(grouped, 'x.json').vms.map(({ antiAffinity }) => antiAffinity)).toEqual(['web', 'web'])
    expect(problemsOf(grouped.replace('"host": "h2"', '"host": "h1"'))).toContainEqual(
      expect.objectContaining({ pointer: '/vms/1/host', problem: "'h1' has 'a', and both are of 'web'" }),
    )
  })

  test('second flat network', () => {
    const problems = problemsOf(SOUND.replace('"vlan", "segment": 11', '"flat"'))
    expect(problems).toMatchObject([{ pointer: '/networks/3/type', line: 13, expected: 'one flat network' }])
  })
})

function problemsOf(text: string) {
  try {
    parseTopology(text, 'x.json')
  } catch (error) {
    if (error instanceof InvalidInput) return error.problems
    throw error
  }
  return []
}
