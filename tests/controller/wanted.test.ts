import { expect, test } from 'vitest'
import type { Move } from '../../controller/network/intent.ts'
import type { View } from '../../controller/network/view.ts'
import { EMPTY_IMAGE } from '../../controller/state/image.ts'
import { Wanted } from '../../controller/wanted.ts'
import { threeHosts } from '../support/controlled-fleet.ts'
import { fewerThanChained, held } from '../support/heap.ts'

test('no view outlives the time in which it is wanted or told', async () => {
  const { topology, moves, formerHosts, learned, memberships, assignments } = EMPTY_IMAGE
  const wanted = new Wanted({ topology, moves, formerHosts, learned, memberships }, assignments)
  const past: WeakRef<View>[] = []
  for (let change = 0; change < 50; change++) {
    past.push(new WeakRef(wanted.view))
    wanted.amend({ topology: { ...topology, name: `change ${change}` } })
    wanted.snapshot().kept()
  }
  expect(await held(past)).toBeLessThan(fewerThanChained(past))
})

test('the end of a move that was told ahead of the disk stays told when what was wanted before is kept', () => {
  const { formerHosts, learned, memberships, assignments } = EMPTY_IMAGE
  const move = (to: string): Move => ({ to, stage: 'collecting', homeState: 'hold', targetState: 'hold' })
  const moves = new Map([['b', move('h1')]])
  const wanted = new Wanted({ topology: threeHosts(), moves, formerHosts, learned, memberships }, assignments)
  const stagesOf = () => [...wanted.told.intent.moves].map(([vm, { to }]) => `${vm} to ${to}`)
  const before = wanted.snapshot()
  wanted.amend({ moves: new Map() })
  wanted.tell('b')
  expect(stagesOf()).toEqual([])
  before.kept()
  expect(stagesOf()).toEqual([])
  // Its next move is told once that is kept, and not with what was wanted before.
  wanted.amend({ moves: new Map([['b', move('h3')]]) })
  before.kept()
  expect(stagesOf()).toEqual([])
  wanted.snapshot().kept()
  expect(stagesOf()).toEqual(['b to h3'])
  wanted.amend({ moves: new Map() })
  wanted.snapshot().kept()
  expect(stagesOf()).toEqual([])
})
