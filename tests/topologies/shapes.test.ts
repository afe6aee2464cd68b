import { describe, expect, test } from 'vitest'
import { parseTopology } from '../../topologies/load.ts'
import { shapeTopology } from '../../topologies/shapes.ts'
import { topologyToJson } from '../../topologies/write.ts'

const sizes = [1, 2, 3, 5]
const shapes = [
  ...sizes.flatMap((n) => [`single,${n}`, `linear,${n}`]),
  ...sizes.flatMap((a) => [1, 2, 3].flatMap((b) => [`tree,${b},${a}`, `leaf-spine,${a},${b}`])),
]

describe.each(['vlan', 'vxlan'] as const)('with networks of type %s', (type) => {
  test.each(shapes)('%s is sound and survives being written and read', (shape) => {
    const topology = shapeTopology(shape, { type, networks: 3, vmsPerHost: 4 })
    expect(topology.vms).toHaveLength(topology.hosts.length * 4)
    expect(parseTopology(JSON.stringify(topologyToJson(topology)), 'x.json')).toEqual(topology)
  })
})

test.each([
  ['single,3', {}, 3, 1, 3],
  ['linear,4', {}, 4, 4, 7],
  ['linear,2', { hostsPerLeaf: 3 }, 6, 2, 7],
  ['tree,2,3', {}, 9, 4, 12],
  ['leaf-spine,2,4', { hostsPerLeaf: 2 }, 8, 6, 16],
])('%s with %j has so many hosts, switches and links', (shape, options, hosts, switches, links) => {
  const topology = shapeTopology(shape, options)
  expect([topology.hosts.length, topology.fabric.switches.length, topology.fabric.links.length]).toEqual([
    hosts,
    switches,
    links,
  ])
})

test('VMs are addressed as by Mininet', () => {
  const addresses = shapeTopology('single,3').vms.map(({ nics }) => nics[0]!.addresses[0])
  expect(addresses).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.3'])
})

test('a file may name a shape and say what its links are like', () => {
  const text = '{"version": 1, "shape": "linear,2", "networks": 2, "link": {"delay": "1ms"}}'
  const topology = parseTopology(text, 'x.json')
  expect(topology.networks.map(({ name }) => name)).toEqual(['net1', 'net2'])
  expect(topology.fabric.links.every(({ delay }) => delay === 1_000_000)).toBe(true)
})

test('a thousand vNICs on a hundred hosts', () => {
  const topology = shapeTopology('leaf-spine,4,10', { hostsPerLeaf: 10, vmsPerHost: 10, type: 'vxlan' })
  expect([topology.hosts.length, topology.vms.length]).toEqual([100, 1000])
})

test.each(['linear', 'linear,0', 'linear,1,2', 'tree,2', 'ring,4', 'tree,12,9', 'single,9999', 'leaf-spine,a,2'])(
  '%s is refused',
  (shape) => expect(() => shapeTopology(shape)).toThrow('expected'),
)

test('networks that do not fit the links are the fault of the shape', () => {
  const text = '{"version": 1,\n"shape": "linear,2", "type": "vxlan", "link": {"mtu": 1500}}'
  expect(() => parseTopology(text, 'x.json')).toThrow('x.json:2:10 /shape: 1500 bytes and 50 of VXLAN do not fit')
})
