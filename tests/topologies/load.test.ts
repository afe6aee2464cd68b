import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Problem } from '../../topologies/load.ts'
import { formatProblems, InvalidInput, loadTopology, parseTopology } from '../../topologies/load.ts'
import type { Topology } from '../../topologies/topology.ts'
import { topologyToJson } from '../../topologies/write.ts'
import { twoTenants } from '../support/two-tenants.ts'

const written = (value: unknown) => JSON.stringify(value, null, 2)
const read = (value: unknown) => parseTopology(written(value), 'two-tenants.json')

function problemsOf(text: string): readonly Problem[] {
  try {
    parseTopology(text, 'two-tenants.json')
    return []
  } catch (error) {
    if (error instanceof InvalidInput) return error.problems
    throw error
  }
}

describe('defaults', () => {
  const topology = read(twoTenants())

  test('a link is ideal but for what it says', () => {
    expect(topology.fabric.links[0]).toMatchObject({
      bandwidth: 1e10,
      delay: 10_000,
      jitter: 1500,
      loss: 0.01,
      queue: 100,
    })
    expect(topology.fabric.links[1]).toEqual({
      endpoints: ['h2', 'tor1'],
      delay: 0,
      jitter: 0,
      loss: 0,
      mtu: 9000,
      queue: 1000,
    })
  })

  test('a vNIC has a canonical address and a burst that follows from its rate', () => {
    const [eth0] = topology.vms[0]!.nics
    expect(eth0).toMatchObject({ id: 'web1:eth0', mac: '02:00:00:00:0a:01', vlanMode: 'access', bridge: 'br-web' })
    expect(eth0!.addresses).toEqual(['10.0.10.11', '2001:db8::11', 'fe80::1'])
    expect(eth0!.policy).toEqual({
      portSecurity: true,
      ingressRate: 1e8,
      ingressBurst: 1e6,
      egressRate: 64_000,
      egressBurst: 24_000,
      dscp: 46,
    })
  })

  test('a native-tagged vNIC wears the tag of its network, and its sub-ports its MAC', () => {
    const [eth0] = topology.vms[2]!.nics
    expect(eth0).toMatchObject({ vlanMode: 'native-tagged', tag: 10 })
    expect(eth0!.mac).toMatch(/^02(:[0-9a-f]{2}){5}$/)
    expect(eth0!.trunks.map(({ mac }) => mac)).toEqual([eth0!.mac, '02:00:00:00:0b:01'])
  })

  test('without a fabric all hosts share one ideal switch', () => {
    const { fabric } = read({ version: 1, hosts: [{ name: 'a' }, { name: 'b' }] })
    expect(fabric.switches).toEqual([{ name: 'fabric' }])
    expect(fabric.links.map(({ endpoints }) => endpoints)).toEqual([
      ['a', 'fabric'],
      ['b', 'fabric'],
    ])
  })

  test('the name is that of the file', () => {
    expect(parseTopology('{"version": 1, "hosts": []}', 'some/where/small.json').name).toBe('small')
  })
})

test('what is written, read and written again is the same', () => {
  const topology = read(twoTenants())
  expect(read(topologyToJson(topology))).toEqual(topology)
})

test('five mistakes are five problems, in the order of their lines', () => {
  const broken = twoTenants() as ReturnType<typeof twoTenants> & { color?: string }
  broken.color = 'red'
  broken.vms[1]!.host = 'h3'
  broken.networks[0]!.segment = 5000
  Object.assign(broken.vms[1]!.nics[0]!, { addresses: ['10.9.9.9'] })
  broken.fabric.links[0]!.delay = 'soon'
  const text = written(broken)
  const problems = problemsOf(text)
  expect(problems.map(({ pointer }) => pointer)).toEqual([
    '/fabric/links/0/delay',
    '/networks/0/segment',
    '/vms/1/host',
    '/vms/1/nics/0/addresses/0',
    '/color',
  ])
  expect(problems.every(({ line }, index) => line > (problems[index - 1]?.line ?? 0))).toBe(true)
  const line = text.split('\n').findIndex((one) => one.includes('"h3"')) + 1
  expect(formatProblems(problems).split('\n')[2]).toBe(
    `two-tenants.json:${line}:15 /vms/1/host: no host 'h3'; expected one of h1, h2 (did you mean 'h1'?)`,
  )
})

