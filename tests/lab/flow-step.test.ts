import { expect, test } from 'vitest'
import { NotFound } from '../../controller/model.ts'
import { applyFlow } from '../../lab/flow-step.ts'
import { controlledFleet, threeHosts } from '../support/controlled-fleet.ts'

const DROP = 'table=0,priority=77,in_port=1,actions=drop'

/** h1 has a bridge whose name sorts before that of its integration bridge. */
async function fleetWithDmz() {
  const topology = threeHosts()
  topology.hosts[0]!.bridges.push({ name: 'br-dmz', peer: 'br-int' })
  const fleet = await controlledFleet(topology)
  const holders = () =>
    [...fleet.switches].flatMap(([name, { flows }]) =>
      [...flows.values()].some(({ priority }) => priority === 77) ? [name] : [],
    )
  return { ...fleet, holders }
}

test.each([
  ['h1', 'h1/br-int'],
  ['h1/br-int', 'h1/br-int'],
  ['h1/br-dmz', 'h1/br-dmz'],
])('a flow for %s goes to %s, and is deleted from there', async (name, place) => {
  const { controller, settle, holders } = await fleetWithDmz()
  await settle(applyFlow(controller, { type: 'flow', switch: name, command: 'add', flow: DROP }))
  expect(holders()).toEqual([place])
  await settle(applyFlow(controller, { type: 'flow', switch: name, command: 'del', flow: 'table=0,in_port=1' }))
  expect(holders()).toEqual([])
})

test('a flow for a switch that there is not is refused', async () => {
  const { controller } = await fleetWithDmz()
  const step = { type: 'flow', switch: 'h9', command: 'add', flow: DROP } as const
  await expect(applyFlow(controller, step)).rejects.toBeInstanceOf(NotFound)
})
