// A topology is applied to hosts that are full, or are going to be.

import { expect, test } from 'vitest'
import { worseIn } from '../../../controller/placement/breaches.ts'
import { MILLISECOND } from '../../../runtime/clock.ts'
import type { Topology } from '../../../topologies/topology.ts'
import { controlledFleet, threeHosts } from '../../support/controlled-fleet.ts'

const withCapacity = (topology: Topology, name: string, capacity: number): Topology => ({
  ...topology,
  hosts: topology.hosts.map((host) => (host.name === name ? { ...host, capacity } : host)),
})

const withVm = (topology: Topology, name: string, host: string, antiAffinity?: string): Topology => ({
  ...topology,
  vms: [...topology.vms, { name, host, nics: [], ...(antiAffinity !== undefined && { antiAffinity }) }],
})

test('a VM that is on its way counts where it goes', async () => {
  const base = withCapacity(threeHosts(), 'h2', 2)
  const topology = { ...base, vms: base.vms.map((vm) => (vm.name === 'a' ? { ...vm, antiAffinity: 'web' } : vm)) }
  const { controller, settle, clock } = await controlledFleet(topology)
  const { id } = controller.migrate({ vm: 'a', to: 'h2', pause: 20 * MILLISECOND })
  await clock.run(clock.now() + 5 * MILLISECOND)
  await expect(settle(controller.apply(withVm(topology, 'e', 'h2')))).rejects.toThrow('h2 has room for 2 VMs')
  const rival = withVm(withCapacity(topology, 'h2', 3), 'e', 'h2', 'web')
  await expect(settle(controller.apply(rival))).rejects.toThrow(`both of 'web'`)
  await settle(controller.apply(withVm(topology, 'e', 'h3')))
  expect(await settle(controller.migrationDone(id))).toMatchObject({ state: 'done' })
})

test('a host that is too full may become less so, and not more', () => {
  const full = ['e', 'f', 'g'].reduce((topology, name) => withVm(topology, name, 'h2'), threeHosts())
  const running = withCapacity(full, 'h2', 2)
  const less = { ...running, vms: running.vms.filter(({ name }) => name !== 'f') }
  expect(worseIn(less, running, [])).toBeUndefined()
  expect(worseIn(running, running, [])).toBeUndefined()
  expect(worseIn(withVm(running, 'h', 'h2'), running, [])).toContain('would have 5')
  expect(worseIn(withCapacity(less, 'h2', 0), running, [])).toContain('room for 0')
})
