// VMs that a topology puts where they were not: the physical network has learned another place of them, and they say nothing.

import { expect, test } from 'vitest'
import type { MigrationStatus } from '../../controller/model.ts'
import { State } from '../../controller/state/state.ts'
import { Lab } from '../../lab/lab.ts'
import { MICROSECOND, MILLISECOND, SECOND, sleep } from '../../runtime/clock.ts'
import { StateError, type StoredEntry } from '../../runtime/store.ts'
import { VirtualClock } from '../../runtime/virtual-clock.ts'
import { parseTopology } from '../../topologies/load.ts'
import type { Topology } from '../../topologies/topology.ts'
import { blueGuest } from '../support/blue-guests.ts'
import { MemoryStore } from '../support/memory-store.ts'
import { frameOf } from '../support/timed-traffic.ts'

type Places = Record<'vm1' | 'vm2', string | undefined>

/** Of two guests of a VLAN, those that have a place are there. */
function placed(places: Places): Topology {
  const hosts = Object.values(places)
  return parseTopology(
    JSON.stringify({
      version: 1,
      hosts: ['h1', 'h2', 'h3'].map((name) => ({ name })),
      networks: [{ name: 'blue', type: 'vlan', segment: 10 }],
      vms: Object.keys(places).flatMap((name, index) =>
        hosts[index] === undefined ? [] : [blueGuest(name, hosts[index], index + 1, [`10.0.0.${index + 1}`], {})],
      ),
    }),
    'placed.json',
  )
}

/** vm1 at h1 and vm2 at h2, who has spoken. */
async function running(store = new MemoryStore()) {
  const clock = new VirtualClock()
  const open = (kept: MemoryStore) =>
    State.open(kept, { clock, log: () => {}, wallTime: () => 1.7e12 + clock.now() / MILLISECOND })
  const heard: string[] = []
  const observer = { heard: (_at: number, nic: string) => void heard.push(nic) }
  const state = await open(store)
  const lab = await Lab.start(placed({ vm1: 'h1', vm2: 'h2' }), { clock, seed: 1, observer, state })
  let number = 0
  const passes = (span: number) => clock.run(clock.now() + span)
  const say = async (from: number, to: number) => {
    heard.length = 0
    lab.inject(`vm${from}:eth0`, frameOf({ at: 0, from, to, payload: 64 }, number++), 'test')
    await passes(10 * MILLISECOND)
    return [...heard]
  }
  /** Who has come is announced right after. */
  const apply = async (places: Places) => {
    await clock.runUntil(lab.changes.apply(placed(places)))
    await passes(10 * MILLISECOND)
  }
  /** The controller is killed, and starts again with what it has kept: a copy of which it goes on with. */
  const restart = async () => {
    store.kill()
    lab.fail({ kind: 'controller' })
    await passes(5 * MILLISECOND)
    const kept = new MemoryStore(store)
    lab.restartController(await open(kept))
    lab.heal({ kind: 'controller' })
    await passes(2 * SECOND)
    return kept
  }
  await say(2, 1)
  return { clock, lab, say, apply, passes, restart, open }
}

const keysNoted = (entries: readonly StoredEntry[]) =>
  entries.filter(({ kind }) => kind === 'arrival').map(({ key }) => key)

test('one that has gone, and comes back at another host, is found there', async () => {
  const { say, apply } = await running()
  await apply({ vm1: 'h1', vm2: undefined })
  await apply({ vm1: 'h1', vm2: 'h3' })
  expect(await say(1, 2)).toEqual(['vm2:eth0'])
})

test('one whose host is away is found there once it has come back, however late', async () => {
  const { lab, say, apply, passes } = await running()
  lab.fail({ kind: 'host', host: 'h3' })
  await apply({ vm1: 'h1', vm2: 'h3' })
  await passes(40 * SECOND)
  lab.heal({ kind: 'host', host: 'h3' })
  await passes(SECOND)
  expect(await say(1, 2)).toEqual(['vm2:eth0'])
})

test('one that is not announced yet as the controller is killed is announced by the next, and by none after it', async () => {
  const { lab, say, apply, passes, restart, open } = await running()
  lab.fail({ kind: 'host', host: 'h3' })
  await apply({ vm1: 'h1', vm2: 'h3' })
  await passes(70 * SECOND)
  const kept = await restart()
  await passes(40 * SECOND)
  expect((await open(new MemoryStore(kept))).restored.arrivals).toEqual(new Map([['vm2', 'h3']]))
  lab.heal({ kind: 'host', host: 'h3' })
  await passes(3 * SECOND)
  expect(await say(1, 2)).toEqual(['vm2:eth0'])
  expect((await open(new MemoryStore(kept))).restored.arrivals).toEqual(new Map())
})

test('one that the disk did not take is not announced', async () => {
  const store = new MemoryStore()
  const { clock, lab, passes } = await running(store)
  store.full = true
  await expect(clock.runUntil(lab.controller.apply(placed({ vm1: 'h1', vm2: 'h3' })))).rejects.toThrow(StateError)
  store.full = false
  await clock.runUntil(lab.controller.apply(placed({ vm1: 'h3', vm2: 'h2' })))
  expect(keysNoted(await store.load())).toEqual(['vm1'])
  await passes(3 * SECOND)
  expect(keysNoted(await store.load())).toEqual([])
})

test('one whose host is away is announced there though the disk did not take that it is elsewhere, later', async () => {
  const store = new MemoryStore()
  const { clock, lab, say, apply, passes } = await running(store)
  lab.fail({ kind: 'host', host: 'h3' })
  await apply({ vm1: 'h1', vm2: 'h3' })
  await passes(3 * SECOND)
  store.full = true
  await expect(clock.runUntil(lab.controller.apply(placed({ vm1: 'h2', vm2: 'h2' })))).rejects.toThrow(StateError)
  store.full = false
  await passes(3 * SECOND)
  expect((await store.load()).filter(({ kind }) => kind === 'arrival')).toEqual([
    { kind: 'arrival', key: 'vm2', value: 'h3' },
  ])
  lab.heal({ kind: 'host', host: 'h3' })
  await passes(3 * SECOND)
  expect(await say(1, 2)).toEqual(['vm2:eth0'])
  expect(keysNoted(await store.load())).toEqual([])
})

test.each([500, 750, 1000, 1250])(
  'a guest that leaves does not stand still for one that comes, and whose host fails %i us later',
  async (later) => {
    const { clock, lab, apply } = await running()
    await apply({ vm1: 'h1', vm2: 'h3' })
    const [leaves, comes] = [
      lab.controller.migrate({ vm: 'vm1', to: 'h2', pause: 0 }),
      lab.controller.migrate({ vm: 'vm2', to: 'h1', pause: 0 }),
    ]
    const ends = Promise.all([leaves, comes].map(({ id }) => lab.controller.migrationDone(id)))
    await clock.runUntil(sleep(clock, later * MICROSECOND))
    lab.fail({ kind: 'host', host: 'h3' })
    const [{ pausedAt, resumedAt }] = (await clock.runUntil(ends)) as [MigrationStatus, MigrationStatus]
    expect(resumedAt! - pausedAt!).toBeLessThan(200 * MILLISECOND)
  },
)
