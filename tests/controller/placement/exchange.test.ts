// Where a plan in order would leave a VM, others make room: held against all plans there are.

import { expect, test } from 'vitest'
import { Occupancy } from '../../../controller/placement/occupancy.ts'
import { planDrain } from '../../../controller/placement/plan.ts'
import { seeded } from '../../../runtime/random.ts'
import type { Topology, Vm } from '../../../topologies/topology.ts'
import { randomPlacement } from '../../support/random-placements.ts'

/** So many VMs at `h1`, and other hosts with room for one each. */
function crowded(vms: number, hosts: number): Topology {
  const topology = randomPlacement(seeded(1))
  const [host] = topology.hosts as [Topology['hosts'][number]]
  const [vm] = topology.vms as [Vm]
  return {
    ...topology,
    hosts: Array.from({ length: 1 + hosts }, (_, index) => {
      const { capacity: _room, ...rest } = host
      return { ...rest, name: `h${index + 1}`, vtep: `192.0.2.${index % 250}`, ...(index > 0 && { capacity: 1 }) }
    }),
    vms: Array.from({ length: vms }, (_, index) => {
      const { antiAffinity: _group, ...rest } = vm
      return { ...rest, name: `v${index}`, host: 'h1' }
    }),
  }
}

/** The plan where each VM may go to its own hosts alone, and how often it was asked whether one may. */
function planned(topology: Topology, choices: readonly (readonly string[])[]) {
  let questions = 0
  const refuses = (host: string, vm: Vm) => {
    questions++
    return choices[topology.vms.indexOf(vm)]!.includes(host) ? undefined : 'not there'
  }
  const plan = planDrain(new Occupancy(topology, [], { refuses }), 'h1', topology.vms)
  return { ...plan, questions }
}

/** Of all plans, the most VMs that find a place. */
function most([choices, ...others]: readonly (readonly string[])[], taken: readonly string[] = []): number {
  if (choices === undefined) return 0
  const placed = choices.filter((host) => !taken.includes(host)).map((host) => 1 + most(others, [...taken, host]))
  return Math.max(most(others, taken), ...placed)
}

test('one that has a place already goes elsewhere for one that has no other', () => {
  const choices = [
    ['h2', 'h3'],
    ['h3', 'h4'],
    ['h2', 'h3'],
  ]
  const { moves, stuck } = planned(crowded(3, 3), choices)
  expect(stuck).toEqual([])
  expect(moves.map(({ vm, to }) => [vm, to])).toEqual([
    ['v0', 'h3'],
    ['v1', 'h4'],
    ['v2', 'h2'],
  ])
})

test('as many find a place as in the best of all plans, by chance', () => {
  const random = seeded(7)
  for (let round = 0; round < 60; round++) {
    const [vms, hosts] = [1 + random.below(6), 1 + random.below(5)]
    const topology = crowded(vms, hosts)
    const choices = topology.vms.map(() =>
      topology.hosts.slice(1).flatMap(({ name }) => (random.below(2) === 0 ? [name] : [])),
    )
    const { moves, stuck } = planned(topology, choices)
    expect({ round, found: moves.length, of: moves.length + stuck.length }).toEqual({
      round,
      found: most(choices),
      of: vms,
    })
    expect(new Set(moves.map(({ to }) => to)).size).toBe(moves.length)
    for (const { vm, to } of moves) expect(choices[Number(vm.slice(1))]).toContain(to)
  }
})

test('a plan for which there is no place is given up after so many questions', () => {
  const topology = crowded(60, 1000)
  // All want the same few.
  const choices = topology.vms.map(() => topology.hosts.slice(1, 40).map(({ name }) => name))
  const { moves, stuck, questions } = planned(topology, choices)
  expect([moves.length, stuck.length]).toEqual([39, 21])
  expect(questions).toBeLessThan(300_000)
})
