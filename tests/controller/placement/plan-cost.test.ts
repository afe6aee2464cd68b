// A plan is made in one turn: it asks no more than it has to.

import { expect, test } from 'vitest'
import { Occupancy } from '../../../controller/placement/occupancy.ts'
import { planDrain } from '../../../controller/placement/plan.ts'
import { threeHosts } from '../../support/controlled-fleet.ts'

test('a plan asks once whether a host is closed, and for what a VM needs only where there is room', () => {
  const topology = threeHosts()
  topology.hosts[1]!.capacity = 1
  const [closed, refused] = [[] as string[], [] as string[]]
  const occupancy = new Occupancy(topology, [], {
    closed: (host) => void closed.push(host),
    refuses: (host) => void refused.push(host),
  })
  const leaving = topology.vms.filter(({ host }) => host === 'h1')
  expect(planDrain(occupancy, 'h1', leaving).moves.map(({ to }) => to)).toEqual(['h3', 'h3'])
  expect(closed.sort()).toEqual(['h2', 'h3'])
  expect(new Set(refused)).toEqual(new Set(['h3']))
})
