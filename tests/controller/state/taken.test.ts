// A controller whose file another process has: whatever it was doing, it does no more of it.

import { expect, test } from 'vitest'
import type { ControllerEvent } from '../../../controller/model.ts'
import { MILLISECOND, SECOND, sleep } from '../../../runtime/clock.ts'
import { threeHosts } from '../../support/controlled-fleet.ts'
import { LATENCY } from '../../support/fake-switch.ts'
import { RestartingFleet } from '../../support/restarting-fleet.ts'

const WHY = 'the file belongs to another process; this one changes nothing any more'

/** What can be seen of the controller's work, from without. */
const seenOf = (fleet: RestartingFleet) => ({
  contents: fleet.contents(),
  guests: new Map(fleet.guests),
  ended: [...fleet.controller.migrations(), ...fleet.controller.relocations.all()].filter(
    ({ endedAt }) => endedAt !== undefined,
  ),
})

/** The file is another process's as `work` comes to its write of this number. False where there are not so many. */
async function takenAt(batch: number, work: (fleet: RestartingFleet) => Promise<unknown>): Promise<boolean> {
  const fleet = await RestartingFleet.start(threeHosts())
  const { store, clock, controller } = fleet
  store.takenAt = store.written + batch
  const events: ControllerEvent[] = []
  let seen: ReturnType<typeof seenOf> | undefined
  controller.onSuperseded = () => {
    controller.subscribe((event) => events.push(event))
    // By then what had been said has arrived.
    clock.schedule(clock.now() + LATENCY, () => (seen = seenOf(fleet)))
  }
  const outcome = await fleet.settle(
    work(fleet).then(
      () => 'done',
      (error: Error) => error.message,
    ),
  )
  await clock.run(clock.now() + 10 * SECOND)
  if (store.written < store.takenAt) return false
  expect(seenOf(fleet)).toEqual(seen)
  expect(events.filter(({ type }) => type !== 'switch')).toEqual([])
  expect(controller.superseded).toBe(WHY)
  expect(fleet.log.filter((line) => line === WHY)).toEqual([WHY])
  expect(outcome).toMatch(/^done$|^the file belongs to another process/)
  await theNextFinishes(fleet)
  return true
}

/** The process that has the file brings to its end what was begun. */
async function theNextFinishes(fleet: RestartingFleet): Promise<void> {
  await fleet.restart()
  await fleet.settled()
  const { controller, guests } = fleet
  for (const { id } of controller.relocations.all()) await fleet.settle(controller.relocations.done(id))
  for (const { name, host, nics } of controller.topology.vms) {
    expect(guests.get(name)).toBe(host)
    for (const { id } of nics) expect(fleet.openAt(id)).toEqual([host])
  }
  expect(controller.migrations().every(({ endedAt }) => endedAt !== undefined)).toBe(true)
}

const move = async ({ controller }: RestartingFleet) => {
  const { id } = controller.migrate({ vm: 'a', to: 'h2', pause: 5 * MILLISECOND })
  await controller.migrationStarted(id)
  return controller.migrationDone(id)
}

/** Once both places hold. */
const moveBack = async (fleet: RestartingFleet) => {
  const { clock, controller } = fleet
  const undone = async () => {
    await sleep(clock, MILLISECOND)
    return Promise.all(controller.migrations().map(({ id }) => controller.abortMigration(id)))
  }
  await Promise.all([move(fleet), undone()])
}

/** The second waits for the first to end, and the third for its guest. */
const waiting = async ({ clock, controller }: RestartingFleet) => {
  const asked = [
    controller.migrate({ vm: 'a', to: 'h2', pause: 50 * MILLISECOND }),
    controller.migrate({ vm: 'a', to: 'h3' }),
    controller.migrate({ vm: 'c', to: 'h2', activation: ['timeout'], activationTimeout: 60 * SECOND }),
  ]
  const ends = asked.map(({ id }) => controller.migrationDone(id))
  const drained = controller.relocations.drain('h1').then(({ id }) => controller.relocations.done(id))
  const all = Promise.allSettled([...ends, drained])
  await sleep(clock, 20 * MILLISECOND)
  return { all }
}

const drain = async ({ controller: { relocations } }: RestartingFleet) =>
  relocations.done((await relocations.drain('h1')).id)

const failover = async ({ controller: { relocations } }: RestartingFleet) =>
  relocations.done((await relocations.failover('h1', true)).id)

const change = async ({ controller }: RestartingFleet) => {
  const { vms, ...topology } = threeHosts()
  await controller.apply({ ...topology, vms: vms.slice(1) })
}

test.each([
  ['a move', move, 1],
  ['a move on its way back', moveBack, 1],
  ['a drain', drain, 4],
  ['a failover', failover, 1],
  ['a change of the topology', change, 1],
] as const)('%s goes no further where another process has the file', async (_what, work, stride) => {
  let tried = 0
  while (await takenAt(1 + tried * stride, work)) tried++
  expect(tried).toBeGreaterThan(work === change ? 0 : 2)
})

test('whoever waits for a move that waits, for its turn or its guest, or for a drain that waits for them, hears of it', async () => {
  const fleet = await RestartingFleet.start(threeHosts())
  const { controller, store } = fleet
  const { all } = await fleet.settle(waiting(fleet))
  expect(controller.migrations().map(({ state }) => state)).toEqual(['switch-over', 'queued', 'switch-over'])
  store.takenAt = 0
  await expect(fleet.settle(controller.apply({ ...threeHosts(), name: 'other' }))).rejects.toThrow('the file belongs')
  const ends = (await fleet.settle(all)).map((end) => (end.status === 'rejected' ? String(end.reason) : end.status))
  expect(ends).toEqual(Array(4).fill(expect.stringContaining(WHY)))
  await theNextFinishes(fleet)
})
