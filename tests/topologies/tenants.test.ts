import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { seeded, type Random } from '../../runtime/random.ts'
import { InvalidInput, parseTopology } from '../../topologies/load.ts'
import type { Topology } from '../../topologies/topology.ts'
import { topologyToJson } from '../../topologies/write.ts'

const EXAMPLE = new URL('../../topologies/examples/networks/tenants.json', import.meta.url)
const TENANTS = ['red', 'blue', undefined] as const
type Owner = (typeof TENANTS)[number]

const parse = (written: object) => parseTopology(JSON.stringify(written), 'x.json')
const chance = (random: Random) => random.below(2) === 0

/** What somebody has, in a file where names are its own and references plain, and in one without tenants, all names in full. */
function randomPair(random: Random): { scoped: object; full: object } {
  const has = (owner: Owner) => ({
    owner,
    blue: owner === undefined || chance(random),
    web: owner === undefined || chance(random),
  })
  const owners = TENANTS.map(has)
  const common = owners.find(({ owner }) => owner === undefined)!
  const inFull = (owner: Owner, name: string) => (owner === undefined ? name : `${owner}-${name}`)
  const named = (owner: Owner, name: string, scoped: boolean) =>
    scoped ? { name, ...(owner !== undefined && { tenant: owner }) } : { name: inFull(owner, name) }
  const write = (scoped: boolean) => ({
    version: 1,
    hosts: [{ name: 'h1' }],
    ...(scoped && { tenants: [{ name: 'red' }, { name: 'blue' }] }),
    networks: owners
      .filter(({ blue }) => blue)
      .map(({ owner }, index) => ({
        ...named(owner, 'blue', scoped),
        type: 'vlan',
        segment: 10 + index,
        ...(scoped && owner === undefined && { shared: true }),
      })),
    securityGroups: owners
      .filter(({ web }) => web)
      .map(({ owner }) => ({
        ...named(owner, 'web', scoped),
        rules: [{ direction: 'ingress', remoteGroup: scoped ? 'web' : inFull(owner, 'web') }],
      })),
    vms: owners.map(({ owner, blue, web }) => ({
      ...named(owner, 'web1', scoped),
      host: 'h1',
      nics: [
        {
          name: 'eth0',
          mac: '02:00:00:00:00:01'.replace(/1$/, String(TENANTS.indexOf(owner))),
          network: scoped ? 'blue' : inFull(blue ? owner : common.owner, 'blue'),
          policy: { securityGroups: [scoped ? 'web' : inFull(web ? owner : common.owner, 'web')] },
        },
      ],
    })),
  })
  return { scoped: write(true), full: write(false) }
}

/** Names in full, written as without tenants, and nothing of tenants left. */
function withoutTenants(topology: Topology): unknown {
  const text = JSON.stringify(topology, (key, value: unknown) =>
    ['tenant', 'tenants', 'shared'].includes(key) ? undefined : value,
  )
  return JSON.parse(text.replaceAll(/"(red|blue)\//g, '"$1-'))
}

test.each([1, 2, 3, 4, 5, 6, 7, 8])('plain names mean what one has oneself, else what nobody has (seed %i)', (seed) => {
  const { scoped, full } = randomPair(seeded(seed))
  const topology = parse(scoped)
  expect(withoutTenants(topology)).toEqual(parse(full))
  expect(parse(topologyToJson(topology))).toEqual(topology)
})

test('what is written down again reads the same, quotas and sharing with it', () => {
  const topology = parseTopology(readFileSync(EXAMPLE, 'utf8'), 'tenants.json')
  expect(parse(topologyToJson(topology))).toEqual(topology)
  expect(topology.tenants![0]!.quota.vnics).toBe(3)
  expect(topology.networks[2]).toMatchObject({ name: 'platform/services', shared: ['red'] })
})

/** The example, as tests break it in one place. */
const sound = () => topologyToJson(parseTopology(readFileSync(EXAMPLE, 'utf8'), 'tenants.json'))
type Written = ReturnType<typeof sound>

function problemsOf(written: Written): [string, string][] {
  try {
    parse(written)
    return []
  } catch (error) {
    if (!(error instanceof InvalidInput)) throw error
    return error.problems.map(({ pointer, problem }) => [pointer, problem])
  }
}

type Case = [what: string, breakIt: (written: Written) => void, pointer: string, problem: string]
const nic = (written: Written, vm: number, place = 0) => written.vms![vm]!.nics[place]!

const cases: Case[] = [
  ['a tenant twice', ({ tenants }) => tenants!.push({ name: 'red' }), '/tenants/3/name', "'red' is already a tenant"],
  [
    'a network of nobody known',
    ({ networks }) => (networks![0]!.tenant = 'rad'),
    '/networks/0/tenant',
    "no tenant 'rad'",
  ],
  [
    'sharing with nobody known',
    ({ networks }) => (networks![2]!.shared = ['rad']),
    '/networks/2/shared/0',
    "no tenant 'rad'",
  ],
  [
    'a name twice of one tenant',
    ({ networks }) => networks!.push({ ...networks![0]!, segment: 99 }),
    '/networks/3/name',
    "'red/app' is already a network",
  ],
  [
    'a network that is not shared',
    ({ networks }) => (networks![2]!.shared = ['blue']),
    '/vms/0/nics/1/network',
    'platform/services belongs to tenant platform, and is not shared with red',
  ],
  [
    'a network that is shared with nobody',
    (written) => (nic(written, 4).network = 'red/app'),
    '/vms/4/nics/0/network',
    'red/app belongs to tenant red, and is not shared with platform',
  ],
  [
    "another tenant's group",
    (written) => (nic(written, 0).policy!.securityGroups = ['blue/default']),
    '/vms/0/nics/0/policy/securityGroups/0',
    'blue/default belongs to tenant blue',
  ],
  [
    "another tenant's group, as the far end",
    ({ securityGroups }) => (securityGroups![0]!.rules[1]!.remoteGroup = 'blue/default'),
    '/securityGroups/0/rules/1/remoteGroup',
    'blue/default belongs to tenant blue',
  ],
]

describe('who may use what', () => {
  test.each(cases)('%s', (_, breakIt, pointer, problem) => {
    const written = sound()
    breakIt(written)
    expect(problemsOf(written)).toContainEqual([pointer, problem])
  })
})

describe('quotas', () => {
  const kinds: [kind: string, count: number, at: string, noun: string][] = [
    ['networks', 1, '/networks/0', 'network'],
    ['vms', 2, '/vms/1', 'VM'],
    ['vnics', 3, '/vms/1/nics/0', 'vNIC'],
    ['securityGroups', 1, '/securityGroups/0', 'security group'],
    ['securityGroupRules', 2, '/securityGroups/0/rules/1', 'security group rule'],
  ]
  test.each(kinds)('of %s: %i are as many as there are', (kind, count, at, noun) => {
    const limited = (most: number) => {
      const written = sound()
      written.tenants![0]!.quota = { [kind]: most }
      return problemsOf(written)
    }
    expect(limited(count)).toEqual([])
    expect(limited(count - 1)).toEqual([[at, `one ${noun} more than the quota of red allows`]])
  })
})