test('an unknown key is found at the key, with the one that was meant', () => {
  const [problem] = problemsOf('{"version": 1,\n "hosts": [{"name": "h1", "vtpe": "192.0.2.1"}]}')
  expect(problem).toEqual({
    file: 'two-tenants.json',
    pointer: '/hosts/0/vtpe',
    line: 2,
    column: 27,
    problem: "unknown key 'vtpe'",
    expected: 'one of name, vtep, bridges, uplink, capacity, hold',
    didYouMean: 'vtep',
  })
})

test.each([
  ['a missing key', '{"version": 1}', '', "lacks 'hosts'"],
  ['a wrong version', '{"version": 2, "hosts": []}', '/version', 'found 2'],
  ['no object', '[]', '', 'found an array of 0'],
  [
    'a wrong choice',
    '{"version": 1, "hosts": [], "networks": [{"name": "a", "type": "vxlam"}]}',
    '/networks/0/type',
    "found 'vxlam'",
  ],
  ['a bad shape', '{"version": 1, "shape": "tree,2"}', '/shape', "'tree,2' is no stock shape"],
  ['hosts beside a shape', '{"version": 1, "shape": "tree,2,2", "hosts": []}', '/hosts', "unknown key 'hosts'"],
])('%s', (_, text, pointer, problem) => {
  expect(problemsOf(text)).toMatchObject([{ pointer, problem }])
})

test('a file that is not there is a sentence', async () => {
  await expect(loadTopology('no/such.json')).rejects.toThrow(
    'no/such.json: there is no such file; expected a JSON file',
  )
})

test('a stock shape needs no file', async () => {
  expect((await loadTopology('linear,3')).hosts).toHaveLength(3)
  await expect(loadTopology('linear,x')).rejects.toThrow(InvalidInput)
})

/** Everywhere in a JSON value: the path to each of its parts. */
function pathsOf(value: unknown, path: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [path]
  return [path, ...Object.entries(value).flatMap(([key, inner]) => pathsOf(inner, [...path, key]))]
}

function replaced(root: unknown, path: readonly string[], by: unknown): unknown {
  const copy = structuredClone(root)
  const parent = path.slice(0, -1).reduce<unknown>((value, key) => (value as Record<string, unknown>)?.[key], copy)
  if (path.length === 0) return by
  if (typeof parent === 'object' && parent !== null) (parent as Record<string, unknown>)[path.at(-1)!] = by
  return copy
}

test('whatever is changed in a topology, it is either read or refused with problems', () => {
  const original = twoTenants()
  const change = fc.record({
    path: fc.constantFrom(...pathsOf(original)),
    by: fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom(
        'h1',
        'blue',
        'green',
        'br-int',
        'web1',
        'trunk',
        'flat',
        '10.0.10.11',
        '02:00:00:00:0a:01',
        4095,
        undefined,
      ),
    ),
  })
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      const mutated = changes.reduce<unknown>((value, { path, by }) => replaced(value, path, by), original)
      const text = JSON.stringify(mutated) ?? 'null'
      expect(problemsOf(text).every(({ line, column }) => line > 0 && column > 0)).toBe(true)
      expect(rewritten(text)).toEqual(topologyOf(text))
    }),
    { seed: 7, numRuns: 150 },
  )
})

function topologyOf(text: string): Topology | undefined {
  return problemsOf(text).length === 0 ? parseTopology(text, 'x.json') : undefined
}

function rewritten(text: string): Topology | undefined {
  const topology = topologyOf(text)
  return topology && topologyOf(written(topologyToJson(topology)))
}
