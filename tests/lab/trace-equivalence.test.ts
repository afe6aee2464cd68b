// A guest can not tell from what it hears that it, or another, has been moved, alone, in the place of another, or since its host was emptied: the
// frames are the same, only later. To try others, set FIRST_SEED and CASES.

import { expect, test } from 'vitest'
import { seeded } from '../../runtime/random.ts'
import { play, randomTalk, type Heard } from '../support/talking-guests.ts'
import { seeds } from '../support/seeds.ts'

const SEEDS = seeds(3)

const told = { frames: 0, moves: 0, filtered: 0, rejected: 0 }

const plain = (heard: Heard) => Object.fromEntries([...heard].map(([nic, of]) => [nic, Object.fromEntries(of)]))

test.each(SEEDS)('guests hear the same with moves as without (seed %i)', async (seed) => {
  const scenario = randomTalk(seeded(seed))
  const still = await play(scenario, [])
  const moving = await play(scenario, scenario.moves)
  const clean = { lost: 0, duplicated: 0, reordered: 0, leaked: 0, held: 0 }
  expect(still.lab.judge.frames).toMatchObject(clean)
  expect({ leaks: moving.lab.judge.leaks, losses: moving.lab.judge.losses }).toEqual({ leaks: [], losses: [] })
  expect(moving.lab.judge.frames).toMatchObject(clean)
  expect([still.lab.judge.rejections.missing, moving.lab.judge.rejections.missing]).toEqual([0, 0])
  expect(plain(moving.heard)).toEqual(plain(still.heard))
  told.frames += still.lab.judge.frames.delivered
  told.moves += moving.moved
  told.rejected += still.lab.judge.rejections.heard + moving.lab.judge.rejections.heard
  told.filtered += still.lab.judge.frames.dropped['security_group'] ?? 0
})

test('there was something to hear, to move and to filter', () => {
  expect(told.frames).toBeGreaterThan(SEEDS.length * 100)
  expect(told.moves).toBeGreaterThan(SEEDS.length / 2)
  expect(told.filtered).toBeGreaterThan(SEEDS.length)
  expect(told.rejected).toBeGreaterThan(SEEDS.length / 2)
})
