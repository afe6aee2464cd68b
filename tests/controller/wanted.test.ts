import { expect, test } from 'vitest'
import type { View } from '../../controller/network/view.ts'
import { EMPTY_IMAGE } from '../../controller/state/image.ts'
import { Wanted } from '../../controller/wanted.ts'
import { collect } from '../support/heap.ts'

test('no view outlives the time in which it is wanted or told', async () => {
  const { topology, moves, learned, memberships, assignments } = EMPTY_IMAGE
  const wanted = new Wanted({ topology, moves, learned, memberships }, assignments)
  const past: WeakRef<View>[] = []
  for (let change = 0; change < 50; change++) {
    past.push(new WeakRef(wanted.view))
    wanted.amend({ topology: { ...topology, name: `change ${change}` } })
    wanted.kept(wanted.view)
  }
  // What a WeakRef has given in a turn stays to its end.
  await new Promise((resolve) => setImmediate(resolve))
  collect()
  expect(past.filter((view) => view.deref() !== undefined)).toHaveLength(0)
})
