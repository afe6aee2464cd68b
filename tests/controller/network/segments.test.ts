import { expect, test } from 'vitest'
import { segmentSteps } from '../../../controller/network/segments.ts'
import { seeded } from '../../../runtime/random.ts'
import type { Network, Topology } from '../../../topologies/topology.ts'

const topologyOf = (networks: Record<string, number>, type: 'vlan' | 'vxlan' = 'vlan'): Topology => ({
  name: 'test',
  hosts: [],
  fabric: { switches: [], links: [] },
  networks: Object.entries(networks).map(([name, segment]): Network => ({
    name,
    type,
    segment,
    mtu: 1500,
    subnets: [],
  })),
  addressGroups: [],
  securityGroups: [],
  vms: [],
})

const segmentsOf = ({ networks }: Topology) => Object.fromEntries(networks.map(({ name, segment }) => [name, segment]))

test('a segment that was nobody else’s is taken at once', () => {
  const to = topologyOf({ blue: 20, red: 30 })
  expect(segmentSteps(topologyOf({ blue: 10, red: 30 }), to)).toEqual([to])
})

test('a segment of a network that goes is free for a step', () => {
  const steps = segmentSteps(topologyOf({ blue: 10, green: 20 }), topologyOf({ green: 10 }))
  expect(steps.map(segmentsOf)).toEqual([{ green: 20 }, { green: 10 }])
})

test('of two that swap one makes way', () => {
  const steps = segmentSteps(topologyOf({ blue: 10, green: 20 }), topologyOf({ blue: 20, green: 10 }))
  expect(steps.map(segmentsOf)).toEqual([
    { blue: 4094, green: 20 },
    { blue: 4094, green: 10 },
    { blue: 20, green: 10 },
  ])
})

test.each(Array.from({ length: 200 }, (_, seed) => seed))(
  'in no step does a segment go from one network to another (seed %i)',
  (seed) => {
    const random = seeded(seed)
    const some = () => {
      const free = Array.from({ length: 7 }, (_, index) => index + 1)
      const names = ['a', 'b', 'c', 'd', 'e', 'f'].filter(() => random.below(4) > 0)
      return topologyOf(Object.fromEntries(names.map((name) => [name, free.splice(random.below(free.length), 1)[0]!])))
    }
    const [from, to] = [some(), some()]
    const steps = segmentSteps(from, to)
    expect(steps.at(-1)).toBe(to)
    expect(steps.length).toBeLessThan(12)
    for (const [index, step] of steps.entries()) {
      const before = new Map((steps[index - 1] ?? from).networks.map(({ name, segment }) => [segment, name]))
      expect(new Set(step.networks.map(({ segment }) => segment)).size).toBe(step.networks.length)
      for (const { name, segment } of step.networks) expect(before.get(segment) ?? name).toBe(name)
    }
  },
)
