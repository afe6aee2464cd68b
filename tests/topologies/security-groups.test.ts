import { describe, expect, test } from 'vitest'
import { InvalidInput, parseTopology } from '../../topologies/load.ts'
import { topologyToJson } from '../../topologies/write.ts'

/** A sound topology as JSON that tests break in one place. */
const SOUND = `{
"version": 1,
"hosts": [{"name": "h1"}],
"networks": [{"name": "blue", "type": "vlan", "segment": 10}],
"addressGroups": [{"name": "offices", "addresses": ["192.0.2.0/24", "2001:DB8::/32", "198.51.100.7"]}],
"securityGroups": [
{"name": "web", "rules": [
{"direction": "ingress", "protocol": "tcp", "portRangeMin": 80, "portRangeMax": 443, "remoteGroup": "admins"},
{"direction": "ingress", "ethertype": "IPv6", "protocol": "icmpv6", "icmpType": 128, "icmpCode": 0},
{"direction": "egress", "protocol": 47, "remoteIpPrefix": "10.0.0.0/8"}]},
{"name": "admins", "stateful": false, "onRuleRemoval": "keep", "rules": [
{"direction": "ingress", "protocol": "udp", "portRangeMin": 53, "remoteAddressGroup": "offices"}]}],
"vms": [{"name": "a", "host": "h1", "nics": [{"name": "e0", "network": "blue", "policy":
{"securityGroups": ["web", "admins"], "deny": "reject", "allowedAddressPairs": [{"address": "10.0.0.9"}, {"address": "2001:db8:1::/48", "mac": "02:00:00:00:00:0A"}]}}]}]
}`

test('a rule is completed: protocol by number, both ends of its ports, addresses as prefixes', () => {
  const { addressGroups, securityGroups, vms } = parseTopology(SOUND, 'x.json')
  expect(addressGroups).toEqual([{ name: 'offices', addresses: ['192.0.2.0/24', '2001:db8::/32', '198.51.100.7/32'] }])
  const [web, admins] = securityGroups
  expect(web).toEqual({
    name: 'web',
    stateful: true,
    onRuleRemoval: 'cut',
    rules: [
      {
        direction: 'ingress',
        ethertype: 'IPv4',
        protocol: 6,
        ports: { first: 80, last: 443 },
        remote: { kind: 'group', group: 'admins' },
      },
      { direction: 'ingress', ethertype: 'IPv6', protocol: 58, icmpType: 128, icmpCode: 0 },
      { direction: 'egress', ethertype: 'IPv4', protocol: 47, remote: { kind: 'prefix', prefix: '10.0.0.0/8' } },
    ],
  })
  expect(admins).toMatchObject({ stateful: false, onRuleRemoval: 'keep', rules: [{ ports: { first: 53, last: 53 } }] })
  expect(vms[0]!.nics[0]!.policy).toEqual({
    portSecurity: true,
    securityGroups: ['web', 'admins'],
    deny: 'reject',
    allowedAddressPairs: [{ prefix: '10.0.0.9/32' }, { prefix: '2001:db8:1::/48', mac: '02:00:00:00:00:0a' }],
  })
})

test('what is written down again reads the same', () => {
  const topology = parseTopology(SOUND, 'x.json')
  expect(parseTopology(JSON.stringify(topologyToJson(topology)), 'x.json')).toEqual(topology)
})

type Case = [what: string, from: string, to: string, pointer: string, problem: string, didYouMean?: string]

const GROUPS = '/securityGroups'
const POLICY = '/vms/0/nics/0/policy'

