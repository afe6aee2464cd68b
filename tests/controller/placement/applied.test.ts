// A topology is applied to hosts that are full, or are going to be.

import { expect, test } from 'vitest'
import { worseIn } from '../../../controller/placement/breaches.ts'
import { MILLISECOND } from '../../../runtime/clock.ts'
import { seeded } from '../../../runtime/random.ts'
import type { Topology, Vm } from '../../../topologies/topology.ts'
import { controlledFleet, threeHosts } from '../../support/controlled-fleet.ts'
import { chance, pick } from '../../support/random-matches.ts'

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

/** Looks at every host. */
function worseAnywhere(after: Topology, before: Topology, coming: readonly { vm: string; to: string }[]): Set<string> {
  const breaches = ({ hosts, vms }: Topology) =>
    new Map(
      hosts.flatMap(({ name, capacity = Infinity }): [string, number][] => {
        const there = vms.filter(
          (vm) => vm.host === name || coming.some((other) => other.vm === vm.name && other.to === name),
        )
        const pairs = there.flatMap((a) => there.flatMap((b): [Vm, Vm][] => (a.name < b.name ? [[a, b]] : [])))
        const rivals = pairs.filter(([a, b]) => a.antiAffinity !== undefined && a.antiAffinity === b.antiAffinity)
        return [
          [`${name} has room for`, Math.max(0, there.length - capacity)],
          ...rivals.map(([a, b]): [string, number] => [`${a.name} ${b.name} at ${name}`, 1]),
        ]
      }),
    )
  const known = breaches(before)
  return new Set([...breaches(after)].filter(([of, by]) => by > (known.get(of) ?? 0)).map(([of]) => of))
}

test.each([1, 2, 3, 4])('to look at hosts that change finds what to look at all does (seed %i)', (seed) => {
  const random = seeded(seed)
  const names = ['h1', 'h2', 'h3', 'h4']
  let found = 0
  const changed = (vm: Vm): Vm =>
    chance(random, 0.8)
      ? vm
      : { ...vm, host: pick(random, names), ...(chance(random, 0.5) && { antiAffinity: pick(random, ['web', 'db']) }) }
  for (let round = 0; round < 300; round++) {
    const base = threeHosts()
    const [host] = base.hosts
    const before: Topology = {
      ...base,
      hosts: names.map((name) => ({ ...host!, name, capacity: random.below(4) })),
      vms: Array.from({ length: 8 }, (_, index) => changed({ name: `v${index}`, host: pick(random, names), nics: [] })),
    }
    const after: Topology = {
      ...before,
      hosts: before.hosts.map((one) => (chance(random, 0.1) ? { ...one, capacity: random.below(4) } : one)),
      vms: before.vms.filter(() => chance(random, 0.95)).map(changed),
    }
    const coming = chance(random, 0.5) ? [{ vm: `v${random.below(8)}`, to: pick(random, names) }] : []
    const worse = worseIn(after, before, coming)
    expect(worse !== undefined, `round ${round}: ${worse}`).toBe(worseAnywhere(after, before, coming).size > 0)
    if (worse !== undefined) found++
  }
  expect(found).toBeGreaterThan(20)
  expect(found).toBeLessThan(280)
})
