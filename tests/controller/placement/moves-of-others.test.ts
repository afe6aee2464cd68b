// A host is emptied, or dies, while somebody else moves VMs to it and away from it.

import { describe, expect, test } from 'vitest'
import { MILLISECOND, SECOND } from '../../../runtime/clock.ts'
import { seeded } from '../../../runtime/random.ts'
import { controlledFleet, threeHosts, type ControlledFleet } from '../../support/controlled-fleet.ts'

const vmsAt = ({ controller }: ControlledFleet, at: string) =>
  controller.topology.vms.flatMap(({ name, host }) => (host === at ? name : []))

/** Until the guest goes on at the destination of the first move; what is left behind is not tidied up yet. */
async function untilResumed({ controller, clock }: ControlledFleet): Promise<void> {
  await clock.run(clock.now() + 9 * MILLISECOND)
  while (controller.migrations()[0]!.resumedAt === undefined) await clock.run(clock.now() + 1000)
}

describe('a drain', () => {
  test.each([1, 2, 3, 4, 5])(
    'that says it is done leaves nobody at the host, nor on the way there (seed %i)',
    async (seed) => {
      const random = seeded(seed)
      const fleet = await controlledFleet(threeHosts())
      const { controller, settle, clock } = fleet
      for (const vm of ['a', 'b', 'c', 'd']) {
        const to = `h${1 + random.below(3)}`
        if (random.below(4) > 0) controller.migrate({ vm, to, pause: random.below(20) * MILLISECOND })
        await clock.run(clock.now() + random.below(5) * MILLISECOND)
      }
      const { id } = await settle(controller.relocations.drain('h1', { pause: MILLISECOND }))
      expect((await settle(controller.relocations.done(id))).state).toBe('done')
      expect(vmsAt(fleet, 'h1')).toEqual([])
      await clock.run(clock.now() + SECOND)
      expect(vmsAt(fleet, 'h1')).toEqual([])
    },
  )

  test('waits for a VM that is on its way to the host, and moves it on', async () => {
    const fleet = await controlledFleet(threeHosts())
    const { controller, settle, clock } = fleet
    controller.migrate({ vm: 'b', to: 'h1', pause: 10 * MILLISECOND })
    const { id } = await settle(controller.relocations.drain('h1', { pause: MILLISECOND }))
    const { state, moves } = await settle(controller.relocations.done(id))
    expect({ state, vms: moves.map(({ vm }) => vm).sort() }).toEqual({ state: 'done', vms: ['a', 'b', 'c'] })
    await clock.run(clock.now() + SECOND)
    expect(vmsAt(fleet, 'h1')).toEqual([])
  })

  test('leaves alone a VM that is leaving already, and can be aborted meanwhile', async () => {
    const { controller, settle } = await controlledFleet(threeHosts())
    const leaving = controller.migrate({ vm: 'a', to: 'h2', pause: 10 * MILLISECOND })
    const { id } = await settle(controller.relocations.drain('h1', { pause: MILLISECOND }))
    expect(await settle(controller.relocations.done(id))).toMatchObject({ state: 'done' })
    expect(controller.migrations().filter(({ vm }) => vm === 'a')).toMatchObject([{ id: leaving.id, state: 'done' }])
    const back = controller.migrate({ vm: 'a', to: 'h3', pause: SECOND })
    const second = await settle(controller.relocations.drain('h2', { pause: MILLISECOND }))
    expect(await settle(controller.relocations.abort(second.id))).toMatchObject({ state: 'aborted' })
    expect(controller.migrations().find(({ id: one }) => one === back.id)?.endedAt).toBeUndefined()
  })
})

describe('a failover', () => {
  test('restarts a VM that was going on there, though its move had not ended', async () => {
    const fleet = await controlledFleet(threeHosts())
    const { controller, settle, switches, clock, guests } = fleet
    controller.migrate({ vm: 'a', to: 'h2', pause: 10 * MILLISECOND })
    await untilResumed(fleet)
    switches.get('h2/br-int')!.hangUp()
    await clock.run(clock.now() + 10_000)
    const { id } = await settle(controller.relocations.failover('h2'))
    expect(await settle(controller.relocations.done(id))).toMatchObject({ state: 'done' })
    await clock.run(clock.now() + 20 * SECOND)
    expect(vmsAt(fleet, 'h2')).toEqual([])
    const at = controller.topology.vms.find(({ name }) => name === 'a')!.host
    expect(guests.filter((line) => line.endsWith(` a at ${at}`)).at(-1)).toBe(`restart a at ${at}`)
  })

  test.each([0.1, 1, 5, 9])('leaves at its source a VM that was %f ms on its way there', async (span) => {
    const fleet = await controlledFleet(threeHosts())
    const { controller, settle, switches, clock, guests } = fleet
    controller.migrate({ vm: 'a', to: 'h2', pause: 10 * MILLISECOND })
    await clock.run(clock.now() + span * MILLISECOND)
    switches.get('h2/br-int')!.hangUp()
    await clock.run(clock.now() + 10_000)
    const { id } = await settle(controller.relocations.failover('h2'))
    const { state, moves } = await settle(controller.relocations.done(id))
    expect({ state, a: moves.find(({ vm }) => vm === 'a') }).toMatchObject({ state: 'done', a: { to: 'h1' } })
    await clock.run(clock.now() + 20 * SECOND)
    expect(vmsAt(fleet, 'h1')).toContain('a')
    expect(guests.some((line) => line.startsWith('restart a'))).toBe(false)
  })
})
