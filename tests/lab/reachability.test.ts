// What a ping is expected to come to, beside what it comes to: the judge's law of security groups and the switches' flows, asked the same.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { expectedReach } from '../../lab/reachability.ts'
import { replay } from '../../lab/replay.ts'
import { loadScenario, parseTopology } from '../../topologies/load.ts'
import { findNic } from '../../topologies/lookup.ts'

const rule = (direction: 'ingress' | 'egress', terms: object = {}) => ({ direction, protocol: 'icmp', ...terms })

const securityGroups = [
  { name: 'asks', rules: [rule('egress')] },
  { name: 'answers', rules: [rule('ingress', { icmpType: 8 })] },
  { name: 'answers-askers', rules: [rule('ingress', { remoteGroup: 'asks' })] },
  { name: 'hears', stateful: false, rules: [rule('ingress')] },
  { name: 'hears-and-says', stateful: false, rules: [rule('ingress'), rule('egress')] },
  { name: 'ipv6', rules: [rule('ingress', { ethertype: 'IPv6', protocol: 'icmpv6' })] },
]

const vm = (name: string, serial: number, groups?: string[], addresses = [`10.0.0.${serial}`]) => ({
  name,
  host: serial % 2 === 0 ? 'h1' : 'h2',
  nics: [{ name: 'eth0', network: 'blue', addresses, policy: groups && { securityGroups: groups } }],
})

const vms = [
  vm('open', 1),
  vm('closed', 2, []),
  vm('also-open', 9, undefined, ['10.0.0.9', '2001:db8::9']),
  vm('six', 10, ['ipv6'], ['2001:db8::a']),
  ...securityGroups.slice(0, 5).map(({ name }, at) => vm(name, at + 3, [name])),
]

const topology = {
  version: 1,
  name: 'guarded',
  hosts: [{ name: 'h1' }, { name: 'h2' }],
  networks: [{ name: 'blue', type: 'vlan', segment: 10 }],
  securityGroups,
  vms,
}

const reach = (from: string, to: string) => {
  const parsed = parseTopology(JSON.stringify(topology), 'guarded')
  return expectedReach(parsed, findNic(parsed, from), findNic(parsed, to))
}

test.each([
  ['open', 'answers', 'reachable'],
  ['answers', 'open', 'unreachable'],
  ['asks', 'answers-askers', 'reachable'],
  ['open', 'answers-askers', 'unreachable'],
  ['open', 'hears', 'unreachable'],
  ['asks', 'hears-and-says', 'reachable'],
  ['open', 'closed', 'unreachable'],
  ['also-open', 'six', 'reachable'],
  ['six', 'also-open', 'unreachable'],
  ['open', 'six', 'unreachable'],
])('that %s pings %s is expected to be %s', (from, to, expected) => expect(reach(from, to)).toBe(expected))

test('every vNIC reaches those that it is expected to reach, and no others', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'guarded-'))
  const path = join(folder, 'guarded.json')
  await writeFile(path, JSON.stringify({ topology, timeline: [{ at: '0s', pingall: {} }] }))
  const { verdict } = await replay(await loadScenario(path), {})
  await rm(folder, { recursive: true })
  expect(verdict.pings.filter(({ held }) => !held)).toEqual([])
  expect(verdict).toMatchObject({ verdict: 'pass', pings: { length: vms.length * (vms.length - 1) } })
  expect(verdict.pings.filter(({ expected }) => expected === 'reachable').length).toBeGreaterThan(10)
})