const cases: Case[] = [
  ['unknown group of a vNIC', '["web",', '["wep",', `${POLICY}/securityGroups/0`, "no security group 'wep'", 'web'],
  [
    'unknown remote group',
    '"remoteGroup": "admins"',
    '"remoteGroup": "admin"',
    `${GROUPS}/0/rules/0/remoteGroup`,
    "no security group 'admin'",
    'admins',
  ],
  [
    'unknown address group',
    '"remoteAddressGroup": "offices"',
    '"remoteAddressGroup": "office"',
    `${GROUPS}/1/rules/0/remoteAddressGroup`,
    "no address group 'office'",
    'offices',
  ],
  ['unknown protocol', '"udp"', '"upd"', `${GROUPS}/1/rules/0/protocol`, "found 'upd'", 'udp'],
  ['protocol out of range', '47', '256', `${GROUPS}/0/rules/2/protocol`, 'found 256'],
  [
    'unknown key',
    '"portRangeMax"',
    '"portRangeMaz"',
    `${GROUPS}/0/rules/0/portRangeMaz`,
    "unknown key 'portRangeMaz'",
    'portRangeMax',
  ],
  [
    'ports of a protocol that has none',
    '"protocol": "udp"',
    '"protocol": 47',
    `${GROUPS}/1/rules/0/portRangeMin`,
    'ports of 47',
  ],
  ['ports of no protocol', '"protocol": "udp", ', '', `${GROUPS}/1/rules/0/portRangeMin`, 'ports of any protocol'],
  ['ports in the wrong order', '443', '79', `${GROUPS}/0/rules/0/portRangeMax`, '79 is below portRangeMin'],
  ['a last port alone', '"portRangeMin": 80, ', '', `${GROUPS}/0/rules/0`, 'a last port without a first'],
  [
    'ICMP type without ICMP',
    '"protocol": "icmpv6", ',
    '',
    `${GROUPS}/0/rules/1/icmpType`,
    'icmpType with any protocol over IPv6',
  ],
  ['ICMP code without a type', '"icmpType": 128, ', '', `${GROUPS}/0/rules/1`, 'an icmpCode of any type'],
  ['ICMPv6 over IPv4', '"ethertype": "IPv6", ', '', `${GROUPS}/0/rules/1/protocol`, 'icmpv6 over IPv4'],
  [
    'prefix of the other family',
    '"10.0.0.0/8"',
    '"2001:db8::/32"',
    `${GROUPS}/0/rules/2/remoteIpPrefix`,
    '2001:db8::/32 is no IPv4 prefix',
  ],
  [
    'prefix with bits behind it',
    '"10.0.0.0/8"',
    '"10.0.0.1/8"',
    `${GROUPS}/0/rules/2/remoteIpPrefix`,
    "'10.0.0.1/8' has bits set behind its prefix",
  ],
  [
    'two remotes',
    '"remoteGroup": "admins"',
    '"remoteGroup": "admins", "remoteIpPrefix": "10.0.0.0/8"',
    `${GROUPS}/0/rules/0`,
    'has remoteIpPrefix and remoteGroup',
  ],
  [
    'rule that is there already',
    '"protocol": 47, "remoteIpPrefix": "10.0.0.0/8"}',
    '"protocol": 47, "remoteIpPrefix": "10.0.0.0/8"}, {"direction": "egress", "ethertype": "IPv4", "protocol": 47, "remoteIpPrefix": "10.0.0.0/8"}',
    `${GROUPS}/0/rules/3`,
    'says the same as rule 2 of this group',
  ],
  ['name of two groups', '"name": "admins"', '"name": "web"', `${GROUPS}/1/name`, "'web' is already a security group"],
  ['group given twice', '["web", "admins"]', '["web", "web"]', `${POLICY}/securityGroups`, 'found an array of 2'],
  [
    'denial without groups',
    '"securityGroups": ["web", "admins"], ',
    '',
    `${POLICY}/deny`,
    'nothing is denied without security groups',
  ],
  [
    'pairs without port security',
    '"deny": "reject"',
    '"portSecurity": false',
    `${POLICY}/allowedAddressPairs`,
    'every address is allowed without port security',
  ],
  [
    'pair of no address',
    '"10.0.0.9"',
    '"10.0.0"',
    `${POLICY}/allowedAddressPairs/0/address`,
    "'10.0.0' is not an IPv4 address",
  ],
  [
    'pair of a multicast MAC',
    '02:00:00:00:00:0A',
    '03:00:00:00:00:0A',
    `${POLICY}/allowedAddressPairs/1/mac`,
    '03:00:00:00:00:0A is no address of a single station',
  ],
  [
    'address twice',
    '"198.51.100.7"',
    '"192.0.2.0/24"',
    '/addressGroups/0/addresses/2',
    '192.0.2.0/24 is in this group already',
  ],
]

describe('security groups are refused for their', () => {
  test.each(cases)('%s', (_, from, to, pointer, problem, didYouMean) => {
    expect(SOUND).toContain(from)
    const expected = { pointer, problem, line: expect.any(Number) as number, ...(didYouMean && { didYouMean }) }
    expect(problemsOf(SOUND.replace(from, to))).toContainEqual(expect.objectContaining(expected))
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
