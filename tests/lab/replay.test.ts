import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { replay } from '../../lab/replay.ts'
import { seeded } from '../../runtime/random.ts'
import { randomScenario } from '../support/random-scenarios.ts'

const folder = mkdtempSync(join(tmpdir(), 'replay-'))
afterAll(() => rmSync(folder, { recursive: true }))

test.each([1, 2, 3, 4])('a replay is a pure function of scenario and seed (seed %i)', async (seed) => {
  const scenario = randomScenario(seeded(seed), folder)
  const [first, second] = [await replay(scenario), await replay(scenario)]
  expect(first.verdict.frames.delivered).toBeGreaterThan(0)
  expect(second).toEqual(first)
})
