import { expect, test } from 'vitest'
import { PersistentMap } from '../../../controller/persistent-map.ts'
import { type FlowsByKey, type Shared, SwitchFlows } from '../../../controller/reconcile/switch-flows.ts'
import { flowKey } from '../../../controller/reconcile/switch-state.ts'
import type { FlowSpec } from '../../../protocols/control/messages.ts'
import type { Random } from '../../../runtime/random.ts'
import { seeded } from '../../../runtime/random.ts'
import { seeds } from '../../support/seeds.ts'

const KEYS = 24
const SLOTS = ['network one', 'network two']
const PLACES = 3

const flowOf = (priority: number, cookie: bigint): FlowSpec => ({
  table: 0,
  priority,
  match: [],
  cookie,
  idleTimeout: 0,
  hardTimeout: 0,
  flags: {},
  instructions: { apply: [], clear: false, write: [] },
})

/** By key, two that differ. */
const FLOWS = Array.from({ length: KEYS }, (_, priority) => [flowOf(priority, 0n), flowOf(priority, 1n)] as const)

/** Keys of a part are in no slot, and all others in one at most; a slot's own flows may stand before one that it shares. */
function drawn(random: Random): SwitchFlows {
  const own = SLOTS.map(() => new Map<string, FlowSpec>())
  const lists = SLOTS.map(() => Array.from({ length: random.below(PLACES + 1) }, () => emptyShared()))
  let part = emptyShared()
  for (const [index, either] of FLOWS.entries()) {
    const flow = () => either[random.below(2)]!
    const key = flowKey(either[0])
    const slot = random.below(SLOTS.length)
    const list = lists[slot]!
    if (index % 4 === 0) {
      if (random.below(2) === 0) part = part.set(key, flow())
      continue
    }
    if (list.length > 0 && random.below(3) > 0) {
      const place = random.below(list.length)
      list[place] = list[place]!.set(key, flow())
    }
    if (random.below(4) === 0) own[slot]!.set(key, flow())
  }
  const bySlot = PersistentMap.from<string, FlowsByKey>(SLOTS.map((name, slot) => [name, own[slot]!]))
  return new SwitchFlows(bySlot, { names: SLOTS, lists }, { names: ['part'], flows: [part] })
}

const emptyShared = (): Shared => PersistentMap.empty<string, FlowSpec>()

test.each(seeds(30))('what changes makes of the flows before those after, each key once (seed %i)', (seed) => {
  const random = seeded(seed)
  const [before, after] = [drawn(random), drawn(random)]
  const changes = after.changesSince(before)
  const patched = new Map(before)
  for (const [key, was, is] of changes) {
    expect(was).toBe(before.get(key))
    if (is === undefined) patched.delete(key)
    else patched.set(key, is)
  }
  expect(new Set(changes.map(([key]) => key)).size).toBe(changes.length)
  expect(patched).toEqual(new Map(after))
  expect(after.size).toBe(patched.size)
})
