import { describe, expect, test } from 'vitest'
import {
  appendVm,
  findHost,
  findNic,
  integrationBridge,
  networksOf,
  removeVm,
  replaceVm,
  resolveSwitch,
  vmNamed,
} from '../../topologies/lookup.ts'
import { parseTopology } from '../../topologies/load.ts'
import type { Vm } from '../../topologies/topology.ts'
import { seeded } from '../../runtime/random.ts'
import { twoTenants } from '../support/two-tenants.ts'

const topology = parseTopology(JSON.stringify(twoTenants()), 'two-tenants.json')

describe('a vNIC', () => {
  test('has a full name', () => expect(findNic(topology, 'web1:eth1').id).toBe('web1:eth1'))
  test('goes by its VM where that has no other', () => expect(findNic(topology, 'db1').id).toBe('db1:eth0'))
  test('does not where it has', () =>
    expect(() => findNic(topology, 'web1')).toThrow('expected one of web1:eth0, web1:eth1'))
  test.each(['web2', 'db1:eth1', 'db1:', ''])('%j is none', (name) =>
    expect(() => findNic(topology, name)).toThrow('no vNIC'),
  )
  test('may be in several networks', () =>
    expect(networksOf(findNic(topology, 'router'))).toEqual(['blue', 'green', 'office']))
})

test.each([
  ['h1', 'br-int'],
  ['h1/br-web', 'br-web'],
])('the switch %s is the bridge %s', (name, bridge) => expect(resolveSwitch(topology, name).bridge.name).toBe(bridge))

test.each(['h3', 'h1/br-wbe', 'h1/', ''])('%j is no switch', (name) =>
  expect(() => resolveSwitch(topology, name)).toThrow('expected'),
)

test('the first bridge of a host is its integration bridge', () => {
  expect(integrationBridge(findHost(topology, 'h1')).name).toBe('br-int')
})

test.each([1, 2, 3])('where a VM stands is known in all lists that come of each other (seed %i)', (seed) => {
  const random = seeded(seed)
  const name = () => `vm${random.below(30)}`
  const lists: Vm[][] = [[]]
  for (let round = 0; round < 1000; round++) {
    const vms = lists[random.below(lists.length)]!
    const was = vms[random.below(vms.length + 1)]
    const is: Vm = { name: random.below(2) === 0 && was ? was.name : name(), host: `h${round}`, nics: [] }
    const isFree = vms.every((one) => one === was || one.name !== is.name)
    if (was === undefined && isFree) lists.push(appendVm(vms, is))
    else if (was !== undefined && random.below(4) === 0) lists.push(removeVm(vms, was))
    else if (was !== undefined && isFree) lists.push(replaceVm(vms, was, is))
    if (lists.length > 8) lists.splice(random.below(lists.length), 1)
    for (const list of lists) {
      const asked = name()
      expect(vmNamed(list, asked)).toBe(list.find((one) => one.name === asked))
    }
  }
})

test("a VM that is not there takes nobody else's place", () => {
  const [vm, other] = ['vm1', 'vm2'].map((name): Vm => ({ name, host: 'h1', nics: [] }))
  expect(() => replaceVm([vm!], other!, other!)).toThrow("VM 'vm2' is none of these")
  expect(() => replaceVm([vm!], { ...vm! }, other!)).toThrow("VM 'vm1' is none of these")
  expect(() => removeVm([vm!], other!)).toThrow("VM 'vm2' is none of these")
  expect(() => appendVm([vm!], { ...vm! })).toThrow("VM 'vm1' is one of these")
})
