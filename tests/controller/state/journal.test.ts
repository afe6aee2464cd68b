import { expect, test } from 'vitest'
import { State } from '../../../controller/state/state.ts'
import { VirtualClock } from '../../../runtime/virtual-clock.ts'
import { MemoryStore } from '../../support/memory-store.ts'

const MINUTE = 60_000_000_000
const operation = { by: 'ann', operation: 'add flows', arguments: [] }

/** A state that enters one operation each second of its clock, by which it tells the time. */
async function started(store = new MemoryStore()) {
  const clock = new VirtualClock()
  const wallTime = () => 1.7e12 + clock.now() / 1e6
  const state = await State.open(store, { clock, wallTime })
  const enter = async (count: number) => {
    for (let index = 0; index < count; index++) {
      await clock.run(clock.now() + 1e9)
      state.end(state.begin(operation), 'ok')
    }
    await state.save({ image: state.restored })
  }
  const numbers = async () => (await state.journal({ limit: 10_000 })).map(({ number }) => number).reverse()
  return { clock, state, store, enter, numbers }
}

test('the journal keeps the newest entries, as many as it may', async () => {
  const { clock, state, enter, numbers } = await started()
  await enter(1700)
  state.keepJournal({ entries: 100 })
  await clock.run(clock.now() + MINUTE)
  expect(await numbers()).toEqual(Array.from({ length: 100 }, (_, index) => 1601 + index))
  expect(await state.forgotten()).toEqual({ through: 1600, at: 1.7e12 + 1600e3 })
  await enter(30)
  await clock.run(clock.now() + MINUTE)
  expect((await numbers())[0]).toBe(1631)
})

test('the journal keeps what is young enough, and what is under way however old', async () => {
  const { clock, state, enter, numbers, store } = await started()
  const open = state.begin(operation)
  await enter(120)
  state.keepJournal({ age: 60_000 })
  await clock.run(clock.now() + MINUTE)
  expect((await numbers())[0]).toBe(open)
  state.end(open, 'ok')
  await enter(60)
  await clock.run(clock.now() + MINUTE)
  const kept = await numbers()
  expect(kept.length).toBeLessThanOrEqual(61)
  // With nothing left of it, numbers go on where they were.
  await clock.run(clock.now() + 5 * MINUTE)
  expect(await numbers()).toEqual([])
  const again = await State.open(store, { clock })
  expect(again.begin(operation)).toBe(kept.at(-1)! + 1)
})

test('what is under way is found at the next start, however many entries came after it', async () => {
  const { state, enter, store, clock } = await started()
  const open = state.begin(operation)
  await enter(1500)
  const again = await State.open(store, { clock })
  expect(again.interrupted).toEqual([open])
})
