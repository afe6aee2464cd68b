import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test, vi } from 'vitest'
import type { ControllerEvent } from '../../controller/model.ts'
import { Flights } from '../../datapath/emulator/flights.ts'
import { Lab } from '../../lab/lab.ts'
import { Party } from '../../lab/party.ts'
import { replay, type ReplayOptions } from '../../lab/replay.ts'
import { ALL_TABLES } from '../../protocols/control/messages.ts'
import { seeded } from '../../runtime/random.ts'
import type { Scenario } from '../../topologies/scenario.ts'
import { addQueues, randomScenario } from '../support/random-scenarios.ts'
import { seeds } from '../support/seeds.ts'

const folder = mkdtempSync(join(tmpdir(), 'replay-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** Verdict and digest, what the controller told of, and every counter of every switch. */
async function outcome(scenario: Scenario, options: ReplayOptions) {
  const start = Lab.start.bind(Lab)
  const events: ControllerEvent[] = []
  let lab: Lab | undefined
  const watched = vi.spyOn(Lab, 'start').mockImplementation(async (...args) => {
    lab = await start(...args)
    lab.subscribe((event) => events.push(event))
    return lab
  })
  const result = await replay(scenario, options)
  watched.mockRestore()
  const counters = [...lab!.network.switches()].map(([name, { switch: bridge }]) => ({
    name,
    ports: bridge.ports.statistics(),
    flows: [...bridge.tables.statistics({ table: ALL_TABLES, match: [], cookie: 0n, cookieMask: 0n })],
    tables: bridge.tables.tableStatistics(),
    drops: bridge.drops,
  }))
  return { result, events, counters }
}

const SEEDS = seeds(8)

describe('frames in company come to what they come to alone', () => {
  const taken = vi.spyOn(Party.prototype, 'take')
  const flown = vi.spyOn(Flights.prototype, 'add')
  test.each(SEEDS)('seed %i', async (seed) => {
    const scenario = randomScenario(seeded(seed), folder)
    const together = await outcome(scenario, {})
    const alone = await outcome(scenario, { frameByFrame: true })
    expect(together.result.verdict.frames.delivered).toBeGreaterThan(0)
    expect(together).toEqual(alone)
  })
  test.each(seeds(2))('with queues, seed %i', async (seed) => {
    const scenario = randomScenario(seeded(1000 + seed), folder)
    addQueues(seeded(seed), scenario.topology)
    const together = await outcome(scenario, {})
    expect(together).toEqual(await outcome(scenario, { frameByFrame: true }))
    expect(together.result.verdict.frames).toMatchObject({ leaked: 0, duplicated: 0 })
  })
  test('there were such frames', () => {
    expect(taken.mock.calls.length).toBeGreaterThan(SEEDS.length * 50)
    expect(flown.mock.results.filter(({ value }) => value === true).length).toBeGreaterThan(SEEDS.length * 10)
  })
})
